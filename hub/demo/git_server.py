"""One repository over git's smart HTTP: read only, on loopback, as slow as wished.

`git upload-pack` does the talking, as it does behind `git http-backend`; see gitprotocol-http(5).
"""

import asyncio
import contextlib
import os
import signal
import tempfile
from pathlib import Path
from typing import BinaryIO

from aiohttp import web

LOOPBACK = "127.42.0.1"
"""An own loopback address (all of 127/8 is, on Linux), so that letting jobs connect to it lets them to nothing else."""
LOOPBACK_ELSEWHERE = "127.0.0.1"
CHUNK_BYTES = 8 * 1024
LARGEST_REQUEST_BYTES = 1024 * 1024


class GitServer:
    def __init__(self, repository: Path, bytes_per_s: int | None = None) -> None:
        """`bytes_per_s` None: as fast as it goes."""
        self._repository = repository
        self._bytes_per_s = bytes_per_s
        self._runner: web.AppRunner | None = None
        self.host = ""
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/{self._repository.name}"

    async def start(self, address: Path) -> None:
        """Listen where `address`, a file, says that it did last time, so that the repository keeps its URL."""
        app = web.Application(client_max_size=LARGEST_REQUEST_BYTES)
        app.router.add_get(f"/{self._repository.name}/info/refs", self._refs)
        app.router.add_post(f"/{self._repository.name}/git-upload-pack", self._pack)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        for host, port in (*_remembered(address), (LOOPBACK, 0), (LOOPBACK_ELSEWHERE, 0)):
            try:
                await web.TCPSite(self._runner, host, port).start()
            except OSError:
                continue  # the port is taken, or this system knows only one loopback address
            self.host, self.port = self._runner.addresses[0][:2]
            return
        await self.stop()
        raise OSError("no loopback address to listen on")

    def remember(self, address: Path) -> None:
        """Write down where it listens, for the next time."""
        address.write_text(f"{self.host} {self.port}\n", encoding="ascii")

    async def stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()

    async def _refs(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("service") != "git-upload-pack":
            raise web.HTTPForbidden(text="This server is read only.")
        response = self._response("application/x-git-upload-pack-advertisement")
        await response.prepare(request)
        await response.write(b"001e# service=git-upload-pack\n0000")
        await self._talk(request, response, "--advertise-refs")
        return response

    async def _pack(self, request: web.Request) -> web.StreamResponse:
        wants = await request.read()
        response = self._response("application/x-git-upload-pack-result")
        await response.prepare(request)
        await self._talk(request, response, wants=wants)
        return response

    @staticmethod
    def _response(content_type: str) -> web.StreamResponse:
        return web.StreamResponse(headers={"Content-Type": content_type, "Cache-Control": "no-cache"})

    async def _talk(
        self, request: web.Request, response: web.StreamResponse, *arguments: str, wants: bytes = b""
    ) -> None:
        with _file_of(wants) as given:
            process = await asyncio.create_subprocess_exec(
                *("git", "upload-pack", "--strict", "--stateless-rpc", *arguments, str(self._repository)),
                stdin=given,
                stdout=asyncio.subprocess.PIPE,
                env={
                    "PATH": os.environ.get("PATH", os.defpath),
                    "GIT_CONFIG_NOSYSTEM": "1",
                    "GIT_CONFIG_GLOBAL": os.devnull,
                    "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
                },
            )
        assert process.stdout
        told_all = False
        try:
            await self._copy(process.stdout, response)
            told_all = True
        except ConnectionError:
            pass  # the other side left in mid-answer: nobody to tell
        finally:
            if not told_all:
                # Not process.kill(): it polls first, and takes the exit code away from asyncio's own wait.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
            await process.wait()

    async def _copy(self, source: asyncio.StreamReader, response: web.StreamResponse) -> None:
        now = asyncio.get_running_loop().time
        began, sent = now(), 0
        while chunk := await source.read(CHUNK_BYTES):
            await response.write(chunk)
            sent += len(chunk)
            if self._bytes_per_s:
                await asyncio.sleep(began + sent / self._bytes_per_s - now())


def _file_of(data: bytes) -> BinaryIO:
    """A file rather than a pipe: git may end before it has read everything, and nobody need care."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    file.write(data)
    file.seek(0)
    return file


def _remembered(address: Path) -> list[tuple[str, int]]:
    try:
        host, port = address.read_text(encoding="ascii").split()
        return [(host, int(port))]
    except (OSError, ValueError):
        return []
