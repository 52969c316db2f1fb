"""The reducer: a job's state as the fold of its events."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.events import Event, Failure, ProgressBody, State
from hub.core.job import JobState, reduce
from hub.core.retries import Retry
from tests.fakes import event, job_body, log_body, progress_body, stage_body


def fold(*events: Event) -> JobState:
    state = None
    for each in events:
        state = reduce(state, each)
    assert state is not None
    return state


def test_the_first_event_brings_the_whole_plan() -> None:
    state = fold(event(1, job_body(State.QUEUED, queue=2)))
    assert [(stage.stage, stage.state) for stage in state.stages] == [("fetch", "waiting"), ("unpack", "waiting")]
    assert (state.queue, state.percent, state.stage, state.started) == (2, 0.0, None, None)


def test_stages_pass_with_their_times() -> None:
    state = fold(event(1, job_body()), event(2, stage_body("fetch")), event(5, stage_body("unpack")))
    fetch, unpack = state.stages
    assert (fetch.state, fetch.started, fetch.ended) == ("done", 20, 50)
    assert (unpack.state, unpack.started, unpack.ended) == ("running", 50, None)
    assert state.stage == "unpack"


def test_only_success_is_a_hundred_percent() -> None:
    running = [event(1, job_body()), event(2, stage_body()), event(3, progress_body(99.9))]
    assert fold(*running).percent == 99.9
    assert fold(*running, event(4, job_body(State.SUCCEEDED))).percent == 100.0
    assert fold(*running, event(4, job_body(State.CANCELLED))).percent == 99.9


def test_a_failed_job_shows_the_stage_it_failed_in() -> None:
    failure = Failure(code="refused", message="no", stage="fetch")
    state = fold(event(1, job_body()), event(2, stage_body()), event(3, job_body(State.FAILED, error=failure)))
    assert [stage.state for stage in state.stages] == ["failed", "waiting"]
    assert state.stage == "fetch"
    assert state.error == failure


@pytest.mark.parametrize("body", [log_body(), progress_body(50), stage_body("unpack"), job_body(State.RUNNING)])
def test_nothing_changes_after_the_end(body: object) -> None:
    ended = fold(event(1, job_body()), event(2, job_body(State.CANCELLED)))
    assert reduce(ended, event(3, body)) is ended


def test_an_event_that_is_not_newer_changes_nothing() -> None:
    state = fold(event(1, job_body()), event(5, progress_body(50)))
    assert reduce(state, event(5, progress_body(60))) is state
    assert reduce(state, event(4, progress_body(60))) is state


def test_a_stage_entered_again_is_the_one_it_is_in() -> None:
    state = fold(event(1, job_body()), event(2, stage_body("fetch")), event(3, stage_body("unpack")))
    back = reduce(state, event(4, stage_body("fetch")))
    assert (back.stage, back.to_wire()["step"]) == ("fetch", 1)
    assert (back.stages[0].state, back.stages[0].ended, back.stages[1].state) == ("running", None, "done")


def test_an_unplanned_stage_is_taken_as_it_comes() -> None:
    state = fold(event(1, job_body()), event(2, stage_body("fetch")))
    extra = stage_body("fetch").__class__(stage="extra", title="Extra", step=3, steps=3)
    assert [stage.stage for stage in reduce(state, event(3, extra)).stages] == ["fetch", "unpack", "extra"]


BODIES = st.one_of(
    st.builds(job_body, st.sampled_from(list(State))),
    st.builds(
        job_body,
        st.sampled_from(list(State)),
        retry=st.builds(Retry, attempts=st.integers(1, 9), attempt=st.integers(1, 9)),
        starts_at=st.integers(0, 2**42),
    ),
    st.sampled_from(["fetch", "unpack"]).map(stage_body),
    st.text(max_size=20).map(log_body),
    st.floats(0, 99.9).map(progress_body),
)


def test_a_waiting_try_says_until_when_it_waits_and_no_longer_when_its_time_has_come() -> None:
    policy = Retry(attempts=3, backoff_s=5.0, attempt=2)
    waiting = fold(event(1, job_body(State.QUEUED, attempt=2, retry_of="j0", retry=policy, starts_at=99_000)))
    assert (waiting.to_wire()["starts_at"], waiting.to_wire()["retry"]) == (99_000, policy.to_wire())
    begun = reduce(waiting, event(2, job_body(State.RUNNING, attempt=2, retry_of="j0", retry=policy)))
    assert (begun.starts_at, begun.retry, begun.held_at) == (None, policy, None)


def test_rows_from_before_there_were_policies_are_read() -> None:
    row = fold(event(1, job_body())).to_row()
    old = {name: value for name, value in row.items() if name not in {"retry", "starts_at"}}
    assert JobState.from_row(old) == JobState.from_row(row)


@given(st.lists(BODIES, min_size=1, max_size=12))
def test_rows_and_events_survive_json(bodies: list[object]) -> None:
    events = [event(seq, body) for seq, body in enumerate(bodies, 1)]
    for each in events:
        assert Event.from_wire(json.loads(json.dumps(each.to_wire()))) == each
    state = fold(*events)
    assert JobState.from_row(json.loads(json.dumps(state.to_row()))) == state


def test_the_newest_progress_is_the_event_as_it_was_told() -> None:
    told = event(3, progress_body(40, 7))
    state = fold(event(1, job_body()), event(2, stage_body()), told, event(4, log_body()))
    assert state.newest_progress() == told
    assert isinstance(told.body, ProgressBody)


def test_time_held_is_kept_apart_from_time_at_work() -> None:
    # at = 10 * seq: started at 20, held from 40 to 70 (paused, then waiting again) and from 80 to 90
    states = [State.QUEUED, State.RUNNING, State.RUNNING, State.PAUSED, State.QUEUED, State.QUEUED, State.RUNNING]
    state = fold(*(event(seq, job_body(of)) for seq, of in enumerate(states[:2], 1)), event(3, stage_body()))
    for seq, of in enumerate(states[3:6], 4):
        state = reduce(state, event(seq, job_body(of)))
        assert (state.held_at, state.held_ms) == (40, 0)
    state = reduce(state, event(7, job_body(State.RUNNING)))
    assert (state.held_at, state.held_ms, state.stages[0].held_ms) == (None, 30, 30)
    state = reduce(reduce(state, event(8, job_body(State.PAUSED))), event(9, job_body(State.CANCELLING)))
    assert (state.held_at, state.held_ms) == (None, 40)


def test_a_wait_before_the_start_is_not_held_and_a_pause_in_it_is_no_time() -> None:
    state = fold(*(event(seq, job_body(of)) for seq, of in enumerate([State.QUEUED, State.QUEUED, State.PAUSED], 1)))
    assert state.held_at == 30
    state = reduce(reduce(state, event(4, job_body(State.QUEUED))), event(5, job_body(State.RUNNING)))
    assert (state.held_at, state.held_ms) == (None, 0)


def test_an_end_that_meets_a_pause_says_so() -> None:
    states = [State.QUEUED, State.RUNNING, State.PAUSED]
    paused = fold(*(event(seq, job_body(of)) for seq, of in enumerate(states, 1)))
    assert reduce(paused, event(4, job_body(State.INTERRUPTED))).held_at == 30
    waits = reduce(paused, event(4, job_body(State.QUEUED)))
    assert reduce(waits, event(5, job_body(State.INTERRUPTED))).held_at is None


def test_rows_of_a_journal_from_before_there_were_pauses_are_read() -> None:
    row = json.loads(
        json.dumps(fold(event(1, job_body()), event(2, stage_body()), event(3, progress_body(5))).to_row())
    )
    for name in ("held_at", "held_ms", "usual_s", "stalled_s", "resumed", "resumable"):
        del row[name]
    for stage in row["stages"]:
        del stage["held_ms"]
    del row["progress"]["stalled_s"]
    state = JobState.from_row(row)
    assert (state.held_ms, state.usual_s, state.resumable, state.stages[0].held_ms) == (0, None, False, 0)
