"""The engine, over real children: turns, places, cancel in every stage, stalls, and what a job covers."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.core.errors import AlreadyRunning, Conflict, JobEnded, NotFound
from hub.core.events import State
from hub.core.job import JobState
from tests.conftest import until
from tests.fakes import job_body
from tests.jobs.engines import CANCEL_S, Shop, _odd_kinds, alive, shop  # noqa: F401 - a fixture
from tests.jobs.odd_kinds import HOSTILE


@pytest.fixture
async def works(tmp_path: Path) -> AsyncIterator[Shop]:
    async with shop(tmp_path / "data") as made:
        yield made


@pytest.fixture
def escaped(tmp_path: Path):
    """Ends the programs that a breeder has let out of its group."""
    yield
    for file in tmp_path.rglob("escaped"):
        for pid in file.read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)


async def test_a_job_runs_through_its_stages_to_its_result(works: Shop) -> None:
    job = await works.submit("steps", count=2)
    end = await works.end(job)
    assert (end.state, end.percent) == (State.SUCCEEDED, 100.0)
    assert works.told(job) == ["queued 1", "running", "succeeded"]
    assert [body.stage for body in works.bodies(job, "stage")] == ["one", "two"]
    assert end.result == {"places": [["p", str(works.engine.home("p"))]]}
    assert not list((works.folder / "work").iterdir())


async def test_a_kind_that_spans_covers_every_other_project_when_it_is_run_on_all(works: Shop) -> None:
    for name in ("zebra", "ant"):
        await works.project(name)
    end = await works.end(await works.submit("steps", project="all"))
    assert [place[0] for place in end.result["places"]] == ["ant", "zebra"]
    end = await works.end(await works.submit("steps", project="ant"))
    assert [place[0] for place in end.result["places"]] == ["ant"]


# -- turns ------------------------------------------------------------------------------------------------------------


async def test_every_change_of_a_place_in_the_queue_is_told(tmp_path: Path) -> None:
    async with shop(tmp_path / "data", max_running=1) as works:
        first, second, third, fourth = [await works.submit("ticks", project) for project in ("a", "b", "c", "d")]
        assert [works.told(job)[-1] for job in (second, third, fourth)] == ["queued 1", "queued 2", "queued 3"]
        await works.engine.cancel(second)
        await until(lambda: works.told(fourth)[-1] == "queued 2")
        await works.engine.pause(third)
        await until(lambda: works.told(fourth)[-1] == "queued 1")
        await works.engine.resume(third)
        await until(lambda: works.told(fourth)[-1] == "queued 2")
        assert works.told(third) == ["queued 2", "queued 1", "paused", "queued 1"]
        await works.engine.cancel(first)
        await works.until(third, "running")
        assert works.told(fourth)[-1] == "queued 1"


async def test_a_project_has_one_job_at_a_time_and_holds_up_nobody_else(works: Shop) -> None:
    first = await works.submit("ticks", "a")
    same = await works.submit("steps", "a")
    other = await works.submit("steps", "b")
    assert (await works.end(other)).state is State.SUCCEEDED
    assert works.states[same].state is State.QUEUED
    with pytest.raises(AlreadyRunning):
        await works.submit("steps", "a")
    await works.engine.cancel(first)
    assert (await works.end(same)).state is State.SUCCEEDED


async def test_jobs_have_their_turn_by_age(tmp_path: Path) -> None:
    async with shop(tmp_path / "data", max_running=1) as works:
        jobs = [await works.submit("steps", project, count=1) for project in "abcdef"]
        for job in jobs:
            await works.end(job)
        began = [event.job for event in works.events if getattr(event.body, "state", None) is State.RUNNING]
        assert began == jobs


# -- cancel -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_paused", [False, True], ids=["running", "paused"])
@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.usefixtures("escaped")
async def test_whatever_a_job_does_it_is_cancelled_within_two_seconds(works: Shop, kind: str, is_paused: bool) -> None:
    job = await works.submit(kind)
    await works.stage(job)
    group = await works.pid(job)
    if is_paused:
        await works.engine.pause(job)
    asked = time.monotonic()
    await works.engine.cancel(job)
    end = await works.end(job)
    assert time.monotonic() - asked < CANCEL_S
    assert end.state is State.CANCELLED
    await until(lambda: not alive(group))
    assert works.told(job)[-2:] == ["cancelling", "cancelled"]
    assert not (works.folder / "work" / job).exists()


async def test_a_job_is_cancelled_while_its_process_is_started(works: Shop) -> None:
    job = await works.submit("deaf")
    asked = time.monotonic()
    await works.engine.cancel(job)
    await works.engine.cancel(job)  # asking twice is fine
    assert (await works.end(job)).state is State.CANCELLED
    assert time.monotonic() - asked < CANCEL_S
    assert works.told(job) == ["queued 1", "running", "cancelling", "cancelled"]


async def test_what_is_over_or_unknown_cannot_be_cancelled(works: Shop) -> None:
    job = await works.submit("steps")
    await works.end(job)
    for ask in (works.engine.cancel, works.engine.pause, works.engine.resume):
        with pytest.raises(JobEnded):
            await ask(job)
        with pytest.raises(NotFound):
            await ask("nobody")


async def test_the_job_of_somebody_else_is_not_the_engines_to_stop(works: Shop) -> None:
    await works.project("p")
    works.ledger.publish("p", "theirs", "train", job_body())
    with pytest.raises(Conflict) as refused:
        await works.engine.cancel("theirs")
    assert refused.value.narrow_code == "outside_job"


@pytest.mark.usefixtures("escaped")
async def test_a_child_that_dies_ends_its_job_whoever_holds_its_output(works: Shop) -> None:
    """Programs that left its group keep its pipes open, and would keep whoever reads them waiting."""
    job = await works.submit("breeder")
    await works.stage(job)
    os.kill(await works.pid(job), signal.SIGKILL)
    end = await works.end(job, timeout_s=5.0)
    assert end.error is not None
    assert (end.state, end.error.code) == (State.FAILED, "crashed")


# -- stalls -----------------------------------------------------------------------------------------------------------


async def test_a_job_in_which_nothing_moves_is_told_of_and_then_ended(works: Shop) -> None:
    job = await works.submit("silent")
    told = await until(lambda: _stalled(works, job, 20))  # a child that takes long to start stands still before, too
    assert (told.state, told.progress.current, told.progress.eta_s, told.progress.rate) == (
        State.RUNNING, 20, None, None,
    )  # fmt: skip
    assert told.progress.stalled_s >= 0.5
    end = await works.end(job)
    assert end.error is not None
    assert (end.error.code, end.error.stage, end.to_wire()["stalled_s"]) == ("stalled", "one", None)


def _stalled(works: Shop, job: str, current: int) -> JobState | None:
    state = works.states.get(job)
    progress = state.progress if state else None
    return state if progress and progress.stalled_s and progress.current == current else None


async def test_the_newest_report_of_a_job_that_goes_silent_is_told(works: Shop) -> None:
    job = await works.submit("silent")
    body = await until(lambda: [body for body in works.bodies(job, "progress") if body.current == 20])
    assert body[0].stalled_s is None


async def test_a_counter_in_the_detail_is_movement(works: Shop) -> None:
    """One object of two gigabytes: objects stand still, bytes move."""
    job = await works.submit("same", moves_s=2.5)
    began = time.monotonic()
    end = await works.end(job)
    assert end.error is not None
    assert end.error.code == "stalled"
    assert time.monotonic() - began > 2.5 + 1.5


async def test_the_stall_clock_stands_still_in_a_pause(works: Shop) -> None:
    job = await works.submit("silent")
    await until(lambda: works.bodies(job, "progress"))
    await works.engine.pause(job)
    paused = time.monotonic()
    await asyncio.sleep(4.5)  # longer than it may stall
    assert works.states[job].state is State.PAUSED
    await works.engine.resume(job)
    end = await works.end(job)
    assert end.error is not None
    assert end.error.code == "stalled"
    assert end.held_ms >= (4.5 - 0.1) * 1000
    assert time.monotonic() - paused > 4.5
