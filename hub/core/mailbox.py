"""What waits for one watcher that is behind: bounded, and merged where merging loses nothing."""

import enum

from hub.core.events import Event


class Offer(enum.Enum):
    KEPT = enum.auto()
    MERGED = enum.auto()
    """A newer progress took the place of an older one of the same job."""
    FULL = enum.auto()
    """One lossless event too many; nothing was kept, and this watcher's stream must end."""


class Mailbox:
    """One slot per job for the latest lane, and at most `limit` lossless events.

    State only: no clock, no I/O.
    """

    __slots__ = ("_latest", "_limit", "_lossless")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._latest: dict[str, Event] = {}
        self._lossless: list[Event] = []

    def __len__(self) -> int:
        return len(self._latest) + len(self._lossless)

    def offer(self, event: Event) -> Offer:
        if event.is_lossless:
            if len(self._lossless) >= self._limit:
                return Offer.FULL
            self._lossless.append(event)
            return Offer.KEPT
        merged = event.job in self._latest
        self._latest[event.job] = event
        return Offer.MERGED if merged else Offer.KEPT

    def forget(self, project: str) -> None:
        """Drop what waits of a project that is gone."""
        self._latest = {job: event for job, event in self._latest.items() if event.project != project}
        self._lossless = [event for event in self._lossless if event.project != project]

    def drain(self) -> list[Event]:
        """Take everything that waits, oldest seq first. A job's progress appears once, at its newest."""
        waiting = sorted([*self._lossless, *self._latest.values()], key=lambda event: event.seq)
        self._latest, self._lossless = {}, []
        return waiting
