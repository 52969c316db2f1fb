"""What ended jobs say of a project and kind: how long they take, how often they succeed, and where it is going.

Everything is pure. Seconds are seconds at work, as in `hub.core.estimates`: time that a job was held counts nowhere.
"""

import collections
import json
import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from hub.core.events import ENDS, State

RECENT = 10
"""So many newest successes are held against as many before them."""
FEWEST = 3
"""Fewer on either side tell no trend."""
STEADY = 1.1
"""Within this ratio nothing has changed that is worth a word."""


class Ran(NamedTuple):
    """One job that ended, as its row has it. Times are Unix milliseconds."""

    state: str
    created: int
    started: int | None
    ended: int
    held_ms: int | None
    held_at: int | None
    resumed: int | None
    stages: str
    """JSON: a list of stage states."""

    @property
    def seconds(self) -> float | None:
        """At work; None for a run that never began, or during which the clock was set back."""
        if self.started is None:
            return None
        held_ms = (self.held_ms or 0) + (self.ended - self.held_at if self.held_at is not None else 0)
        taken = (self.ended - self.started - held_ms) / 1000
        return taken if taken >= 0 else None


def summary(project: str, kind: str, runs: Sequence[Ran]) -> dict[str, Any]:
    """Of runs of one project and kind, newest first; at least one.

    A run that went on with the work of another tells nothing of how long the whole takes, and counts in no duration.
    """
    states = collections.Counter(run.state for run in runs)
    whole = [run for run in runs if run.state == State.SUCCEEDED and not run.resumed]
    lengths = [seconds for run in whole if (seconds := run.seconds) is not None]
    waits = [wait for run in runs if run.started is not None and (wait := run.started - run.created) >= 0]
    newest = runs[0]
    return {
        "project": project,
        "kind": kind,
        "runs": len(runs),
        "states": {state.value: states[state.value] for state in State if state in ENDS},
        "success_share": round(states[State.SUCCEEDED] / len(runs), 4),
        "duration_s": _durations(lengths),
        "queue_wait_s": round(math.fsum(waits) / len(waits) / 1000, 3) if waits else None,
        "stages": _stages(whole),
        "trend": _trend(lengths),
        "last": {"state": newest.state, "ended": newest.ended, "seconds": newest.seconds},
    }


def quantile(values: Iterable[float], share: float) -> float | None:
    """By linear interpolation between the two nearest, as spreadsheets and numpy do by default; None of nothing."""
    ordered = sorted(values)
    if not ordered:
        return None
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return round(ordered[low] + (ordered[high] - ordered[low]) * (place - low), 3)


def _durations(lengths: Sequence[float]) -> dict[str, Any] | None:
    if not lengths:
        return None
    return {
        "count": len(lengths),
        "p50": quantile(lengths, 0.5),
        "p90": quantile(lengths, 0.9),
        "max": round(max(lengths), 3),
    }


def _stages(whole: Sequence[Ran]) -> list[dict[str, Any]]:
    """The median of each stage, in the order of the newest run, then those that only older ones had."""
    titles: dict[str, str] = {}
    taken: dict[str, list[float]] = {}
    for run in whole:
        for stage in json.loads(run.stages):
            titles.setdefault(stage["stage"], stage["title"])
            started, ended = stage.get("started"), stage.get("ended")
            if started is not None and ended is not None:
                seconds = (ended - started - stage.get("held_ms", 0)) / 1000
                if seconds >= 0:
                    taken.setdefault(stage["stage"], []).append(seconds)
    return [
        {"stage": name, "title": title, "count": len(taken[name]), "p50": quantile(taken[name], 0.5)}
        for name, title in titles.items()
        if name in taken
    ]


def _trend(lengths: Sequence[float]) -> dict[str, Any] | None:
    """The newest against those before, by their medians; None while there are too few."""
    recent, before = lengths[:RECENT], lengths[RECENT : 2 * RECENT]
    if len(recent) < FEWEST or len(before) < FEWEST:
        return None
    now, then = quantile(recent, 0.5) or 0.0, quantile(before, 0.5) or 0.0
    ratio = round(now / then, 3) if then else None
    word = "steady"
    if ratio is not None and not 1 / STEADY <= ratio <= STEADY:
        word = "slower" if ratio > 1 else "faster"
    return {"recent_s": now, "before_s": then, "ratio": ratio, "direction": word}
