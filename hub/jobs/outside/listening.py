"""Listening: the time in which the hub could hear its publishers."""

from hub.core.ports import Clock

LONGEST_STEP_S = 2.0
"""What lies between two looks at the clock counts as this at most. More than that, and the hub itself stood still, or
the machine slept: its publishers are not to blame."""


class Listening:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._looked_at = clock.monotonic()
        self.seconds = 0.0
        """Up to the last look."""

    def begin(self) -> None:
        """From now on; what was before counts nothing."""
        self._looked_at = self._clock.monotonic()

    def look(self) -> None:
        """At the clock: once a second."""
        now = self._clock.monotonic()
        self.seconds += min(now - self._looked_at, LONGEST_STEP_S)
        self._looked_at = now
