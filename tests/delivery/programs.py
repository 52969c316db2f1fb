"""Programs of these tests that run as processes of their own and take orders: one JSON line each, answered by one."""

import asyncio
import json
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Self

LARGEST_LINE = 64 * 1024 * 1024
PATIENCE_S = 60.0


class Program:
    """`python -m module`, started, asked and stopped."""

    def __init__(self, module: str, *words: object, inside: tuple[str, ...] = ()) -> None:
        """`inside`: the command that runs it somewhere else, such as in another network namespace."""
        self._command = [*inside, sys.executable, "-m", module, *map(str, words)]
        self._turn = asyncio.Lock()
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> Any:
        """Start it, or start it again; returns what it says first."""
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(*self._command, stdin=pipe, stdout=pipe, limit=LARGEST_LINE)
        return await self._said()

    async def ask(self, op: str, **fields: Any) -> Any:
        """Raises EOFError when it is gone."""
        assert self.process is not None
        assert self.process.stdin is not None
        async with self._turn:
            self.process.stdin.write(json.dumps({"op": op, **fields}).encode() + b"\n")
            return await self._said()

    async def kill(self, number: int = signal.SIGKILL) -> int:
        """Send a signal and wait; returns the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        async with asyncio.timeout(PATIENCE_S):
            return await self.process.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.process is not None and self.process.returncode is None:
            await self.kill()

    async def _said(self) -> Any:
        assert self.process is not None
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            line = await self.process.stdout.readline()
        if not line:
            raise EOFError("the program is gone")
        return json.loads(line)


def hub_program(folder: Path, *, port: int = 0, inside: tuple[str, ...] = (), **settings: Any) -> Program:
    """A hub with its data in `folder`; see `loaded_hub`."""
    values = {"data_dir": str(folder), "port": port} | settings
    return Program("tests.delivery.loaded_hub", json.dumps(values), inside=inside)


async def watched_by(hub: Program, count: int, patience_s: float = 10.0) -> float:
    """Wait until the hub has `count` watchers; returns how many seconds that took."""
    began = time.monotonic()
    while (found := await hub.ask("watchers")) != count:
        assert time.monotonic() - began < patience_s, f"{found} watchers, not {count}, after {patience_s} s"
        await asyncio.sleep(0.02)
    return time.monotonic() - began


def free_port() -> int:
    """A port that a hub can keep over its restarts."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def say(answer: Any) -> None:
    print(json.dumps(answer), flush=True)


async def orders() -> AsyncIterator[dict[str, Any]]:
    """What is asked on stdin, until it is closed."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=LARGEST_LINE)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async for line in reader:
        yield json.loads(line)


async def obey(ops: dict[str, Callable[..., Awaitable[Any]]]) -> None:
    """Do what is asked, one after the other, until stdin is closed."""
    async for order in orders():
        op = ops[order.pop("op")]
        say(await op(**order))
