"""Clients that we did not write come back rightly after a cut: by the cursor, nothing lost, nothing twice, one end."""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from hub.core.events import State
from tests.conftest import until
from tests.fakes import job_body, log_body, progress_body
from tests.hubs import Running, Watch, running
from tests.transports.foreign_clients import CLIENTS, LOST, STREAMS, node_eventsource
from tests.transports.relay import Relay

EVENTS = "/api/v1/projects/p/events?job=j1"
LOGS = 60
CUTS = (300, 2500, 5000)
"""Bytes that a connection brings before it is cut: the first does not even bring the snapshot."""
PACE_S = 0.01


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    """With a ring so small that who was away for a while is served from the journal."""
    async with running(tmp_path, ring_size=16) as made:
        await made.make_project()
        await made.begin()
        yield made


async def tell(hub: Running) -> None:
    """The rest of a job's story, in small steps."""
    for n in range(LOGS):
        hub.publish("p", "j1", log_body(f"line {n}"), progress_body(n), progress_body(n + 0.5))
        await hub.settle()
        await asyncio.sleep(PACE_S)
    hub.publish("p", "j1", job_body(State.SUCCEEDED))
    await hub.settle()


async def follow(client: Any, url: str, watch: Watch) -> None:
    """Connect as often as it takes until the job's end has been told."""
    while not watch.ended:
        try:
            async with aclosing(client(url, watch.cursor)) as messages:
                async for message in messages:
                    if not (client is node_eventsource and is_repeated(message, watch)):
                        watch.take(message)
                    if watch.ended:
                        return
        except LOST:
            pass
        await asyncio.sleep(PACE_S)


def is_repeated(message: dict[str, Any], watch: Watch) -> bool:
    """The README's rule: less than the last number is dropped.

    That package alone needs it: it hands over the rest of an event that was cut off between its data and its id.
    """
    number = message.get("seq", message.get("upto"))
    return number is not None and watch.seq is not None and number <= watch.seq


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_client_that_is_cut_off_comes_back_with_nothing_lost_or_repeated(hub: Running, name: str) -> None:
    watch = Watch()
    watch.epoch = hub.hub.tracker.epoch
    async with Relay(hub.url, CUTS) as relay:
        story = asyncio.create_task(begin_when(lambda: watch.cursor, hub))
        await asyncio.wait_for(follow(CLIENTS[name], relay.url + EVENTS, watch), 40)
        await story
        assert relay.connections > len(CUTS)
    assert [m["message"] for m in watch.of("log")] == [f"line {n}" for n in range(LOGS)]
    assert (len(watch.of("snapshot")), watch.of("reset"), watch.of("bye")) == (1, [], [])
    assert [m["state"] for m in watch.of("job")] == ["succeeded"]
    assert watch.cursor == str(hub.hub.tracker.channel("p").position)
    if name in STREAMS:
        async with aclosing(CLIENTS[name](hub.url + EVENTS, watch.cursor)) as after:
            if name != "node eventsource":  # which has its cursor in its own memory
                assert [message async for message in after] == []
    await until(lambda: hub.hub.tracker.watcher_count == 0)


async def begin_when(ready: Any, hub: Running) -> None:
    """Tell the story once a client is there, so that all of it passes through the cuts."""
    await until(ready, 20)
    await tell(hub)


async def test_an_event_source_stops_by_itself_after_the_end(hub: Running) -> None:
    """The end of the stream makes it come back, and the 204 it gets then makes it stay away."""
    story = asyncio.create_task(begin_when(lambda: hub.hub.tracker.watcher_count, hub))
    messages = [message async for message in CLIENTS["node eventsource"](hub.url + EVENTS, None)]
    await story
    assert (messages[-1]["type"], messages[-1]["state"]) == ("job", "succeeded")
    assert len([m for m in messages if m["type"] == "hello"]) == 1


async def test_polling_with_nothing_but_an_etag_is_right_at_every_answer(hub: Running) -> None:
    """Python's own urllib: no cursor, no waiting; 304 as long as nothing happens, else the whole state."""
    tag, answers, unchanged = "", [], 0

    def ask() -> Any:
        request = urllib.request.Request(hub.url + EVENTS, headers={"If-None-Match": tag} if tag else {})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=5) as response:
                return response.headers["ETag"], json.load(response)
        except urllib.error.HTTPError as exc:
            with exc:
                if exc.code != 304:
                    raise
                return exc.headers["ETag"], None

    tag, body = await asyncio.to_thread(ask)
    assert body is not None
    assert await asyncio.to_thread(ask) == (tag, None)
    story = asyncio.create_task(tell(hub))
    while not answers or answers[-1]["state"] != "succeeded":
        tag, body = await asyncio.to_thread(ask)
        if body is None:
            unchanged += 1
        else:
            answers.append(body["snapshot"]["jobs"][0])
    await story
    percents = [job["percent"] for job in answers]
    assert percents == sorted(percents)
    assert (percents[-1], len(answers) > 3) == (100, True)
