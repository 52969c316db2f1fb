"""A journal that cannot be written, for seconds, under load: seen, survived, and never told from."""

import asyncio
import contextlib
import itertools
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from hub.core.events import ENDS
from tests.conftest import until
from tests.delivery.account import Account
from tests.delivery.history import check_ends, check_told, head_of, snapshot, whole_history
from tests.delivery.programs import Program, free_port, hub_program
from tests.delivery.watcher import Watcher
from tests.delivery.wire import TRANSPORTS

SEED = 5
LOCK = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
db.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.readline()
"""
"""Another program that writes, until it is told to stop."""

Trouble = Callable[[Program, Path], "contextlib.AbstractAsyncContextManager[None]"]


@contextlib.asynccontextmanager
async def locked(hub: Program, folder: Path) -> AsyncIterator[None]:
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-c", LOCK, folder / "journal.sqlite3")
    other = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    assert other.stdout is not None
    await other.stdout.readline()
    try:
        yield
    finally:
        await other.communicate(b"\n")


@contextlib.asynccontextmanager
async def full(hub: Program, folder: Path) -> AsyncIterator[None]:
    """The disk itself, where this may be arranged."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    yield
    filler.unlink()


@contextlib.asynccontextmanager
async def full_for_sqlite(hub: Program, folder: Path) -> AsyncIterator[None]:
    """The same error, out of SQLite's own bound."""
    await hub.ask("limit_pages", pages=1)
    yield
    await hub.ask("limit_pages", pages=1_000_000)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with little room."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", place], capture_output=True)
    if mounted.returncode:
        pytest.skip("no file system may be mounted here")  # a right, and no service that could be installed
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


@pytest.mark.timeout(90)
async def test_a_full_disk_is_survived(small_disk: Path) -> None:
    await survive(small_disk, full, "full")


@pytest.mark.timeout(90)
@pytest.mark.parametrize(("trouble", "reason"), [(locked, "locked"), (full_for_sqlite, "full")])
async def test_a_journal_that_cannot_be_written_is_survived(tmp_path: Path, trouble: Trouble, reason: str) -> None:
    await survive(tmp_path, trouble, reason)


async def survive(folder: Path, trouble: Trouble, reason: str) -> None:
    port, head = free_port(), list[int]()
    watchers, quiet = [Watcher(port) for _ in TRANSPORTS], Watcher(port, "q")
    async with (
        hub_program(folder, port=port, heartbeat_s=1.0, history_events=1_000_000, min_free_bytes=0) as hub,
        asyncio.TaskGroup() as tasks,
    ):
        await hub.start()
        for project in ("p", "q"):
            await hub.ask("project", project=project)
        await hub.ask("trickle", project="q")
        for watcher, way in zip([*watchers, quiet], [*TRANSPORTS, "ws"], strict=True):
            tasks.create_task(watcher.until(lambda account: arrived(account, head), itertools.repeat(way), pause))
        await until(lambda: all(watcher.account.cursor for watcher in [*watchers, quiet]))
        await hub.ask("load", seed=SEED, pause_s=0.01)
        await until(lambda: all(len(watcher.account.lossless) > 20 for watcher in watchers))
        await hub.ask("stats")
        async with trouble(hub, folder):
            said = await ready(port, 12, journal=reason)
            assert said["status"] == "failing"
            await endure(folder, watchers, quiet)
            assert (await hub.ask("stats"))["lag_s"] < 1
        assert (await ready(port, 10, status="ok", journal="ok"))["disk"] == "ok"
        told = min(len(watcher.account.lossless) for watcher in watchers)
        await until(lambda: all(len(watcher.account.lossless) > told + 100 for watcher in watchers))
        await hub.kill()
        await hub.start()
        now = await snapshot(port)
        head.append(head_of(now))
        async with asyncio.timeout(20):
            await until(lambda: all(arrived(watcher.account, head) for watcher in watchers))
        history = await whole_history(port)
        head[0] = 0
    check_ends(history)
    check_told(history, [watcher.account for watcher in watchers])
    ended = {event["job"] for event in history.values() if event.get("state") in ENDS}
    assert len(ended) > 10
    assert ended == {event["job"] for event in history.values()}, "every job has its end"


def arrived(account: Account, head: list[int]) -> bool:
    """Is this as far as there is to go?"""
    return bool(head) and account.seq >= head[0]


async def endure(folder: Path, watchers: list[Watcher], quiet: Watcher) -> None:
    """Some seconds of trouble: what waits for no journal goes on; of the rest, what is kept is told, and no more."""
    for _ in range(3):
        percents = len(quiet.account.progress)
        await until(partial(has_more, quiet, percents + 15))
        told = [set(watcher.account.lossless) for watcher in watchers]
        assert all(seqs <= kept(folder) for seqs in told)
    durable = kept(folder)
    await until(lambda: all(set(w.account.lossless) == {s for s in durable if s > w.account.since} for w in watchers))


def has_more(watcher: Watcher, percents: int) -> bool:
    return len(watcher.account.progress) > percents


def kept(folder: Path) -> set[int]:
    """The numbers that are in the journal's file."""
    address = f"{(folder / 'journal.sqlite3').as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(address, uri=True)) as db:
        return {seq for (seq,) in db.execute("SELECT seq FROM events WHERE project = 'p'")}


async def ready(port: int, patience_s: float, **wanted: str) -> dict[str, str]:
    """What `readyz` says once each part says what is wanted of it."""
    async with asyncio.timeout(patience_s), aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"http://127.0.0.1:{port}/readyz") as response:
                body: dict[str, str] = await response.json()
                if all(words in body[part] for part, words in wanted.items()):
                    assert response.status == (200 if body["status"] == "ok" else 503)
                    return body
            await asyncio.sleep(0.05)


async def pause() -> None:
    await asyncio.sleep(0.05)
