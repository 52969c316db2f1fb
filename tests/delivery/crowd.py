"""Many watchers in one process: `python -m tests.delivery.crowd`, then orders on stdin, see `Crowd`."""

import asyncio
import itertools
import resource
import socket
import statistics
from collections import Counter
from typing import Any

from hub.cli.serving import new_event_loop
from tests.delivery.account import Account
from tests.delivery.programs import obey, say
from tests.delivery.relay import RESET
from tests.delivery.watcher import Watcher, latency_ms

AT_ONCE = 100
"""Connections being made at the same time: a burst of handshakes is not what is tested."""
PAUSE_S = 0.2


class Crowd:
    """What can be asked of it; each method is an op."""

    def __init__(self) -> None:
        self._watchers: list[Watcher] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._latencies: list[float] = []
        self._dangling: list[socket.socket] = []
        self._beat = asyncio.Event()
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def connect(self, port: int, count: int, transports: list[str], local: str | None = None) -> int:
        """`count` more watchers, each for good on one of `transports`; returns once all know where they are."""
        found = [Watcher(port, local=local) for _ in range(count)]
        for watcher, transport in zip(found, itertools.cycle(transports), strict=False):
            watcher.account = Account(folds=False)
            watcher.heard, watcher.wait_s = self._heard, 20.0
            self._tasks.append(asyncio.create_task(self._follow(watcher, transport)))
        self._watchers += found
        while not all(watcher.account.cursor for watcher in found):
            await asyncio.sleep(0.02)
        return len(self._watchers)

    async def dangle(self, port: int, count: int, text: str, local: str | None = None) -> bool:
        """`count` connections that send `text` and do nothing more."""
        for _ in range(count):
            sock = socket.create_connection(("127.0.0.1", port), source_address=(local, 0) if local else None)
            sock.sendall(text.encode())
            self._dangling.append(sock)
        return True

    async def reset(self) -> bool:
        """All that dangle are gone with a reset, as after a crash of their machine."""
        for sock in self._dangling:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            sock.close()
        self._dangling = []
        return True

    async def leave(self) -> bool:
        """All close their connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._watchers, self._tasks = [], []
        return True

    async def beaten(self) -> bool:
        """Wait for the next heartbeat."""
        self._beat.clear()
        await self._beat.wait()
        return True

    async def arrived(self, seq: int, patience_s: float = 20.0) -> bool:
        """Wait until every watcher knows everything up to `seq`."""
        async with asyncio.timeout(patience_s):
            while not all(watcher.account.seq >= seq for watcher in self._watchers):
                self._raise()
                await asyncio.sleep(0.02)
        return True

    async def latency(self) -> dict[str, float]:
        """Milliseconds from publishing to hearing, of all lines heard since last asked."""
        found, self._latencies = sorted(self._latencies), []
        return {"count": len(found), "p50": statistics.median(found), "p99": found[len(found) * 99 // 100]}

    async def accounts(self) -> dict[str, Any]:
        """What they know, and how often each thing is known."""
        self._raise()
        return {
            "lossless": dict(Counter(len(watcher.account.lossless) for watcher in self._watchers)),
            "resets": sum(len(watcher.account.resets) for watcher in self._watchers),
            "byes": [[bye["reason"], bye["retry"], bye["reconnect_ms"], code] for bye, code in self._byes()],
        }

    def ops(self) -> dict[str, Any]:
        names = ("connect", "dangle", "reset", "leave", "beaten", "arrived", "latency", "accounts")
        return {name: getattr(self, name) for name in names}

    def _byes(self) -> list[tuple[dict[str, Any], int | None]]:
        return [found for watcher in self._watchers for found in watcher.byes]

    def _heard(self, message: dict[str, Any]) -> None:
        if message["type"] == "heartbeat":
            self._beat.set()
        if (found := latency_ms(message)) is not None:
            self._latencies.append(found)

    async def _follow(self, watcher: Watcher, transport: str) -> None:
        async with self._gate:
            following = asyncio.create_task(watcher.until(lambda _: False, itertools.repeat(transport), pause))
            while watcher.account.cursor is None and not following.done():
                await asyncio.sleep(0.005)
        try:
            await following
        finally:
            following.cancel()

    def _raise(self) -> None:
        """What any watcher found wrong."""
        for task in self._tasks:
            if task.done():
                task.result()


async def pause() -> None:
    await asyncio.sleep(PAUSE_S)


async def run() -> None:
    say({})
    await obey(Crowd().ops())


def main() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(run())


if __name__ == "__main__":
    main()
