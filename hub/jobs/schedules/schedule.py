"""Work that comes back by itself.

A `Rhythm` says when the next turn is; a `Schedule` waits for it and starts the work. What the work is, and whether it
may start now, is decided by whoever gave it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from hub.core.ports import Clock, Timer

log = logging.getLogger(__name__)

LONGEST_WAIT_S = 60.0
"""The wall clock may be set while a turn is waited for; it is looked at again at least this often."""


class Rhythm(Protocol):
    def next_ms(self, after_ms: int) -> int | None:
        """The first turn after that time, in Unix milliseconds; None: there is none any more."""

    def again_ms(self, now_ms: int, taken_ms: int | None) -> int | None:
        """The first turn after now on a clock that was set back, when the one of `taken_ms` was the last."""


@dataclass(frozen=True, slots=True)
class Every:
    """A turn each `interval_s` after the one before it, and the first after as long."""

    interval_s: float

    def next_ms(self, after_ms: int) -> int | None:
        return after_ms + max(1, round(self.interval_s * 1000)) if self.interval_s > 0 else None

    def again_ms(self, now_ms: int, taken_ms: int | None) -> int | None:
        return self.next_ms(now_ms)


class Pace:
    """Spreads the turns of many schedules that are due at the same moment, so that the hub has time for others."""

    def __init__(self, clock: Clock, per_s: float, at_once: int) -> None:
        self._clock = clock
        self._gap_s = 1 / per_s
        self._at_once_s = at_once / per_s
        self._next_s = 0.0

    def place_s(self) -> float:
        """Take the next place; seconds until then, 0 for now."""
        now_s = self._clock.monotonic()
        at_s = max(self._next_s, now_s - self._at_once_s)
        self._next_s = at_s + self._gap_s
        return max(0.0, at_s - now_s)


class Schedule:
    """One piece of work and its rhythm. Turns never overlap: one that is due while the work goes on is left out."""

    def __init__(
        self,
        name: str,
        rhythm: Rhythm,
        start: Callable[[], Awaitable[None]],
        clock: Clock,
        pace: Pace | None = None,
    ) -> None:
        """`start` has done its part when it returns; what it raises is logged, and the next turn comes all the same.
        `pace` is shared by schedules that are not to begin all at once.
        """
        self._name = name
        self._rhythm = rhythm
        self._start = start
        self._clock = clock
        self._pace = pace
        self._has_place = False
        self._due_ms: int | None = None
        self._taken_ms: int | None = None
        self._seen_ms = 0
        """When the clock was looked at last."""
        self._timer: Timer | None = None
        self._turn: asyncio.Task[None] | None = None

    @property
    def due_ms(self) -> int | None:
        """When the next turn is; None: there is none."""
        return self._due_ms

    @property
    def taken_ms(self) -> int | None:
        """When the turn was due that began last; None: none has."""
        return self._taken_ms

    def begin(self, due_ms: int | None = None, taken_ms: int | None = None) -> None:
        """Wait for the next turn: that of `due_ms`, which an earlier process has waited for, if it still comes first.
        `taken_ms` is the last turn of that process.

        One that has passed meanwhile comes at once; however many have passed, that is one turn.
        """
        self._taken_ms = taken_ms
        now_ms = self._clock.now_ms()
        soonest_ms = self._rhythm.again_ms(now_ms, taken_ms)
        self._due_ms = soonest_ms if due_ms is None or soonest_ms is None else min(due_ms, soonest_ms)
        self._wait()

    async def end(self) -> None:
        """No turn begins any more; one that has begun is cancelled."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._due_ms = None
        if self._turn is not None:
            self._turn.cancel()
            await asyncio.wait({self._turn})

    def _plan(self) -> None:
        self._due_ms = self._rhythm.next_ms(self._clock.now_ms())
        self._wait()

    def _wait(self) -> None:
        self._timer = None
        if self._due_ms is None:
            return
        now_ms = self._clock.now_ms()
        if now_ms < self._seen_ms and (soonest_ms := self._rhythm.again_ms(now_ms, self._taken_ms)) is not None:
            self._due_ms = min(self._due_ms, soonest_ms)  # the clock was set back
        self._seen_ms = now_ms
        left_s = (self._due_ms - now_ms) / 1000
        if left_s > 0:
            self._has_place = False
            self._timer = self._clock.later(min(left_s, LONGEST_WAIT_S), self._wait)
            return
        if self._pace is not None and not self._has_place:
            self._has_place = True
            if (place_s := self._pace.place_s()) > 0:
                self._timer = self._clock.later(place_s, self._wait)
                return
        self._has_place = False
        if self._turn is None or self._turn.done():
            self._taken_ms = self._due_ms
            self._turn = asyncio.get_running_loop().create_task(self._take_turn(), name=f"schedule {self._name}")
        self._plan()

    async def _take_turn(self) -> None:
        try:
            await self._start()
        except Exception:  # one turn that fails ends no schedule
            log.exception("a scheduled turn failed", extra={"action": "schedule_failed", "schedule": self._name})
