"""What a journal of an earlier hub becomes when jobs are listed by time."""

import contextlib
import json
import sqlite3
from pathlib import Path

from hub.core.events import State
from hub.core.ports import JobFilter
from hub.journal.sqlite import HERE, SqliteJournal
from hub.sql import migrations
from tests.contracts.test_journal import job_of
from tests.fakes import event, job_body


async def test_jobs_of_an_earlier_hub_are_listed_by_time(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    states = {"z": State.SUCCEEDED, "a": State.RUNNING, "m": State.FAILED}
    with contextlib.closing(sqlite3.connect(path)) as db:
        for number, script in migrations(HERE / "migrations")[:3]:
            db.executescript(script)
            db.execute(f"PRAGMA user_version={number}")
        db.execute("INSERT INTO numbers (project, reserved, saved) VALUES ('p', 9, 9)")
        db.execute("INSERT INTO projects (id, name, created) VALUES ('p', 'p', 1)")
        for seq, (id_, state) in enumerate(states.items(), 1):
            row = json.dumps(job_of(event(seq, job_body(state), job=id_)).to_row())
            values = (id_, "p", "clone", state.value, row)
            db.execute("INSERT INTO jobs (id, project, kind, state, row) VALUES (?, ?, ?, ?, ?)", values)
        db.commit()
    journal = SqliteJournal(path)
    await journal.open(recent_jobs=1)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(journal.close)
        assert [job.id for job in (await journal.jobs(JobFilter(), 9, None)).items] == ["m", "a", "z"]
        (opened,) = await journal.projects()
        assert [job.id for job in opened.jobs] == ["a", "m"], "the one that lives, and the one that ended last"
        assert [job.id for job in await journal.succeeded("p", "clone", 9)] == ["z"]
