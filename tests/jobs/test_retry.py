"""Retry: from the start, or with the work that was kept; and what a hub resumes by itself when it starts."""

import os
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from hub.core.errors import Conflict
from hub.core.events import State
from hub.jobs import recovery
from tests.conftest import until
from tests.jobs.engines import Shop, _odd_kinds, shop  # noqa: F401 - a fixture


@pytest.fixture
async def works(tmp_path: Path) -> AsyncIterator[Shop]:
    async with shop(tmp_path / "data") as made:
        yield made


async def failed(works: Shop, **params) -> str:
    job = await works.submit("keeper", then="fail", **params)
    assert (await works.end(job)).state is State.FAILED
    return job


async def again(works: Shop, job: str, *, from_stage: bool, **params):
    started = await works.engine.retry(job, await works.project(), params, from_stage=from_stage)
    return await works.end(started.id)


def kept(works: Shop) -> list[str]:
    return sorted(path.name for path in (works.folder / "kept").glob("*/*/*"))


async def test_a_retry_from_the_stage_finds_the_work_of_the_failed_run(works: Shop) -> None:
    job = await failed(works)
    assert (works.states[job].resumable, kept(works)) == (True, [job])
    end = await again(works, job, from_stage=True)
    assert end.result == {"resumed": True, "found": f"{job}\n"}
    assert (end.state, end.attempt, end.retry_of, end.resumed) == (State.SUCCEEDED, 2, job, True)
    assert kept(works) == []


async def test_a_retry_from_the_start_finds_nothing_and_nothing_is_left_for_a_later_one(works: Shop) -> None:
    job = await failed(works)
    end = await again(works, job, from_stage=False, then="succeed")
    assert (end.result, end.resumed) == ({"resumed": False, "found": None}, False)
    with pytest.raises(Conflict) as refused:
        await works.engine.retry(job, await works.project(), {}, from_stage=True)
    assert refused.value.narrow_code == "no_kept_work"


async def test_work_is_handed_on_from_retry_to_retry(works: Shop) -> None:
    first = await failed(works, again=True)
    second = await again(works, first, from_stage=True)
    assert (second.state, kept(works)) == (State.FAILED, [second.id])
    third = await again(works, second.id, from_stage=True, then="succeed")
    assert third.result is not None
    assert third.result["found"] == f"{first}\n{second.id}\n"


async def test_only_the_newest_run_of_a_project_and_kind_leaves_its_work(works: Shop) -> None:
    first, second = await failed(works), await failed(works)
    assert kept(works) == [second]
    with pytest.raises(Conflict):
        await works.engine.retry(first, await works.project(), {}, from_stage=True)
    other = await works.submit("keeper", "other", then="fail")
    await works.end(other)
    assert kept(works) == sorted([second, other])


async def test_a_kind_that_keeps_no_work_is_retried_from_the_start_only(works: Shop) -> None:
    job = await works.submit("silent")
    await works.stage(job)
    os.killpg(await works.pid(job), signal.SIGKILL)
    assert not (await works.end(job)).resumable
    with pytest.raises(Conflict):
        await works.engine.retry(job, await works.project(), {}, from_stage=True)


async def test_a_cancelled_run_leaves_nothing(works: Shop) -> None:
    job = await works.submit("keeper", then="last")
    await works.stage(job, "two")
    await works.engine.cancel(job)
    assert not (await works.end(job)).resumable
    assert kept(works) == []


async def test_a_retry_cancelled_in_the_queue_takes_the_work_along(tmp_path: Path) -> None:
    async with shop(tmp_path / "data", max_running=1) as works:
        job = await failed(works)
        await works.submit("deaf", "other")
        waiting = await works.engine.retry(job, await works.project(), {}, from_stage=True)
        await works.engine.cancel(waiting.id)
        await until(lambda: kept(works) == [])


async def test_a_full_disk_is_not_kept_full(works: Shop) -> None:
    job = await failed(works, code="disk_full")
    assert (works.states[job].resumable, kept(works)) == (False, [])


async def test_a_deleted_project_takes_its_kept_work_along(works: Shop) -> None:
    await failed(works)
    with works.engine.closing("p"):
        pass
    await works.engine.forget("p")
    assert kept(works) == []
    assert not works.engine.home("p").exists()


async def test_kept_work_that_is_gone_when_the_retry_begins_is_told_and_made_anew(tmp_path: Path) -> None:
    async with shop(tmp_path / "data", max_running=1) as works:
        job = await failed(works)
        busy = await works.submit("deaf", "other")
        waiting = await works.engine.retry(job, await works.project(), {"then": "succeed"}, from_stage=True)
        os.utime(works.folder / "kept" / "p" / "keeper" / job, (1, 1))
        await works.engine._upkeep.expire()
        await works.engine.cancel(busy)
        end = await works.end(waiting.id)
        assert end.result == {"resumed": False, "found": None}
        assert [log.level for log in works.bodies(waiting.id, "log")] == ["warning"]


