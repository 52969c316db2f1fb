"""How much of the hub's disk one project may have: its clone, index and snapshots, kept work, and the run's own."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from hub.jobs.base import JobFailed

LOOK_AGAIN_S = 30.0
"""What has been freed elsewhere on the disk may hide what a run has written."""


class Quota:
    """Counts files, which takes about 3 us for each, only when the disk has lost so much that it might matter."""

    def __init__(
        self,
        folders: Sequence[Path],
        most_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`folders` is where the project's files are, none inside another."""
        self._folders = folders
        self._most = most_bytes
        self._clock = clock
        self._used = 0
        self._free = 0
        self._looked = float("-inf")
        self._took_s = 0.0

    def check(self, free: int) -> None:
        """`free` is what the disk has left. Raises JobFailed `project_full`."""
        now = self._clock()
        waited_s = now - self._looked
        is_possible = self._used + max(self._free - free, 0) >= self._most
        if not (waited_s > LOOK_AGAIN_S or (is_possible and waited_s > 20 * self._took_s)):
            return
        self._used = sum(map(used_bytes, self._folders))
        self._free, self._looked = free, self._clock()
        self._took_s = self._looked - now
        if self._used > self._most:
            raise project_full(self._used, self._most)


def project_full(used_bytes: int, most_bytes: int) -> JobFailed:
    return JobFailed(
        "project_full",
        f"The project would take {used_bytes:,} bytes of the hub's disk, and may have {most_bytes:,}.",
        hint="Use `depth` for less history, prune its snapshots, or have the setting max_project_bytes raised.",
    )


def used_bytes(folder: Path) -> int:
    """On the disk, by everything below `folder`; 0 when it is not there. What goes meanwhile is not counted."""
    total, waiting = 0, [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    try:
                        if entry.is_dir(follow_symlinks=False):
                            waiting.append(entry.path)
                        else:
                            found = entry.stat(follow_symlinks=False)
                            total += found.st_blocks * 512 // max(found.st_nlink, 1)
                    except FileNotFoundError:
                        continue
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            continue
    return total
