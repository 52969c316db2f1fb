"""Pause and resume: nothing of the job moves, its place goes to others, and it comes back where it was."""

import asyncio
import contextlib
import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.core.errors import Conflict
from hub.core.events import State
from hub.jobs import turns
from tests.conftest import until
from tests.jobs.engines import CANCEL_S, Shop, _odd_kinds, alive, shop  # noqa: F401 - a fixture

STILL_S = 0.4
"""A job that ticks every hundredth of a second would have ticked forty times."""


@pytest.fixture
async def works(tmp_path: Path) -> AsyncIterator[Shop]:
    async with shop(tmp_path / "data", max_running=1) as made:
        yield made


def sizes(works: Shop, project: str = "p") -> list[int]:
    return [path.stat().st_size for path in sorted(works.engine.home(project).iterdir())]


async def refused(call, code: str) -> None:
    with pytest.raises(Conflict) as caught:
        await call
    assert caught.value.narrow_code == code


async def test_a_paused_job_and_all_it_started_stand_still_and_go_on(works: Shop) -> None:
    job = await works.submit("ticks", children=True)
    await until(lambda: works.states[job].progress and len(sizes(works)) == 2)
    told = await works.engine.pause(job)
    assert told.state is State.PAUSED
    before, count = sizes(works), len(works.events)
    await asyncio.sleep(STILL_S)
    assert sizes(works) == before
    assert len(works.events) == count
    await works.engine.resume(job)
    await until(lambda: all(now > then for now, then in zip(sizes(works), before, strict=True)))
    assert works.told(job) == ["queued 1", "running", "paused", "running"]
    state = works.states[job]
    assert state.held_at is None
    assert state.held_ms >= STILL_S * 900
    assert state.stages[0].held_ms == state.held_ms


async def test_a_run_is_not_stopped_in_the_middle_of_a_change(works: Shop) -> None:
    job = await works.submit("changer")
    for _ in range(5):
        await until(lambda: works.states[job].state is State.RUNNING and works.states[job].progress)
        await works.engine.pause(job)
        await until(functools.partial(is_stopped, await works.pid(job)))
        assert (works.engine.home("p") / "state").read_text() == "whole"
        await works.engine.resume(job)
    before = works.states[job].seq
    await until(lambda: works.states[job].seq > before + 3)


async def test_a_change_that_does_not_end_is_stopped_all_the_same(works: Shop) -> None:
    job = await works.submit("changer", lasts_s=20)
    await until((works.engine.home("p") / "state").exists)
    await works.engine.pause(job)
    await until(functools.partial(is_stopped, await works.pid(job)))


async def test_a_pause_that_is_taken_back_at_once_stops_nothing(works: Shop) -> None:
    job = await works.submit("changer", lasts_s=0.3)
    await until((works.engine.home("p") / "state").exists)
    for _ in range(10):
        await works.engine.pause(job)
        await works.engine.resume(job)
    before = works.states[job].seq
    await until(lambda: works.states[job].seq > before + 3)


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"


async def test_a_pause_is_no_time_at_work_for_rate_and_estimate(works: Shop) -> None:
    job = await works.submit("ticks")
    await until(lambda: (p := works.states[job].progress) and p.rate)
    await works.engine.pause(job)
    rate = works.states[job].progress.rate
    await asyncio.sleep(2.0)
    await works.engine.resume(job)
    count = len(works.bodies(job, "progress"))
    await until(lambda: len(works.bodies(job, "progress")) > count + 1)
    # Taken over the pause as well, the new samples would have brought it down by a quarter (2 s of 5 s half-life).
    assert works.states[job].progress.rate > rate * 0.9


async def test_pausing_and_resuming_twice_are_refused_with_the_reason(works: Shop) -> None:
    job, waiting = await works.submit("ticks"), await works.submit("ticks", "other")
    await refused(works.engine.resume(job), "not_paused")
    await refused(works.engine.resume(waiting), "not_paused")
    await works.engine.pause(waiting)
    await refused(works.engine.pause(waiting), "already_paused")
    await works.engine.pause(job)
    await refused(works.engine.pause(job), "already_paused")
    await works.engine.resume(job)
    await refused(works.engine.resume(job), "not_paused")
    await works.engine.cancel(job)
    await works.end(job)


async def test_a_job_that_is_ending_is_not_paused(works: Shop) -> None:
    job = await works.submit("deaf")
    await works.stage(job)
    await works.engine.cancel(job)
    await refused(works.engine.pause(job), "job_ending")
    assert (await works.end(job)).state is State.CANCELLED


async def test_a_job_paused_in_the_queue_lets_others_pass_and_is_not_started(works: Shop) -> None:
    first = await works.submit("ticks", "a")
    held, later = await works.submit("steps", "b"), await works.submit("steps", "c")
    assert (await works.engine.pause(held)).state is State.PAUSED
    assert works.states[held].queue is None
    await works.engine.cancel(first)
    assert (await works.end(later)).state is State.SUCCEEDED
    assert works.states[held].state is State.PAUSED
    await works.engine.resume(held)
    end = await works.end(held)
    assert (end.state, end.held_ms) == (State.SUCCEEDED, 0)


