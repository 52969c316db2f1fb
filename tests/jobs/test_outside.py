"""Outside jobs: what publishers say becomes events, at a bearable pace, to exactly one end."""

import json
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from hub.core.errors import Conflict, HubError, JournalUnavailable, NotFound, Throttled
from hub.core.events import JobBody, State
from hub.core.redaction import MASK
from hub.jobs.outside import receipts
from tests.core.machines.disk import at_once
from tests.jobs.desk import Desk, job, line, progress, stage

PLAN = [{"stage": "fetch", "weight": 3}, {"stage": "unpack", "weight": 1}]


@pytest.fixture
def desk() -> Desk:
    made = Desk()
    made.project()
    return made


# -- beginning --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [job(), progress(5), stage("a"), line()], ids=lambda said: said["type"])
def test_whatever_is_said_first_begins_the_job(desk: Desk, first: dict[str, Any]) -> None:
    assert desk.say(first) == ["accepted"]
    begun = desk.states["j"]
    assert (begun.state, begun.kind, begun.is_outside, begun.started) == (State.RUNNING, "train", True, 1_000_000)
    assert [body.state for body in desk.bodies("job")] == [State.RUNNING]
    assert len(desk.told) == (1 if first["type"] == "job" else 2)


def test_a_plan_and_params_come_with_the_first_job_event(desk: Desk) -> None:
    desk.say(job(stages=PLAN, params={"lr": 0.1}, silence_s=30))
    begun = desk.states["j"]
    assert [(each.stage, each.weight, each.state) for each in begun.stages] == [
        ("fetch", 3.0, "waiting"), ("unpack", 1.0, "waiting"),
    ]  # fmt: skip
    assert (begun.params, begun.silence_s) == ({"lr": 0.1}, 30.0)


def test_a_plan_that_comes_late_counts_as_long_as_no_stage_is_known(desk: Desk) -> None:
    desk.say(progress(90), job(stages=PLAN))
    assert [each.stage for each in desk.states["j"].stages] == ["fetch", "unpack"]
    desk.say(progress(50, stage="fetch"), job(stages=[{"stage": "other"}]))
    desk.step(1)
    assert [each.stage for each in desk.states["j"].stages] == ["fetch", "unpack"]
    assert desk.percents() == [90.0, 90.0]


def test_a_job_can_be_told_of_after_it_is_over(desk: Desk) -> None:
    assert desk.say(job("failed", error={"message": "boom", "code": "oops"})) == ["accepted"]
    assert [body.state for body in desk.bodies("job")] == [State.RUNNING, State.FAILED]
    assert desk.states["j"].error.code == "oops"


def test_a_queued_job_runs_as_soon_as_it_moves(desk: Desk) -> None:
    desk.say(job("queued"))
    assert desk.states["j"].started is None
    desk.step(5)
    desk.say(progress(10))
    assert [body.state for body in desk.bodies("job")] == [State.QUEUED, State.RUNNING]
    assert desk.states["j"].started == 1_005_000


def test_a_paused_job_stands_still(desk: Desk) -> None:
    desk.say(job(), progress(10))
    desk.step(1)
    desk.say(job("paused"))
    before = len(desk.told)
    desk.step(600)
    assert len(desk.told) == before, "nobody wonders why it does not move"
    desk.say(job(), progress(11))
    assert desk.states["j"].held_ms == 600_000


# -- percent ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "counts",
    [
        [(50, 100), (20, 100), (60, 100)],
        [(50, 100), (50, 1000), (51, None), (0, 0)],
        [(0.25, 1), (0.5, 1), (0.1, 1)],
        [(10**18, 10**18), (0, 10**18)],
        [(500, 100), (1, 100)],
    ],
)
def test_percent_never_goes_down_and_is_100_only_at_a_good_end(desk: Desk, counts: list[tuple[Any, Any]]) -> None:
    for current, total in counts:
        desk.say(progress(current, total))
        desk.step(0.1)
    told = desk.percents()
    assert told == sorted(told)
    assert len(told) == len(counts)
    assert 0 < told[-1] <= 99.9
    desk.say(job("failed"))
    assert desk.states["j"].percent == told[-1]
    desk.say(progress(1, id_="k"), job("succeeded", "k"))
    assert desk.states["k"].percent == 100.0


