"""One suite for every journal: what `hub.core.ports.Journal` promises, in memory and in SQLite."""

import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hub.core import ids
from hub.core.errors import BadRequest
from hub.core.events import Failure, LogBody, State
from hub.core.job import JobState, reduce
from hub.core.ports import Batch, EventFilter, JobFilter, Journal, Key, Project
from hub.journal.memory import MemoryJournal
from hub.journal.sqlite import SqliteJournal
from tests.fakes import event, job_body, log_body, progress_body, stage_body

PROJECT = Project(id="p", name="P", created=1, url="https://example.org/p.git")


@pytest.fixture(params=["memory", "sqlite"])
def reopen(request: pytest.FixtureRequest, tmp_path: Any) -> Callable[[], Journal]:
    """Makes a journal over the same store each time it is called."""
    if request.param == "memory":
        store = MemoryJournal()
        return lambda: store
    return lambda: SqliteJournal(tmp_path / "journal.sqlite3")


@pytest.fixture
async def journal(reopen: Callable[[], Journal]) -> Any:
    journal = reopen()
    await journal.open(recent_jobs=3)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(journal.close)
        yield journal


def job_of(*events: Any) -> JobState:
    state = None
    for each in events:
        state = reduce(state, each)
    assert state is not None
    return state


async def test_the_epoch_stays_as_long_as_the_store(reopen: Callable[[], Journal]) -> None:
    first = reopen()
    epoch = await first.open(recent_jobs=3)
    await first.close()
    second = reopen()
    assert await second.open(recent_jobs=3) == epoch
    await second.close()


async def test_what_was_committed_is_found_again(reopen: Callable[[], Journal]) -> None:
    events = [event(1, job_body()), event(2, stage_body()), event(4, log_body("héllo \U0001f600"))]
    state = job_of(*events[:2], event(3, progress_body(12.5, 7)), events[2])
    first = reopen()
    await first.open(recent_jobs=3)
    await first.add_project(PROJECT)
    await first.commit(Batch(events=tuple(events), jobs=(state,), reserved={"p": 1000}))
    await first.close()

    second = reopen()
    await second.open(recent_jobs=3)
    (opened,) = await second.projects()
    assert opened.project == PROJECT
    assert (opened.head, opened.floor) == (1001, 0)
    assert opened.jobs == (state,)
    assert await second.events("p", 0, 1000, 100) == events
    assert await second.job("j1") == state
    await second.close()


async def test_events_are_read_in_order_within_bounds(journal: Journal) -> None:
    await journal.add_project(PROJECT)
    events = [event(seq, log_body(str(seq)), job="a" if seq % 2 else "b") for seq in range(1, 11)]
    await journal.commit(Batch(events=tuple(events)))
    assert [e.seq for e in await journal.events("p", 3, 8, 100)] == [4, 5, 6, 7, 8]
    assert [e.seq for e in await journal.events("p", 3, 8, 2)] == [4, 5]
    assert [e.seq for e in await journal.events("p", 0, 10, 100, job="a")] == [1, 3, 5, 7, 9]
    assert await journal.events("nobody", 0, 10, 100) == []


async def test_history_pages_from_the_newest(journal: Journal) -> None:
    await journal.add_project(PROJECT)
    await journal.commit(Batch(events=tuple(event(seq, log_body()) for seq in range(1, 8))))
    seen, cursor = [], None
    while True:
        page = await journal.history(EventFilter(project="p", types=("log",)), 3, cursor)
        assert page.total == 7
        seen += [e.seq for e in page.items]
        if (cursor := page.next) is None:
            break
    assert seen == [7, 6, 5, 4, 3, 2, 1]
    with pytest.raises(BadRequest):
        await journal.history(EventFilter(project="p"), 3, "x'; DROP TABLE events")


