"""One that never reads beside a thousand that do: it is let go, and costs nobody anything."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.delivery.programs import Program, hub_program, watched_by
from tests.delivery.watcher import Watcher
from tests.delivery.wire import Wire, request

pytestmark = pytest.mark.alone


READERS = 1000
PATH = "/api/v1/projects/p/events"


@contextlib.asynccontextmanager
async def beside_readers(folder: Path, **settings: Any) -> AsyncIterator[tuple[Program, Program, int]]:
    """A hub, a thousand readers, and the hub's port."""
    async with hub_program(folder, **settings) as hub, Program("tests.delivery.crowd") as crowd:
        port = (await hub.start())["port"]
        await crowd.start()
        await hub.ask("project")
        await crowd.ask("connect", port=port, count=READERS, transports=["ws"])
        yield hub, crowd, port


def stall(port: int, transport: str = "ws") -> socket.socket:
    """A connection that asks and never reads."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", port))
    sock.sendall(request(transport, PATH))
    return sock


async def publish(hub: Program, crowd: Program, count: int, pause_s: float, size: int) -> dict[str, float]:
    """Publish lines, wait until all readers have them, and return how late they were."""
    head = await hub.ask("logs", count=count, pause_s=pause_s, size=size)
    await crowd.ask("arrived", seq=head)
    return await crowd.ask("latency")  # type: ignore[no-any-return]


@pytest.mark.timeout(120)
async def test_a_thousand_readers_do_not_notice_who_does_not_read(tmp_path: Path) -> None:
    async with beside_readers(tmp_path, ring_size=64, heartbeat_s=1.0, too_slow_s=1.0) as (hub, crowd, port):
        await publish(hub, crowd, 80, 0, 1000)
        before = await hub.ask("stats")
        assert before["watchers"] == READERS
        alone = await publish(hub, crowd, 100, 0.03, 1000)
        stalled = [stall(port, transport) for transport in ("ws", "sse", "sse-1.0")]
        await watched_by(hub, READERS + 3)
        beside = await publish(hub, crowd, 100, 0.03, 1000)
        await watched_by(hub, READERS)
        more = await publish(hub, crowd, 200, 0, 1000)
        after = await hub.ask("stats")
        for sock in stalled:
            sock.close()
        accounts = await crowd.ask("accounts")
    assert accounts == {"lossless": {"482": READERS}, "resets": 0, "byes": []}
    assert alone["count"] == beside["count"] == 100 * READERS
    assert more["count"] == 200 * READERS
    assert beside["p99"] < 3 * alone["p99"] + 250
    assert after["watchers"] == READERS
    assert after["descriptors"] == before["descriptors"]
    assert after["tasks"] == before["tasks"]
    assert after["rss"] < before["rss"] + 16 * 1024 * 1024


async def test_who_was_let_go_for_being_slow_is_told_so_and_misses_nothing(tmp_path: Path) -> None:
    """It reads again in the moment it is let go: the reason and the code are there, and its cursor brings the rest."""
    async with hub_program(tmp_path, heartbeat_s=60.0, ring_size=16) as hub:
        port = (await hub.start())["port"]
        await hub.ask("project")
        sock = stall(port)
        await watched_by(hub, 1)
        await hub.ask("logs", count=250, size=2000)
        slow, wire = Watcher(port), Wire("ws")
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(sock, 65536):
            for message, _ in wire.feed(data):
                slow.account.take(message)
        assert slow.account.last["reason"] == "too_slow"
        assert slow.account.last["retry"] is True
        assert wire.close_code == 4001
        head = await hub.ask("logs", count=50, size=2000)
        await asyncio.wait_for(slow.stream("sse", lambda account: account.seq == head), 10)
        assert len(slow.account.lossless) == 302
        sock.close()