numbers = st.integers(0, 10**18) | st.floats(0, 1e18) | st.sampled_from([5e-324, 1e-300, 0.1])


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(numbers, st.none() | numbers, st.sampled_from(["a", "b", None]), st.floats(0, 100)), max_size=20
    ),
    st.booleans(),
)
def test_whatever_is_counted_can_be_told(counts: list[tuple[Any, Any, Any, float]], has_plan: bool) -> None:
    desk = Desk()
    desk.project()
    desk.say(job(stages=[{"stage": "a", "weight": 1e-300}, {"stage": "b", "weight": 1e18}] if has_plan else []))
    for current, total, where, seconds in counts:
        said = progress(current, total)
        assert desk.say(said if where is None else said | {"stage": where}) == ["accepted"]
        desk.step(seconds)
    told = desk.percents()
    assert told == sorted(told)
    json.dumps([body.to_wire() for body in desk.bodies("progress")], allow_nan=False)


def test_parts_of_one_are_parts_of_the_whole(desk: Desk) -> None:
    desk.say(progress(0.37, 1))
    assert desk.percents() == [37.0]
    assert desk.states["j"].progress.current == 0.37


def test_stages_weigh_what_the_plan_says(desk: Desk) -> None:
    desk.say(job(stages=PLAN))
    desk.say(progress(50))
    desk.say(stage("unpack"))
    desk.say(progress(50))
    assert desk.percents() == [37.5, 75.0, 87.5]
    assert desk.states["j"].stage == "unpack"


def test_progress_names_its_stage_and_goes_there(desk: Desk) -> None:
    desk.say(job(stages=PLAN), progress(100, stage="fetch"), progress(50, stage="unpack"), progress(1, stage="extra"))
    assert [body.stage for body in desk.bodies("stage")] == ["fetch", "unpack", "extra"]
    assert desk.states["j"].stage == "extra"


def test_a_late_word_of_an_earlier_stage_takes_nothing_back(desk: Desk) -> None:
    desk.say(job(stages=PLAN), progress(10, stage="fetch"), progress(50, stage="unpack"))
    before = len(desk.told)
    assert desk.say(progress(11, stage="fetch")) == ["accepted"]
    desk.step(1)
    assert len(desk.told) == before
    assert desk.say(stage("fetch"), progress(12)) == ["accepted", "accepted"], "who says so goes back"
    assert desk.states["j"].stage == "fetch"
    assert desk.percents() == sorted(desk.percents())


def test_without_a_plan_each_stage_takes_half_of_what_is_left(desk: Desk) -> None:
    for name in ("a", "b", "c"):
        desk.say(stage(name, title=name.upper()), progress(50), progress(100))
        desk.step(0.1)
    assert desk.percents() == [25.0, 50.0, 62.5, 75.0, 81.2, 87.5]
    assert [each.title for each in desk.states["j"].stages] == ["A", "B", "C"]


def test_stages_are_limited(desk: Desk) -> None:
    for n in range(100):
        desk.say(stage(f"s{n}"))
        desk.step(1)
    assert desk.say(stage("one more"), progress(1, stage="and more"), stage("s5")) == [
        "too_many_stages", "too_many_stages", "accepted",
    ]  # fmt: skip


# -- pace -------------------------------------------------------------------------------------------------------------


def test_progress_is_told_20_times_a_second_and_the_newest_never_waits_longer(desk: Desk) -> None:
    for n in range(1000):
        desk.say(progress(n, 1000))
        desk.clock.step(0.001)
    desk.commit()
    assert 19 <= len(desk.percents()) <= 22
    desk.step(0.05)
    assert desk.states["j"].progress.current == 999


