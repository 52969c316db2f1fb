"""Waiting until nobody writes to a folder any more."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hub.core.report import Report
from hub.snapshots.tree import Tree

LOOK_S = 0.5
"""Between two looks at least; a look at a large folder takes its time, and another one is taken no sooner."""


@dataclass(frozen=True, slots=True)
class _Look:
    entries: int
    bytes: int
    newest_ns: int


@dataclass(frozen=True, slots=True)
class Waited:
    was_quiet: bool
    entries: int = 0
    """Seen at the last look; 0: nobody looked."""


def wait(
    folder: Path, quiet_s: float, longest_s: float, watch: Report, *, skip: Callable[[bytes], bool] = lambda path: False
) -> Waited:
    """Return once nothing in the folder has changed for `quiet_s`, or when that has not come within `longest_s`.

    Raises SourceGone and what `watch` raises.
    """
    began, before, same_since = time.monotonic(), None, 0.0
    while quiet_s > 0:
        started = time.monotonic()
        look = _look(folder, watch, skip)
        # The clocks of the file system and of this machine may differ, so what changes between two looks counts, too.
        age_s = time.time() - look.newest_ns / 1e9
        if look != before:
            before, same_since = look, started
        waited_s = time.monotonic() - began
        still_s = time.monotonic() - same_since
        if age_s >= quiet_s or still_s >= quiet_s:
            return Waited(True, look.entries)
        if waited_s >= longest_s:
            return Waited(False, look.entries)
        message = "Waiting for folder scan to complete..."
        watch.progress(look.entries, None, "entries", message, {"waitedSeconds": round(waited_s, 1)})
        rest_s = min(max(LOOK_S, time.monotonic() - started), longest_s - waited_s)
        _pause(min(rest_s, max(0.05, quiet_s - max(0.0, age_s, still_s))), watch)
    return Waited(True)


def _look(folder: Path, watch: Report, skip: Callable[[bytes], bool]) -> _Look:
    entries = size = newest_ns = 0
    with Tree(folder) as tree:
        for seen in tree.walk(watch.check, skip):
            entries += 1
            if seen.status is not None:
                size += seen.status.st_size
                newest_ns = max(newest_ns, seen.status.st_mtime_ns, seen.status.st_ctime_ns)
    return _Look(entries, size, newest_ns)


def _pause(pause_s: float, watch: Report) -> None:
    until = time.monotonic() + pause_s
    while (left_s := until - time.monotonic()) > 0:
        watch.check()
        time.sleep(min(0.1, left_s))
