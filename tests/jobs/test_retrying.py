"""Jobs that are tried again by themselves: their waits by a clock that is stepped, over restarts, and by hand."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.errors import AlreadyRunning, BadRequest, Conflict, JobEnded
from hub.core.events import Failure, JobBody, State
from hub.core.job import JobState
from hub.core.retries import Retry
from hub.jobs.base import Kind, Target
from hub.jobs.orders import Order, interrupted
from hub.jobs.retrying import LONGEST_WAIT_S, Retries, next_try
from tests.conftest import until
from tests.fakes import FakeClock
from tests.jobs.engines import Shop, _odd_kinds, shop  # noqa: F401 - a fixture

POLICY = {"attempts": 3, "backoff_s": 10, "factor": 2, "max_backoff_s": 15}
KIND = Kind(name="odd", title="Odd", stages=(), check=lambda *_: None, run=lambda *_: {})


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def works(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Shop]:
    async with shop(tmp_path / "data", clock=clock, chance=lambda: 0.0) as made:
        yield made


async def start(works: Shop, kind: str = "keeper", project: str = "p", **params: Any) -> str:
    params = {"then": "fail", "again": True} | params
    return (await works.engine.submit(await works.project(project), kind, params, retry=POLICY)).id


async def following(works: Shop, job: str) -> JobState:
    return await until(lambda: next((s for s in works.states.values() if s.retry_of == job), None), 20.0)


# -- the decision -----------------------------------------------------------------------------------------------------


def order(**fields: Any) -> Order:
    body = JobBody(state=State.QUEUED, **{"retry": Retry(attempts=3, backoff_s=10.0)} | fields)
    return Order(id="job", kind=KIND, target=Target(id="p", name="p"), secrets={"token": "t"}, body=body)


HOPEFUL = Failure(code="timeout", message="Too slow.", retry=True)
ENDS = st.builds(
    JobBody,
    state=st.sampled_from([State.SUCCEEDED, State.FAILED, State.CANCELLED, State.INTERRUPTED]),
    error=st.one_of(st.none(), st.builds(Failure, code=st.just("x"), message=st.just("x"), retry=st.booleans())),
    resumable=st.booleans(),
)
POLICIES = st.one_of(st.none(), st.builds(Retry, attempts=st.integers(1, 5), attempt=st.integers(1, 5)))


@given(ENDS, POLICIES, st.integers(1, 9), st.floats(0, 1, exclude_max=True))
def test_only_a_hopeful_failure_with_tries_left_is_tried_again(end, policy, attempt, chance) -> None:
    before = order(retry=policy, attempt=attempt)
    again = next_try(before, end, 1_000_000, chance)
    is_hopeful = end.state is State.FAILED and end.error is not None and end.error.retry
    # An interruption with kept work is the starting hub's matter, and no other hub has the secrets.
    assert end.state is not State.INTERRUPTED or again is None
    assert (again is not None) == (is_hopeful and policy is not None and policy.attempt < policy.attempts)
    if again is not None:
        assert (again.body.attempt, again.body.retry_of, again.body.resumed) == (attempt + 1, "job", end.resumable)
        assert (again.body.retry.attempt, again.secrets) == (policy.attempt + 1, before.secrets)
        assert again.body.starts_at == 1_000_000 + round(policy.wait_s(chance) * 1000)


def waits(clock: FakeClock) -> tuple[Retries, list[str]]:
    due: list[str] = []
    retries = Retries(clock, lambda: 0.0, lambda order: None)
    retries.on_due(lambda order: due.append(order.id))
    return retries, due


def waiting(retries: Retries) -> Order:
    again = retries.next(order(), JobBody(state=State.FAILED, error=HOPEFUL))
    assert again is not None
    retries.add(again)
    return again


def test_a_try_is_due_when_its_time_has_come_and_not_before(clock: FakeClock) -> None:
    retries, due = waits(clock)
    again = waiting(retries)
    clock.step(9.99)
    assert (due, retries.get(again.id)) == ([], again)
    clock.step(0.02)
    assert (due, retries.get(again.id)) == ([again.id], None)


def test_the_tries_of_a_project_are_taken_out_together(clock: FakeClock) -> None:
    retries, due = waits(clock)
    mine = [waiting(retries), waiting(retries)]
    assert (retries.remove_all("other"), retries.remove_all("p"), retries.remove_all("p")) == ([], mine, [])
    clock.step(100)
    assert due == []


def test_a_try_that_was_taken_out_is_not_due(clock: FakeClock) -> None:
    retries, due = waits(clock)
    again = waiting(retries)
    assert (retries.remove(again.id), retries.remove(again.id)) == (again, None)
    clock.step(100)
    assert due == []


class SetClock(FakeClock):
    """A wall clock that somebody sets."""

    set_s = 0.0

    def now_ms(self) -> int:
        return super().now_ms() + int(self.set_s * 1000)


@pytest.mark.parametrize("set_s", [-1e6, 1e6])
def test_a_wall_clock_that_is_set_makes_no_wait_longer(set_s: float) -> None:
    clock = SetClock()
    retries, due = waits(clock)
    again = waiting(retries)
    clock.set_s = set_s
    clock.step(10.01 + LONGEST_WAIT_S)
    assert due == [again.id]


def test_nothing_is_due_after_the_end(clock: FakeClock) -> None:
    retries, due = waits(clock)
    again = waiting(retries)
    retries.close()
    clock.step(100)
    assert (due, retries.get(again.id)) == ([], again)
    late = waiting(retries)
    clock.step(100)
    assert (due, retries.get(late.id)) == ([], late)


# -- in an engine -----------------------------------------------------------------------------------------------------


async def test_what_failed_is_tried_again_with_growing_waits_until_the_tries_are_used_up(
    works: Shop, clock: FakeClock
) -> None:
    first = await start(works)
    second = await following(works, first)
    assert works.states[first].state is State.FAILED
    assert (second.state, second.queue, second.attempt) == (State.QUEUED, None, 2)
    assert second.starts_at == clock.now_ms() + 10_000
    assert second.to_wire()["retry"] == {"attempt": 2, **POLICY}
    clock.step(9.9)
    await works.engine._durable()
    assert works.states[second.id].state is State.QUEUED
    clock.step(0.2)
    third = await following(works, second.id)
    assert works.told(second.id) == ["queued None", "running", "failed"]
    assert works.states[second.id].starts_at is None
    assert third.starts_at == clock.now_ms() + 15_000  # not 20: there is a longest
    clock.step(15.1)
    end = await works.end(third.id)
    assert (end.state, end.attempt, end.to_wire()["retry"]["attempt"]) == (State.FAILED, 3, 3)
    clock.step(1000)
    assert len(works.states) == 3


async def test_the_end_and_the_next_try_are_told_one_after_the_other(works: Shop) -> None:
    """And so are committed together: no crash and no other start comes between them."""
    first = await start(works)
    second = await following(works, first)
    seqs = {event.job: event.seq for event in works.events if event.body.type == "job"}
    assert seqs[second.id] == seqs[first] + 1


async def test_the_next_try_goes_on_with_the_kept_work(works: Shop, clock: FakeClock) -> None:
    first = await start(works)
    second = await following(works, first)
    assert second.resumed
    clock.step(10.1)
    third = await following(works, second.id)
    await works.engine.resume(third.id)
    assert (await works.end(third.id)).attempt == 3
    notes = (works.folder / "kept" / "p" / "keeper" / third.id / "notes").read_text()
    assert notes == f"{first}\n{second.id}\n{third.id}\n"


async def test_the_next_try_has_the_secrets_and_masks_them(works: Shop, clock: FakeClock) -> None:
    first = await start(works, token="s3cret-s3cret")
    second = await following(works, first)
    assert works.engine.turns.order(second.id).secrets == {"token": "s3cret-s3cret"}
    assert second.params["token"] == "[redacted]"
    works.engine.turns.publish(
        works.engine.turns.order(second.id), JobBody(state=State.QUEUED, params={"said": "s3cret-s3cret"})
    )
    await until(lambda: works.states[second.id].params == {"said": "[redacted]"})


async def test_a_try_that_has_waited_for_long_still_has_its_secrets_masked(works: Shop) -> None:
    second = await following(works, await start(works, token="s3cret-s3cret"))
    redactor = works.engine._intake._redactor
    for number in range(1000):
        redactor.add([f"another secret {number}"], job=f"other-{number}")
    assert redactor.text("s3cret-s3cret", second.id) == "s3cret-s3cret"
    await works.engine.resume(second.id)
    assert redactor.text("s3cret-s3cret", second.id) == "[redacted]"
    await works.end(second.id)


@pytest.mark.parametrize("how", ["success", "cancel", "hopeless"])
async def test_what_ends_otherwise_is_not_tried_again(works: Shop, how: str) -> None:
    if how == "hopeless":
        job = await start(works, hopeful=False)
    else:
        job = await start(works, then="last" if how == "cancel" else "succeed")
    if how == "cancel":
        await works.stage(job, "two")
        await works.engine.cancel(job)
    await works.end(job)
    await works.engine._durable()
    assert list(works.states) == [job]


async def test_a_process_that_dies_is_tried_again(works: Shop) -> None:
    job = await start(works, "ticks")
    await works.stage(job)
    os.killpg(await works.pid(job), signal.SIGKILL)
    again = await following(works, job)
    assert (works.states[job].error.code, again.resumed) == ("crashed", False)


async def test_a_waiting_try_holds_no_place_and_not_its_project(tmp_path: Path, clock: FakeClock) -> None:
    async with shop(tmp_path / "data", clock=clock, max_running=1, max_queued=1) as works:
        second = await following(works, await start(works))
        other = await works.submit("steps", "p", count=1)
        assert (await works.end(other)).state is State.SUCCEEDED
        assert works.states[second.id].state is State.QUEUED
        assert works.told(other)[0] == "queued 1"


async def test_a_try_whose_time_has_come_waits_for_its_turn_by_its_age(tmp_path: Path, clock: FakeClock) -> None:
    async with shop(tmp_path / "data", clock=clock, max_running=1) as works:
        second = await following(works, await start(works))
        busy = await works.submit("ticks", "other")
        behind = await works.submit("steps", "third", count=1)
        assert works.told(behind) == ["queued 1"]
        clock.step(10.1)
        await until(lambda: works.told(behind)[-1] == "queued 2")
        assert works.told(second.id) == ["queued None", "queued 1"]
        await works.engine.cancel(busy)
        await works.until(second.id, "failed")


async def test_a_waiting_try_is_started_now_by_who_does_not_want_to_wait(works: Shop) -> None:
    second = await following(works, await start(works))
    told = await works.engine.resume(second.id)
    assert told.starts_at is None
    assert (await works.end(second.id)).state is State.FAILED
    with pytest.raises(JobEnded):
        await works.engine.resume(second.id)


async def test_a_waiting_try_is_cancelled_and_takes_its_work_along(works: Shop, clock: FakeClock) -> None:
    second = await following(works, await start(works))
    assert (await works.engine.cancel(second.id)).state is State.CANCELLED
    clock.step(100)
    await until(lambda: not list((works.folder / "kept").glob("*/*/*")))
    assert works.told(second.id) == ["queued None", "cancelled"]


async def test_a_waiting_try_stands_still_while_it_is_paused(works: Shop, clock: FakeClock) -> None:
    second = await following(works, await start(works))
    paused = await works.engine.pause(second.id)
    assert (paused.state, paused.starts_at) == (State.PAUSED, None)
    clock.step(1000)
    assert works.states[second.id].state is State.PAUSED
    with pytest.raises(Conflict):
        await works.engine.pause(second.id)
    await works.engine.resume(second.id)
    assert (await works.end(second.id)).state is State.FAILED


async def test_a_start_of_the_same_kind_is_refused_and_says_how_to_start_the_waiting_try(works: Shop) -> None:
    first = await start(works)
    second = await following(works, first)
    for ask in (start(works), works.engine.retry(first, await works.project(), {})):
        with pytest.raises(AlreadyRunning, match="waits to be tried again") as refused:
            await ask
        detail = refused.value.detail
        assert (detail["job"], detail["href"]) == (second.id, f"/api/v1/jobs/{second.id}")
        assert detail["starts_at"] == second.starts_at


async def test_a_project_is_deleted_whatever_waits_in_it(works: Shop, clock: FakeClock) -> None:
    second = await following(works, await start(works))
    with works.engine.closing("p"):
        works.ledger.close_project("p")
    await works.engine.forget("p")
    clock.step(100)
    assert works.engine.turns.order(second.id) is None
    assert not list((works.folder / "kept").glob("*/*/*"))


async def test_a_deletion_that_fails_has_lost_no_try(works: Shop, clock: FakeClock) -> None:
    second = await following(works, await start(works))
    with pytest.raises(OSError, match="disk"), works.engine.closing("p"):
        raise OSError("disk")
    assert works.told(second.id) == ["queued None"]
    clock.step(10.1)
    assert (await works.end(second.id)).attempt == 2


async def test_nothing_happens_to_a_try_while_its_project_is_being_deleted(works: Shop, clock: FakeClock) -> None:
    second = await following(works, await start(works))
    with works.engine.closing("p"):
        clock.step(100)
        for ask in (works.engine.resume, works.engine.cancel, works.engine.pause):
            with pytest.raises(Conflict) as refused:
                await ask(second.id)
            assert refused.value.narrow_code == "project_leaving"
        with pytest.raises(Conflict) as refused:
            await start(works, "steps")
        assert refused.value.narrow_code == "project_leaving"
    await works.engine._durable()
    assert works.told(second.id) == ["queued None"]


async def test_a_retry_by_hand_begins_the_policy_anew_unless_it_brings_one(works: Shop, clock: FakeClock) -> None:
    second = await following(works, await start(works))
    await works.engine.cancel(second.id)
    again = await works.engine.retry(second.id, await works.project(), {})
    assert (again.attempt, again.to_wire()["retry"]["attempt"]) == (3, 1)
    third = await following(works, again.id)
    await works.engine.cancel(third.id)
    once = await works.engine.retry(third.id, await works.project(), {}, retry={"attempts": 1})
    assert once.retry is None
    await works.end(once.id)
    assert not any(state.retry_of == once.id for state in works.states.values())


async def test_jobs_without_a_policy_have_the_hubs_own(tmp_path: Path, clock: FakeClock) -> None:
    own = Retry(attempts=2, backoff_s=5.0)
    async with shop(tmp_path / "data", clock=clock, retry=own, chance=lambda: 0.0) as works:
        job = await works.submit("keeper", then="fail", again=True)
        assert (await following(works, job)).starts_at == clock.now_ms() + 5000
        spared = await works.engine.submit(
            await works.project("other"), "keeper", {"then": "fail"}, retry={"attempts": 1}
        )
        await works.end(spared.id)
        assert not any(state.retry_of == spared.id for state in works.states.values())


async def test_a_policy_that_is_none_is_refused(works: Shop) -> None:
    project = await works.project()
    with pytest.raises(BadRequest, match="attempts"):
        await works.engine.submit(project, "keeper", {}, retry={"attempts": 1000})
    assert works.states == {}


async def test_the_same_key_with_another_policy_is_another_request(works: Shop) -> None:
    project = await works.project()
    first = await works.engine.submit(project, "steps", {}, "key", retry=POLICY)
    assert (await works.engine.submit(project, "steps", {}, "key", retry=POLICY)).id == first.id
    with pytest.raises(BadRequest):
        await works.engine.submit(project, "steps", {}, "key", retry={"attempts": 2})


# -- restarts ---------------------------------------------------------------------------------------------------------


async def test_a_wait_goes_on_over_a_restart(tmp_path: Path, clock: FakeClock) -> None:
    async with shop(tmp_path / "data", clock=clock, chance=lambda: 0.0) as works:
        first = await start(works)
        second = await following(works, first)
    clock.step(4)
    async with shop(tmp_path / "data", works.journal, clock=clock, chance=lambda: 0.0) as restarted:
        assert restarted.states[second.id].starts_at == second.starts_at
        with pytest.raises(AlreadyRunning):
            await start(restarted)
        clock.step(5.9)
        await restarted.engine._durable()
        assert restarted.states[second.id].state is State.QUEUED
        clock.step(0.2)
        end = await restarted.end(second.id)
        assert (end.resumed, end.attempt) == (True, 2)
        third = await following(restarted, second.id)
        assert third.starts_at == clock.now_ms() + 15_000
        assert (tmp_path / "data" / "kept" / "p" / "keeper" / second.id / "notes").read_text().split()[0] == first


async def test_a_wait_that_was_over_while_the_hub_was_down_is_over(tmp_path: Path, clock: FakeClock) -> None:
    async with shop(tmp_path / "data", clock=clock) as works:
        second = await following(works, await start(works))
    clock.step(1000)
    async with shop(tmp_path / "data", works.journal, clock=clock) as restarted:
        clock.step(0)
        assert (await restarted.end(second.id)).state is State.FAILED


async def test_the_number_of_tries_holds_over_restarts(tmp_path: Path, clock: FakeClock) -> None:
    async with shop(tmp_path / "data", clock=clock) as works:
        job = (await following(works, await start(works))).id
    journal = works.journal
    for attempt in (2, 3):
        async with shop(tmp_path / "data", journal, clock=clock) as restarted:
            assert restarted.states[job].attempt == attempt
            await restarted.engine.resume(job)
            await restarted.end(job)
            if attempt < 3:
                job = (await following(restarted, job)).id
    async with shop(tmp_path / "data", journal, clock=clock) as last:
        assert len(last.states) == 3
        assert all(state.state is State.FAILED for state in last.states.values())


async def test_a_waiting_try_that_needs_a_secret_ends_honestly_when_the_hub_has_forgotten_it(
    tmp_path: Path, clock: FakeClock
) -> None:
    async with shop(tmp_path / "data", clock=clock) as works:
        second = await following(works, await start(works, token="s3cret-s3cret"))
    async with shop(tmp_path / "data", works.journal, clock=clock) as restarted:
        end = await restarted.end(second.id)
        assert (end.state, end.error.code, end.resumable) == (State.INTERRUPTED, "secrets_forgotten", True)
        assert "token" in end.error.hint
        # The work of the first try is not lost with it.
        again = await restarted.engine.retry(
            second.id, await restarted.project(), {"token": "s3cret-s3cret", "then": "succeed"}, from_stage=True
        )
        assert len((await restarted.end(again.id)).result["found"].split()) == 1


async def test_an_interrupted_try_goes_on_by_the_hubs_own_rule_and_counts(tmp_path: Path, clock: FakeClock) -> None:
    async with shop(tmp_path / "data", clock=clock) as works:
        job = await start(works, then="last")
        await works.stage(job, "two")
    assert works.states[job].state is State.INTERRUPTED
    async with shop(tmp_path / "data", works.journal, clock=clock) as restarted:
        again = await following(restarted, job)
        assert (again.attempt, again.retry.attempt, again.starts_at) == (2, 2, None)
        await restarted.stage(again.id, "two")


async def test_a_paused_wait_is_paused_after_a_restart(tmp_path: Path, clock: FakeClock) -> None:
    async with shop(tmp_path / "data", clock=clock) as works:
        second = await following(works, await start(works))
        await works.engine.pause(second.id)
    async with shop(tmp_path / "data", works.journal, clock=clock) as restarted:
        clock.step(1000)
        await asyncio.sleep(0)
        assert restarted.states[second.id].state is State.PAUSED
        await restarted.engine.resume(second.id)
        assert (await restarted.end(second.id)).attempt == 2


# -- interruptions ----------------------------------------------------------------------------------------------------


@given(POLICIES, st.booleans(), st.booleans())
def test_an_interrupted_job_without_work_or_secrets_is_tried_again_by_its_policy(policy, resumable, is_secret) -> None:
    before = replace(order(retry=policy), secrets={"token": "t"} if is_secret else {})
    end = JobBody(state=State.INTERRUPTED, error=interrupted("one"), resumable=resumable)
    again = next_try(before, end, 0, 0.0)
    is_wanted = policy is not None and policy.has_more and not resumable and not is_secret
    assert (again is not None) == is_wanted


async def test_a_kind_that_keeps_no_work_is_tried_again_after_a_restart(tmp_path: Path, clock: FakeClock) -> None:
    async with shop(tmp_path / "data", clock=clock) as works:
        job = await start(works, "ticks")
        await works.stage(job)
    assert works.states[job].state is State.INTERRUPTED
    async with shop(tmp_path / "data", works.journal, clock=clock) as restarted:
        again = await following(restarted, job)
        assert (again.attempt, again.retry.attempt, again.resumed) == (2, 2, False)
        clock.step(10.1)
        await restarted.stage(again.id)


async def test_a_kind_that_keeps_no_work_is_tried_again_after_a_kill(tmp_path: Path, clock: FakeClock) -> None:
    async with shop(tmp_path / "data", clock=clock) as works:
        job = await start(works, "ticks")
        await works.stage(job)
        left = works.journal._jobs[job]
    for again in [state for state in works.journal._jobs.values() if state.retry_of == job]:
        del works.journal._jobs[again.id]
    works.journal._jobs[job] = left
    assert left.state is State.RUNNING
    async with shop(tmp_path / "data", works.journal, clock=clock) as restarted:
        again = await following(restarted, job)
        seqs = {event.job: event.seq for event in restarted.events if event.body.type == "job"}
        assert (again.starts_at is not None, seqs[again.id]) == (True, seqs[job] + 1)
        assert [stage.state for stage in again.stages] == ["waiting", "waiting"]
        clock.step(10.1)
        await restarted.stage(again.id)


@pytest.mark.parametrize("how", ["pause", "secret"])
async def test_what_was_paused_or_has_a_secret_is_not_tried_again_after_a_restart(
    tmp_path: Path, clock: FakeClock, how: str
) -> None:
    async with shop(tmp_path / "data", clock=clock) as works:
        job = await start(works, "ticks", **{"token": "s3cret-s3cret"} if how == "secret" else {})
        await works.stage(job)
        if how == "pause":
            await works.engine.pause(job)
    async with shop(tmp_path / "data", works.journal, clock=clock) as restarted:
        await restarted.engine._durable()
        assert list(restarted.states) == [job]
        assert restarted.states[job].state is State.INTERRUPTED