@pytest.mark.parametrize("then", [stage("next"), job("succeeded"), job("cancelled")], ids=lambda said: said["type"])
def test_what_is_held_back_is_told_before_a_stage_or_an_end(desk: Desk, then: dict[str, Any]) -> None:
    desk.say(stage("first"))
    desk.say(progress(1), progress(2), progress(3), then)
    assert [body.current for body in desk.bodies("progress")] == [1, 3]
    assert desk.told[-1].body.type == then["type"]
    desk.step(10)
    assert desk.told[-1].body.type in {then["type"], "progress"}


def test_the_first_progress_of_a_stage_is_told_at_once(desk: Desk) -> None:
    for said in (stage("a"), progress(1), stage("b"), progress(2)):
        desk.say(said)
    assert [body.current for body in desk.bodies("progress")] == [1, 2]


def test_50_lines_a_second_are_kept_and_the_others_counted(desk: Desk) -> None:
    answer = desk.answer(*(line(str(n)) for n in range(80)))
    assert [each.left_out for each in answer.outcomes] == [False] * 50 + [True] * 30
    assert len(desk.bodies("log")) == 50
    desk.step(2)
    assert desk.bodies("log")[-1].message == "30 lines left out"
    desk.say(*(line(str(n)) for n in range(51)), job("succeeded"))
    assert [event.body.type for event in desk.told[-2:]] == ["log", "job"]
    assert desk.bodies("log")[-1].message == "1 line left out"


def test_a_job_that_flaps_is_slowed_down_and_still_ends(desk: Desk) -> None:
    flapping = [stage(name) for _ in range(50) for name in ("a", "b")]
    taken = desk.say(job(), *flapping)
    assert taken.count("too_fast") == 25
    assert len(desk.bodies("stage")) == 50
    assert desk.say(job("succeeded")) == ["accepted"]


def test_one_project_cannot_take_the_hub_for_itself(desk: Desk) -> None:
    desk = Desk(events_per_s=1000)
    desk.outside.admit("p", 1000)
    desk.outside.admit("p", 1000)
    with pytest.raises(Throttled) as refused:
        desk.outside.admit("p", 500)
    assert refused.value.detail == {"retry_after": 1, "setting": "publish_rate", "limit": 1000}
    desk.outside.admit("q", 1000)
    desk.clock.step(0.5)
    desk.outside.admit("p", 500)
    assert desk.outside.counts["throttled"] == 500


def test_live_jobs_are_limited_and_an_end_makes_room() -> None:
    desk = Desk(most=3, most_of_project=2)
    desk.project("p")
    desk.project("q")
    assert desk.say(job(id_="a"), job(id_="b"), job(id_="c"), line(id_="c")) == [
        "accepted", "accepted", "too_many_jobs", "too_many_jobs",
    ]  # fmt: skip
    assert desk.say(job(id_="d"), job(id_="e"), project="q") == ["accepted", "too_many_jobs"]
    assert desk.say(job("succeeded", "a"), job(id_="c")) == ["accepted", "accepted"]
    assert desk.say(line(id_="b")) == ["accepted"]


# -- ends -------------------------------------------------------------------------------------------------------------


def test_an_end_said_twice_is_fine_and_another_word_is_not(desk: Desk) -> None:
    desk.say(job(), job("succeeded", result={"a": 1}))
    assert desk.say(job("succeeded"), job("failed"), job(), progress(1), stage("s"), line()) == [
        "duplicate", *["job_ended"] * 5,
    ]  # fmt: skip
    assert len(desk.ends()) == 1
    assert desk.answer(line()).jobs == {"j": (State.SUCCEEDED, 100.0)}


