"""Contents of snapshots for an event loop: a process that makes them, and its pipe, which is read as fast as the client
takes them.
"""

import asyncio
import contextlib
import dataclasses
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import hub
from hub.core.errors import HubError
from hub.snapshots import errors
from hub.snapshots.backend import Location

log = logging.getLogger(__name__)

PIECE_BYTES = 64 * 1024
_PASSED_ON = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
_LAST_WORDS = 4096


class StreamBroke(HubError):
    """The download could not be finished; what has arrived is not all of it."""

    code = "stream_broke"


class Streamed:
    """One download. Its first line has been read: it will have content."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def parts(self) -> AsyncIterator[bytes]:
        """Raises StreamBroke when it ends before it is whole."""
        assert self._process.stdout is not None
        while data := await self._process.stdout.read(PIECE_BYTES):
            yield data
        if await self._process.wait():
            assert self._process.stderr is not None
            words = (await self._process.stderr.read(_LAST_WORDS)).decode(errors="replace").strip()
            log.error("a download broke: %s", words, extra={"action": "download_broke"})
            raise StreamBroke


@contextlib.asynccontextmanager
async def streamed(location: Location, asked: Mapping[str, Any]) -> AsyncIterator[Streamed]:
    """`asked` as `stream_process` takes it, without the location. Raises what the process could not do at once."""
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    environment["PYTHONPATH"] = str(Path(hub.__file__).parents[1])
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "hub.snapshots.stream_process",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        limit=PIECE_BYTES, start_new_session=True, env=environment, cwd="/",
    )  # fmt: skip
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        told = {**asked, "location": dataclasses.asdict(location)}
        process.stdin.write(json.dumps(told).encode() + b"\n")
        with contextlib.suppress(ConnectionError):
            await process.stdin.drain()
        line = await process.stdout.readline()
        _check(json.loads(line) if line.endswith(b"\n") else {})
        yield Streamed(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        # Reads what is left in the pipes, too: an unread one would stay open with nobody to close it.
        await asyncio.shield(process.communicate())


def _check(said: Mapping[str, Any]) -> None:
    if said.get("ok"):
        return
    error = said.get("error")
    if error is None:
        raise StreamBroke("The download could not be begun; the hub's log may say why.")
    kind = getattr(errors, str(said.get("kind")), StreamBroke)
    raise kind(error["message"], code=error["code"])
