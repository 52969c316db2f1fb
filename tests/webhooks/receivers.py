"""A receiver on loopback that does as it is told: answers, refuses, hangs, falls over."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from hub.webhooks.signature import headers


@dataclass(frozen=True)
class Heard:
    """One message that came in."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def is_signed_with(self, secret: str) -> bool:
        made = headers(secret, self.id, int(self.headers["webhook-timestamp"]), self.body)
        return made["webhook-signature"] == self.headers["webhook-signature"]


class Receiver:
    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.plan: list[Any] = []
        """What to do next: a status, a (status, headers) pair, or one of drop, half, hang; then 200 for ever."""
        self.connections = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?key=a%20b"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            line, *rest = head.strip().split("\r\n")
            named = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in rest)}
            body = await reader.readexactly(int(named["content-length"]))
            self.heard.append(Heard(line, named, body))
            await self._answer(self.plan.pop(0) if self.plan else 200, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, what: Any, writer: asyncio.StreamWriter) -> None:
        if what == "drop":
            return
        if what == "hang":
            await asyncio.sleep(3600)
        if what == "half":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
            await writer.drain()
            return
        status, more = what if isinstance(what, tuple) else (what, {})
        lines = "".join(f"{name}: {value}\r\n" for name, value in more.items())
        writer.write(f"HTTP/1.1 {status} As told\r\nContent-Length: 2\r\n{lines}\r\nok".encode())
        await writer.drain()


@contextlib.asynccontextmanager
async def receiving(port: int = 0) -> AsyncIterator[Receiver]:
    made = Receiver()
    tasks: set[asyncio.Task[None]] = set()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(made._serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(begin, "127.0.0.1", port)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