async def test_jobs_page_from_the_newest_and_filter(journal: Journal) -> None:
    await journal.add_project(PROJECT)
    jobs = [job_of(event(n, job_body(State.SUCCEEDED if n % 2 else State.FAILED), job=f"job{n}")) for n in range(1, 8)]
    await journal.commit(Batch(jobs=tuple(jobs)))
    first = await journal.jobs(JobFilter(project="p"), 4, None)
    rest = await journal.jobs(JobFilter(project="p"), 4, first.next)
    assert [job.id for job in (*first.items, *rest.items)] == [f"job{n}" for n in range(7, 0, -1)]
    assert (first.total, rest.next) == (7, None)
    failed = await journal.jobs(JobFilter(states=(State.FAILED,)), 10, None)
    assert [job.id for job in failed.items] == ["job6", "job4", "job2"]


async def test_start_finds_live_jobs_and_the_newest_ended(reopen: Callable[[], Journal]) -> None:
    journal = reopen()
    await journal.open(recent_jobs=2)
    await journal.add_project(PROJECT)
    ended = [job_of(event(n, job_body(State.FAILED), job=f"job{n}")) for n in range(1, 6)]
    live = job_of(event(9, job_body(State.RUNNING), job="job0"))
    await journal.commit(Batch(jobs=(live, *ended)))
    (opened,) = await journal.projects()
    assert [job.id for job in opened.jobs] == ["job4", "job5", "job0"]
    await journal.close()


async def test_a_job_is_replaced_by_its_newer_state(journal: Journal) -> None:
    await journal.add_project(PROJECT)
    begun = job_of(event(1, job_body()))
    await journal.commit(Batch(jobs=(begun,)))
    newer = replace(begun, state=State.CANCELLED, seq=2)
    await journal.commit(Batch(jobs=(newer,)))
    assert await journal.job("j1") == newer


async def test_ended_jobs_are_forgotten_by_count_and_age_but_never_the_newest(journal: Journal) -> None:
    await journal.add_project(PROJECT)
    live = job_of(event(1, job_body(), job="j00"))
    made = [replace(live, id=f"j{n:02}", state=State.SUCCEEDED, ended=n * 100) for n in range(1, 9)]
    await journal.commit(Batch(jobs=(live, *made)))

    async def kept() -> list[str]:
        return [job.id for job in (await journal.jobs(JobFilter(), 100, None)).items]

    await journal.forget_jobs(keep=6, before_ms=0)
    assert await kept() == ["j08", "j07", "j06", "j05", "j04", "j03", "j00"]
    await journal.forget_jobs(keep=6, before_ms=501)
    assert await kept() == ["j08", "j07", "j06", "j00"]
    await journal.forget_jobs(keep=0, before_ms=10_000)
    assert await kept() == ["j08", "j07", "j06", "j00"]


async def test_pruning_by_count_and_age_raises_the_floor(journal: Journal) -> None:
    await journal.add_project(PROJECT)
    await journal.commit(Batch(events=tuple(event(seq, log_body()) for seq in range(1, 11))))
    assert await journal.prunable(events=6, before_ms=0) == {"p": 4}
    floors = await journal.prunable(events=6, before_ms=61)  # `at` is ten times the number
    assert floors == {"p": 6}
    await journal.prune(floors)
    assert [e.seq for e in await journal.events("p", 0, 100, 100)] == [7, 8, 9, 10]
    (opened,) = await journal.projects()
    assert opened.floor == 6
    assert await journal.prunable(events=6, before_ms=0) == {}


async def test_a_project_made_again_reuses_no_number(journal: Journal) -> None:
    await journal.add_project(PROJECT)
    await journal.commit(Batch(events=(event(1, job_body()),), reserved={"p": 500}))
    await journal.delete_project("p")
    assert await journal.projects() == []
    again = await journal.add_project(PROJECT)
    assert (again.head, again.floor) == (501, 501)
    assert await journal.events("p", 0, 1000, 10) == []


async def test_a_batch_of_a_deleted_project_is_no_error(journal: Journal) -> None:
    await journal.add_project(PROJECT)
    await journal.delete_project("p")
    await journal.commit(Batch(events=(event(1, job_body()),), jobs=(job_of(event(1, job_body())),)))
    assert await journal.job("j1") is None


