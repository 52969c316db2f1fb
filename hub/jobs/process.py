"""A child process as the hub sees it: JSON lines in and out, and a kill that leaves nothing running."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Self

import hub

log = logging.getLogger(__name__)

LINE_BYTES = 1024 * 1024
"""Longest line a child may say; results and logs are far below."""
STDERR_BYTES = 8 * 1024
"""Kept of what a child wrote to stderr: enough for the end of a traceback."""
STDERR_S = 0.3
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""A child works on strangers' input: of the hub's environment it gets this and no more."""


class Child:
    """One `python -m hub.jobs.child`, started and waiting for its task."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._gone = False
        self._stderr = b""
        self._reader = asyncio.get_running_loop().create_task(self._read_stderr())

    @classmethod
    async def spawn(cls) -> Self:
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        environment["PYTHONPATH"] = str(Path(hub.__file__).parents[1])
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # nothing is imported from the folder it happens to run in
            "-m",
            "hub.jobs.child",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=LINE_BYTES,
            start_new_session=True,  # its own process group, so that whatever it starts dies with it
            env=environment,
            cwd="/",
        )
        return cls(process)

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
            said = json.loads(line)
            if not isinstance(said, dict):
                raise ValueError(f"a child said {line[:80]!r}")  # noqa: TRY004 - like the decoder's own error
            yield said

    def kill(self) -> None:
        """End the child and everything it started, now. Later, when its number may be another's, it does nothing."""
        if self._gone:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    async def gone(self) -> int:
        """Wait until the child has ended and kill what it left behind; returns its exit code, negative for a signal."""
        code = await self._process.wait()
        if not self._gone:
            self.kill()
            self._gone = True
        # A daemon that left the group may hold stderr open for as long as it likes.
        await asyncio.wait({self._reader}, timeout=STDERR_S)
        self._reader.cancel()
        if self._process.stdin is not None:
            self._process.stdin.close()
        return code

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