async def test_work_is_kept_no_longer_than_the_setting_says(tmp_path: Path) -> None:
    async with shop(tmp_path / "data") as works:
        job = await failed(works)
        old = time.time() - 100
        os.utime(works.folder / "kept" / "p" / "keeper" / job, (old, old))
    async with shop(tmp_path / "data", works.journal, keep_work_s=200.0):
        assert kept(works) == [job]
    async with shop(tmp_path / "data", works.journal, keep_work_s=50.0):
        await until(lambda: kept(works) == [])


# -- restarts ---------------------------------------------------------------------------------------------------------


async def test_a_hub_goes_on_with_what_it_interrupted_where_the_kind_can(tmp_path: Path) -> None:
    async with shop(tmp_path / "data") as works:
        job, plain = await works.submit("keeper", then="last"), await works.submit("ticks", "other")
        await works.stage(job, "two")
        await works.stage(plain)
    assert (works.states[job].state, works.states[job].resumable) == (State.INTERRUPTED, True)
    async with shop(tmp_path / "data", works.journal) as restarted:
        state = await until(lambda: next((s for s in restarted.states.values() if s.retry_of == job), None))
        end = await restarted.end(state.id)
        assert (end.attempt, end.resumed, end.result) == (2, True, {"resumed": True, "found": f"{job}\n"})
        assert not any(state.retry_of == plain for state in restarted.states.values())


async def test_a_hub_goes_on_with_what_was_left_by_one_that_was_killed(tmp_path: Path) -> None:
    async with shop(tmp_path / "data") as works:
        job = await works.submit("keeper", then="fail")
        await works.end(job)
        left = works.states[job]
    # As a kill would have left it: the job runs as far as the journal knows, and its work is where it was.
    works.journal._jobs[job] = left.__class__(
        **{name: getattr(left, name) for name in left.__slots__}
        | {"state": State.RUNNING, "ended": None, "error": None, "resumable": False}
    )
    (tmp_path / "data" / "work").mkdir(exist_ok=True)
    (tmp_path / "data" / "kept" / "p" / "keeper" / job).rename(tmp_path / "data" / "work" / job)
    (tmp_path / "data" / "work" / "stray").mkdir()
    async with shop(tmp_path / "data", works.journal) as restarted:
        await until(lambda: restarted.states[job].state is State.INTERRUPTED)
        assert restarted.states[job].resumable
        end = await until(lambda: next((s for s in restarted.states.values() if s.retry_of == job), None))
        assert (await restarted.end(end.id)).result == {"resumed": True, "found": f"{job}\n"}
        assert not (tmp_path / "data" / "work" / "stray").exists()


async def test_a_job_is_not_resumed_for_ever(tmp_path: Path) -> None:
    """It may be what brings the hub down."""
    async with shop(tmp_path / "data") as works:
        await works.submit("keeper", then="last", again=True)
        await until(lambda: works.bodies(next(iter(works.states)), "progress"))
    for attempt in range(2, recovery.MOST_INTERRUPTIONS + 1):
        async with shop(tmp_path / "data", works.journal) as restarted:
            job = await until(lambda: next((s for s in restarted.states.values() if not s.state.is_end), None))
            assert job.attempt == attempt
            await restarted.stage(job.id, "two")
    async with shop(tmp_path / "data", works.journal) as last:
        assert all(state.state is State.INTERRUPTED for state in last.states.values())
        assert len(last.states) == recovery.MOST_INTERRUPTIONS


async def test_a_job_that_was_given_a_secret_waits_to_be_given_it_again(tmp_path: Path) -> None:
    async with shop(tmp_path / "data") as works:
        job = await works.submit("keeper", then="last", token="s3cret-s3cret")
        await works.stage(job, "two")
    async with shop(tmp_path / "data", works.journal) as restarted:
        assert list(restarted.states) == [job]
        end = await again(restarted, job, from_stage=True, token="s3cret-s3cret")
        assert end.state is State.SUCCEEDED


async def test_waiting_jobs_keep_their_turn_and_their_plan_over_a_restart(tmp_path: Path) -> None:
    async with shop(tmp_path / "data", max_running=1) as works:
        await works.end(await works.submit("steps", "b", count=10, pause_s=0.05))
        await works.submit("ticks", "a")
        waiting = [await works.submit("steps", name, count=10, pause_s=0.05) for name in ("b", "c")]
        plan = works.states[waiting[0]].stages
    async with shop(tmp_path / "data", works.journal, max_running=1) as restarted:
        ends = [await restarted.end(job) for job in waiting]
        assert ends[0].ended <= ends[1].started
        assert [stage.weight for stage in ends[0].stages] == [stage.weight for stage in plan] != [1, 3]
        assert ends[0].usual_s == works.states[waiting[0]].usual_s is not None


async def test_the_plan_of_a_job_is_learned_from_the_runs_before_it(works: Shop) -> None:
    for _ in range(3):
        await works.end(await works.submit("steps", count=5, pause_s=0.1))  # half of the time in each stage
    end = await works.end(await works.submit("steps", count=5, pause_s=0.1))
    one, two = (stage.weight for stage in end.stages)
    assert 35 < one < 60  # the kind guesses a quarter
    assert one + two == pytest.approx(100)
    low, high = end.usual_s
    assert 1.0 <= low <= high <= 10.0
    first = await works.end(await works.submit("steps", "other"))
    assert ([stage.weight for stage in first.stages], first.usual_s) == ([1, 3], None)