async def test_idempotency_keys_are_remembered(journal: Journal) -> None:
    assert await journal.recall("k") is None
    first = Key(key="k", fingerprint="print", job=ids.job_id(), at=1)
    second = Key(key="k", fingerprint="print", job="job", at=2)
    await journal.commit(Batch(keys=(first,)))
    await journal.commit(Batch(keys=(second,)))
    assert await journal.recall("k") == second


async def test_a_commit_may_be_made_again(journal: Journal) -> None:
    await journal.add_project(PROJECT)
    first = event(1, job_body())
    batch = Batch(events=(first,), jobs=(job_of(first),), reserved={"p": 10})
    await journal.commit(batch)
    await journal.commit(batch)
    assert await journal.events("p", 0, 10, 10) == [first]


async def test_what_a_crash_has_forgotten_is_known_for_good(reopen: Callable[[], Journal]) -> None:
    """Progress is told before it is written, and a watcher may know more of it than the hub that comes back."""
    first = reopen()
    await first.open(recent_jobs=3)
    await first.add_project(PROJECT)
    await first.commit(Batch(reserved={"p": 1000}))
    await first.commit(Batch(events=(event(1, job_body()),), jobs=(job_of(event(1, job_body())),)))
    await first.commit(Batch(jobs=(job_of(event(1, job_body()), event(7, progress_body(5))),)))
    await first.close()
    second = reopen()
    await second.open(recent_jobs=3)
    (opened,) = await second.projects()
    assert (opened.head, [(lost.after, lost.upto) for lost in opened.lost]) == (1001, [(7, 1000)])
    assert opened.lost[0].jobs == opened.jobs
    assert opened.jobs[0].percent == 5
    await second.commit(Batch(reserved={"p": 2001}))
    await second.close()
    third = reopen()
    await third.open(recent_jobs=3)
    (opened,) = await third.projects()
    assert (opened.head, [(lost.after, lost.upto) for lost in opened.lost]) == (2002, [(7, 1000), (1001, 2001)])
    await third.prune({"p": 1000})
    (opened,) = await third.projects()
    assert [(lost.after, lost.upto) for lost in opened.lost] == [(1001, 2001)]
    await third.close()


async def test_a_hub_that_stops_in_order_has_forgotten_nothing(reopen: Callable[[], Journal]) -> None:
    first = reopen()
    await first.open(recent_jobs=3)
    await first.add_project(PROJECT)
    await first.commit(
        Batch(reserved={"p": 1000}, events=(event(1, job_body()),), jobs=(job_of(event(1, job_body())),))
    )
    await first.give_back({"p": 1})
    await first.close()
    second = reopen()
    await second.open(recent_jobs=3)
    assert [(opened.head, opened.lost) for opened in await second.projects()] == [(1, ())]
    await second.delete_project("p")
    again = await second.add_project(PROJECT)
    assert (again.head, again.floor, again.lost) == (2, 2, ())
    await second.close()


def _busy() -> Batch:
    """Events of every type, and jobs in many states."""
    events = [
        event(1, job_body(State.QUEUED)), event(2, job_body()), event(3, stage_body()), event(4, log_body("Über 100%")),
        event(5, log_body("it FAILED"), job="j2"), event(6, LogBody(level="error", message="a_b"), job="j2"),
        event(7, job_body(State.FAILED, error=Failure(code="x", message="Failed to Connect"))),
        event(8, job_body(State.SUCCEEDED), job="j2"),
    ]  # fmt: skip
    jobs = []
    for n, (kind, state) in enumerate([(kind, state) for kind in ("clone", "index") for state in State]):
        made = job_of(event(n + 1, job_body(State.RUNNING), job=f"k{n:02}"))
        ended = n * 100 + 50 if state.is_end else None
        jobs.append(replace(made, kind=kind, state=state, created=n * 100, started=n * 100 + 10, ended=ended))
    return Batch(events=tuple(events), jobs=tuple(jobs))


