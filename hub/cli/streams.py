"""Where a wrapped command's output goes through: unchanged, at once, and seen on its way."""

import contextlib
import errno
import fcntl
import os
import select
import stat
import subprocess
import sys
import termios
from collections.abc import Callable

from hub.cli import inner_terminal

READ_BYTES = 256 * 1024
PIPE_BYTES = 1024 * 1024
"""As much as the system allows without asking; fewer turns for a command that says much."""
FORWARD = """\
import fcntl, os, signal, termios
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    signal.signal(number, signal.SIG_IGN)
try:
    if os.isatty(0):
        fcntl.ioctl(0, termios.TIOCPKT, bytes(4))
    while data := os.read(0, 65536):
        while data:
            data = data[os.write(1, data):]
except OSError:
    pass
"""
"""The program that goes on passing on, when we are gone."""

Hear = Callable[[bytes], object]


class Stream:
    """The command writes to `end`, which is a terminal of its own where `sink` is one, else a pipe."""

    def __init__(self, sink: int, hear: Hear) -> None:
        self.sink = sink
        self.hear = hear
        self.failure: str | None = None
        """Why what was read could not be passed on, other than that nobody reads any more."""
        self.owed = 0
        """Bytes that the command itself had written when it ended."""
        self._way = _not_waiting(sink)
        self._read = b""
        self._left = memoryview(b"")
        """Of what was read, what has not been written yet."""
        self.is_terminal = os.isatty(sink)
        if self.is_terminal:
            self.source, self.end = inner_terminal.opened(sink)
        else:
            self.source, self.end = os.pipe()
            with contextlib.suppress(OSError):
                fcntl.fcntl(self.source, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    @property
    def is_open(self) -> bool:
        return self.source >= 0

    @property
    def is_wanted(self) -> bool:
        """Is there still something of the command's own, or begun?"""
        return self.is_open and (self.owed > 0 or bool(self._left))

    @property
    def waits_for(self) -> tuple[int, int]:
        """The file, and what of it, that `pump` is to be called for."""
        return (self._way, select.POLLOUT) if self._left else (self.source, select.POLLIN)

    def fit(self) -> None:
        """Have the terminal be as large as the real one."""
        if self.is_terminal and self.is_open:
            inner_terminal.fit(self.source, self.sink)

    def is_same(self, sink: int) -> bool:
        """Do both lead to one terminal, pipe or file? Then only one way keeps what is written there in its order."""
        ours, other = os.fstat(self.sink), os.fstat(sink)
        if self.is_terminal and os.isatty(sink):
            return ours.st_rdev == other.st_rdev
        return os.path.samestat(ours, other)

    def close_end(self) -> None:
        """The command has its own copy."""
        os.close(self.end)

    def close(self) -> None:
        """The command feels what it would have felt without us: nobody reads."""
        if self.is_open:
            os.close(self.source)
            self.source = -1
            self._left = memoryview(b"")
        if self._way != self.sink:
            os.close(self._way)
            self._way = self.sink

    def pump(self) -> None:
        """Pass on what there is, as far as it is taken. Closes when nothing more will come, or nobody takes it."""
        if not self._left:
            if (data := self._received()) is None:
                return
            self._read, self._left = data, memoryview(data)
            if not data:
                self.close()
                return
        try:
            while self._left:
                self._left = self._left[os.write(self._way, self._left) :]
        except BlockingIOError:
            return
        except OSError as exc:
            if exc.errno != errno.EPIPE:
                self.failure = exc.strerror or str(exc)
            self.close()
            return
        self.owed -= len(self._read)
        self.hear(self._read)

    def end_of_command(self) -> None:
        """The command has ended: all else that comes is from what it has left running."""
        if self.is_open:
            self.owed = len(self._read) if self._left else 0
            with contextlib.suppress(OSError):
                self.owed += int.from_bytes(fcntl.ioctl(self.source, termios.FIONREAD, bytes(4)), sys.byteorder)

    def leave(self) -> None:
        """Have a small process pass on what still comes, for as long as somebody may write.

        What nobody takes (see `is_wanted`) is dropped.
        """
        if self.is_open and not self._left:
            with contextlib.suppress(OSError):
                subprocess.Popen(
                    [sys.executable, "-I", "-S", "-c", FORWARD],
                    stdin=self.source,
                    stdout=self.sink,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                ).returncode = 0  # it is not ours to wait for
        self.close()

    def _received(self) -> bytes | None:
        """Empty when nothing more will come, None when there is nothing to pass on yet."""
        try:
            if self.is_terminal:
                return inner_terminal.received(self.source, self.sink, READ_BYTES)
            return os.read(self.source, READ_BYTES)
        except OSError as exc:
            if exc.errno != errno.EIO:  # how a terminal says that its other end was closed
                raise
            return b""


def _not_waiting(sink: int) -> int:
    """Another way into `sink`, in which no write waits; `sink` itself where there is none.

    Not by a flag of `sink`: others have that, too.
    """
    mode = os.fstat(sink).st_mode
    if stat.S_ISFIFO(mode) or os.isatty(sink):
        with contextlib.suppress(OSError):  # may be another user's
            return os.open(f"/proc/self/fd/{sink}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    return sink