async def test_a_paused_run_gives_up_its_place_and_waits_for_one_when_resumed(works: Shop) -> None:
    first = await works.submit("ticks", "a")
    second = await works.submit("ticks", "b")
    third = await works.submit("ticks", "c")
    await works.stage(first)
    await works.engine.pause(first)
    await works.stage(second)
    assert (await works.engine.resume(first)).queue == 1  # older than the third: before it
    assert works.told(third)[-1] == "queued 2"
    assert works.states[first].state is State.QUEUED
    before = sizes(works, "a")
    await works.engine.pause(second)
    await works.until(first, "running")
    await until(lambda: sizes(works, "a") > before)
    assert works.told(third)[-1] == "queued 1"
    await works.engine.cancel(first)
    await works.until(third, "running")
    assert works.states[second].state is State.PAUSED


async def test_a_job_that_waits_for_its_turn_again_can_be_paused_again_and_cancelled(works: Shop) -> None:
    first = await works.submit("ticks", "a")
    await works.stage(first)
    await works.engine.pause(first)
    second = await works.submit("ticks", "b")
    await works.stage(second)
    await works.engine.resume(first)
    assert (await works.engine.pause(first)).state is State.PAUSED
    await works.engine.resume(first)
    assert works.told(first)[2:] == ["paused", "queued 1", "paused", "queued 1"]
    asked = time.monotonic()
    await works.engine.cancel(first)
    assert (await works.end(first)).state is State.CANCELLED
    assert time.monotonic() - asked < CANCEL_S


async def test_a_paused_run_keeps_its_project(works: Shop) -> None:
    """It may be in the middle of a change."""
    job = await works.submit("ticks")
    await works.stage(job)
    await works.engine.pause(job)
    same, other = await works.submit("steps"), await works.submit("steps", "other")
    assert (await works.end(other)).state is State.SUCCEEDED
    assert works.states[same].state is State.QUEUED
    await works.engine.cancel(job)
    assert (await works.end(same)).state is State.SUCCEEDED


async def test_a_job_paused_before_its_process_is_there_does_nothing_until_resumed(works: Shop) -> None:
    job = await works.submit("ticks")
    await works.engine.pause(job)
    await works.pid(job)
    await asyncio.sleep(STILL_S)
    assert not sizes(works)
    assert works.bodies(job, "stage") == []
    await works.engine.resume(job)
    await works.stage(job)


async def test_only_so_many_runs_are_paused_at_once(works: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "MOST_PAUSED", 1)
    first = await works.submit("ticks", "a")
    await works.stage(first)
    await works.engine.pause(first)
    second = await works.submit("ticks", "b")
    await works.stage(second)
    await refused(works.engine.pause(second), "too_many_paused")
    assert works.states[second].state is State.RUNNING


async def test_a_paused_child_that_is_killed_ends_its_job(works: Shop) -> None:
    job = await works.submit("ticks")
    await works.stage(job)
    await works.engine.pause(job)
    os.killpg(await works.pid(job), signal.SIGKILL)
    end = await works.end(job)
    assert end.error is not None
    assert (end.state, end.error.code) == (State.FAILED, "crashed")


async def test_a_hub_that_stops_ends_its_paused_runs_as_interrupted(tmp_path: Path) -> None:
    async with shop(tmp_path / "data", max_running=1) as works:
        job = await works.submit("ticks")
        held = await works.submit("steps", "other")
        await works.stage(job)
        group = await works.pid(job)
        await works.engine.pause(held)
        await works.engine.pause(job)
        await works.engine.stop()
        end = works.states[job]
        assert (end.state, end.held_at is not None) == (State.INTERRUPTED, True)
        assert not alive(group)
        assert works.states[held].state is State.PAUSED
    async with shop(tmp_path / "data", works.journal) as again:
        assert (await again.engine.state(held)).state is State.PAUSED
        await again.engine.resume(held)
        assert (await again.end(held)).state is State.SUCCEEDED
        assert job not in {event.job for event in again.events}  # somebody wanted it to stand still


HUB = """
import asyncio, sys
from pathlib import Path
from hub.jobs import process
from tests.jobs.engines import shop
process.PROGRAM = "tests.jobs.odd_child"
async def main():
    async with shop(Path(sys.argv[1])) as works:
        job = await works.submit("ticks", children=True)
        await works.stage(job)
        await works.engine.pause(job)
        print(await works.pid(job), flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


def test_a_paused_job_does_not_outlive_a_hub_that_is_killed(tmp_path: Path) -> None:
    """Stopped, its processes can't notice by themselves."""
    hub = subprocess.Popen([sys.executable, "-c", HUB, str(tmp_path / "data")], stdout=subprocess.PIPE, text=True)
    with hub:
        assert hub.stdout is not None
        group = int(hub.stdout.readline())
        assert alive(group)
        hub.kill()
    deadline = time.monotonic() + 5.0
    try:
        while alive(group):
            assert time.monotonic() < deadline, "still there"
            time.sleep(0.02)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


def test_the_time_of_a_pause_is_no_silence_of_the_server(child, server, engine) -> None:
    """At its end every clock of the machine has moved on by more than a server may be silent."""
    server.behaviour.bytes_per_s = 2_000_000.0
    run = child(f"{server.url}/heavy.git", params={"engine": engine}, rules={"silence_timeout_s": 3.0})
    run.wait_for(stage="receiving")
    run.wait_for(progress=...)
    os.killpg(run.process.pid, signal.SIGSTOP)
    time.sleep(4.5)
    os.killpg(run.process.pid, signal.SIGCONT)
    assert run.result()["objects"] > 0