@pytest.mark.parametrize(
    ("fields", "seqs"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7, 8]),
        ({"job": "j2"}, [5, 6, 8]),
        ({"types": ("log", "stage")}, [3, 4, 5, 6]),
        ({"levels": ("error",)}, [6]),
        ({"levels": ("error", "info")}, [4, 5, 6]),
        ({"states": (State.FAILED, State.QUEUED)}, [1, 7]),
        ({"since": 40, "until": 60}, [4, 5, 6]),
        ({"text": "failed"}, [5, 7]),
        ({"text": "über"}, []),  # only A to Z have two sizes here
        ({"text": "Über"}, [4]),
        ({"text": "%"}, [4]),
        ({"text": "_"}, [6]),
        ({"text": "'"}, []),
        ({"job": "j2", "text": "FAILED", "types": ("log",), "since": 10}, [5]),
    ],
)
async def test_history_is_narrowed_by_what_is_asked(journal: Journal, fields: dict[str, Any], seqs: list[int]) -> None:
    await journal.add_project(PROJECT)
    await journal.commit(_busy())
    for oldest_first in (True, False):
        wanted = EventFilter(project="p", oldest_first=oldest_first, **fields)
        expected = seqs if oldest_first else seqs[::-1]
        page = await journal.history(wanted, 100, None)
        assert ([each.seq for each in page.items], page.total) == (expected, len(seqs))
        texts = [text async for part in journal.history_slices(wanted) for text in part]
        assert [json.loads(text) for text in texts] == [each.to_wire() for each in page.items]
        seen, cursor = [], None
        while True:
            page = await journal.history(wanted, 2, cursor)
            seen += [each.seq for each in page.items]
            if (cursor := page.next) is None:
                break
        assert seen == expected


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({}, 16),
        ({"kinds": ("index",)}, 8),
        ({"kinds": ("index", "sync"), "states": (State.FAILED, State.PAUSED)}, 2),
        ({"states": tuple(State)}, 16),
        ({"since": 400, "until": 600}, 3),
        ({"project": "nobody"}, 0),
    ],
)
async def test_jobs_are_narrowed_by_what_is_asked(journal: Journal, fields: dict[str, Any], count: int) -> None:
    await journal.add_project(PROJECT)
    await journal.commit(_busy())
    for oldest_first in (True, False):
        wanted = JobFilter(oldest_first=oldest_first, **fields)
        first = await journal.jobs(wanted, 2, None)
        rest = await journal.jobs(wanted, 100, first.next) if first.next else None
        found = [*first.items, *(rest.items if rest else ())]
        assert (len(found), first.total) == (count, count)
        assert [job.id for job in found] == sorted((job.id for job in found), reverse=not oldest_first)
        assert [job async for part in journal.job_slices(wanted) for job in part] == found


async def test_runs_are_what_has_ended_lately_newest_first(journal: Journal) -> None:
    await journal.add_project(PROJECT)
    await journal.commit(_busy())
    assert await journal.job_kinds(None, None) == [("p", "clone"), ("p", "index")]
    assert await journal.job_kinds("p", "index") == [("p", "index")]
    assert await journal.job_kinds("nobody", None) == []
    runs = await journal.runs("p", "index", 0)
    assert [run.state for run in runs] == ["interrupted", "cancelled", "failed", "succeeded"]
    newest = runs[0]
    assert (newest.created, newest.started, newest.ended, newest.held_ms, newest.held_at) == (1500, 1510, 1550, 0, None)
    assert (bool(newest.resumed), newest.seconds) == (False, 0.04)
    assert [stage["stage"] for stage in json.loads(newest.stages)] == ["fetch", "unpack"]
    assert len(await journal.runs("p", "index", 1450)) == 2


async def test_an_export_is_of_what_there_was_when_it_began(journal: Journal) -> None:
    await journal.add_project(PROJECT)
    await journal.commit(Batch(events=tuple(event(seq, log_body("x")) for seq in range(1, 1001))))
    slices = journal.history_slices(EventFilter(project="p", oldest_first=True))
    seen = [json.loads(text)["seq"] for text in await anext(slices)]
    await journal.commit(Batch(events=(event(1001, log_body("new")),)))
    await journal.prune({"p": 600})
    async for part in slices:
        seen += [json.loads(text)["seq"] for text in part]
    assert seen == [*range(1, seen.index(601) + 1), *range(601, 1001)]
    assert seen.index(601) < 600
