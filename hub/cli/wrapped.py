"""A command under a wrapper that should not be noticed: its output, its input, its signals, its end."""

import contextlib
import ctypes
import errno
import os
import select
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from hub.cli.family import Handles, family
from hub.cli.streams import Hear, Stream

NOT_RUNNABLE, NOT_FOUND, BY_SIGNAL = 126, 127, 128
"""Exit codes as shells have them; the last one plus the signal's number."""
LINGER_S = 0.5
"""So long after the command's end, what it has left running is still heard."""
QUIET_S = 0.2
"""After so long without output, a line that has not ended is taken as it is."""
FROM_THE_KERNEL = 128
"""`si_code` of a signal that a terminal sends: to everybody in the foreground, so the command has got it, too."""
ENDING = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT})
STOPPING = frozenset({signal.SIGTSTP, signal.SIGTTIN})
FORWARDED = ENDING | {signal.SIGUSR1, signal.SIGUSR2}
HANDLED = FORWARDED | STOPPING | {signal.SIGWINCH}
COMMAND_ENDED = signal.SIGRTMIN
"""What we send ourselves then. The lowest number is taken first, so all signals that came before have been taken."""
HEED_S = 5.0
"""Longest wait for that."""
PARENT_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of prctl(2)."""


class NotRunnable(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Wrapped:
    """A command that runs. Make it before any thread: it decides which signals they get."""

    def __init__(self, command: Sequence[str], out: Hear, err: Hear) -> None:
        """`out` and `err` hear what has been passed on. Raises NotRunnable."""
        self.ended_by: signal.Signals | None = None
        """The first signal that asked us to end."""
        self.killed_by: int | None = None
        """The number of the signal that the command has died of."""
        self.code = 0
        """The exit code, once it has ended; 128 and the signal's number where one has ended it."""
        self.on_stop: Callable[[], object] = lambda: None
        """Called before we stand still (Ctrl-Z)."""
        self.on_continue: Callable[[], object] = lambda: None
        self.on_late_end: Callable[[], object] = lambda: None
        """Called when we are asked to end and the command has ended already."""
        self._is_terminated = False
        self._is_over = False
        """Has the command ended, and every signal that came before that been heeded?"""
        self._settled = threading.Event()
        _open_standard_files()
        self._streams = [Stream(1, out)]
        if not self._streams[0].is_same(2):
            self._streams.append(Stream(2, err))
        # What we were told to ignore (nohup), the command ignores, too.
        self._handled = {number for number in HANDLED if signal.getsignal(number) is not signal.SIG_IGN}
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, self._handled | {COMMAND_ENDED})
        try:
            self._process = _started(command, self._streams[0].end, self._streams[-1].end, mask)
        except OSError as exc:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            is_missing = isinstance(exc, FileNotFoundError | NotADirectoryError)
            why = "no such command" if is_missing else (exc.strerror or str(exc)).lower()
            raise NotRunnable(NOT_FOUND if is_missing else NOT_RUNNABLE, f"{command[0]}: {why}") from exc
        finally:
            for stream in self._streams:
                stream.close_end()
        self.pid = self._process.pid

    @property
    def failure(self) -> str | None:
        """Why its output could not be passed on."""
        return next((stream.failure for stream in self._streams if stream.failure), None)

    def run(self, on_quiet: Callable[[], object]) -> int:
        """Pass everything on until the command has ended; its exit code. `on_quiet`: nothing came for a moment."""
        threading.Thread(target=self._heed, daemon=True, name="signals").start()
        handle = os.pidfd_open(self.pid)
        try:
            self._pass_on(handle, on_quiet)
            # What has ended the command may have come to us, too, and is not for one that is over.
            os.kill(os.getpid(), COMMAND_ENDED)
            self._settled.wait(HEED_S)
            code = self._process.wait()
            self.killed_by = -code if code < 0 else None
            self.code = BY_SIGNAL - code if code < 0 else code
            self._finish()
        finally:
            os.close(handle)
            for stream in self._streams:
                stream.close()
        return self.code

    def terminate(self, grace_s: float) -> None:
        """Ask the command and all that it has started to end, and end what has not after `grace_s`. Takes as long."""
        self._is_terminated = True
        if self._process.returncode is not None:  # its number may be another's by now
            return
        with Handles(self.pid) as handles:
            handles.send(signal.SIGTERM)
            handles.send(signal.SIGCONT)  # what stands still would not hear it
            deadline = time.monotonic() + grace_s
            while time.monotonic() < deadline and self._process.poll() is None:
                time.sleep(0.05)
            handles.send(signal.SIGKILL)
        with Handles(self.pid) as handles:  # what it has started since
            if self._process.poll() is None:
                handles.send(signal.SIGKILL)

    def _pass_on(self, handle: int, on_quiet: Callable[[], object]) -> None:
        """Until the command has ended."""
        waits = False
        while True:
            ready = self._pumped(QUIET_S if waits else None, handle)
            if handle in ready:
                return
            if not ready and waits:
                on_quiet()
            waits = bool(ready)

    def _finish(self) -> None:
        """What the command has written goes out, however slow its reader; unless it was killed, and would have left it.

        What it has left running is not waited for: that goes on writing through a process of its own.
        """
        is_unwanted = self._is_terminated or self.killed_by is not None
        for stream in self._streams:
            stream.end_of_command()
        deadline = time.monotonic() + LINGER_S
        while True:
            left_s = deadline - time.monotonic()
            if left_s <= 0 and (is_unwanted or not any(stream.is_wanted for stream in self._streams)):
                break
            if not any(stream.is_open for stream in self._streams):
                break
            self._pumped(left_s if left_s > 0 else QUIET_S)
        for stream in self._streams:
            stream.leave()

    def _pumped(self, timeout_s: float | None, handle: int | None = None) -> set[int]:
        """Wait for something to pass on, and do so; the files that were ready."""
        poll = select.poll()
        if handle is not None:
            poll.register(handle, select.POLLIN)
        waiting = {stream.waits_for[0]: stream for stream in self._streams if stream.is_open}
        for stream in waiting.values():
            poll.register(*stream.waits_for)
        ready = {number for number, _ in poll.poll(None if timeout_s is None else timeout_s * 1000)}
        for number in ready & waiting.keys():
            waiting[number].pump()
        return ready

    def _heed(self) -> None:
        """Take signals, one after the other, for as long as the process lives."""
        while True:
            info = signal.sigwaitinfo(self._handled | {COMMAND_ENDED})
            if info.si_signo == COMMAND_ENDED:
                self._is_over = True
                self._settled.set()
                continue
            number = signal.Signals(info.si_signo)
            # What the command sends to its own group has reached it without us.
            is_for_us_alone = info.si_code != FROM_THE_KERNEL and (self._is_over or info.si_pid not in family(self.pid))
            if number in ENDING and self._is_over:
                self.on_late_end()
            elif number in ENDING and (is_for_us_alone or info.si_code == FROM_THE_KERNEL):
                self.ended_by = self.ended_by or number
            if self._is_over or self._process.returncode is not None:  # its number may be another's by now
                continue
            if number is signal.SIGWINCH:
                for stream in self._streams:
                    stream.fit()
                for member in family(self.pid):  # the real terminal has told them before the new size was there
                    _send(member, number)
            else:
                if is_for_us_alone:
                    _send(self.pid, number)
                if number in STOPPING:
                    self._stand_still(number)

    def _stand_still(self, number: signal.Signals) -> None:
        self.on_stop()
        # By the signal's own action: where nobody could ever continue us (an orphaned process group), the system lets
        # it pass, for us as for the command.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        signal.pthread_kill(threading.get_ident(), number)
        signal.pthread_sigmask(signal.SIG_BLOCK, {number})
        _send(self.pid, signal.SIGCONT)
        self.on_continue()


