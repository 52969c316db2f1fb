"""A subscription: one watcher's place in one cohort, and what is kept for it while it cannot keep up."""

import enum
import itertools
from collections.abc import Iterable, Mapping

from hub.core.events import Event
from hub.core.mailbox import Mailbox, Offer
from hub.core.ports import Outlet

numbers = itertools.count(1)
"""Identifies whoever watches, for as long as this process lives."""


class Way(enum.Enum):
    """How a subscription gets its next bytes."""

    SHARED = enum.auto()
    """The very bytes of the cohort."""
    JOINING = enum.auto()
    """Bytes of its own, until it is where the cohort is."""
    CONGESTED = enum.auto()
    """None, until its connection has drained."""


class Uptake:
    """Whether a connection takes bytes at all."""

    __slots__ = ("_since", "_taken")

    def __init__(self, taken: int, now: float) -> None:
        self._taken = taken
        self._since = now

    def still_s(self, taken: int, now: float) -> float:
        """Seconds since a look last found more bytes `taken` than any look before it."""
        if taken > self._taken:
            self._taken, self._since = taken, now
        return now - self._since


class Congestion:
    """What a congested subscription holds: its mailbox, and the clock of its connection."""

    __slots__ = ("mailbox", "uptake")

    def __init__(self, mailbox: Mailbox, uptake: Uptake) -> None:
        self.mailbox = mailbox
        self.uptake = uptake


class Subscription:
    __slots__ = ("congestion", "delivered", "dropped", "id", "merged", "outlet", "since_ms", "told")

    def __init__(self, outlet: Outlet, told: Mapping[str, int], since_ms: int) -> None:
        self.id = next(numbers)
        """Among all subscriptions and waiting requests of this process."""
        self.outlet = outlet
        self.told = dict(told)
        """By project, what it has been sent; on the shared path the cohort's own `told` counts instead."""
        self.congestion: Congestion | None = None
        self.since_ms = since_ms
        # While on the shared path these lack what the cohort has counted since; see `Cohort.counted`.
        self.delivered = 0
        self.merged = 0
        self.dropped = 0

    @property
    def waiting(self) -> int:
        """Events in its mailbox."""
        return len(self.congestion.mailbox) if self.congestion else 0

    def post(self, events: Iterable[Event]) -> bool:
        """Keep for later what it has not been sent. False: one lossless event too many; the stream must end."""
        assert self.congestion is not None
        for event in events:
            if event.seq <= self.told.get(event.project, 0):
                continue
            offer = self.congestion.mailbox.offer(event)
            if offer is Offer.FULL:
                return False
            self.dropped += offer is Offer.MERGED
        return True
