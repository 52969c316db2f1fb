"""What counts as moving, and the clocks that a pause stops."""

import asyncio

import pytest

from hub.jobs.patience import LONGEST_STEP_S, Patience
from hub.jobs.stall import QUIET_S, Stall, Stopwatch
from tests.conftest import until


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def stall(clock: Clock, limit_s: float = 90.0) -> Stall:
    return Stall(limit_s, Stopwatch(clock), on_quiet=lambda quiet_s: None, on_stalled=lambda: None)


def progress(current: int = 1, message: str = "", **detail: object) -> dict[str, object]:
    return {"current": current, "total": None, "unit": "", "message": message, "detail": detail}


def test_a_stopwatch_stands_still_while_it_is_stopped(clock: Clock) -> None:
    watch = Stopwatch(clock)
    clock.now += 3
    watch.stop()
    watch.stop()
    clock.now += 100
    assert watch.seconds() == 3
    watch.go()
    watch.go()
    clock.now += 2
    assert watch.seconds() == 5


@pytest.mark.parametrize(
    "moves",
    [
        lambda one: one.hear_stage(),
        lambda one: one.hear_progress(progress(2)),
        lambda one: one.hear_progress(progress(1, "other words")),
        lambda one: one.hear_progress(progress(1, "words", bytes=6)),
        lambda one: one.hear_log("another line"),
    ],
    ids=["stage", "count", "message", "detail", "log"],
)
def test_what_is_new_is_movement(clock: Clock, moves) -> None:
    one = stall(clock)
    one.hear_progress(progress(1, "words", bytes=5))
    one.hear_log("a line")
    clock.now += QUIET_S + 1
    assert one.quiet_s() == QUIET_S + 1
    moves(one)
    assert one.quiet_s() is None


def test_what_is_said_again_is_none(clock: Clock) -> None:
    one = stall(clock)
    for _ in range(4):
        one.hear_progress(progress(1, "words", bytes=5, phase="a"))
        one.hear_log("a line")
        one.hear_progress(progress(1, "", bytes=5, phase="b"))
        clock.now += QUIET_S / 3
    assert one.quiet_s() is not None


def test_a_short_limit_is_told_of_in_time(clock: Clock) -> None:
    one = stall(clock, limit_s=6.0)
    clock.now += 2.0
    assert one.quiet_s() == 2.0


async def test_it_tells_then_gives_up_once() -> None:
    told: list[str] = []
    one = Stall(0.3, Stopwatch(), on_quiet=lambda quiet_s: told.append("quiet"), on_stalled=lambda: told.append("over"))
    one.start()
    await until(lambda: "over" in told)
    await asyncio.sleep(0.1)
    assert set(told[:-1]) == {"quiet"}
    assert told[-1] == "over"


async def test_stopped_it_says_nothing() -> None:
    told: list[str] = []
    one = Stall(0.1, Stopwatch(), on_quiet=lambda quiet_s: told.append("quiet"), on_stalled=lambda: told.append("over"))
    one.start()
    one.stop()
    await asyncio.sleep(0.2)
    assert told == []


def test_patience_counts_what_it_has_seen_and_not_what_a_pause_took(clock: Clock) -> None:
    patience = Patience(clock)
    for _ in range(10):
        clock.now += 0.1
        patience.waited_s()
    assert patience.waited_s() == pytest.approx(1.0)
    clock.now += 3600
    assert patience.waited_s() == pytest.approx(1.0 + LONGEST_STEP_S)
    patience.heard()
    assert patience.waited_s() == 0
