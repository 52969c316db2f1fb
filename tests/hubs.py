"""A hub for a test: the real application on a real socket, and a project to publish into."""

import contextlib
import io
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp

from hub.core.events import Body
from hub.core.ports import Journal
from hub.settings import Settings
from hub.web.assembly import Hub, assembled
from hub.web.server import listen, prepared
from tests.fakes import job_body, progress_body, stage_body

LOOPBACK = ("127.0.0.0/8", "::1/128")


class Running:
    """A hub that listens."""

    def __init__(self, hub: Hub, url: str, session: aiohttp.ClientSession) -> None:
        self.hub = hub
        self.url = url
        self.session = session

    def publish(self, project: str, job: str, *bodies: Body) -> None:
        for body in bodies:
            self.hub.ledger.publish(project, job, "clone", body)

    async def settle(self) -> None:
        await self.hub.writer.durable()

    async def begin(self, project: str = "p", job: str = "j1") -> None:
        """A job under way: queued, running, in its first stage."""
        self.publish(project, job, job_body(), stage_body())
        await self.settle()

    async def call(self, method: str, path: str, body: Any = None, **kwargs: Any) -> tuple[int, Any, Mapping[str, str]]:
        """Status, JSON body (None when there is none) and headers."""
        raw = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        data = io.BytesIO(raw) if raw is not None else None
        async with self.session.request(method, self.url + path, data=data, **kwargs) as response:
            text = await response.text()
            return response.status, json.loads(text) if text else None, response.headers

    async def make_project(self, project: str = "p") -> str:
        body = {"url": f"https://example.org/{project}.git", "id": project}
        status, _, _ = await self.call("POST", "/api/v1/projects", body)
        assert status in {200, 201}
        return project

    async def progress(self, count: int, project: str = "p", job: str = "j1") -> None:
        for n in range(count):
            self.publish(project, job, progress_body(min(99.0, n / 10), n))


@contextlib.asynccontextmanager
async def running(folder: Path, journal: Journal | None = None, **settings: Any) -> AsyncIterator[Running]:
    """Listens on a free port until the block ends; what is in `folder` outlives it."""
    values = {"data_dir": str(folder), "spare_children": 0, "allow_networks": LOOPBACK, "drain_s": 0.2} | settings
    async with assembled(Settings(**values), journal) as hub:
        runner = await prepared(hub, close_s=1.0)
        try:
            await listen(runner, "127.0.0.1", 0, hub.settings.heartbeat_s)
            host, port = runner.addresses[0]
            async with aiohttp.ClientSession() as session:
                yield Running(hub, f"http://{host}:{port}", session)
        finally:
            await runner.cleanup()


class Watch:
    """A watcher that knows the protocol: every number accounted for, nothing twice, nothing after an end."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.cursor: str | None = None
        self.seq: int | None = None
        self.ended: set[str] = set()

    def take(self, message: dict[str, Any]) -> None:
        self.messages.append(message)
        kind = message["type"]
        if kind == "hello":
            self.epoch = message["epoch"]
        elif kind == "snapshot":
            self.cursor = message["cursor"]
            self.seq = int(message["cursor"].partition("-")[2])
        elif kind == "merged":
            assert self.seq is not None
            assert message["upto"] - self.seq == message["count"]
            self._move(message["upto"])
        elif "seq" in message:
            assert message["job"] not in self.ended
            assert self.seq is None or message["seq"] == self.seq + 1
            self._move(message["seq"])
            if kind == "job" and message["state"] in {"succeeded", "failed", "cancelled", "interrupted"}:
                self.ended.add(message["job"])

    def _move(self, seq: int) -> None:
        self.seq = seq
        self.cursor = f"{self.epoch}-{seq}"

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] == kind]


async def read_sse(response: aiohttp.ClientResponse, watch: Watch) -> AsyncIterator[dict[str, Any]]:
    """The events of an SSE answer, checked by `watch`, each with its `id` under `_id`."""
    event_id, data = None, ""
    async for raw in response.content:
        line = raw.decode().rstrip("\n")
        if line.startswith("id: "):
            event_id = line[4:]
        elif line.startswith("data: "):
            data = line[6:]
        elif not line and data:
            message = json.loads(data)
            watch.take(message)
            if event_id is not None:
                assert event_id == watch.cursor
            yield message | {"_id": event_id}
            event_id, data = None, ""