def test_an_ended_job_stays_ended_when_nobody_remembers_it_in_memory(desk: Desk) -> None:
    desk.say(job("failed"))
    for n in range(1005):
        desk.say(job("succeeded", f"other{n}"))
    assert not desk.ledger.has_ended("j")
    assert desk.say(job(), progress(5)) == ["job_ended", "job_ended"]
    again = desk.restarted()
    assert again.say(job(), job("failed")) == ["job_ended", "duplicate"]


def test_ends_are_remembered_as_long_as_the_journal_does_not_know_them(desk: Desk) -> None:
    for n in range(1005):
        desk.ledger.publish("p", f"j{n}", "train", JobBody(state=State.SUCCEEDED))
    assert desk.ledger.has_ended("j0")
    desk.commit()
    assert not desk.ledger.has_ended("j0")


def test_a_job_of_which_only_events_are_kept_is_not_begun_again(desk: Desk) -> None:
    desk.say(job(), line(), job("succeeded"))
    del desk.journal._jobs["j"]
    again = desk.restarted()
    assert again.say(job()) == ["job_ended"]
    again.journal._events["p"].clear()
    assert again.say(job()) == ["accepted"], "nothing is left of the earlier one"


def test_other_projects_jobs_and_the_hubs_own_are_not_touched(desk: Desk) -> None:
    desk.project("q")
    desk.say(job(), job(id_="gone"), job("succeeded", "gone"))
    desk.ledger.publish("p", "mine", "clone", JobBody(state=State.RUNNING))
    assert desk.say(job(), line(), project="q") == ["foreign_job", "foreign_job"]
    assert desk.say(job(id_="gone"), job("succeeded", "gone"), project="q") == ["foreign_job", "foreign_job"]
    assert desk.say(job(id_="mine"), line(id_="mine"), project="q") == ["foreign_job", "foreign_job"]
    assert desk.say(job("succeeded", "mine")) == ["other_kind"]
    assert desk.say(line() | {"kind": "other"}) == ["other_kind"]
    assert desk.answer(job(), project="q").jobs == {}
    desk.ledger.publish("p", "mine", "clone", JobBody(state=State.SUCCEEDED))
    assert desk.say(job("succeeded", "mine")) == ["job_ended"]
    assert desk.restarted().say(job("succeeded", "gone"), project="q") == ["foreign_job"]


# -- keys -------------------------------------------------------------------------------------------------------------


def test_the_same_key_is_the_same_event_also_after_a_restart(desk: Desk) -> None:
    batch = [job(key="a"), stage("s", key="b"), line(key="c"), progress(5, key="d")]
    first = desk.answer(*batch)
    assert [each.word for each in first.outcomes] == ["accepted"] * 4
    second = desk.answer(*batch)
    assert [each.word for each in second.outcomes] == ["duplicate"] * 4
    assert [each.seq for each in second.outcomes] == [each.seq for each in first.outcomes]
    again = desk.restarted()
    assert again.say(*batch) == ["duplicate"] * 3 + ["accepted"]
    assert [body.message for body in again.bodies("log")] == []
    end = job("succeeded", key="e")
    assert again.say(*batch, end, end) == [*["duplicate"] * 4, "accepted", "duplicate"]
    assert again.say(*batch, line(key="new")) == [*["duplicate"] * 4, "job_ended"]
    assert again.restarted().say(*batch) == ["duplicate"] * 3 + ["job_ended"]


def test_a_key_with_other_content_is_refused(desk: Desk) -> None:
    said = (line("a", key="k"), line("b", key="k"), progress(1, key="k"))
    assert desk.say(*said) == ["accepted", "key_reused", "key_reused"]
    assert desk.restarted().say(line("b", key="k"), line("a", key="k")) == ["key_reused", "duplicate"]
    assert desk.say(line("b", "other", key="k")) == ["accepted"], "each job has its own keys"


