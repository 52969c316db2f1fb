"""What earlier runs teach: sane weights from any history, and estimates that are measured."""

import math
import random
import statistics
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.core.estimates import NARROWEST, Pace, Past, learned, left_s, relevant, usual_s
from hub.core.events import JobBody, Stage, State
from hub.core.job import JobState, reduce
from hub.core.progress import CEILING, Meter
from tests.fakes import PLAN, event, job_body, stage_body

SECONDS = st.floats(0.0, 1e6)
PASTS = st.lists(
    st.builds(
        lambda fetch, unpack, more: Past(
            whole_s=fetch + unpack + more + 0.5, stages={"fetch": fetch, "unpack": unpack, "gone": more}
        ),
        SECONDS, SECONDS, SECONDS,
    ),
    max_size=6,
)  # fmt: skip


def past(fetch_s: float, unpack_s: float) -> Past:
    return Past(whole_s=fetch_s + unpack_s, stages={"fetch": fetch_s, "unpack": unpack_s})


def job(*, fetch_s: float = 6, unpack_s: float = 3, end: State = State.SUCCEEDED, **fields) -> JobState:
    """A job of two stages, as its events make it."""
    bodies = [(0, job_body()), (1000, stage_body("fetch")), (1000 + fetch_s * 1000, stage_body("unpack"))]
    bodies.append((1000 + (fetch_s + unpack_s) * 1000, JobBody(state=end, **fields)))
    state = None
    for seq, (at, body) in enumerate(bodies, 1):
        told = event(seq, body)
        state = reduce(state, told.__class__(**{name: getattr(told, name) for name in told.__slots__} | {"at": at}))
    return state


def test_a_run_teaches_its_time_at_work() -> None:
    assert Past.of(job()) == Past(whole_s=10.0, stages={"fetch": 6.0, "unpack": 3.0})


@pytest.mark.parametrize(
    "odd",
    [
        job(end=State.FAILED), job(end=State.CANCELLED), job(fetch_s=-5), job(fetch_s=-1, unpack_s=0.1),
        job(resumed=True),
    ],
    ids=["failed", "cancelled", "clock set back", "no time at all", "a part only"],
)  # fmt: skip
def test_an_odd_run_teaches_nothing(odd: JobState) -> None:
    assert Past.of(odd) is None


def test_runs_with_the_same_parameters_are_believed_before_others() -> None:
    jobs = [job(fetch_s=1, params={"depth": 1}), job(fetch_s=50, params={}), job(fetch_s=60, params={})]
    assert [run.stages["fetch"] for run in relevant(jobs, {"depth": 1})] == [1]
    assert [run.stages["fetch"] for run in relevant(jobs, {})] == [50, 60]
    assert len(relevant(jobs, {"depth": 7})) == 3
    assert relevant([], {}) == ()
    assert len(relevant(jobs * 9, {"depth": 7})) == 5


@given(PASTS)
def test_a_learned_plan_is_sane_whatever_the_history(runs: list[Past]) -> None:
    plan = learned(PLAN, runs)
    assert [(stage.name, stage.title) for stage in plan] == [(stage.name, stage.title) for stage in PLAN]
    if plan != PLAN:
        assert sum(stage.weight for stage in plan) == pytest.approx(100, abs=0.05)
        assert all(stage.weight >= 100 * NARROWEST * 0.9 for stage in plan)


@given(PASTS, st.integers(0, 50), st.integers(0, 50))
def test_percent_of_a_learned_plan_keeps_to_its_rules(runs: list[Past], one: int, two: int) -> None:
    meter = Meter(learned(PLAN, runs), started=0.0, usual_s=usual_s(runs))
    percents = []
    for at, (stage, current) in enumerate([("fetch", one), ("fetch", 50), ("unpack", two), ("unpack", 50)], 1):
        if meter.stage is None or meter.stage.name != stage:
            meter.enter(stage)
        percents.append(meter.advance(float(at), current, 50).percent)
    assert percents == sorted(percents)
    assert percents[-1] == CEILING


def test_the_newest_runs_teach_most_and_the_kind_is_not_forgotten() -> None:
    def share(*runs: Past) -> float:
        return learned(PLAN, runs)[0].weight

    assert share(past(1, 9)) == pytest.approx((0.5 * 75 + 10) / 1.5, abs=0.01)
    assert share(past(1, 9), past(9, 1)) < share(past(9, 1), past(1, 9))
    assert share(*[past(1, 9)] * 5) == pytest.approx(10, abs=12)


def test_a_stage_without_a_weight_gets_none() -> None:
    plan = (*PLAN, Stage(name="extra", title="Extra", weight=0.0))
    runs = [Past(whole_s=30, stages={"fetch": 10, "unpack": 10, "extra": 10})]
    assert learned(plan, runs)[-1].weight == 0


def test_the_usual_duration_leaves_out_the_odd_ones() -> None:
    assert usual_s([]) is None
    assert usual_s([past(5, 5)]) == (7.5, 13.5)
    assert usual_s([past(5, 5), past(9, 3)]) == (10.0, 12.0)
    assert usual_s([past(0, n) for n in (500, 11, 10, 12, 1)]) == (10.0, 12.0)


