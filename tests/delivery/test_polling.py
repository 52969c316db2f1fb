"""Only polling: by old clients, at any time, with answers lost on the way. Each answer is enough to be right."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import until
from tests.delivery.account import Account, check_same
from tests.delivery.load import publish
from tests.delivery.watcher import Watcher
from tests.delivery.wire import Wire
from tests.fakes import log_body, progress_body
from tests.hubs import Running, running

SEED = 6
EVENTS = "/api/v1/projects/p/events"


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    """With a ring so small that the journal is read, too."""
    async with running(tmp_path, ring_size=32, recent_jobs=1000, heartbeat_s=60.0) as made:
        await made.make_project()
        yield made


def port_of(hub: Running) -> int:
    return int(hub.url.rpartition(":")[2])


async def asked(hub: Running, lines: str, patience_s: float = 5.0) -> tuple[Wire, Any]:
    """All that comes on a connection until the hub closes it; its body as JSON, None where there is none."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(hub))
    try:
        writer.write(lines.replace("\n", "\r\n").encode())
        async with asyncio.timeout(patience_s):
            data = await reader.read(-1)
    finally:
        writer.transport.abort()
    wire = Wire("poll")
    found = wire.feed(data)
    return wire, found[0][0] if found else None


async def test_a_client_of_http_1_0_gets_whole_answers_and_their_end(hub: Running) -> None:
    """It knows no chunks and no keep-alive: the length is told, and the connection closed."""
    await hub.begin()
    account = Account()
    for n in range(3):
        hub.publish("p", "j1", log_body(f"ä{n}"), *(progress_body(n + m / 10, m) for m in range(3)))
        await hub.settle()
        query = f"?since={account.cursor}&wait=5" if account.cursor else ""
        wire, answer = await asked(hub, f"GET {EVENTS}{query} HTTP/1.0\nHost: 127.0.0.1\n\n")
        assert wire.status == 200
        assert "transfer-encoding" not in wire.headers
        assert int(wire.headers["content-length"]) > 0
        account.take_answer(answer)
    assert [event["message"] for event in account.lossless.values()] == ["ä1", "ä2"]
    wire, answer = await asked(
        hub, f'GET {EVENTS}?wait=0.1 HTTP/1.0\nHost: 127.0.0.1\nIf-None-Match: "{account.cursor}"\n\n'
    )
    assert (wire.status, answer) == (304, None)
    waiting = asyncio.create_task(
        asked(hub, f"GET {EVENTS}?since={account.cursor}&wait=20 HTTP/1.0\nHost: 127.0.0.1\n\n")
    )
    await until(lambda: hub.hub.tracker.watchers_of("p"))
    hub.publish("p", "j1", log_body("news"))
    _, answer = await waiting
    assert [event["message"] for event in answer["events"]] == ["news"]
    wire, answer = await asked(hub, "GET /api/v1/projects/none/events HTTP/1.0\nHost: 127.0.0.1\n\n")
    assert (wire.status, answer["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize("tag", ['"{}"', 'W/"{}"', '"{}", "other"'])
async def test_who_has_the_newest_tag_waits_for_news_and_gets_the_whole(hub: Running, tag: str) -> None:
    """Without a cursor an answer is a snapshot: right by itself, whatever was known before."""
    await hub.begin()
    status, first, headers = await hub.call("GET", EVENTS)
    assert (status, headers["ETag"]) == (200, f'W/"{first["cursor"]}"')
    match = {"If-None-Match": tag.format(first["cursor"])}
    status, nothing, headers = await hub.call("GET", f"{EVENTS}?wait=0.1", headers=match)
    assert (status, nothing, headers["ETag"]) == (304, None, f'W/"{first["cursor"]}"')
    waiting = asyncio.create_task(hub.call("GET", f"{EVENTS}?wait=20", headers=match))
    await until(lambda: hub.hub.tracker.watchers_of("p"))
    hub.publish("p", "j1", progress_body(42, 42))
    status, answer, headers = await asyncio.wait_for(waiting, 2)
    assert status == 200
    assert [job["percent"] for job in answer["snapshot"]["jobs"]] == [42]
    assert headers["ETag"] == f'W/"{answer["cursor"]}"' != f'W/"{first["cursor"]}"'


@contextlib.asynccontextmanager
async def busy(hub: Running, seed: int) -> AsyncIterator[None]:
    """Random jobs for as long as the block."""
    task = asyncio.create_task(publish(hub.hub.ledger, "p", seed, 0.005))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        await hub.settle()


@pytest.mark.parametrize("seed", range(SEED, SEED + 3))
async def test_who_only_polls_now_and_then_and_loses_half_the_answers_ends_up_right(hub: Running, seed: int) -> None:
    """What was lost is asked for again; what came twice is not taken twice, for it comes only to who asks."""
    rng = random.Random(seed)
    truth, pollers = Watcher(port_of(hub)), [Watcher(port_of(hub)) for _ in range(12)]
    watching = asyncio.create_task(truth.stream("ws"))
    await until(lambda: truth.account.cursor)
    over = asyncio.Event()

    async def live(watcher: Watcher, dice: random.Random) -> None:
        laziness_s = dice.choice((0.0, 0.02, 0.3))
        while not over.is_set():
            before = watcher.account.copy()
            watcher.wait_s = dice.choice((0.0, 0.01, 0.1))
            await watcher.poll()
            if dice.random() < 0.5:
                watcher.account = before
            await asyncio.sleep(dice.random() * laziness_s)

    async with busy(hub, seed):
        tasks = [asyncio.create_task(live(watcher, random.Random(rng.random()))) for watcher in pollers]
        await until(lambda: len(truth.account.ends) >= 12, 30)
    over.set()
    await asyncio.wait_for(asyncio.gather(*tasks), 10)
    head = hub.hub.tracker.channel("p").head
    await until(lambda: truth.account.seq == head)
    watching.cancel()
    for watcher in pollers:
        await watcher.poll(0)
        assert watcher.account.seq == head
        check_same(watcher.account, truth.account)
    now = (await hub.call("GET", EVENTS))[1]["snapshot"]
    assert {job["id"]: job["percent"] for job in now["jobs"]} == {
        name: state["percent"] for name, state in truth.account.states().items()
    }


async def test_who_was_away_for_long_gets_the_past_in_parts_and_all_of_it(hub: Running) -> None:
    """No answer is larger than a client wants to read at once, and each moves the cursor as far as it tells."""
    await hub.begin()
    watcher = Watcher(port_of(hub))
    await watcher.poll(0)
    for n in range(120):
        hub.publish("p", "j1", *(log_body(f"{n} {m}") for m in range(100)))
        await hub.settle()
    head, answers = hub.hub.tracker.channel("p").head, 0
    while watcher.account.seq < head:
        received = watcher.received
        await watcher.poll(0)
        answers += 1
        assert watcher.received - received < 2_000_000
    assert answers > 1
    lines = [event["message"] for event in watcher.account.lossless.values()]
    assert lines == [f"{n} {m}" for n in range(120) for m in range(100)]
    assert watcher.account.resets == []