def test_what_was_refused_may_be_said_again_with_its_key(desk: Desk) -> None:
    desk = Desk(most=1)
    desk.project()
    desk.say(job())
    assert desk.say(job(id_="k", key="1")) == ["too_many_jobs"]
    desk.say(job("succeeded"))
    assert desk.say(job(id_="k", key="1")) == ["accepted"]


def test_keys_that_no_longer_fit_into_memory_are_found_in_the_journal(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "RECENT", 12)
    batches = [[line(str(n), key=str(n)) for n in range(start, start + 10)] for start in range(0, 40, 10)]
    for batch in batches:
        assert desk.say(*batch) == ["accepted"] * 10
    for batch in batches:
        assert desk.say(*batch) == ["duplicate"] * 10
    assert len(desk.bodies("log")) == 40


def test_a_key_is_forgotten_with_its_event(desk: Desk) -> None:
    desk.say(job(), line(key="k"))
    again = desk.restarted()
    again.journal._events["p"].pop()
    assert again.say(line(key="k")) == ["accepted"]


# -- silence ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept_alive_by", [job(), progress(5), line(), line(key="same"), stage("s")])
def test_a_job_lives_as_long_as_somebody_speaks_for_it(desk: Desk, kept_alive_by: dict[str, Any]) -> None:
    desk.say(job(silence_s=10))
    for _ in range(10):
        desk.step(9)
        assert desk.say(kept_alive_by)[0] in {"accepted", "duplicate"}
    desk.step(9)
    assert not desk.states["j"].state.is_end
    desk.step(4)
    ended = desk.states["j"]
    assert (ended.state, ended.error.code, ended.error.retry) == (State.FAILED, "publisher_silent", True)
    assert "10 seconds" in ended.error.message
    assert desk.say(job()) == ["job_ended"]


def test_who_promises_nothing_has_the_hubs_own_time() -> None:
    desk = Desk(silence_s=100)
    desk.project()
    desk.say(job())
    desk.step(99)
    assert not desk.states["j"].state.is_end
    desk.step(4)
    assert desk.states["j"].error.code == "publisher_silent"


def test_a_keep_alive_tells_nobody_anything(desk: Desk) -> None:
    desk.say(job())
    before = len(desk.told)
    answer = desk.answer(job(), job())
    assert [each.seq for each in answer.outcomes] == [None, None]
    assert len(desk.told) == before


def test_another_promise_replaces_the_first(desk: Desk) -> None:
    desk.say(job(silence_s=10))
    desk.say(job(silence_s=100))
    desk.step(50)
    assert desk.states["j"].silence_s == 100.0
    assert not desk.states["j"].state.is_end


def test_a_hub_that_stood_still_blames_nobody(desk: Desk) -> None:
    desk.say(job(silence_s=10))
    desk.clock.now += 3600
    desk.step(1)
    assert not desk.states["j"].state.is_end
    desk.step(12)
    assert desk.states["j"].state.is_end


def test_jobs_outlive_the_hub_with_all_their_time_to_speak(desk: Desk) -> None:
    desk.say(job(stages=PLAN, silence_s=10), progress(100, stage="fetch"), progress(50, stage="unpack"))
    desk.say(stage("surprise"), progress(99))
    desk.step(9)
    again = desk.restarted()
    again.step(9)
    assert again.states["j"].state is State.RUNNING
    assert again.say(progress(100)) == ["accepted"]
    assert again.say(stage("unpack")) == ["accepted"]
    assert again.say(progress(10)) == ["accepted"]
    assert set(again.percents()) == {87.5}
    again.step(0.1)
    again.say(progress(80))
    assert again.percents()[-1] == 95.0, "the weights are as they were"
    again.step(13)
    assert again.states["j"].error.code == "publisher_silent"
    silent = desk.restarted()
    silent.step(13)
    assert silent.say(job()) == ["job_ended"]


