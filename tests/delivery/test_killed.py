"""`kill -9`, again and again, in the middle of everything: nothing that was told is lost, and nothing is told twice."""

import asyncio
import itertools
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.core.events import ENDS
from tests.conftest import until
from tests.delivery.history import History, check_ends, check_told, head_of, snapshot, whole_history
from tests.delivery.programs import free_port, hub_program
from tests.delivery.watcher import Watcher
from tests.delivery.wire import TRANSPORTS

SEED = 4
KILLS = int(os.environ.get("HUB_TEST_KILLS", "16"))
"""Enough for every check; more find rarer moments."""
LIFE_S = (0.05, 0.4)
"""How long each process lives under load."""


@pytest.mark.timeout(120 + 4 * KILLS)
async def test_kills_lose_nothing_that_was_told(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    settings: dict[str, Any] = {"history_events": 1_000_000, "ring_size": 256}
    port = free_port()
    async with hub_program(tmp_path, port=port, **settings) as program:
        await program.start()
        await program.ask("project")
        watchers = [Watcher(port) for _ in range(10)]
        head: list[int] = []
        tasks = [
            asyncio.create_task(watcher.until(lambda account: bool(head) and account.seq >= head[0], ways, pause))
            for watcher, ways in zip(watchers, all_ways(rng), strict=True)
        ]
        await until(lambda: all(watcher.account.cursor for watcher in watchers))
        for n in range(KILLS):
            await program.ask("load", seed=f"{SEED} {n}", pause_s=0.005)
            await asyncio.sleep(rng.uniform(*LIFE_S))
            await program.kill()
            await program.start()
        now = await snapshot(port)
        head.append(head_of(now))
        async with asyncio.timeout(20):
            await asyncio.gather(*tasks)
        history = await whole_history(port)
    assert len(history) > KILLS * 20
    check_ends(history)
    check_interruptions(history)
    check_told(history, [watcher.account for watcher in watchers])
    for watcher in watchers:
        states = {job["id"]: (job["state"], job["error"], job["result"]) for job in now["jobs"]}
        known = watcher.account.states()
        assert {id_: (known[id_]["state"], known[id_]["error"], known[id_]["result"]) for id_ in states} == states


async def pause() -> None:
    """Between two tries at a hub that is down."""
    await asyncio.sleep(0.03)


def all_ways(rng: random.Random) -> Iterator[Iterator[str]]:
    """Two clients of each transport, and two that change."""
    for transport in TRANSPORTS:
        yield itertools.repeat(transport)
        yield itertools.repeat(transport)
    yield itertools.cycle(rng.sample(TRANSPORTS, len(TRANSPORTS)))
    yield (rng.choice(TRANSPORTS) for _ in itertools.count())


def check_interruptions(history: History) -> None:
    """What a killed hub left was told to be interrupted, and may be tried again."""
    last = {event["job"]: event for _, event in sorted(history.items())}
    assert all(event.get("state") in ENDS for event in last.values()), "every job has its end"
    interrupted = [event for event in last.values() if event["state"] == "interrupted"]
    assert len(interrupted) > KILLS // 2
    assert all(event["error"]["retry"] for event in interrupted)
