"""What the journal keeps, by count and by age: who comes from before that is told so, and is right all the same."""

import asyncio
import contextlib
import itertools
import sqlite3
from pathlib import Path

import aiohttp
import pytest

from tests.delivery.account import Account, plain
from tests.delivery.history import head_of, snapshot, whole_history
from tests.delivery.programs import Program, free_port, hub_program
from tests.delivery.watcher import Watcher
from tests.delivery.wire import TRANSPORTS

KEPT = 50
YEAR_MS = 365 * 24 * 3600 * 1000


async def recorded(hub: Program, port: int, project: str) -> tuple[Account, Account]:
    """A project with two hundred lines; what is known to who left early, and to who left late."""
    await hub.ask("project", project=project)
    accounts = []
    for lines in (20, 170, 10):
        await hub.ask("logs", project=project, job=f"job-of-{project}", count=lines)
        watcher = Watcher(port, project)
        await watcher.poll(0)
        accounts.append(watcher.account)
    return accounts[0], accounts[1]


async def pruned(port: int, project: str, least: int) -> None:
    """Wait until the journal holds `least` events of `project`, or that and the end its job got meanwhile."""
    url = f"http://127.0.0.1:{port}/api/v1/projects/{project}/history?limit=1"
    async with asyncio.timeout(10), aiohttp.ClientSession() as session:
        while (await (await session.get(url)).json())["total"] not in {least, least + 1}:
            await asyncio.sleep(0.02)


async def resumed(port: int, project: str, account: Account, transport: str) -> Account:
    """What is known to who comes back with `account` as it is."""
    now = await snapshot(port, project)
    watcher = Watcher(port, project)
    watcher.account, watcher.wait_s = account.copy(), 0.0
    async with asyncio.timeout(10):
        await watcher.once(transport, lambda account: account.seq == head_of(now))
    assert watcher.account.states() == {job["id"]: plain(job) for job in now["jobs"]}
    return watcher.account


@pytest.mark.parametrize("by", ["count", "age"])
async def test_who_comes_from_before_what_is_kept_is_told_so_and_shown_everything(tmp_path: Path, by: str) -> None:
    """A project's events are dropped by its own count and age; another's, that are few or young, stay."""
    port = free_port()
    settings = {"history_events": KEPT} if by == "count" else {"history_days": 30.0}
    async with hub_program(tmp_path, port=port) as hub:
        await hub.start()
        early, late = await recorded(hub, port, "much")
        await hub.ask("project", project="little")
        other = Watcher(port, "little")
        await other.poll(0)
        await hub.ask("logs", project="little", job="job-of-little", count=20)
        await hub.kill()
    if by == "age":
        with contextlib.closing(sqlite3.connect(tmp_path / "journal.sqlite3")) as db, db:
            db.execute("UPDATE events SET at = at - ? WHERE project = 'much'", (YEAR_MS,))
    async with hub_program(tmp_path, port=port, **settings) as hub:
        await hub.start()
        await pruned(port, "much", KEPT if by == "count" else 0)
        much, little = await whole_history(port, "much"), await whole_history(port, "little")
        assert len(little) == 23
        for transport in TRANSPORTS:
            account = await resumed(port, "much", early, transport)
            assert account.resets == ["too_old"]
            account = await resumed(port, "much", late, transport)
            if by == "count":
                assert account.resets == []
                assert account.lossless == {seq: event for seq, event in much.items() if seq > late.since}
            else:
                assert account.resets == ["too_old"]
            account = await resumed(port, "little", other.account, transport)
            assert account.resets == []
            assert account.lossless == little


async def test_the_place_where_the_journal_begins_is_the_oldest_to_come_back_to(tmp_path: Path) -> None:
    """From there everything is told; from one number before, a snapshot."""
    port = free_port()
    async with hub_program(tmp_path, port=port) as hub:
        await hub.start()
        early, _ = await recorded(hub, port, "much")
        await hub.kill(15)
    async with hub_program(tmp_path, port=port, history_events=KEPT) as hub:
        await hub.start()
        await pruned(port, "much", KEPT)
        history = await whole_history(port, "much")
        first, epoch = min(history), str(early.cursor).partition("-")[0]
        for transport, (seq, resets) in itertools.product(TRANSPORTS, ((first - 1, []), (early.seq + 1, ["too_old"]))):
            account = early.copy()
            account.seq, account.cursor = seq, f"{epoch}-{seq}"
            account = await resumed(port, "much", account, transport)
            assert account.resets == resets
            assert account.lossless == ({} if resets else history)
