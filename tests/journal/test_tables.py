"""What only the SQLite journal has to prove of its tables: one transaction, indices, and reads beside commits."""

import contextlib
import re
import sqlite3
from pathlib import Path

import pytest

from hub.core.errors import JournalUnavailable
from hub.core.events import State
from hub.core.job import JobState
from hub.core.ports import Batch, Project
from hub.core.webhooks import Webhook
from hub.journal import webhooks
from hub.journal.sqlite import HERE, SQL, SqliteJournal
from tests.fakes import event, job_body

ENDED = JobState(id="j1", project="p", kind="clone", state=State.FAILED, seq=1, created=1, started=2, ended=3)


async def test_an_end_whose_delivery_cannot_be_made_is_not_durable_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = SqliteJournal(tmp_path / "journal.sqlite3")
    await journal.open(recent_jobs=1)
    try:
        await journal.add_project(Project(id="p", name="p", created=0))
        await journal.webhooks.add(Webhook(id="w", url="https://example.org", created=0))

        def full(*_: object) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        batch = Batch(events=(event(1, job_body(State.FAILED)),), jobs=(ENDED,))
        with monkeypatch.context() as patched:
            patched.setattr(webhooks, "_add", full)
            with pytest.raises(JournalUnavailable):
                await journal.commit(batch)
        assert await journal.job("j1") is None
        assert await journal.events("p", 0, 10, 10) == []
        await journal.commit(batch)
        assert await journal.webhooks.waiting() == 1
    finally:
        await journal.close()


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("runs", "jobs_by_ended"),
        ("due", "deliveries_by_webhook"),
        ("next_delivery", "COVERING INDEX deliveries_by_webhook"),  # each has a payload of kilobytes
        ("history", "PRIMARY KEY"),
        ("oldest_history", "PRIMARY KEY"),
        ("jobs", "jobs_by_time"),
        ("oldest_jobs", "jobs_by_time"),
        ("recent_jobs", "jobs_by_end"),
        ("succeeded", "jobs_by_end"),
    ],
)
def test_what_is_asked_often_is_found_by_an_index(name: str, index: str) -> None:
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        db.executescript((HERE / "schema.sql").read_text())
        plan = _plan(db, SQL[name])
    assert any(line.startswith("SEARCH") and index in line for line in plan), plan
    assert not any(line.startswith("SCAN") and "json_each" not in line for line in plan), plan


def _plan(db: sqlite3.Connection, statement: str) -> list[str]:
    numbered = re.findall(r"\?(\d+)", statement)
    # Python 3.12 wants a mapping for numbers.
    given = dict.fromkeys(numbered) or [None] * len(re.findall(r"\?(?!\d)", statement))
    return [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}", given)]
