"""How much memory a job may take, with every program it started.

Servers can make git, and libgit2, remember without end: refs that never stop, a line that never does. What counts is
anonymous memory. Packs are mapped files, which the kernel can drop, and may be far larger than this.
"""

import contextlib
import os
import sys
from pathlib import Path

from hub.jobs.base import JobFailed

MOST_BYTES = 1536 * 1024**2
"""A clone of git's own repository (419,403 objects) peaks at some 105 MB with either engine; this has room for one of
a dozen million objects."""

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def used_bytes() -> int:
    """Anonymous memory of this process's group. 0 where there is no /proc."""
    return sum(_anonymous_bytes(pid) for pid in _group())


def check() -> None:
    """Raise JobFailed `too_large` if the group has more than MOST_BYTES."""
    if used_bytes() > MOST_BYTES:
        raise JobFailed(
            "too_large",
            f"The job took more than {MOST_BYTES // 1024**2:,} MiB of memory, so it was stopped.",
            hint="Use `depth` for less history. If the repository is not that large, its server is broken or hostile.",
        )


def limit() -> None:
    """Have the kernel refuse twice the limit to each process, for stretches in which nobody gets to `check`."""
    if sys.platform == "linux":  # elsewhere RLIMIT_DATA means something else, or nothing
        import resource  # noqa: PLC0415 - not there on every platform

        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        most = 2 * MOST_BYTES if hard == resource.RLIM_INFINITY else min(hard, 2 * MOST_BYTES)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _group() -> list[int]:
    group, found = os.getpgrp(), []
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir("/proc"):  # noqa: PTH208 - ten times a second, so no paths are made of them
            with contextlib.suppress(ValueError, ProcessLookupError, PermissionError):
                if os.getpgid(int(name)) == group:
                    found.append(int(name))
    return found


def _anonymous_bytes(pid: int) -> int:
    try:
        # proc_pid_statm(5): size, resident, shared (files and shared memory), in pages.
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    except (FileNotFoundError, ProcessLookupError):  # it has ended
        return 0
    return (int(resident) - int(shared)) * _PAGE_BYTES
