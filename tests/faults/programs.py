"""A hub as a process of its own, which may be given less than it would like to have."""

import asyncio
import contextlib
import json
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp

START_S = 60.0


class Faulty:
    """`progress-hub serve` on a free port; `limits` are set in it before it starts, such as {RLIMIT_NOFILE: 100}."""

    def __init__(self, folder: Path, *flags: str, limits: dict[int, int] | None = None) -> None:
        self.folder = folder
        self._command = [
            sys.executable, "-m", "hub", "serve", "--data-dir", str(folder), "--allow-networks", "127.0.0.0/8",
            "--spare-children", "0", "--drain-s", "0.1", *flags,
        ]  # fmt: skip
        self._limits = limits or {}
        self._port = 0
        self.url = ""
        self._process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        error = self._begin()
        found = re.search(r"http://[\d.]+:(\d+)", self._line())
        assert found, f"the hub did not start: {error.read_text()}"
        self._port, self.url = int(found[1]), found[0]

    def refused(self) -> tuple[int, str]:
        """Start it where it should not start; its exit code and what it says."""
        error = self._begin()
        assert self._process is not None
        code = self._process.wait(START_S)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code, error.read_text()

    def log(self) -> str:
        return (self.folder.parent / f"{self.folder.name}.log").read_text()

    def limit(self, what: int, most: int) -> None:
        """From now on; the hard limit stays, so that it can be lifted again."""
        resource.prlimit(self.pid, what, (most, resource.prlimit(self.pid, what)[1]))

    def stop(self, number: int = signal.SIGKILL) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        code = self._process.wait(START_S)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code

    def _begin(self) -> Path:
        error = self.folder.parent / f"{self.folder.name}.log"
        with error.open("w") as log:
            self._process = subprocess.Popen(
                [*self._command, "--port", str(self._port)],
                stdout=subprocess.PIPE, stderr=log, text=True,
                preexec_fn=self._confine,  # noqa: PLW1509 - it sets limits, and takes no lock
            )  # fmt: skip
        return error

    def _line(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def _confine(self) -> None:
        for what, most in self._limits.items():
            resource.setrlimit(what, (most, most))


@contextlib.contextmanager
def faulty(folder: Path, *flags: str, limits: dict[int, int] | None = None) -> Iterator[Faulty]:
    made = Faulty(folder, *flags, limits=limits)
    try:
        made.start()
        yield made
    finally:
        if made.is_alive:
            made.stop()


class Caller:
    """Asks a hub that may be gone."""

    def __init__(self, hub: Faulty, session: aiohttp.ClientSession) -> None:
        self._hub = hub
        self.session = session

    async def __call__(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON body."""
        async with self.session.request(method, f"{self._hub.url}{path}", json=body) as response:
            text = await response.text()
            return response.status, json.loads(text) if text.startswith("{") else text

    async def log(self, *lines: str, job: str = "j") -> tuple[int, Any]:
        """Publish them, each under its first words as a key."""
        events = [{"job": job, "kind": "k", "type": "log", "message": line, "key": line[:40]} for line in lines]
        return await self("POST", "/api/v1/projects/p/publish", {"events": events})

    async def lines(self) -> list[str]:
        """Oldest first, all that the journal has."""
        status, page = await self("GET", "/api/v1/projects/p/history?type=log&limit=500&order=asc")
        assert status == 200, page
        return [event["message"] for event in page["items"]]

    async def until(self, path: str, right: Callable[[int, Any], bool], timeout_s: float = 45.0) -> Any:
        """What `path` says once it is right."""
        async with asyncio.timeout(timeout_s):
            while True:
                status, body = await self("GET", path)
                if right(status, body):
                    return body
                await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def calling(hub: Faulty) -> Any:
    async with aiohttp.ClientSession() as session:
        yield Caller(hub, session)
