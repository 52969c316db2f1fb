"""A furnished hub with somebody who watches it in peace, and a client that may send anything."""

import asyncio
import contextlib
import json
import logging
import os
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import psutil

from tests.contract_api.conformance import problem_of
from tests.contract_api.house import API, House, furnished
from tests.hubs import Watch

TIMES = int(os.environ.get("FUZZ_TIMES", "1"))
"""A long run: so many times the examples of the usual one, and others each time."""
PATIENCE_S = 20.0
MOST_GROWTH = 96 * 1024 * 1024
MOST_KEPT = 24 * 1024 * 1024
"""Of a thousand requests: what Hypothesis remembers of them, and all that they have made in the hub."""
WAITS = {"/repos/clone", "/api/repos/clone"}


class Heard(logging.Handler):
    """What nobody foresaw."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(logging.Formatter().format(record))


class Fire:
    def __init__(self, hub: House, known: Mapping[str, str]) -> None:
        self.hub, self.known = hub, known
        self.heard = Heard()
        self.statuses: Counter[int] = Counter()
        self._wire: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._calm: asyncio.Task[None] | None = None
        self._published = 0
        self.watch = Watch()

    # -- one request -----------------------------------------------------------------------------------------------

    async def ask(self, method: str, address: str, headers: Mapping[str, str], body: bytes) -> None:
        """Sends it, and fails for whatever a hub must not answer."""
        host = self.hub.url.removeprefix("http://")
        lines = {"Host": host, "Authorization": f"Bearer {self.hub.token}", **headers, "Content-Length": str(len(body))}
        head = f"{method} {address} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        data = head.encode("utf-8", "surrogatepass") + b"\r\n" + body
        said = f"{data[:1500]!r}"
        try:
            async with asyncio.timeout(PATIENCE_S):
                status, answer, text = await self._exchange(data, method)
        except TimeoutError:
            raise AssertionError(f"no answer to {said}") from None
        self.statuses[status] += 1
        assert status < 500 or status in {502, 503}, f"{status} {text[:500]!r} to {said}"
        problem = problem_of(method, address, status, answer, text)
        assert problem is None, f"{problem}: {status} {text[:500]!r} to {said}"
        assert not self.heard.records, f"{self.heard.records[0]} after {said}"

    async def _exchange(self, data: bytes, method: str) -> tuple[int, dict[str, str], bytes]:
        for attempt in range(2):  # a connection that was kept may have been closed meanwhile
            if self._wire is None:
                host, port = self.hub.url.removeprefix("http://").split(":")
                self._wire = await asyncio.open_connection(host, int(port))
            reader, writer = self._wire
            try:
                writer.write(data)
                await writer.drain()
                status, headers, text, is_kept = await answer(reader, method)
            except (ConnectionError, asyncio.IncompleteReadError):
                self.hang_up()
                if attempt:
                    raise
                continue
            if not is_kept:
                self.hang_up()
            return status, headers, text
        raise AssertionError("unreachable")

    def hang_up(self) -> None:
        if self._wire is not None:
            self._wire[1].transport.abort()
            self._wire = None

    # -- the peace beside it ------------------------------------------------------------------------------------------

    async def be_calm(self) -> None:
        """Watch the project `calm`, which somebody publishes to."""
        socket = await self.hub.session.ws_connect(f"{self.hub.url}{API}/projects/calm/events")

        async def follow() -> None:
            async for message in socket:
                self.watch.take(json.loads(message.data))

        self._calm = asyncio.create_task(follow())

    async def publish(self) -> None:
        self._published += 1
        log = {"job": "calm-1", "kind": "calm", "type": "log", "message": f"line {self._published}"}
        status, body, _ = await self.hub.call("POST", f"{API}/projects/calm/publish", {"events": [log]})
        assert status == 200, body

    async def check_calm(self) -> None:
        """The watcher is there yet, and has every line that is not one too many."""
        assert self._calm is not None
        wanted = f"line {self._published}"
        async with asyncio.timeout(PATIENCE_S):
            while not any(log["message"] == wanted for log in self.watch.of("log")):
                assert not self._calm.done(), "the watcher was let go"
                await asyncio.sleep(0.01)
        lines = [log["message"] for log in self.watch.of("log") if log["job"] == "calm-1"]
        assert lines == [f"line {n + 1}" for n in range(self._published)]


@contextlib.asynccontextmanager
async def under_fire(folder: Path) -> AsyncIterator[Fire]:
    async with furnished(folder, history_events=10**6, max_projects=10**6) as hub:
        await hub.call("POST", f"{API}/projects", {"id": "calm"})
        fire = Fire(hub, await what_is_there(hub))
        logging.getLogger().addHandler(fire.heard)
        process = psutil.Process()
        try:
            await fire.be_calm()
            await fire.publish()
            before = process.memory_info().rss
            yield fire
            await fire.publish()
            await fire.check_calm()
            assert process.memory_info().rss - before < MOST_GROWTH + MOST_KEPT * (TIMES - 1)
            assert not fire.heard.records
        finally:
            logging.getLogger().removeHandler(fire.heard)
            fire.hang_up()


async def what_is_there(hub: House) -> dict[str, str]:
    async def first(path: str) -> Any:
        return (await hub.call("GET", API + path))[1]["items"]

    snapshots = [each["id"] for each in await first("/projects/code/snapshots")]
    schedules, webhooks = await first("/schedules"), await first("/webhooks")
    return {
        "project": "code", "job": "run-7", "id": "repo", "source": "github", "path": "styles.css",
        "snapshot": snapshots[0], "other": snapshots[1], "schedule": schedules[0]["id"], "webhook": webhooks[0]["id"],
    }  # fmt: skip


async def answer(reader: asyncio.StreamReader, method: str) -> tuple[int, dict[str, str], bytes, bool]:
    """Status, headers, body and whether the connection goes on. Of a stream, only the head."""
    while True:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(head[0].split()[1])
        if status != 100:
            break
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    is_kept = headers.get("connection", "").lower() != "close"
    if status == 101 or headers.get("content-type", "").startswith("text/event-stream"):
        return status, headers, b"", False
    if method == "HEAD" or status in {204, 304}:
        return status, headers, b"", is_kept
    if headers.get("transfer-encoding") == "chunked":
        parts = []
        while size := int(await reader.readline(), 16):
            parts.append(await reader.readexactly(size))
            await reader.readexactly(2)
        await reader.readexactly(2)
        return status, headers, b"".join(parts), is_kept
    if "content-length" in headers:
        return status, headers, await reader.readexactly(int(headers["content-length"])), is_kept
    return status, headers, await reader.read(), False
