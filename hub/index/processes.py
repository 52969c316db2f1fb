"""What the processes of an index have in common: bounds, and an environment without anything that is not theirs."""

import os
import sys
from pathlib import Path

import hub

MOST_BYTES = 1024**3
"""Of memory. A parser needs some 30 bytes for each of a text, a search 200 for each file."""
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")


def environment() -> dict[str, str]:
    """Of a process that reads strangers' files: no token or address that the hub was started with."""
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    # numpy's threads are for what is not done here, and take memory.
    return passed_on | {"PYTHONPATH": str(Path(hub.__file__).parents[1]), "OPENBLAS_NUM_THREADS": "1"}


def set_bounds() -> None:
    """Bound this process's memory, and let it open as many files as it may: an index takes three while it is read."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 - not there on every platform

    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if files != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    if sys.platform == "linux":  # elsewhere it counts what is mapped and not used, too
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        most = MOST_BYTES if hard == resource.RLIM_INFINITY else min(hard, MOST_BYTES)
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
