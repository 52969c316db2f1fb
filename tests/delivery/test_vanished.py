"""Watchers that vanish without a word: found soon, freed whole, and nobody else is worse for it."""

import asyncio
import contextlib
import resource
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import missing
from tests.delivery import wire
from tests.delivery.programs import Program, hub_program, watched_by
from tests.delivery.room import Room, room

pytestmark = pytest.mark.alone

HEARTBEAT_S = 1.0
GOING, STAYING = "10.9.0.2", "10.9.0.3"
STREAMS = ["ws", "sse"]
FOUND_S = 2.5 * HEARTBEAT_S
HELD = {"descriptors": 0, "watchers": 0, "tasks": 3}
"""What must come back to where it was, and by how much it comes and goes by itself."""
SLACK = 16 * 1024 * 1024
POLL = "GET /api/v1/projects/p/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
WAITING = POLL.replace("events", "events?wait=30").replace("Host", "If-None-Match: *\r\nHost")


@dataclass(frozen=True, slots=True)
class Scene:
    room: Room
    hub: Program
    port: int
    going: Program
    staying: Program


@contextlib.asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    """A hub and two machines, one of which will vanish; its watchers are yet to be started."""
    async with contextlib.AsyncExitStack() as stack:
        place = await stack.enter_async_context(room())
        settings: dict[str, Any] = {"heartbeat_s": HEARTBEAT_S, "max_watchers": 20_000, "recent_jobs": 2}
        # Each crowd has one address, and would be stopped at what one address may have.
        settings |= {"max_watchers_address": 0, "max_connections_address": 0, "request_rate": 0.0}
        hub = await stack.enter_async_context(hub_program(folder, inside=place.inside, **settings))
        port = (await hub.start())["port"]
        await hub.ask("project")
        crowds = []
        for address in (GOING, STAYING):
            await place.enter(address)
            crowd = await stack.enter_async_context(Program("tests.delivery.crowd", inside=place.inside))
            crowds.append(crowd)
        await crowds[1].start()
        yield Scene(place, hub, port, *crowds)


async def holds(hub: Program, wanted: dict[str, float], patience_s: float) -> None:
    """Wait until the hub holds no more descriptors, watchers and tasks than `wanted`."""
    deadline = time.monotonic() + patience_s
    while more := {
        name: n for name, n in (await hub.ask("stats")).items() if name in HELD and n > wanted[name] + HELD[name]
    }:
        assert time.monotonic() < deadline, f"{more}, not {wanted}, after {patience_s} s"
        await asyncio.sleep(0.1)


@pytest.mark.timeout(180)
@pytest.mark.parametrize(("each", "times"), [(200, 3), (5000, 1)])
async def test_half_of_the_watchers_vanish_and_the_others_do_not_notice(tmp_path: Path, each: int, times: int) -> None:
    """Again and again, for whatever is not given back must show as growth from one time to the next."""
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 2 * each + 200:
        missing(f"the right to {2 * each} open files")
    async with scene(tmp_path) as here:
        hub = here.hub
        empty = await hub.ask("stats")
        await here.staying.ask("connect", port=here.port, count=each, transports=STREAMS, local=STAYING)
        await hub.ask("logs", count=10)
        half, full, again = await hub.ask("stats"), [], []
        for _ in range(times):
            await here.going.start()
            await here.going.ask("connect", port=here.port, count=each, transports=STREAMS, local=GOING)
            full.append(await hub.ask("stats"))
            assert full[-1]["watchers"] == 2 * each
            await here.room.vanish(GOING)
            head = await hub.ask("logs", count=5)
            await watched_by(hub, each, FOUND_S + 3)
            await here.staying.ask("arrived", seq=head)
            await holds(hub, half, 5)
            again.append(await hub.ask("stats"))
            await here.room.enter(GOING)
            await here.going.kill()
        accounts = await here.staying.ask("accounts")
        await here.staying.ask("leave")
        await holds(hub, empty, 5)
        left = await hub.ask("stats")
    assert accounts == {"lossless": {str(12 + 5 * times): each}, "resets": 0, "byes": []}
    assert full[-1]["rss"] < full[0]["rss"] + SLACK
    assert again[-1]["rss"] < again[0]["rss"] + SLACK
    assert left["rss"] < empty["rss"] + (full[0]["rss"] - empty["rss"]) / 2 + SLACK


@pytest.mark.parametrize("into_beat", [0.0, 0.5])
async def test_who_vanishes_in_silence_is_found_within_two_and_a_half_heartbeats(
    tmp_path: Path, into_beat: float
) -> None:
    """Nothing is published: only heartbeats can show that nobody is there."""
    async with scene(tmp_path) as here:
        await here.going.start()
        await here.going.ask("connect", port=here.port, count=20, transports=STREAMS, local=GOING)
        await here.going.ask("beaten")
        await asyncio.sleep(into_beat * HEARTBEAT_S)
        await here.room.vanish(GOING)
        assert await watched_by(here.hub, 0, 10) < FOUND_S + 0.75


@pytest.mark.parametrize(
    "text",
    [POLL, POLL + WAITING, WAITING, "GET /api", ""],
    ids=["after an answer", "after one, in another", "waiting", "in mid-request", "before a request"],
)
async def test_connections_that_are_no_streams_do_not_outlive_their_machine(tmp_path: Path, text: str) -> None:
    """They count as no watcher, but each is a descriptor, and of those there are only so many."""
    async with scene(tmp_path) as here:
        empty = await here.hub.ask("stats")
        await here.going.start()
        await here.going.ask("dangle", port=here.port, count=50, text=text, local=GOING)
        async with asyncio.timeout(5):
            while (await here.hub.ask("stats"))["descriptors"] < empty["descriptors"] + 50:
                await asyncio.sleep(0.05)
        await here.room.vanish(GOING)
        await here.hub.ask("logs", count=1)
        await holds(here.hub, empty, 10 * HEARTBEAT_S)


@pytest.mark.parametrize("transport", wire.STREAMS)
async def test_who_is_reset_or_killed_is_gone_at_once(tmp_path: Path, transport: str) -> None:
    text = wire.request(transport, "/api/v1/projects/p/events").decode()
    async with hub_program(tmp_path, heartbeat_s=60.0) as hub, Program("tests.delivery.crowd") as crowd:
        port = (await hub.start())["port"]
        await hub.ask("project")
        before = await hub.ask("stats")
        for end in (lambda: crowd.ask("reset"), crowd.kill):
            if crowd.process is None:
                await crowd.start()
            await crowd.ask("dangle", port=port, count=300, text=text)
            await watched_by(hub, 300)
            publishing = asyncio.create_task(hub.ask("logs", count=20, pause_s=0.01))
            await end()
            await publishing
            await watched_by(hub, 0, 5)
        await holds(hub, before, 5)
