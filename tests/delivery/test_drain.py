"""SIGTERM with five hundred watchers: each is told when to come back, the hub goes in time, nobody misses anything."""

import asyncio
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.delivery import wire
from tests.delivery.history import check_ends, head_of, snapshot, whole_history
from tests.delivery.programs import Program, free_port, hub_program, watched_by
from tests.delivery.watcher import Watcher

EACH = {"ws": 200, "sse": 190, "sse-1.0": 10, "poll": 100}
STREAMS = EACH["ws"] + EACH["sse"] + EACH["sse-1.0"]
DRAIN_S = 1.5
EXIT_S = 6.0
PATH = "/api/v1/projects/p/events"


@pytest.mark.timeout(90)
async def test_a_drained_hub_sends_everybody_away_and_gets_everybody_back(tmp_path: Path) -> None:
    port = free_port()
    async with hub_program(tmp_path, port=port, drain_s=DRAIN_S) as hub, Program("tests.delivery.crowd") as crowd:
        await hub.start()
        await crowd.start()
        await hub.ask("project")
        for transport, count in EACH.items():
            await crowd.ask("connect", port=port, count=count, transports=[transport])
        await watched_by(hub, STREAMS)
        stalled = [stall(port, transport) for transport in wire.STREAMS]
        await watched_by(hub, STREAMS + len(stalled))
        await hub.ask("load", seed=7, pause_s=0.02)
        await asyncio.sleep(1)
        began = time.monotonic()
        assert await hub.kill(signal.SIGTERM) == 0
        assert time.monotonic() - began < EXIT_S
        await hub.start()
        head = head_of(await snapshot(port))
        await crowd.ask("arrived", seq=head)
        accounts = await crowd.ask("accounts")
        history = await whole_history(port)
        for sock in stalled:
            sock.close()
    check_ends(history)
    assert accounts["lossless"] == {str(len(history)): sum(EACH.values())}
    assert accounts["resets"] == 0
    check_byes(accounts["byes"])


def check_byes(byes: list[tuple[str, bool, int, int | None]]) -> None:
    """One for each stream, to come back, each in its own moment of the time there is."""
    assert len(byes) == STREAMS
    assert {(reason, retry) for reason, retry, _, _ in byes} == {("restarting", True)}
    codes = [code for _, _, _, code in byes]
    assert codes.count(4000) == EACH["ws"]
    assert codes.count(None) == STREAMS - EACH["ws"]
    slots = sorted(slot for _, _, slot, _ in byes)
    assert 0 < slots[0] < 100 * DRAIN_S
    assert 900 * DRAIN_S < slots[-1] <= 1000 * DRAIN_S + 1
    crowded = max(sum(start <= slot < start + 100 for slot in slots) for start in range(0, int(1000 * DRAIN_S), 10))
    assert crowded < 2 * STREAMS / (10 * DRAIN_S), "nobody's moment is everybody's"


def stall(port: int, transport: str) -> socket.socket:
    """A watcher that hears nothing, not even that it is to go."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", port))
    sock.sendall(wire.request(transport, PATH))
    return sock


async def test_waiting_polls_are_answered_in_the_moment_the_hub_is_told_to_go(tmp_path: Path) -> None:
    async with hub_program(tmp_path, drain_s=DRAIN_S) as hub:
        port = (await hub.start())["port"]
        await hub.ask("project")
        await hub.ask("logs", count=1)
        empty = await hub.ask("stats")
        watchers = [Watcher(port) for _ in range(50)]
        for watcher in watchers:
            await watcher.poll(0)
        polls = [asyncio.create_task(watcher.poll(50)) for watcher in watchers]
        async with asyncio.timeout(10):
            while (await hub.ask("stats"))["descriptors"] < empty["descriptors"] + len(watchers):
                await asyncio.sleep(0.02)
        began = time.monotonic()
        leaving = asyncio.create_task(hub.kill(signal.SIGTERM))
        answers = await asyncio.gather(*polls)
        assert time.monotonic() - began < 1
        assert {answer.status for answer in answers} == {200}
        assert await leaving == 0
        assert time.monotonic() - began < EXIT_S