@given(
    st.floats(0, 1e6), st.floats(0, 0.999), st.one_of(st.none(), st.floats(1e-9, 10)),
    st.one_of(st.none(), st.tuples(st.floats(0.5, 1e6), st.floats(0, 1e6)).map(lambda two: (two[0], sum(two)))),
)  # fmt: skip
def test_an_estimate_is_a_range_of_time_that_is_left_or_none(elapsed_s, share, per_s, usual) -> None:
    estimate = left_s(Pace(elapsed_s=elapsed_s, share=share, per_s=per_s), usual)
    if estimate is not None:
        low, high = estimate
        assert 0 <= low <= high < math.inf
        assert high > 0


def test_a_run_that_takes_far_longer_than_usual_is_estimated_by_itself() -> None:
    slow = Pace(elapsed_s=100.0, share=0.5, per_s=0.005)
    assert left_s(slow, (10.0, 12.0)) == left_s(slow, None) == (100.0, 100.0)
    assert left_s(Pace(elapsed_s=100.0, share=0.5, per_s=None), (10.0, 12.0)) is None


def test_a_run_that_has_used_up_the_usual_time_and_got_nowhere_is_not_told_to_be_nearly_done() -> None:
    found = left_s(Pace(elapsed_s=6.5, share=0.03, per_s=0.03 / 6.5), (6.0, 7.0))
    assert found is None or found[0] > 60


def test_with_a_history_the_first_seconds_have_an_estimate() -> None:
    assert left_s(Pace(elapsed_s=1.0, share=0.0, per_s=None), (20.0, 25.0)) == (19.0, 24.0)
    assert left_s(Pace(elapsed_s=1.0, share=0.0, per_s=None), None) is None


# -- measured ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    median: float
    nine_tenths: float
    told: float


class Work:
    """A simulated kind: 1 to 4 stages, each of some 20 s, whose weights were guessed wrong by a factor of about 2."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._stages = [rng.lognormvariate(math.log(20), 1.0) for _ in range(rng.randint(1, 4))]
        guesses = [seconds * rng.lognormvariate(0, 0.8) for seconds in self._stages]
        self.plan = tuple(Stage(name=str(n), title="", weight=guess) for n, guess in enumerate(guesses))

    def run(self, spread: float = 0.15) -> list[float]:
        """Seconds of each stage in one run; all of it longer or shorter than the last one."""
        scale = self._rng.lognormvariate(0, spread)
        return [seconds * scale * self._rng.lognormvariate(0, 0.15) for seconds in self._stages]

    def past(self) -> Past:
        run = self.run()
        return Past(whole_s=sum(run) + 0.3, stages={str(n): seconds for n, seconds in enumerate(run)})

    def advances(self, seconds: float, steps: int = 200):
        """(seconds passed, share done) of one stage, at a speed that wanders."""
        speeds, drift = [], 0.0
        for _ in range(steps):
            drift = 0.95 * drift + self._rng.gauss(0, 0.25)
            speeds.append(math.exp(drift))
        done = 0.0
        for speed in speeds:
            done += speed / sum(speeds)
            yield seconds / steps, done


def measure(earlier: int, jobs: int) -> Measured:
    """How far the middle of the estimates is off, in shares of the whole duration, and how often there is one."""
    errors, told, asked = [], 0, 0
    for seed in range(jobs):
        rng = random.Random(seed)
        work = Work(rng)
        runs = [work.past() for _ in range(earlier)]
        run = work.run(0.15 if rng.random() < 6 / 7 else 1.0)
        whole_s, at = sum(run), 0.0
        meter = Meter(learned(work.plan, runs), started=0.0, usual_s=usual_s(runs))
        for number, seconds in enumerate(run):
            meter.enter(str(number))
            for step_s, share in work.advances(seconds):
                at += step_s
                body = meter.advance(at, int(share * 10_000), 10_000)
                asked += 1
                if body.eta_s:
                    told += 1
                    errors.append(abs(statistics.mean(body.eta_s) - (whole_s - at)) / whole_s)
    errors.sort()
    return Measured(median=statistics.median(errors), nine_tenths=errors[len(errors) * 9 // 10], told=told / asked)


def test_estimates_are_as_good_as_the_docstring_says() -> None:
    none, one, five = (measure(earlier, jobs=60) for earlier in (0, 1, 5))
    assert none.median < 0.25
    assert one.median < 0.20
    assert five.median < 0.15
    assert five.nine_tenths < 0.5 < none.nine_tenths
    assert none.told < one.told < five.told
    assert five.told > 0.9


@settings(max_examples=25, deadline=None)
@given(st.integers(10, 200), st.integers(2, 40), st.lists(st.floats(0.9, 1.1), min_size=1, max_size=5))
def test_a_run_like_those_before_it_is_estimated_rightly(fetch_s: int, unpack_s: int, spread: list[float]) -> None:
    """Within the spread of the earlier runs, and a tenth, all the way."""
    runs = [past(fetch_s * factor, unpack_s * factor) for factor in spread]
    meter = Meter(learned(PLAN, runs), started=0.0, usual_s=usual_s(runs))
    whole_s = fetch_s + unpack_s
    for at in range(1, whole_s):
        stage, since, length = ("fetch", 0, fetch_s) if at < fetch_s else ("unpack", fetch_s, unpack_s)
        if meter.stage is None or meter.stage.name != stage:
            meter.enter(stage)
        body = meter.advance(float(at), at - since, length)
        if body.eta_s is not None and at < whole_s / 2:
            low, high = body.eta_s
            assert low <= (whole_s - at) + 0.45 * whole_s
            assert high >= (whole_s - at) - 0.45 * whole_s


if __name__ == "__main__":  # the figures in the docstring of `left_s`
    for earlier in (0, 1, 3, 5):
        print(earlier, measure(earlier, jobs=300))
