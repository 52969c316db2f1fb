"""What only the SQLite journal has: a schema, migrations, durability, and a store that can fail."""

import asyncio
import contextlib
import re
import sqlite3
import stat
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from hub.core.errors import JournalUnavailable
from hub.core.ports import Batch, Project
from hub.journal.sqlite import HERE, SLICE_ROWS, SQL, JournalTooNew, SqliteJournal
from hub.sql import migrations
from tests.conftest import until
from tests.fakes import event, log_body


def schema(script: str) -> list[tuple[str, ...]]:
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        db.executescript(script)
        return sorted(db.execute("SELECT type, name, sql FROM sqlite_master").fetchall())


def test_the_schema_is_the_sum_of_its_migrations() -> None:
    migrated = schema("".join(script for _, script in migrations(HERE / "migrations")))
    assert schema((HERE / "schema.sql").read_text()) == migrated


def test_every_query_is_valid_against_the_schema() -> None:
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        db.executescript((HERE / "schema.sql").read_text())
        for name, statement in SQL.items():
            numbered = {int(n) for n in re.findall(r"\?(\d+)", statement)}
            plain = len(re.findall(r"\?(?!\d)", statement))
            given = {str(n): None for n in numbered} or [None] * plain  # Python 3.12 wants a mapping for numbers
            assert db.execute(f"EXPLAIN {statement}", given).fetchall(), name


async def test_a_journal_of_a_newer_hub_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=9999")
    with pytest.raises(JournalTooNew):
        await SqliteJournal(path).open(recent_jobs=1)


async def test_a_locked_database_is_a_state_and_not_a_crash(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.sqlite3", busy_timeout_s=0.05)
    await journal.open(recent_jobs=1)
    await journal.add_project(Project(id="p", name="p", created=0))
    batch = Batch(events=(event(1, log_body()),))
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalUnavailable):
            await journal.commit(batch)
        other.execute("ROLLBACK")
    await journal.commit(batch)
    assert [e.seq for e in await journal.events("p", 0, 9, 9)] == [1]
    await journal.close()


async def test_a_full_disk_is_a_state_and_loses_nothing(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.sqlite3")
    await journal.open(recent_jobs=1)
    await journal.add_project(Project(id="p", name="p", created=0))
    await journal.limit_pages(1)
    big = Batch(events=tuple(event(seq, log_body("x" * 4000)) for seq in range(1, 50)))
    with pytest.raises(JournalUnavailable, match="full"):
        await journal.commit(big)
    assert await journal.events("p", 0, 99, 99) == []
    await journal.limit_pages(1 << 30)
    await journal.commit(big)
    assert len(await journal.events("p", 0, 99, 99)) == 49
    await journal.close()


async def test_a_closed_journal_says_so(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.sqlite3")
    await journal.open(recent_jobs=1)
    await journal.close()
    with pytest.raises(JournalUnavailable):
        await journal.commit(Batch())


async def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "data" / "journal.sqlite3")
    await journal.open(recent_jobs=1)
    assert stat.S_IMODE((tmp_path / "data" / "journal.sqlite3").stat().st_mode) == 0o600
    await journal.close()


async def test_a_cancelled_caller_leaves_no_half_transaction(tmp_path: Path) -> None:
    """A cancel that came during COMMIT once turned into an error, and the task that was cancelled lived on."""
    journal = SqliteJournal(tmp_path / "journal.sqlite3")
    await journal.open(recent_jobs=1)
    await journal.add_project(Project(id="p", name="p", created=0))
    for seq in range(1, 200):
        task = asyncio.create_task(journal.commit(Batch(events=(event(seq, log_body()),))))
        for _ in range(seq % 7):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await journal.commit(Batch(events=(event(1000, log_body()),)))
    assert (await journal.events("p", 999, 1000, 1))[0].seq == 1000
    await journal.close()


@pytest.mark.parametrize("damage", [b"not a database at all" * 100, b"SQLite format 3\0" + b"\xff" * 4000])
async def test_a_damaged_file_is_told_and_leaves_no_thread(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "journal.sqlite3"
    path.write_bytes(damage)
    before = threading.active_count()
    with pytest.raises(JournalUnavailable):
        await SqliteJournal(path).open(recent_jobs=1)
    await until(lambda: threading.active_count() <= before)


async def test_pruning_much_leaves_turns_for_commits(tmp_path: Path) -> None:
    """A commit made while thousands of rows are dropped waits for one slice, not for all."""
    journal = SqliteJournal(tmp_path / "journal.sqlite3")
    await journal.open(recent_jobs=1)
    try:
        await journal.add_project(Project(id="p", name="p", created=1))
        await journal.commit(Batch(events=tuple(event(seq, log_body()) for seq in range(1, 20 * SLICE_ROWS))))
        done: list[str] = []

        async def said(name: str, work: Coroutine[Any, Any, None]) -> None:
            await work
            done.append(name)

        await asyncio.gather(
            said("prune", journal.prune({"p": 20 * SLICE_ROWS})),
            said("commit", journal.commit(Batch(events=(event(20 * SLICE_ROWS + 1, log_body()),)))),
        )
        assert done == ["commit", "prune"]
        assert [each.seq for each in await journal.events("p", 0, 1 << 40, 10)] == [20 * SLICE_ROWS + 1]
    finally:
        await journal.close()
