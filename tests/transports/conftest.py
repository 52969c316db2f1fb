"""A hub that a WebSocket test must leave as it found it, and a peer that may do everything wrong."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import until
from tests.hubs import Running, running
from tests.transports.raw_ws import Peer


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def tasks_of_connections() -> list[str]:
    names = [task.get_coro().__qualname__ for task in asyncio.all_tasks()]
    return [name for name in names if name.startswith(("Conversation.", "RequestHandler."))]


@pytest.fixture
async def hub(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Running]:
    """A hub that must be, after the test, as it was before: no watcher, task, descriptor or complaint is left."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    async with running(tmp_path) as made:
        await made.make_project()
        await made.session.close()
        await until(lambda: made.hub.tracker.watcher_count == 0)
        opened = descriptors()
        yield made
        await until(lambda: made.hub.tracker.watcher_count == 0)
        await until(lambda: not tasks_of_connections())
        await until(lambda: descriptors() <= opened)
    assert complaints == []
    assert [record for record in caplog.records if record.levelname in {"WARNING", "ERROR", "CRITICAL"}] == []


@pytest.fixture
async def peer(hub: Running) -> AsyncIterator[Peer]:
    connected = await Peer.connect(hub)
    await connected.hear("snapshot")
    yield connected
    connected.leave()
