"""The meter: one percent out of many counters."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

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
