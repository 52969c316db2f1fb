"""Standing still between two changes, and not in the middle of one.

A paused process is stopped at whatever instruction it has reached. In a transaction, that would keep everybody else
from the database for as long as the pause lasts. So a run holds a shared lock while it makes such a change, and the hub
takes the lock for itself before it stops the run, and gives it back when the run goes on. A run may change things all
the time, so there is a gate before the lock, which the hub closes first.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

LOCK, GATE = "changing.lock", "changing.gate"
"""Files in the run's work folder."""


@contextlib.contextmanager
def changing(work: Path) -> Iterator[None]:
    """In the run: a pause begins before or after the block. Any number of threads may be in one. Raises OSError."""
    with _opened(work / LOCK, os.O_CREAT) as lock:
        with _opened(work / GATE, os.O_CREAT) as gate:
            fcntl.flock(gate, fcntl.LOCK_SH)
            fcntl.flock(lock, fcntl.LOCK_SH)
        yield


class Gap:
    """In the hub: the time between two changes of the run that works in a folder."""

    def __init__(self, work: Path) -> None:
        self._work = work
        self._closed = contextlib.ExitStack()
        self._wanted = [GATE, LOCK]

    def take(self) -> bool:
        """False while a change is under way: try again. True: none is, and none begins until `give_back`."""
        while self._wanted:
            try:
                with contextlib.ExitStack() as closed:
                    file = closed.enter_context(_opened(self._work / self._wanted[0]))
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    self._closed.push(closed.pop_all())
            except FileNotFoundError:  # a run that has never made such a change
                return True
            except BlockingIOError:
                return False
            del self._wanted[0]
        return True

    def give_back(self) -> None:
        self._closed.close()


@contextlib.contextmanager
def _opened(path: Path, flags: int = 0) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | flags, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
