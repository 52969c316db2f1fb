"""`python -m tests.bench kills`: a hub that is killed again and again while programs publish and watchers watch.

Everything that a publisher had an answer for must be in the journal at the end, once, and every watcher must have been
told all of it.
"""

import argparse
import asyncio
import itertools
import random
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.delivery.history import History, check_ends, check_told, head_of, snapshot, whole_history
from tests.delivery.programs import Program, free_port, hub_program
from tests.delivery.watcher import Watcher
from tests.delivery.wire import TRANSPORTS

LIFE_S = (0.1, 0.6)
"""How long each process lives under load."""
SETTINGS: dict[str, Any] = {"history_events": 1_000_000, "ring_size": 256, "spare_children": 0, "publish_rate": 0}


@dataclass(slots=True)
class Said:
    """What a publisher has said, each with its own words, and how often an answer said that it is kept."""

    acknowledged: Counter[str] = field(default_factory=Counter)
    tries: int = 0
    refused: list[Any] = field(default_factory=list)


async def publish(port: int, name: str, said: Said, stop: asyncio.Event) -> None:
    """One job of many log lines, each sent until it is answered, whatever happens to the hub."""
    url = f"http://127.0.0.1:{port}/api/v1/projects/p/publish"
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        for n in itertools.count():
            words = f"{name} {n}"
            is_last = stop.is_set()
            event = {"job": name, "kind": "load", "key": f"{n}", "type": "log", "message": words}
            if is_last:
                event = {"job": name, "kind": "load", "key": f"{n}", "type": "job", "state": "succeeded"}
            percent = {"job": name, "kind": "load", "type": "progress", "current": n}
            events = [event] if is_last else [event, percent]
            while (outcome := await _outcome(session, url, events, said)) is None:
                await asyncio.sleep(0.02)
            if is_last:
                return
            if outcome.get("left_out"):  # more lines than a job may say in a second; it was told so
                await asyncio.sleep(0.02)
            else:
                said.acknowledged[words] += 1


async def _outcome(session: aiohttp.ClientSession, url: str, events: list[Any], said: Said) -> dict[str, Any] | None:
    """None: there was no answer, or the hub could not take it just now."""
    said.tries += 1
    try:
        async with session.post(url, json={"events": events}) as response:
            answer = await response.json()
    except (aiohttp.ClientError, TimeoutError):
        return None
    if response.status != 200:
        return None
    outcome: dict[str, Any] = answer["outcomes"][0]
    if outcome["outcome"] not in {"accepted", "duplicate"}:
        said.refused.append(outcome)
    return outcome


def check_kept(history: History, said: Said) -> None:
    """What was acknowledged is there, and nothing is there twice."""
    assert said.refused == []
    kept = Counter(event["message"] for event in history.values() if event["type"] == "log")
    lost = said.acknowledged.keys() - kept.keys()
    assert not lost, f"{len(lost)} of {len(said.acknowledged)} acknowledged events are lost: {sorted(lost)[:5]}"
    twice = [words for words, count in kept.items() if count > 1]
    assert not twice, f"told twice: {twice[:5]}"


async def killed(folder: Path, kills: int, seed: int, *, publishers: int = 4, each_way: int = 1) -> dict[str, int]:
    """Kill it so often; then check. Returns what it came to. Raises AssertionError for whatever was lost."""
    rng = random.Random(seed)
    port, said, stop = free_port(), Said(), asyncio.Event()
    async with hub_program(folder, port=port, **SETTINGS) as program, asyncio.TaskGroup() as group:
        await program.start()
        await program.ask("project")
        watchers = [Watcher(port) for _ in range(each_way * len(TRANSPORTS))]
        head: list[int] = []
        watching = [
            group.create_task(watcher.until(lambda account: bool(head) and account.seq >= head[0], ways, _pause))
            for watcher, ways in zip(watchers, map(itertools.repeat, TRANSPORTS * each_way), strict=True)
        ]
        jobs = [group.create_task(publish(port, f"job-{n}", said, stop)) for n in range(publishers)]
        for _ in range(kills):
            before = sum(said.acknowledged.values())
            await asyncio.sleep(rng.uniform(*LIFE_S))
            while sum(said.acknowledged.values()) == before:  # each process is one that something was told to
                await asyncio.sleep(0.01)
            await _again(program)
        stop.set()
        async with asyncio.timeout(60):
            await asyncio.gather(*jobs)
        head.append(head_of(await snapshot(port)))
        async with asyncio.timeout(60):
            await asyncio.gather(*watching)
        history = await whole_history(port)
    check_kept(history, said)
    check_ends(history)
    check_told(history, [watcher.account for watcher in watchers])
    return {"kills": kills, "acknowledged": len(said.acknowledged), "tries": said.tries, "kept": len(history)}


async def _again(program: Program) -> None:
    await program.kill()
    await program.start()


async def _pause() -> None:
    await asyncio.sleep(0.03)


def main(words: Sequence[str]) -> int:
    made = argparse.ArgumentParser(prog="python -m tests.bench kills", description=__doc__)
    made.add_argument("--kills", type=int, default=100, help="how often it is killed (%(default)d)")
    made.add_argument("--seed", type=int, default=1, help="of when (%(default)d)")
    options = made.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        found = asyncio.run(killed(Path(folder), options.kills, options.seed))
    print(", ".join(f"{count:,} {name}" for name, count in found.items()) + ": nothing lost, nothing twice")
    return 0
