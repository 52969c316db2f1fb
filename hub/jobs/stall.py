"""When nothing moves any more: first it is told, then the run is given up."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

QUIET_S = 4.0
"""Nothing has moved for so long, or for a third of what the kind allows: watchers are told, and again every so often.
Clients of other systems take five seconds without a word for a dead job.
"""


class Stopwatch:
    """Seconds since it was made, without those in which it was stopped."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._stopped_at: float | None = None

    def seconds(self) -> float:
        return (self._clock() if self._stopped_at is None else self._stopped_at) - self._began

    def stop(self) -> None:
        if self._stopped_at is None:
            self._stopped_at = self._clock()

    def go(self) -> None:
        if self._stopped_at is not None:
            self._began += self._clock() - self._stopped_at
            self._stopped_at = None


class Movement:
    """Follows what a job reports. What counts as moving: another stage, another count (those in the detail, too),
    another message, another line in the log. The same ones again do not.
    """

    def __init__(self, stopwatch: Stopwatch, quiet_s: float = QUIET_S) -> None:
        """`quiet_s`: nothing has moved for so long, and that is worth telling."""
        self._quiet_s = quiet_s
        self._stopwatch = stopwatch
        self._moved_at = stopwatch.seconds()
        self._counts: tuple[Any, ...] = ()
        self._words = {"message": "", "log": ""}

    def still_s(self) -> float:
        return self._stopwatch.seconds() - self._moved_at

    def quiet_s(self) -> float | None:
        """How long nothing has moved; None while that is not worth telling."""
        still_s = self.still_s()
        return still_s if still_s >= self._quiet_s else None

    def hear_stage(self) -> None:
        self._counts = ()
        self._moved()

    def hear_progress(self, progress: Mapping[str, Any]) -> None:
        numbers = [value for value in progress.get("detail", {}).values() if isinstance(value, int | float)]
        counts = (progress["current"], *numbers)
        if counts != self._counts:
            self._counts = counts
            self._moved()
        self._hear_words("message", progress.get("message", ""))

    def hear_log(self, message: str) -> None:
        self._hear_words("log", message)

    def _hear_words(self, where: str, words: str) -> None:
        if words and words != self._words[where]:
            self._words[where] = words
            self._moved()

    def _moved(self) -> None:
        self._moved_at = self._stopwatch.seconds()


class Stall(Movement):
    """Tells when a run has stood still for some time, and gives it up in the end."""

    def __init__(
        self,
        limit_s: float,
        stopwatch: Stopwatch,
        *,
        on_quiet: Callable[[float], None],
        on_stalled: Callable[[], None],
    ) -> None:
        """`on_quiet` is called with the seconds that nothing has moved, every few seconds while it is so; `on_stalled`
        once, after `limit_s`.
        """
        super().__init__(stopwatch, min(QUIET_S, limit_s / 3))
        self._limit_s = limit_s
        self._on_quiet = on_quiet
        self._on_stalled = on_stalled
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Watch, or watch on; stop and start with the stopwatch."""
        self.stop()
        self._timer = asyncio.get_running_loop().call_later(self._next_look_s(), self._look)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        if self.still_s() >= self._limit_s:
            self._timer = None
            self._on_stalled()
            return
        if (quiet_s := self.quiet_s()) is not None:
            self._on_quiet(quiet_s)
        self.start()

    def _next_look_s(self) -> float:
        still_s = self.still_s()
        wait_s = self._quiet_s - still_s if still_s < self._quiet_s else self._quiet_s
        return max(min(wait_s, self._limit_s - still_s), 0.01)
