"""Turns by the calendar: the five fields of cron in a time zone. Pure, but for the system's table of time zones."""

import datetime as dt
import itertools
import zoneinfo
from dataclasses import dataclass

from cronsim import CronSim, CronSimError

from hub.core.errors import BadParams

LONGEST = 200
SMALL_STEP_MS = 3600 * 1000
"""A clock that is set back by up to so much brings no turn twice: that is somebody who corrects it, not another day."""
LOOKED_AT = 50
"""Turns whose distances are looked at to find the shortest,"""
HORIZON_MS = 400 * 24 * 3600 * 1000
"""as long as they are in the year to come. To find one that comes once in decades takes milliseconds."""
EXAMPLES = "'0 3 * * *' (each day at 3:00), '*/30 * * * *' (each half hour), '0 9 * * MON-FRI'"


@dataclass(frozen=True, slots=True)
class Cron:
    """Where summer time begins, a turn of the hour that is left out comes right after it; where it ends, a turn of the
    hour that is repeated comes in the first of the two. So does Debian's cron; it, too, has turns of every hour
    (`*` or `*/n` in the field of minutes or hours) come by the time that really passes.
    """

    expression: str
    zone: zoneinfo.ZoneInfo

    @classmethod
    def of(cls, expression: str, timezone: str, now_ms: int) -> "Cron":
        """Raises BadParams for what is no cron expression, for one without any turn, and for an unknown time zone."""
        fields = expression.split()
        if len(fields) != 5 or len(expression) > LONGEST:
            raise BadParams(f"cron has five fields: minute, hour, day, month and weekday, such as {EXAMPLES}.")
        made = cls(" ".join(fields), zone_of(timezone))
        try:
            first = made.next_ms(now_ms)
        except CronSimError as exc:
            raise BadParams(f"cron: {exc}. Write five fields, such as {EXAMPLES}.") from exc
        if first is None:
            raise BadParams(f"cron: {expression!r} names a day that never comes.")
        return made

    def next_ms(self, after_ms: int) -> int | None:
        start = dt.datetime.fromtimestamp(after_ms / 1000, self.zone)
        try:
            for turn in CronSim(self.expression, start):
                at_ms = int(turn.timestamp() * 1000)
                if at_ms > after_ms:  # in the second of two like hours it names the first, which has passed
                    return at_ms
        except (OverflowError, ValueError):  # the calendar ends with the year 9999
            return None
        return None

    def again_ms(self, now_ms: int, taken_ms: int | None) -> int | None:
        is_small = taken_ms is not None and 0 <= taken_ms - now_ms <= SMALL_STEP_MS
        return self.next_ms(taken_ms if is_small and taken_ms is not None else now_ms)

    def shortest_s(self, after_ms: int) -> float:
        """The shortest time between two of the turns that come next."""
        turns: list[int] = [after_ms]
        while len(turns) < 3 or (len(turns) <= LOOKED_AT and turns[-1] < after_ms + HORIZON_MS):
            at_ms = self.next_ms(turns[-1])
            if at_ms is None:
                break
            turns.append(at_ms)
        gaps = [(after - before) / 1000 for before, after in itertools.pairwise(turns[1:])]
        return min(gaps, default=float("inf"))


def zone_of(name: str) -> zoneinfo.ZoneInfo:
    """Raises BadParams."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise BadParams(f"There is no time zone {name!r}; write it as Europe/Berlin, or UTC.") from exc
