"""Lists of jobs go by when each was created: publishers choose ids as they like, and those do not sort by time."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from hub.core.errors import BadRequest
from hub.core.events import State
from hub.core.job import JobState
from hub.core.ports import Batch, JobFilter, Journal
from tests.contracts.test_journal import PROJECT, job_of, journal, reopen  # noqa: F401 - fixtures
from tests.fakes import event, job_body

BORN = {"z": 10, "m": 20, "b": 30, "c": 30, "a": 40}
"""When each was created; two in the same millisecond."""
OLDEST_FIRST = ["z", "m", "b", "c", "a"]


def ended(id_: str, seq: int, state: State = State.SUCCEEDED) -> JobState:
    return replace(job_of(event(seq, job_body(state), job=id_)), created=BORN[id_])


async def filled(journal: Journal) -> None:  # noqa: F811
    await journal.add_project(PROJECT)
    await journal.commit(Batch(jobs=tuple(ended(id_, seq) for seq, id_ in enumerate(BORN, 1))))


@pytest.mark.parametrize("oldest_first", [True, False])
@pytest.mark.parametrize("limit", [1, 2, 3, 5])
async def test_pages_go_by_time_and_hold_each_job_once(journal: Journal, oldest_first: bool, limit: int) -> None:  # noqa: F811
    await filled(journal)
    found: list[str] = []
    cursor = None
    while True:
        page = await journal.jobs(JobFilter(project="p", oldest_first=oldest_first), limit, cursor)
        assert page.total == len(BORN)
        found += [job.id for job in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert found == (OLDEST_FIRST if oldest_first else OLDEST_FIRST[::-1])


@pytest.mark.parametrize("oldest_first", [True, False])
async def test_slices_go_by_time_and_leave_out_what_comes_later(journal: Journal, oldest_first: bool) -> None:  # noqa: F811
    await filled(journal)
    found: list[str] = []
    async for part in journal.job_slices(JobFilter(oldest_first=oldest_first)):
        found += [job.id for job in part]
        late = replace(job_of(event(9, job_body(), job="A late one")), created=50)
        await journal.commit(Batch(jobs=(late,)))
    assert found == (OLDEST_FIRST if oldest_first else OLDEST_FIRST[::-1])


@pytest.mark.parametrize("cursor", ["", "a", "-", "10", "10-", "x-z", "10'-z", "9" * 19 + "-z"])
async def test_a_cursor_that_no_page_gave_out_is_refused(journal: Journal, cursor: str) -> None:  # noqa: F811
    with pytest.raises(BadRequest):
        await journal.jobs(JobFilter(), 10, cursor)


async def test_a_project_opens_with_its_jobs_oldest_first(reopen: Callable[[], Journal]) -> None:  # noqa: F811
    first = reopen()
    await first.open(recent_jobs=3)
    await filled(first)
    running = replace(job_of(event(8, job_body(), job="A")), created=35)
    await first.commit(Batch(jobs=(running,)))
    await first.close()
    second = reopen()
    await second.open(recent_jobs=3)
    (opened,) = await second.projects()
    assert [job.id for job in opened.jobs] == ["b", "c", "A", "a"]
    await second.close()
