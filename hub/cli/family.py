"""A process and all that it has started."""

import contextlib
import os
import signal
from pathlib import Path
from typing import Self

PROC = Path("/proc")


def family(pid: int) -> list[int]:
    """`pid` and its descendants, as far as the system tells; parents first."""
    children: dict[int, list[int]] = {}
    for folder in PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, IndexError):  # one that has just ended
            # The name, in brackets, may hold anything; the state and the parent follow it.
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(folder.name))
    found = [pid]
    for member in found:
        found += children.get(member, [])
    return found


class Handles:
    """Of a family, so that no signal can reach a stranger who got the number of one that has ended."""

    def __init__(self, pid: int) -> None:
        self._handles: list[int] = []
        for member in family(pid):
            with contextlib.suppress(OSError):
                self._handles.append(os.pidfd_open(member))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            os.close(handle)
        self._handles = []

    def send(self, number: int) -> None:
        for handle in self._handles:
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(handle, number)