def _started(command: Sequence[str], out: int, err: int, mask: Iterable[int]) -> "subprocess.Popen[bytes]":
    """Raises OSError."""
    if not command[0]:
        raise FileNotFoundError
    libc = ctypes.CDLL(None)

    def prepare() -> None:
        libc.prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)  # to kill us is to kill the command, as without us
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def start(words: Sequence[str]) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            words, stdout=out, stderr=err, env=_environment(),
            close_fds=False,  # what the caller has opened for it (3<file, <(command), make's tokens) is the command's
            preexec_fn=prepare,  # noqa: PLW1509 - there is no other thread yet
        )  # fmt: skip

    try:
        return start(command)
    except OSError as exc:
        if exc.errno != errno.ENOEXEC:
            raise
    return start(["/bin/sh", shutil.which(command[0]) or command[0], *command[1:]])  # as execvp(3) does


def _environment() -> dict[str, str]:
    """As it was given to us: where it says nothing of a locale, Python has added one (PEP 538)."""
    environment = dict(os.environ)
    with contextlib.suppress(OSError):
        given = Path("/proc/self/environ").read_bytes().split(b"\0")
        if not any(variable.startswith(b"LC_CTYPE=") for variable in given):
            environment.pop("LC_CTYPE", None)
    return environment


def _open_standard_files() -> None:
    """Lead nowhere what we were started without: the next pipe would take its number, and lead back to us."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
