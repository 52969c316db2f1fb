"""A WebSocket client that sends too much, too fast, or noise: it costs a bounded amount, and nobody else."""

import asyncio
import json
import random

import pytest

from tests.hubs import Running
from tests.transports.raw_ws import PING, Peer, frame

# -- floods -----------------------------------------------------------------------------------------------------------


async def test_a_client_that_pings_without_reading_is_not_read_from(hub: Running, peer: Peer) -> None:
    """What waits for it stays bounded, and so does what it has sent."""
    peer.writer.transport.pause_reading()
    outlet = hub.hub.tracker.outlets()[0]
    pings = frame(PING, b"x" * 125) * 1000
    for _ in range(2000):
        peer.send(pings)
        try:
            await asyncio.wait_for(peer.writer.drain(), 0.3)
        except TimeoutError:
            break
    else:
        raise AssertionError("the hub took everything")
    assert outlet.backlog() < 200_000


async def test_answers_come_in_the_order_of_the_requests(hub: Running, peer: Peer) -> None:
    """A subscription may have to read the journal first."""
    await hub_projects(hub, "q", "r")
    peer.say({"op": "subscribe", "id": 1, "project": "q", "since": "nonsense"})
    peer.say({"op": "ping", "id": 2})
    peer.say({"op": "subscribe", "id": 3, "project": "r"})
    peer.say({"op": "unsubscribe", "id": 4, "project": "q"})
    got = []
    while len(got) < 4:
        message = json.loads((await peer.receive())[1])
        if "id" in message:
            got.append((message["type"], message["id"]))
    assert got == [("subscribed", 1), ("pong", 2), ("subscribed", 3), ("unsubscribed", 4)]


async def hub_projects(hub: Running, *names: str) -> None:
    for name in names:
        hub.hub.tracker.open_project(name, 0, 0)


@pytest.mark.parametrize("seed", range(20))
async def test_noise_ends_in_a_code_or_in_silence_and_leaves_nothing(hub: Running, seed: int) -> None:
    noise = random.Random(seed)
    peer = await Peer.connect(hub)
    for _ in range(20):
        peer.send(noise.randbytes(noise.randrange(200)))
        await asyncio.sleep(0)
    peer.writer.write_eof()
    await asyncio.wait_for(peer.reader.read(), 5)
    peer.leave()
