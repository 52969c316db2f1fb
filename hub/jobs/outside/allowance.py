"""Allowances: how much may be done in a time."""

import math

from hub.core.errors import Throttled
from hub.core.ports import Clock

BURST_S = 2.0
"""So many seconds' worth of events may come at once."""


class Second:
    """At most so many in any second that begins with one of them."""

    __slots__ = ("_clock", "_from", "_most", "_taken")

    def __init__(self, most: int, clock: Clock) -> None:
        self._most = most
        self._clock = clock
        self._from = float("-inf")
        self._taken = 0

    def take(self) -> bool:
        """False when there is none left."""
        if self.is_over:
            self._from, self._taken = self._clock.monotonic(), 0
        self._taken += 1
        return self._taken <= self._most

    @property
    def is_over(self) -> bool:
        """The next one begins a new second."""
        return self._clock.monotonic() - self._from >= 1.0


class Lines:
    """So many lines a second, and those beyond them are counted."""

    __slots__ = ("_left_out", "_second")

    def __init__(self, most: int, clock: Clock) -> None:
        self._second = Second(most, clock)
        self._left_out = 0

    def take(self) -> bool:
        """False for a line that is left out."""
        if self._second.take():
            return True
        self._left_out += 1
        return False

    def due(self) -> int:
        """How many were left out, once the second is over, and 0 before."""
        return self.left_out() if self._second.is_over else 0

    def left_out(self) -> int:
        """How many were left out, which is asked once."""
        lines, self._left_out = self._left_out, 0
        return lines


class Bucket:
    """So many a second in the long run, and up to `depth` at once."""

    __slots__ = ("_at", "_depth", "_left", "_per_s")

    def __init__(self, per_s: float, depth: float, now: float) -> None:
        self._per_s = per_s
        self._depth = depth
        self._left = depth
        self._at = now

    def take(self, count: int, now: float) -> float:
        """Take `count`, at most `depth`, and return 0; or, where there are not so many, the seconds until there are."""
        self._left = min(self._depth, self._left + (now - self._at) * self._per_s)
        self._at = now
        if count > self._left:
            return (count - self._left) / self._per_s
        self._left -= count
        return 0.0


class Rates:
    """A bucket for each project that is published to."""

    def __init__(self, per_s: float, least_depth: int, clock: Clock) -> None:
        """`per_s` 0: any number; so many as `least_depth` may come at once, however small it is."""
        self._per_s = per_s
        self._depth = max(per_s * BURST_S, least_depth)
        self._clock = clock
        self._buckets: dict[str, Bucket] = {}

    def take(self, project: str, count: int) -> None:
        """Raises Throttled, with `retry_after` seconds."""
        if not self._per_s:
            return
        now = self._clock.monotonic()
        bucket = self._buckets.get(project)
        if bucket is None:
            bucket = self._buckets[project] = Bucket(self._per_s, self._depth, now)
        if wait_s := bucket.take(count, now):
            per_s = f"{self._per_s:g}"
            message = f"More than {per_s} events a second are published to this project; nothing of this was taken."
            raise Throttled(message, retry_after=math.ceil(wait_s), setting="publish_rate", limit=self._per_s)

    def forget(self, project: str) -> None:
        self._buckets.pop(project, None)
