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


async def beat(tracker: Tracker, heartbeat_s: float) -> None:
    """Until cancelled. Whatever one beat meets with, the next one comes."""
    while True:
        await asyncio.sleep(heartbeat_s)
        try:
            tracker.beat()
        except Exception:
            log.exception("a heartbeat broke", extra={"action": "beat_broke"})


async def prune(tracker: Tracker, journal: Journal, settings: Settings, now_ms: int) -> None:
    """Once: drop what is beyond the settings of history. Raises JournalUnavailable."""
    before_ms = now_ms - int(settings.history_days * DAY_MS)
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
    while True:
        began, before = clock.monotonic(), lossless()
        try:
            await prune(tracker, journal, settings, clock.now_ms())
        except JournalUnavailable as exc:
            log.warning("the journal was not pruned: %s", exc, extra={"action": "prune_failed"})
        except Exception:
            log.exception("pruning broke", extra={"action": "prune_broke"})
        while clock.monotonic() - began < PRUNE_S and lossless() - before <= settings.history_events:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)
