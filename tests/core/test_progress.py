"""The meter: one percent out of many counters."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.events import Stage
from hub.core.progress import CEILING, Meter, Speed
from tests.fakes import PLAN


def test_percent_weighs_the_stages() -> None:
    meter = Meter(PLAN, started=0.0)
    meter.enter("fetch")
    assert meter.advance(1.0, 50, 100).percent == 37.5  # half of three quarters
    meter.enter("unpack")
    assert meter.advance(2.0, 0, 10).percent == 75.0
    assert meter.advance(3.0, 5, 10).percent == 87.5


def test_the_last_counter_is_not_the_end() -> None:
    meter = Meter(PLAN, started=0.0)
    meter.enter("unpack")
    assert meter.advance(1.0, 10, 10).percent == CEILING


def test_an_unknown_total_keeps_the_percent_where_the_stage_began() -> None:
    meter = Meter(PLAN, started=0.0)
    meter.enter("unpack")
    body = meter.advance(1.0, 12345, None)
    assert (body.percent, body.total, body.current) == (75.0, None, 12345)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["fetch", "unpack", "surprise"]),
            st.integers(-(10**18), 10**18),
            st.one_of(st.none(), st.integers(-5, 10**18)),
        ),
        max_size=40,
    )
)
def test_percent_never_goes_down_whatever_the_counters_do(reports: list[tuple[str, int, int | None]]) -> None:
    meter = Meter(PLAN, started=0.0)
    percents = []
    for at, (stage, current, total) in enumerate(reports):
        meter.enter(stage)
        percents.append(meter.advance(float(at), current, total).percent)
    assert all(0 <= percent <= CEILING for percent in percents)
    assert all(later >= earlier for earlier, later in itertools.pairwise(percents))


def test_no_estimate_before_it_is_worth_something() -> None:
    meter = Meter(PLAN, started=0.0)
    meter.enter("fetch")
    early = [meter.advance(at / 10, at, 1000) for at in range(1, 20)]
    assert all(body.eta_s is None for body in early)


def test_a_steady_run_is_estimated_rightly() -> None:
    meter = Meter(PLAN[:1], started=0.0)
    meter.enter("fetch")
    body = None
    for at in range(1, 41):
        body = meter.advance(float(at), at * 10, 1000)
    assert body is not None
    assert body.rate == 10.0
    assert body.eta_s is not None
    low, high = body.eta_s
    assert 55 <= low <= high <= 65


def test_a_counter_that_starts_over_starts_the_rate_over() -> None:
    speed = Speed()
    for at in range(5):
        speed.sample(at * 100.0, float(at))
    assert speed.per_s == 100.0
    speed.sample(0.0, 6.0)
    assert speed.per_s is None


def test_a_pause_without_advance_is_no_sample() -> None:
    speed = Speed()
    for value, at in [(0, 0.0), (10, 1.0), (10, 2.0), (10, 3.0)]:
        speed.sample(value, at)
    assert (speed.advances, speed.per_s) == (1, 10.0)


def test_a_new_stage_gets_an_estimate_of_its_own() -> None:
    """Carried over, the pace of a quick stage once promised a slow one's end within seconds."""
    meter = Meter(PLAN, started=0.0)
    meter.enter("fetch")
    for at in range(1, 6):
        meter.advance(float(at), at * 20, 100)
    meter.enter("unpack")
    assert meter.advance(5.5, 1, 100).eta_s is None
    body = None
    for at in range(6, 16):
        body = meter.advance(float(at), at - 5, 100)
    assert body is not None
    assert body.eta_s is None or body.eta_s[1] > 60


def test_a_run_that_stands_still_shows_its_newest_report_without_rate_and_estimate() -> None:
    meter = Meter(PLAN, started=0.0, usual_s=(100.0, 120.0))
    meter.enter("fetch")
    body = None
    for at in range(1, 10):
        body = meter.advance(float(at), at, 100, "objects", "Fetching", {"bytes": at})
    assert body is not None
    assert body.eta_s is not None
    still = meter.still(12.34)
    assert (still.rate, still.eta_s, still.stalled_s) == (None, None, 12.3)
    assert (still.current, still.percent, still.message, still.detail) == (9, body.percent, "Fetching", {"bytes": 9})
    assert meter.advance(30.0, 10, 100).stalled_s is None


def test_a_stage_without_a_report_stands_still_at_nothing() -> None:
    meter = Meter(PLAN, started=0.0)
    meter.enter("fetch")
    meter.advance(1.0, 100, 100)
    meter.enter("unpack")
    still = meter.still(11.0)
    assert (still.stage, still.step, still.current, still.total, still.percent) == ("unpack", 2, 0, None, 75.0)
    assert Meter((), started=0.0).still(11.0).percent == 0


def test_a_stage_that_nobody_planned_moves_nothing() -> None:
    meter = Meter(PLAN, started=0.0)
    meter.enter("fetch")
    meter.advance(1.0, 50, 100)
    assert meter.enter("surprise", "A surprise").title == "A surprise"
    assert meter.advance(2.0, 99, 100).percent == 37.5
    meter.enter("unpack")
    assert meter.advance(3.0, 50, 100).percent == 87.5


def test_without_a_plan_each_stage_takes_half_of_what_is_left() -> None:
    meter = Meter((), started=0.0)
    for name, percent in (("a", 50.0), ("b", 75.0), ("c", 87.5)):
        meter.enter(name)
        assert meter.advance(1.0, 100, 100).percent == percent
    assert meter.names == ["a", "b", "c"]


def test_without_any_stage_the_count_is_the_percent() -> None:
    meter = Meter((), started=0.0)
    assert meter.advance(1.0, 0.37, 1).percent == 37.0
    still = meter.still(20.0)
    assert (still.current, still.total, still.percent) == (0.37, 1, 37.0)


def test_a_meter_goes_on_from_what_was_told() -> None:
    meter = Meter(PLAN, started=-60.0, percent=60.0)
    meter.enter("fetch")
    assert meter.advance(0.1, 1, 100).percent == 60.0
    meter.enter("unpack")
    assert meter.advance(0.2, 50, 100).percent == 87.5


def test_what_stands_still_since_an_earlier_hub_is_told_as_it_was() -> None:
    told = Meter((), started=0.0).advance(1.0, 5000, 9000, "MB", "half", {"loss": 0.5})
    still = Meter((), started=0.0, percent=told.percent, newest=told).still(4.0)
    assert (still.current, still.total, still.unit, still.message, still.detail) == (
        5000, 9000, "MB", "half", {"loss": 0.5},
    )  # fmt: skip


@pytest.mark.parametrize("weight", [3.0, 0.1, 0.3])
def test_the_last_bit_of_a_float_costs_no_tenth(weight: float) -> None:
    """6 of 100 in a stage of 70 percent after one of 30 are 34.2 percent, and not 34.1."""
    for done in range(100):
        plan = [Stage(name="a", title="", weight=weight), Stage(name="b", title="", weight=weight * 7 / 3)]
        meter = Meter(plan, started=0.0)
        meter.enter("b")
        assert meter.advance(1.0, done, 100).percent == (300 + 7 * done) / 10


def test_only_the_end_is_all_of_it() -> None:
    meter = Meter((), started=0.0)
    assert meter.advance(1.0, 999_999_999_999, 10**12).percent == 99.9
