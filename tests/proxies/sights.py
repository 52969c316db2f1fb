"""What a watcher sees of a hub through a proxy."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import aiohttp

from hub.client import Hub
from hub.client.link import Pace
from hub.core.events import State
from tests.conftest import until
from tests.fakes import job_body, log_body, progress_body
from tests.hubs import Running, Watch

EVENTS = "/api/v1/projects/p/events"
HELD_S = 1.5
"""An event that has not come by then is one that the proxy holds back."""
LATE_S, TRIES = 0.15, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """One word for each transport, `live`, `late`, `held` or `refused`; and where the product's own client ends up."""

    ws: str
    sse: str
    poll: str
    client: str


async def sight(hub: Running, url: str) -> Sight:
    async with aiohttp.ClientSession() as session:
        ws = await _streamed(hub, lambda: _ws(session, url))
        sse = await _streamed(hub, lambda: _sse(session, url))
        poll = await _polled(hub, session, url)
    return Sight(ws=ws, sse=sse, poll=poll, client=await climbed(hub, url))


async def _streamed(hub: Running, connect: Callable[[], AsyncIterator[dict[str, Any]]]) -> str:
    """How soon is what is published there? The quickest of a few counts, as a busy machine is late, too."""
    loop = asyncio.get_running_loop()
    delays_s: list[float] = []
    began = 0.0
    try:
        async with asyncio.timeout(HELD_S), aclosing(connect()) as messages:
            async for message in messages:
                if message["type"] == "log":
                    delays_s.append(loop.time() - began)
                if message["type"] in {"snapshot", "log"}:
                    if len(delays_s) == TRIES:
                        return "live" if min(delays_s) < LATE_S else "late"
                    began = loop.time()
                    hub.publish("p", "j1", log_body("now"))
    except TimeoutError:
        return "held"
    except aiohttp.WSServerHandshakeError:
        return "refused"
    return "cut"


async def _ws(session: aiohttp.ClientSession, url: str) -> AsyncIterator[dict[str, Any]]:
    async with session.ws_connect(url + EVENTS) as socket:
        async for frame in socket:
            yield json.loads(frame.data)


async def _sse(session: aiohttp.ClientSession, url: str) -> AsyncIterator[dict[str, Any]]:
    async with session.get(url + EVENTS, headers={"Accept": "text/event-stream"}) as response:
        async for line in response.content:
            if line.startswith(b"data: "):
                yield json.loads(line[6:])


async def _polled(hub: Running, session: aiohttp.ClientSession, url: str) -> str:
    """Is a poll that waits answered when something happens?"""
    async with session.get(url + EVENTS) as response:
        cursor = (await response.json())["cursor"]
    before = len(hub.hub.tracker.channel("p").waiters)
    waiting = asyncio.create_task(_poll(session, f"{url}{EVENTS}?since={cursor}&wait=20"))
    await until(lambda: len(hub.hub.tracker.channel("p").waiters) > before)
    hub.publish("p", "j1", log_body("now"))
    try:
        answer = await asyncio.wait_for(waiting, HELD_S)
    except TimeoutError:
        return "held"
    return "live" if [event["type"] for event in answer["events"]] == ["log"] else "wrong"


async def _poll(session: aiohttp.ClientSession, url: str) -> Any:
    async with session.get(url) as response:
        return await response.json()


async def climbed(hub: Running, url: str) -> str:
    """Follow a job through to its end with the product's client, checked; the transport that brought the end."""
    watch, links = Watch(), []
    watch.epoch = hub.hub.tracker.epoch
    hub.publish("p", "j2", job_body())
    await hub.settle()
    story = asyncio.create_task(_tell(hub, watch, "j2"))
    async with Hub(url, pace=Pace(first_message_s=HELD_S)) as client:
        messages = client.watch(job="j2", on_link=links.append)
        async with asyncio.timeout(30), aclosing(messages):
            async for message in messages:
                watch.take(message)
    await story
    assert watch.ended == {"j2"}
    assert [m["message"] for m in watch.of("log")] == [f"line {n}" for n in range(20)]
    return str(links[-1].transport)


async def _tell(hub: Running, watch: Watch, job: str) -> None:
    await until(lambda: watch.cursor, 20)
    for n in range(20):
        hub.publish("p", job, progress_body(n), log_body(f"line {n}"))
        await hub.settle()
    hub.publish("p", job, job_body(State.SUCCEEDED))
