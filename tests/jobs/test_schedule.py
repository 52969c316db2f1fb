"""Turns that come back by themselves, on a clock that is stepped."""

import asyncio
import logging

import pytest

from hub.jobs.schedules.schedule import LONGEST_WAIT_S, Every, Schedule
from tests.fakes import FakeClock


class Turns:
    def __init__(self) -> None:
        self.count = 0
        self.gate: asyncio.Event | None = None
        self.error: Exception | None = None

    async def take(self) -> None:
        self.count += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error


async def turn() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_a_turn_comes_after_each_interval_and_not_before():
    clock, turns = FakeClock(), Turns()
    schedule = Schedule("sync", Every(300), turns.take, clock)
    schedule.begin()
    assert schedule.due_ms == clock.now_ms() + 300_000
    for wanted in (0, 1, 2):
        clock.step(299)
        await turn()
        assert turns.count == wanted
        clock.step(1)
        await turn()
        assert turns.count == wanted + 1
    await schedule.end()


async def test_an_interval_of_zero_is_no_schedule():
    clock, turns = FakeClock(), Turns()
    schedule = Schedule("sync", Every(0), turns.take, clock)
    schedule.begin()
    clock.step(10**6)
    await turn()
    assert (turns.count, schedule.due_ms) == (0, None)
    await schedule.end()


async def test_a_turn_that_is_due_while_the_last_one_goes_on_is_left_out():
    clock, turns = FakeClock(), Turns()
    turns.gate = asyncio.Event()
    schedule = Schedule("sync", Every(10), turns.take, clock)
    schedule.begin()
    for _ in range(3):
        clock.step(10)
        await turn()
    assert turns.count == 1
    turns.gate.set()
    await turn()
    clock.step(10)
    await turn()
    assert turns.count == 2
    await schedule.end()


async def test_a_turn_that_fails_is_logged_and_the_next_one_comes(caplog: pytest.LogCaptureFixture):
    clock, turns = FakeClock(), Turns()
    turns.error = ValueError("no disk")
    schedule = Schedule("sync", Every(10), turns.take, clock)
    schedule.begin()
    with caplog.at_level(logging.ERROR):
        for _ in range(2):
            clock.step(10)
            await turn()
    assert turns.count == 2
    assert "no disk" in caplog.text
    await schedule.end()


async def test_after_the_end_nothing_begins_and_what_has_begun_is_cancelled():
    clock, turns = FakeClock(), Turns()
    turns.gate = asyncio.Event()
    schedule = Schedule("sync", Every(10), turns.take, clock)
    schedule.begin()
    clock.step(10)
    await turn()
    await schedule.end()
    clock.step(100)
    await turn()
    assert turns.count == 1


class SetClock(FakeClock):
    """One whose wall can be set apart from its timers."""

    ahead_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.ahead_ms


async def test_a_clock_that_is_set_back_holds_no_turn_back():
    clock, turns = SetClock(), Turns()
    schedule = Schedule("sync", Every(300), turns.take, clock)
    schedule.begin()
    clock.ahead_ms = -86_400_000
    clock.step(LONGEST_WAIT_S)
    clock.step(300)
    await turn()
    assert turns.count == 1
    await schedule.end()


async def test_a_clock_that_is_set_forward_brings_the_turn_within_a_minute():
    clock, turns = SetClock(), Turns()
    schedule = Schedule("sync", Every(86_400), turns.take, clock)
    schedule.begin()
    clock.ahead_ms = 86_400_000
    clock.step(LONGEST_WAIT_S)
    await turn()
    assert turns.count == 1
    await schedule.end()


async def test_a_turn_that_an_earlier_process_waited_for_comes_when_it_was_due():
    clock, turns = FakeClock(), Turns()
    schedule = Schedule("sync", Every(3600), turns.take, clock)
    schedule.begin(clock.now_ms() + 60_000)
    clock.step(60)
    await turn()
    assert (turns.count, schedule.due_ms) == (1, clock.now_ms() + 3_600_000)
    await schedule.end()


async def test_however_many_turns_have_passed_one_comes_at_once():
    clock, turns = FakeClock(), Turns()
    schedule = Schedule("sync", Every(60), turns.take, clock)
    schedule.begin(clock.now_ms() - 86_400_000)
    await turn()
    assert (turns.count, schedule.due_ms) == (1, clock.now_ms() + 60_000)
    await schedule.end()


async def test_a_due_time_from_before_the_clock_was_set_back_is_not_waited_for():
    clock, turns = FakeClock(), Turns()
    schedule = Schedule("sync", Every(60), turns.take, clock)
    schedule.begin(clock.now_ms() + 86_400_000)
    assert schedule.due_ms == clock.now_ms() + 60_000
    await schedule.end()


async def test_an_interval_of_less_than_a_millisecond_is_one_of_a_millisecond():
    assert Every(0.0001).next_ms(5) == 6
