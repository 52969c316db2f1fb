"""What ended jobs say of a kind: medians, shares and trends over runs that are known."""

import json
import statistics
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.statistics import Ran, quantile, summary


def ran(seconds: float | None = 10.0, state: str = "succeeded", **fields: Any) -> Ran:
    stages = fields.pop("stages", [])
    started = None if seconds is None else 3000
    ended = 3000 if seconds is None else 3000 + round(seconds * 1000)
    plain: dict[str, Any] = {"created": 1000, "held_ms": 0, "held_at": None, "resumed": 0}
    return Ran(**{**plain, "state": state, "started": started, "ended": ended, "stages": json.dumps(stages), **fields})


def test_states_are_counted_and_succeeding_is_a_share_of_all() -> None:
    found = summary("p", "clone", [ran(), ran(state="failed"), ran(state="cancelled"), ran()])
    assert (found["runs"], found["success_share"]) == (4, 0.5)
    assert found["states"] == {"succeeded": 2, "failed": 1, "cancelled": 1, "interrupted": 0}
    assert found["last"] == {"state": "succeeded", "ended": 13_000, "seconds": 10.0}


def test_durations_are_of_whole_runs_that_succeeded() -> None:
    runs = [ran(n) for n in (1, 2, 3, 4, 10)]
    others = [ran(500, "failed"), ran(600, resumed=1), ran(None, "cancelled")]
    assert summary("p", "clone", [*others, *runs])["duration_s"] == {"count": 5, "p50": 3, "p90": 7.6, "max": 10}
    assert summary("p", "clone", [ran(5, "failed")])["duration_s"] is None


def test_time_that_a_job_was_held_counts_nowhere() -> None:
    assert ran(60, held_ms=50_000).seconds == 10
    assert ran(60, state="interrupted", held_at=43_000).seconds == 40  # it was paused when it ended
    assert summary("p", "clone", [ran(60, held_ms=50_000)])["duration_s"]["p50"] == 10


def test_a_clock_that_was_set_back_makes_no_negative_durations() -> None:
    assert ran(-5).seconds is None
    found = summary("p", "clone", [ran(-5), ran(10, created=9000)])
    assert found["duration_s"] == {"count": 1, "p50": 10, "p90": 10, "max": 10}
    assert found["queue_wait_s"] == 2  # of the first: the other was started before it was created


def test_waits_in_the_queue_are_meant_over_what_was_started() -> None:
    assert summary("p", "clone", [ran(created=2000), ran(created=0), ran(None)])["queue_wait_s"] == 2
    assert summary("p", "clone", [ran(None, "cancelled")])["queue_wait_s"] is None


def test_stages_have_their_medians_in_the_order_of_the_newest_run() -> None:
    def stages(**seconds: float) -> list[dict[str, Any]]:
        return [
            {"stage": name, "title": name.title(), "started": 0, "ended": round(each * 1000) + 500, "held_ms": 500}
            for name, each in seconds.items()
        ] + [{"stage": "never", "title": "Never", "started": None, "ended": None}]

    runs = [ran(stages=stages(one=1, two=5)), ran(stages=stages(one=3)), ran(stages=stages(old=7, one=2))]
    assert summary("p", "clone", runs)["stages"] == [
        {"stage": "one", "title": "One", "count": 3, "p50": 2},
        {"stage": "two", "title": "Two", "count": 1, "p50": 5},
        {"stage": "old", "title": "Old", "count": 1, "p50": 7},
    ]


@pytest.mark.parametrize(
    ("recent", "before", "direction"), [(20.0, 10.0, "slower"), (10.0, 20.0, "faster"), (10.5, 10.0, "steady")]
)
def test_the_newest_ten_are_held_against_the_ten_before(recent: float, before: float, direction: str) -> None:
    runs = [ran(recent)] * 10 + [ran(before)] * 10 + [ran(1000)] * 5
    trend = summary("p", "clone", runs)["trend"]
    assert trend == {"recent_s": recent, "before_s": before, "ratio": recent / before, "direction": direction}


def test_too_few_runs_tell_no_trend() -> None:
    assert summary("p", "clone", [ran()] * 12)["trend"] is None
    assert summary("p", "clone", [ran()] * 13)["trend"] is not None


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50))
def test_the_median_is_the_one_of_the_standard_library(values: list[float]) -> None:
    assert quantile(values, 0.5) == pytest.approx(statistics.median(values), abs=0.001)
    assert quantile(values, 1.0) == pytest.approx(max(values), abs=0.001)
    assert quantile([], 0.5) is None
