"""A stream cut at any byte, on any transport: who comes back with its cursor has missed nothing and repeats nothing."""

import asyncio
import itertools
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.delivery.account import Account, check_same
from tests.delivery.relay import relay
from tests.delivery.session import is_over
from tests.delivery.tape import Tape, recorded
from tests.delivery.watcher import Watcher
from tests.delivery.wire import STREAMS, TRANSPORTS
from tests.hubs import Running, running

SEED = 20
QUIET: dict[str, Any] = {"heartbeat_s": 60.0}
"""No heartbeat changes how many bytes lie before an event."""


def port_of(hub: Running) -> int:
    return int(hub.url.rpartition(":")[2])


@pytest.mark.parametrize("way", ["from the ring", "from ring and journal", "from a restarted hub"])
async def test_every_byte_of_a_stream_is_a_place_to_come_back_from(tmp_path: Path, way: str) -> None:
    """Offsets that leave a watcher with the same cursor are one case, and each case is resumed on every transport."""
    settings = QUIET | ({"ring_size": 16} if way == "from ring and journal" else {})
    async with running(tmp_path, **settings) as hub:
        await hub.make_project()
        tapes = await recorded(hub)
        for tape in tapes:
            assert len(tape.data) > 6000
            assert tape.account.merged > 20
            check_same(tape.account, tapes[0].account)
        if way != "from a restarted hub":
            await resume_everywhere(hub, tapes)
            return
    async with running(tmp_path, **settings) as hub:
        await resume_everywhere(hub, tapes)


async def resume_everywhere(hub: Running, tapes: list[Tape]) -> None:
    head = hub.hub.tracker.channel("p").head
    for tape in tapes:
        cursors = dict(tape.cursors())
        last_of = {cursor: offset for offset, cursor in cursors.items()}
        assert len(last_of) > 30, "the session must leave many places to come back to"
        for cursor, transport in itertools.product(last_of, TRANSPORTS):
            watcher = Watcher(port_of(hub))
            watcher.account, watcher.wait_s = tape.before(last_of[cursor]), 0.0
            assert watcher.account.cursor == cursor
            async with asyncio.timeout(5):
                await watcher.once(transport, lambda account: account.cursor is not None and account.seq == head)
            check_same(watcher.account, tape.account)


async def test_who_is_cut_off_in_mid_session_comes_back_on_another_transport_to_the_same_story(tmp_path: Path) -> None:
    """Real cuts, by a relay that counts, while the session goes on: in heads, headers, letters and `id:` lines."""
    async with running(tmp_path / "rehearsal", **QUIET) as hub:
        await hub.make_project()
        rehearsed = await recorded(hub)
    rng = random.Random(SEED)
    cuts = [(tape.transport, offset) for tape in rehearsed for offset in places(tape, rng)]
    assert len(cuts) > 200
    async with running(tmp_path / "real", **QUIET) as hub, relay(port_of(hub)) as through:
        await hub.make_project()
        watchers = [Watcher(through) for _ in cuts]
        ways = itertools.cycle(itertools.permutations(TRANSPORTS))

        async def live(watcher: Watcher, transport: str, offset: int, others: tuple[str, ...]) -> None:
            watcher.cut_at = {"X-Cut": f"{offset} {rng.choice(('fin', 'rst'))}"}
            await watcher.stream(transport)
            assert watcher.received <= offset
            watcher.port, watcher.cut_at = port_of(hub), {}
            await watcher.until(is_over, itertools.cycle(others), lambda: asyncio.sleep(0.01))

        tasks = [
            asyncio.create_task(live(watcher, transport, offset, others))
            for watcher, (transport, offset), others in zip(watchers, cuts, ways, strict=False)
        ]
        tapes = await recorded(hub, watchers=len(cuts) // 2)
        await asyncio.wait_for(asyncio.gather(*tasks), 20)
    for watcher in watchers:
        check_same(watcher.account, tapes[0].account)
    of = {tape.transport: tape.kinds() for tape in tapes}
    hit = Counter(kind for transport, at in cuts for kind, offsets in of[transport].items() if at in offsets)
    assert min(hit[kind] for kind in ("head", "frame header", "chunk header", "id line", "letter")) >= 5, hit


def places(tape: Tape, rng: random.Random) -> list[int]:
    """A sample of offsets: of each kind some, and some from everywhere."""
    chosen = {at for offsets in tape.kinds().values() for at in rng.sample(offsets, min(14, len(offsets)))}
    head = tape.data.index(b"\r\n\r\n")
    return sorted(chosen | {1, head, head + 2, head + 4, head + 5} | set(rng.sample(range(1, len(tape.data)), 50)))


@pytest.mark.parametrize("transport", [*STREAMS, "poll", "any"])
async def test_who_is_cut_off_again_and_again_arrives(tmp_path: Path, transport: str) -> None:
    """Not one of its connections lives longer than some hundred bytes; answers to polls come whole or not at all."""
    rng = random.Random(f"{SEED} {transport}")
    ways = itertools.cycle(TRANSPORTS if transport == "any" else (transport,))
    async with running(tmp_path, **QUIET) as hub, relay(port_of(hub)) as through:
        await hub.make_project()
        watchers = [Watcher(through) for _ in range(12)]
        connections = Counter[Watcher]()

        async def live(watcher: Watcher) -> None:
            watcher.wait_s = 0.2
            while not is_over(watcher.account):
                watcher.cut_at = {"X-Cut": f"{int(rng.expovariate(1 / 1500)) + 1} {rng.choice(('fin', 'rst'))}"}
                connections[watcher] += 1
                await watcher.once(next(ways), is_over)

        tasks = [asyncio.create_task(live(watcher)) for watcher in watchers]
        tapes = await recorded(hub)
        await asyncio.wait_for(asyncio.gather(*tasks), 30)
    assert min(connections.values()) > 2
    for watcher in watchers:
        check_same(watcher.account, tapes[0].account)


async def test_a_cut_answer_to_a_poll_is_no_answer(tmp_path: Path) -> None:
    """Cut at each of its bytes, an answer leaves the poller where it was; the whole answer takes it on."""
    async with running(tmp_path, **QUIET) as hub, relay(port_of(hub)) as through:
        await hub.make_project()
        tapes = await recorded(hub)
        whole = Watcher(port_of(hub))
        await whole.poll(0)
        for since in (None, *list(dict(tapes[0].cursors()).values())[::997]):
            watcher = Watcher(through)
            for offset in (1, 15, 16, 100, 200, 260, 300, whole.received // 2, whole.received * 9 // 10):
                watcher.account = Account() if since is None else tapes[0].before(_offset(tapes[0], since))
                watcher.cut_at = {"X-Cut": f"{offset} fin"}
                received = watcher.received
                await watcher.poll(0)
                if watcher.received - received == offset and watcher.account.cursor == since:
                    watcher.cut_at = {}
                    await watcher.poll(0)
                check_same(watcher.account, tapes[0].account)


def _offset(tape: Tape, cursor: str) -> int:
    return next(offset for offset, found in tape.cursors() if found == cursor)