async def test_only_interruptions_in_a_row_keep_a_job_from_being_resumed(tmp_path: Path) -> None:
    """Retries that somebody asked for, and tries that failed by themselves, bring down no hub."""
    async with shop(tmp_path / "data") as works:
        job = await failed(works, again=True)
        for _ in range(recovery.MOST_INTERRUPTIONS):
            job = (await again(works, job, from_stage=True)).id
        last = await works.engine.retry(job, await works.project(), {"then": "last"}, from_stage=True)
        await works.stage(last.id, "two")
    async with shop(tmp_path / "data", works.journal) as restarted:
        state = await until(lambda: next((s for s in restarted.states.values() if s.retry_of == last.id), None))
        assert state.resumed
        await restarted.stage(state.id, "two")


async def test_a_job_that_is_cancelled_while_the_hub_is_killed_is_cancelled(tmp_path: Path) -> None:
    async with shop(tmp_path / "data") as works:
        job = await failed(works)
    as_killed(works, job, State.CANCELLING)
    async with shop(tmp_path / "data", works.journal) as restarted:
        await until(lambda: restarted.states[job].state is State.CANCELLED)
        assert (restarted.states[job].error, restarted.states[job].resumable, kept(restarted)) == (None, False, [])
        assert list(restarted.states) == [job]


async def test_work_that_was_put_aside_just_before_a_kill_is_known_to_be_kept(tmp_path: Path) -> None:
    async with shop(tmp_path / "data") as works:
        job = await failed(works)
    as_killed(works, job, State.RUNNING, moves=False)
    async with shop(tmp_path / "data", works.journal) as restarted:
        await until(lambda: restarted.states[job].state is State.INTERRUPTED)
        assert restarted.states[job].resumable


async def test_work_that_a_retry_took_just_before_a_kill_is_there_for_the_retry(tmp_path: Path) -> None:
    """Its beginning was told, and not yet in the journal, when it took the work."""
    async with shop(tmp_path / "data", max_running=1) as works:
        job = await failed(works)
        await works.submit("deaf", "other")
        waiting = await works.engine.retry(job, await works.project(), {}, from_stage=True)
    data = tmp_path / "data"
    (data / "kept" / "p" / "keeper" / job).rename(data / "work" / waiting.id)
    async with shop(data, works.journal) as restarted:
        assert (await restarted.end(waiting.id)).result == {"resumed": True, "found": f"{job}\n"}


async def test_work_that_a_retry_had_not_taken_yet_is_kept_for_the_next(tmp_path: Path) -> None:
    """Its beginning was in the journal before it took the work."""
    async with shop(tmp_path / "data", max_running=1) as works:
        job = await failed(works, again=True)
        await works.submit("deaf", "other")
        waiting = await works.engine.retry(job, await works.project(), {}, from_stage=True)
    state = works.journal._jobs[waiting.id]
    works.journal._jobs[waiting.id] = replace(state, state=State.RUNNING, started=state.created, queue=None)
    async with shop(tmp_path / "data", works.journal) as restarted:
        await until(lambda: restarted.states[waiting.id].state is State.INTERRUPTED)
        assert restarted.states[waiting.id].resumable
        again_ = await until(lambda: next((s for s in restarted.states.values() if s.retry_of == waiting.id), None))
        await restarted.end(again_.id)
        notes = (tmp_path / "data" / "kept" / "p" / "keeper" / again_.id / "notes").read_text()
        assert notes.split() == [job, again_.id]


async def test_what_somebody_did_after_the_interruption_stands(tmp_path: Path) -> None:
    """A job that went on with the work was cancelled, and the hub killed before the work was gone."""
    async with shop(tmp_path / "data", max_running=1) as works:
        job = await works.submit("keeper", then="last")
        await works.stage(job, "two")
    async with shop(tmp_path / "data", works.journal, max_running=1) as works:
        second = await until(lambda: next((s for s in works.states.values() if s.retry_of == job), None))
        await works.end(second.id)
    works.journal._jobs[second.id] = replace(works.journal._jobs[second.id], state=State.CANCELLED)
    (tmp_path / "data" / "kept" / "p" / "keeper" / job).mkdir(parents=True)
    async with shop(tmp_path / "data", works.journal) as restarted:
        await restarted.engine._durable()
        assert all(state.state.is_end for state in restarted.states.values())
        assert not any(state.retry_of == second.id for state in restarted.states.values())
        assert len(restarted.states) == 2


def as_killed(works: Shop, job: str, state: State, *, moves: bool = True) -> None:
    """What a kill would have left of an ended job: it is in the journal as it was, and its work where it was."""
    works.journal._jobs[job] = replace(works.journal._jobs[job], state=state, ended=None, error=None, resumable=False)
    if moves:
        (works.folder / "work").mkdir(exist_ok=True)
        (works.folder / "kept" / "p" / "keeper" / job).rename(works.folder / "work" / job)
