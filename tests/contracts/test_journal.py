"""One suite for every journal: what `hub.core.ports.Journal` promises, in memory and in SQLite."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hub.core import ids
from hub.core.errors import BadRequest
from hub.core.events import State
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
        page = await journal.history(EventFilter(project="p", type="log"), 3, cursor)
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
    failed = await journal.jobs(JobFilter(state=State.FAILED), 10, None)
    assert [job.id for job in failed.items] == ["job6", "job4", "job2"]


async def test_start_finds_live_jobs_and_the_newest_ended(reopen: Callable[[], Journal]) -> None:
    journal = reopen()
    await journal.open(recent_jobs=2)
    await journal.add_project(PROJECT)
    ended = [job_of(event(n, job_body(State.FAILED), job=f"job{n}")) for n in range(1, 6)]
    live = job_of(event(9, job_body(State.RUNNING), job="job0"))
    await journal.commit(Batch(jobs=(live, *ended)))
    (opened,) = await journal.projects()
    assert [job.id for job in opened.jobs] == ["job0", "job4", "job5"]
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
