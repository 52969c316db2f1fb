"""The rhythm that a kept schedule says, and the turns that follow from it."""

from collections.abc import Iterable

from hub.core.errors import HubError
from hub.core.schedules import ScheduleState
from hub.jobs.schedules.cron import Cron, zone_of
from hub.jobs.schedules.schedule import Every, Rhythm


def rhythm_of(state: ScheduleState, now_ms: int) -> Rhythm:
    """Reads the system's table of time zones. Raises BadParams for a rhythm that cannot be."""
    if state.cron is not None:
        return Cron.of(state.cron, state.timezone, now_ms)
    zone_of(state.timezone)
    return Every(state.every_s or 0.0)


def next_runs(state: ScheduleState, now_ms: int, count: int = 3) -> list[int]:
    """The next turns, in Unix milliseconds; fewer where there are no more, none while it is paused. Takes milliseconds.

    Raises BadParams as `rhythm_of` does.
    """
    turns = [state.next_at] if state.next_at is not None else []
    rhythm = rhythm_of(state, now_ms)
    while turns and len(turns) < count and (following := rhythm.next_ms(turns[-1])) is not None:
        turns.append(following)
    return turns


def rhythms_of(states: Iterable[ScheduleState], now_ms: int) -> dict[str, Rhythm | HubError]:
    """By id, or why there is none."""
    found: dict[str, Rhythm | HubError] = {}
    for state in states:
        try:
            found[state.id] = rhythm_of(state, now_ms)
        except HubError as exc:
            found[state.id] = exc
    return found


def is_same(one: ScheduleState, other: ScheduleState) -> bool:
    """Have both the same turns, as far as their rhythms go?"""
    return (one.every_s, one.cron, one.timezone) == (other.every_s, other.cron, other.timezone)