def test_a_job_that_stands_still_over_a_restart_keeps_its_counters(desk: Desk) -> None:
    desk.say(stage("a"), progress(5000, 9000, unit="MB", message="half", detail={"loss": 0.5}))
    desk.step(1)
    later = desk.restarted()
    later.step(6)
    (still,) = later.bodies("progress")
    assert (still.stalled_s, still.current, still.total, still.unit, still.message, still.detail) == (
        4.0, 5000, 9000, "MB", "half", {"loss": 0.5},
    )  # fmt: skip


def test_what_does_not_move_is_said_to_stand_still(desk: Desk) -> None:
    desk.say(job(), progress(5))
    desk.step(30)
    told = desk.states["j"].progress
    assert (told.current, told.percent, told.eta_s) == (5, 5.0, None)
    assert told.stalled_s >= 25
    assert len(desk.told) < 10
    desk.say(progress(6))
    assert desk.states["j"].progress.stalled_s is None


# -- orders -----------------------------------------------------------------------------------------------------------


def test_a_cancel_is_found_in_the_next_answer(desk: Desk) -> None:
    desk.say(job(params={"a": 1}), progress(40))
    desk.outside.cancel("j")
    desk.outside.cancel("j")
    desk.commit()
    assert [body.state for body in desk.bodies("job")] == [State.RUNNING, State.CANCELLING]
    answer = desk.answer(job())
    assert answer.jobs == {"j": (State.CANCELLING, 40.0)}
    assert desk.say(progress(50), line("cleaning up"), job("cancelled")) == ["accepted"] * 3
    assert [body.state for body in desk.bodies("job")][2:] == [State.CANCELLED]
    assert (desk.states["j"].error, desk.states["j"].params) == (None, {"a": 1})


def test_a_cancel_that_nobody_confirms_is_ended_by_the_hub() -> None:
    desk = Desk(cancel_s=30)
    desk.project()
    desk.say(job(silence_s=1000))
    desk.outside.cancel("j")
    for _ in range(3):
        desk.step(9)
        desk.say(progress(5))
    assert desk.states["j"].state is State.CANCELLING
    desk.step(5)
    ended = desk.states["j"]
    assert (ended.state, ended.error.code) == (State.CANCELLED, "cancel_not_confirmed")
    assert desk.answer(progress(6)).jobs == {"j": (State.CANCELLED, 5.0)}


def test_a_job_that_begins_with_a_cancel_has_as_long(desk: Desk) -> None:
    for _ in range(100):
        desk.step(1)
    desk.say(job("cancelling"))
    desk.step(1)
    desk.step(1)
    assert desk.states["j"].state is State.CANCELLING


@pytest.mark.parametrize("restarts", [False, True])
def test_a_publisher_that_says_itself_that_it_cancels_has_as_long(restarts: bool) -> None:
    desk = Desk(cancel_s=30)
    desk.project()
    desk.say(job("cancelling"))
    if restarts:
        desk = desk.restarted(cancel_s=30)
    for _ in range(28):
        desk.step(1)
        desk.say(progress(50))
    assert desk.states["j"].state is State.CANCELLING
    desk.step(2)
    desk.step(2)
    assert desk.states["j"].error.code == "cancel_not_confirmed"


def test_a_job_that_finishes_in_spite_of_a_cancel_has_finished(desk: Desk) -> None:
    desk.say(job())
    desk.outside.cancel("j")
    assert desk.say(job("succeeded")) == ["accepted"]
    assert desk.states["j"].state is State.SUCCEEDED


def test_a_cancel_outlives_the_hub() -> None:
    desk = Desk(cancel_s=30)
    desk.project()
    desk.say(job())
    desk.outside.cancel("j")
    desk.commit()
    again = desk.restarted(cancel_s=30)
    assert again.answer(job()).jobs["j"][0] is State.CANCELLING
    again.step(33)
    assert again.states["j"].state is State.CANCELLED


# -- learning ---------------------------------------------------------------------------------------------------------


