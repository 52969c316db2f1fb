"""What the hub does by the clock: heartbeats, and letting go of what it need not keep."""

import asyncio
import logging
from collections.abc import Callable

from hub.core.errors import JournalUnavailable
from hub.core.ports import Clock, Journal
from hub.core.tracker import Tracker
from hub.settings import Settings

log = logging.getLogger(__name__)

PRUNE_S = 600.0
LOOK_S = 10.0
"""How often it is looked whether much has come since, so that a flood does not grow for PRUNE_S."""
DAY_MS = 24 * 3600 * 1000
JUMP_MS = STEADY_MS = DAY_MS
"""A clock that goes wrong by more than this is not believed for so long."""


async def beat(tracker: Tracker, heartbeat_s: float) -> None:
    """Until cancelled. Whatever one beat meets with, the next one comes."""
    while True:
        await asyncio.sleep(heartbeat_s)
        try:
            tracker.beat()
        except Exception:
            log.exception("a heartbeat broke", extra={"action": "beat_broke"})


class Calendar:
    """The wall clock, asked for what is old. After a jump it may be wrong, and what is pruned is gone for good."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset_ms = self._offset()
        self._steady_from = float("-inf")
        """Monotonic milliseconds."""

    def now_ms(self) -> int | None:
        """None while it is not to be believed."""
        now, offset = self._clock.monotonic() * 1000, self._offset()
        jump_ms, self._offset_ms = offset - self._offset_ms, offset
        if abs(jump_ms) > JUMP_MS:
            text = (
                "the clock has jumped by %.1f days: nothing is dropped for its age until it has been steady for a day"
            )
            log.warning(text, jump_ms / DAY_MS, extra={"action": "clock_jumped"})
            self._steady_from = now + STEADY_MS
        return self._clock.now_ms() if now >= self._steady_from else None

    def _offset(self) -> float:
        return self._clock.now_ms() - self._clock.monotonic() * 1000


async def prune(tracker: Tracker, journal: Journal, settings: Settings, now_ms: int | None) -> None:
    """Once: drop what is beyond the settings of history; `now_ms` None: nothing for its age.

    Raises JournalUnavailable.
    """
    before_ms = now_ms - int(settings.history_days * DAY_MS) if now_ms is not None else 0
    floors = await journal.prunable(events=settings.history_events, before_ms=before_ms)
    for project, floor in floors.items():
        tracker.raise_floor(project, floor)  # first, or a replay under way would take the hole for merged
    await journal.prune(floors)
    await journal.forget_jobs(keep=settings.history_jobs, before_ms=before_ms)


async def keep_pruning(
    clock: Clock, tracker: Tracker, journal: Journal, settings: Settings, lossless: Callable[[], int]
) -> None:
    """Until cancelled: by the clock, and whenever as much has come as the journal keeps of a project. `lossless` counts
    such events since the start.
    """
    calendar = Calendar(clock)
    while True:
        began, before = clock.monotonic(), lossless()
        try:
            await prune(tracker, journal, settings, calendar.now_ms())
        except JournalUnavailable as exc:
            log.warning("the journal was not pruned: %s", exc, extra={"action": "prune_failed"})
        except Exception:
            log.exception("pruning broke", extra={"action": "prune_broke"})
        while clock.monotonic() - began < PRUNE_S and lossless() - before <= settings.history_events:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)
