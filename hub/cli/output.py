"""Standard output may be closed: from the start, or by whoever read it and has seen enough."""

import os
import sys


def ensure() -> None:
    """Give a process that was started without one an output that leads nowhere."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - open as long as the process
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115


def silence() -> None:
    """Lead what is still to come nowhere, so that nothing fails once more, such as the interpreter's own last flush."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