def run_once(desk: Desk, id_: str, **fields: Any) -> None:
    desk.say(job(id_=id_, **fields))
    for name, seconds in (("fetch", 2), ("unpack", 8)):
        desk.say(stage(name, id_))
        desk.step(seconds)
    desk.say(job("succeeded", id_))


def test_earlier_runs_teach_weights_and_how_long_it_takes(desk: Desk) -> None:
    for n in range(4):
        run_once(desk, f"run{n}", stages=PLAN)
    desk.say(job(stages=PLAN))
    fetch, unpack = desk.states["j"].stages
    assert fetch.weight < unpack.weight
    low, high = desk.states["j"].usual_s
    assert low <= 10 <= high


def test_a_job_without_a_plan_gets_that_of_the_last_run_like_it(desk: Desk) -> None:
    run_once(desk, "run1", params={"a": 1})
    desk.say(job(params={"a": 1}), job(id_="other", params={"a": 2}))
    assert [each.stage for each in desk.states["j"].stages] == ["fetch", "unpack"]
    assert desk.states["other"].stages == ()


# -- the hub's state --------------------------------------------------------------------------------------------------


def test_secrets_pass_the_redactor(desk: Desk) -> None:
    desk.redactor.add(["s3cret!token"], job="j")
    desk.say(
        job(params={"t": "s3cret!token"}), line("a s3cret!token"), progress(1, message="s3cret!token"),
        job("failed", error={"message": "s3cret!token", "hint": "s3cret!token"}, result={"a": ["s3cret!token"]}),
    )  # fmt: skip
    assert "s3cret" not in str(desk.told)
    assert str(desk.told).count(MASK) >= 6
    assert "s3cret" not in str(desk.journal.__dict__)


def test_texts_of_no_unicode_are_made_some(desk: Desk) -> None:
    desk.say(line("\ud800"), job(params={"\udfff": "\ud800"}))
    assert desk.bodies("log")[0].message == "\\ud800"
    str(desk.told).encode()


def test_a_hub_that_stops_takes_nothing_more_and_tells_what_it_held(desk: Desk) -> None:
    desk.say(job(), progress(1), progress(2))
    desk.outside.stop()
    desk.commit()
    assert desk.states["j"].progress.current == 2
    with pytest.raises(HubError) as refused:
        desk.say(progress(3))
    assert (refused.value.narrow_code, refused.value.retry) == ("draining", True)
    assert desk.restarted().states["j"].state is State.RUNNING


def test_a_hub_that_cannot_write_takes_nothing(desk: Desk) -> None:
    desk.trouble = "disk full"
    with pytest.raises(JournalUnavailable, match="disk full"):
        desk.say(job())
    assert desk.ledger.live_jobs() == []


def test_projects_that_are_gone_or_going_take_nothing(desk: Desk) -> None:
    with pytest.raises(NotFound):
        desk.say(job(), project="nowhere")
    with desk.outside.closing("p"), pytest.raises(Conflict) as refused:
        desk.say(job())
    assert refused.value.narrow_code == "project_leaving"
    assert desk.say(job()) == ["accepted"]


def test_a_project_made_again_knows_nothing_of_the_jobs_of_the_first(desk: Desk) -> None:
    desk.say(job(key="k"), job("succeeded", key="e"))
    with desk.outside.closing("p"):
        at_once(desk.journal.delete_project("p"))
        desk.ledger.close_project("p")
    desk.project()
    assert desk.say(job(key="k"), job("succeeded", key="e")) == ["accepted", "accepted"]


def test_outcomes_are_counted(desk: Desk) -> None:
    desk.say(job(key="a"), job(key="a"), line() | {"kind": "other"})
    assert desk.outside.counts == {"accepted": 1, "duplicate": 1, "refused": 1}


def test_the_first_stage_is_entered_by_progress_that_names_none(desk: Desk) -> None:
    desk.say(job(stages=PLAN), progress(50))
    assert desk.states["j"].stage == "fetch"
    assert [body.stage for body in desk.bodies("stage")] == ["fetch"]
