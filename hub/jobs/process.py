"""A child process as the hub sees it: JSON lines in and out, and a kill that leaves nothing running."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Self

import hub
from hub.core import strict_json
from hub.jobs.standstill import Gap

log = logging.getLogger(__name__)

LINE_BYTES = 1024 * 1024
"""Longest line a child may say; results and logs are far below."""
STDERR_BYTES = 8 * 1024
"""Kept of what a child wrote to stderr: enough for the end of a traceback."""
LINGER_S = 0.2
"""After the child has ended, what somebody else holds open of its output is read for so long."""
GAP_WAIT_S = 1.0
"""A run that is to stand still has this long to end the change it is in; they take some 30 ms."""
GAP_LOOK_S = 0.005
PROGRAM = "hub.jobs.child"
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""A child works on strangers' input: of the hub's environment it gets this and no more."""


class _Protocol(asyncio.subprocess.SubprocessStreamProtocol):
    """Tells of the process's end at once. (asyncio's own `wait` waits for the pipes as well, and a program that left
    the group may hold those open for as long as it likes.)
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=LINE_BYTES, loop=loop)
        self.exited = asyncio.Event()
        self.on_exit: Callable[[], None] = lambda: None

    def process_exited(self) -> None:
        super().process_exited()
        self.exited.set()
        self.on_exit()


class Guard:
    """Ends a stopped group of processes if the hub dies: stopped, they would never notice by themselves."""

    def __init__(self, group: int) -> None:
        """Raises OSError when no process can be started."""
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", 'read -r line; kill -s KILL -- "-$1"', "guard", str(group)],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def dismiss(self) -> None:
        self._process.kill()  # before its input closes, which would set it off
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()


class Standstill:
    """A group of processes on its way to be stopped, or stopped. Ends with the hub."""

    def __init__(self, group: int, work: Path) -> None:
        """`work` is where the run that the group is says when it must not be stopped. Raises OSError."""
        self._group = group
        self._guard = Guard(group)
        self._gap = Gap(work)
        self._loop = asyncio.get_running_loop()
        self._looking: asyncio.TimerHandle | None = None
        self._look(self._loop.time() + GAP_WAIT_S)

    def end(self) -> None:
        """Have the group go on, if it is there."""
        if self._looking is not None:
            self._looking.cancel()
        self._guard.dismiss()
        self._gap.give_back()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._group, signal.SIGCONT)

    def _look(self, deadline: float) -> None:
        if self._gap.take() or self._loop.time() >= deadline:
            self._looking = None
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._group, signal.SIGSTOP)
        else:
            self._looking = self._loop.call_later(GAP_LOOK_S, self._look, deadline)


class Child:
    """One `python -m hub.jobs.child`, started and waiting for its task."""

    def __init__(self, transport: asyncio.SubprocessTransport, protocol: _Protocol) -> None:
        self._transport = transport
        self._process = asyncio.subprocess.Process(transport, protocol, asyncio.get_running_loop())
        self._exited = protocol.exited
        self._gone = False
        self._standstill: Standstill | None = None
        self._stderr = b""
        self._reader = asyncio.get_running_loop().create_task(self._read_stderr())
        protocol.on_exit = self._end_the_rest
        if protocol.exited.is_set():
            self._end_the_rest()

    @classmethod
    async def spawn(cls) -> Self:
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        environment["PYTHONPATH"] = str(Path(hub.__file__).parents[1])
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.subprocess_exec(
            lambda: _Protocol(loop),
            sys.executable,
            "-P",  # nothing is imported from the folder it happens to run in
            "-m",
            PROGRAM,
            start_new_session=True,  # its own process group, so that whatever it starts dies with it
            env=environment,
            cwd="/",
        )
        return cls(transport, protocol)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.returncode is None

    def send(self, line: Mapping[str, Any] | str) -> None:
        """Tell the child something. Lost, without an error, when it is dead: its last words say why."""
        text = line if isinstance(line, str) else json.dumps(line)
        if self._process.stdin is not None and not self._process.stdin.is_closing():
            with contextlib.suppress(ConnectionError):
                self._process.stdin.write(text.encode() + b"\n")

    async def lines(self) -> AsyncIterator[dict[str, Any]]:
        """What the child says, until it closes its output. Raises ValueError for what is not a line of the protocol."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            said = strict_json.value(line)
            if not isinstance(said, dict):
                raise ValueError(f"a child said {line[:80]!r}")  # noqa: TRY004 - like the decoder's own error
            yield said

    def pause(self, work: Path) -> None:
        """Stop the child, which works in `work`, and everything it started. Raises OSError when it cannot be made safe.

        They stop where they are, but for a change that is `standstill.changing`.
        """
        if not self._gone and self._standstill is None:
            self._standstill = Standstill(self._process.pid, work)

    def resume(self) -> None:
        """Let what `pause` has stopped go on."""
        if self._standstill is not None:
            self._standstill.end()
            self._standstill = None

    def kill(self) -> None:
        """End the child and everything it started, now. Later, when its number may be another's, it does nothing."""
        if not self._gone:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def exited(self) -> None:
        await self._exited.wait()

    async def gone(self) -> int:
        """Wait until the child has ended, and what it left behind; returns its exit code, negative for a signal."""
        await self.exited()
        await asyncio.wait({self._reader}, timeout=2 * LINGER_S)
        self._reader.cancel()
        if self._process.stdin is not None:
            self._process.stdin.close()
        assert self._process.returncode is not None
        return self._process.returncode

    def _end_the_rest(self) -> None:
        """The child has ended: so does what it started, and soon its output, whoever still holds it open."""
        self.kill()
        self.resume()
        self._gone = True
        asyncio.get_running_loop().call_later(LINGER_S, self._close_output)

    def _close_output(self) -> None:
        for number in (1, 2):
            if (pipe := self._transport.get_pipe_transport(number)) is not None:
                pipe.close()

    @property
    def last_words(self) -> str:
        return self._stderr.decode(errors="replace").strip()

    async def _read_stderr(self) -> None:
        assert self._process.stderr is not None
        while data := await self._process.stderr.read(4096):
            self._stderr = (self._stderr + data)[-STDERR_BYTES:]


class Nursery:
    """Children started ahead: importing a job's libraries takes longer than the first event should."""

    def __init__(self, spares: int) -> None:
        self._wanted = spares
        self._spares: list[Child] = []
        self._refilling: asyncio.Task[None] | None = None

    async def take(self) -> Child:
        """A child that waits for its task."""
        child = None
        while self._spares and child is None:
            spare = self._spares.pop()
            if spare.is_alive:
                child = spare
            else:
                await spare.gone()
        self.refill()
        return child or await Child.spawn()

    def refill(self) -> None:
        """Start what is missing, in the background."""
        if self._refilling is None or self._refilling.done():
            self._refilling = asyncio.get_running_loop().create_task(self._refill())

    async def close(self) -> None:
        if self._refilling is not None:
            self._refilling.cancel()
            await asyncio.wait({self._refilling})
        for child in self._spares:
            child.kill()
            await child.gone()
        self._spares.clear()

    async def _refill(self) -> None:
        try:
            while len(self._spares) < self._wanted:
                self._spares.append(await Child.spawn())
        except OSError:  # a job that needs a child tries again, and says so if it fails
            log.exception("no child could be started ahead", extra={"action": "spare_failed"})
