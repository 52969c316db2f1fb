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


@dataclass(frozen=True, slots=True)
class Every:
    """A turn each `interval_s` after the one before it, and the first after as long."""

    interval_s: float

    def next_ms(self, after_ms: int) -> int | None:
        return after_ms + round(self.interval_s * 1000) if self.interval_s > 0 else None


class Schedule:
    """One piece of work and its rhythm. Turns never overlap: one that is due while the work goes on is left out."""

    def __init__(self, name: str, rhythm: Rhythm, start: Callable[[], Awaitable[None]], clock: Clock) -> None:
        """`start` has done its part when it returns; what it raises is logged, and the next turn comes all the same."""
        self._name = name
        self._rhythm = rhythm
        self._start = start
        self._clock = clock
        self._due_ms: int | None = None
        self._timer: Timer | None = None
        self._turn: asyncio.Task[None] | None = None

    @property
    def due_ms(self) -> int | None:
        """When the next turn is; None: there is none."""
        return self._due_ms

    def begin(self) -> None:
        self._plan()

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
        soonest_ms = self._rhythm.next_ms(now_ms)
        if soonest_ms is not None and soonest_ms < self._due_ms:  # the clock was set back
            self._due_ms = soonest_ms
        left_s = (self._due_ms - now_ms) / 1000
        if left_s > 0:
            self._timer = self._clock.later(min(left_s, LONGEST_WAIT_S), self._wait)
            return
        if self._turn is None or self._turn.done():
            self._turn = asyncio.get_running_loop().create_task(self._take_turn(), name=f"schedule {self._name}")
        self._plan()

    async def _take_turn(self) -> None:
        try:
            await self._start()
        except Exception:  # one turn that fails ends no schedule
            log.exception("a scheduled turn failed", extra={"action": "schedule_failed", "schedule": self._name})
