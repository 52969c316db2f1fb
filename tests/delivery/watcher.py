"""A watcher on a raw socket: one connection at a time, on the transport it is told, with what it knows so far."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

from tests.delivery.account import Account
from tests.delivery.wire import Wire, request

TIMED = "timed"
"""The job whose lines say when they were published."""
READ = 64 * 1024


@contextlib.asynccontextmanager
async def connected(port: int, data: bytes, local: str | None = None) -> AsyncIterator[asyncio.StreamReader]:
    """A connection that has sent `data`, from the address `local`; dropped at the end, whatever is still to come."""
    local_addr = (local, 0) if local else None
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=local_addr)
    try:
        writer.write(data)
        yield reader
    finally:
        writer.transport.abort()


class Watcher:
    def __init__(self, port: int, project: str = "p", local: str | None = None) -> None:
        self.port = port
        self.local = local
        self.path = f"/api/v1/projects/{project}/events"
        self.account = Account()
        self.received = 0
        """Bytes, all connections together."""
        self.cut_at: dict[str, str] = {}
        """Headers for a relay in between."""
        self.wait_s = 5.0
        self.heard: Callable[[dict[str, Any]], None] = lambda message: None
        """Called with each message of a stream, once it is accounted for."""
        self.byes: list[tuple[dict[str, Any], int | None]] = []
        """Each with the close code that followed it."""

    async def stream(self, transport: str, done: Callable[[Account], bool] = lambda _: False) -> Wire:
        """Follow until `done` or until the connection ends, however it does."""
        wire = Wire(transport)
        headers = dict(self.cut_at)
        query = ""
        if transport == "sse" and self.account.cursor is not None:
            headers["Last-Event-ID"] = self.account.cursor
        elif self.account.cursor is not None:
            query = f"?since={self.account.cursor}"
        asked = request(transport, self.path + query, headers=headers)
        async with connected(self.port, asked, self.local) as reader:
            async for message, event_id in self._messages(wire, reader):
                self.account.take(message, event_id)
                self.heard(message)
                if done(self.account):
                    break
        if self.account.last.get("type") == "bye":
            self.byes.append((self.account.last, wire.close_code))
            self.account.last = {}
        return wire

    async def poll(self, wait_s: float | None = None) -> Wire:
        """One answer, or none of it."""
        wait_s = self.wait_s if wait_s is None else wait_s
        query = f"?wait={wait_s}" + (f"&since={self.account.cursor}" if self.account.cursor else "")
        wire = Wire("poll")
        async with connected(self.port, request("poll", self.path + query, headers=self.cut_at), self.local) as reader:
            async for answer, _ in self._messages(wire, reader):
                if wire.status == 200:
                    self.account.take_answer(answer)
                break
        return wire

    async def once(self, transport: str, done: Callable[[Account], bool] = lambda _: False) -> Wire:
        """One connection of whatever kind."""
        return await (self.poll() if transport == "poll" else self.stream(transport, done))

    async def until(
        self, done: Callable[[Account], bool], transports: Iterator[str], pause: Callable[[], Awaitable[Any]]
    ) -> None:
        """Connect again and again, each time by the next of `transports`, until `done`.

        A hub that is not there is asked again after `pause`; one that said when to come back, then.
        """
        while not done(self.account):
            byes = len(self.byes)
            try:
                wire = await self.once(next(transports), done)
            except OSError:
                wire = Wire("none")
            if len(self.byes) > byes:
                await asyncio.sleep(self.byes[-1][0]["reconnect_ms"] / 1000)
            elif not done(self.account) and wire.status not in {101, 200}:
                await pause()

    async def _messages(
        self, wire: Wire, reader: asyncio.StreamReader
    ) -> AsyncIterator[tuple[dict[str, Any], str | None]]:
        while True:
            try:
                data = await reader.read(READ)
            except OSError:  # a reset, or a peer that answers no more
                return
            if not data:
                return
            self.received += len(data)
            for found in wire.feed(data):
                yield found


def latency_ms(message: dict[str, Any]) -> float | None:
    """How long ago a line was published that says when it was (`logs` of `loaded_hub`)."""
    if message["type"] != "log" or message["job"] != TIMED:
        return None
    return (time.monotonic_ns() - int(message["message"].split()[0])) / 1e6
