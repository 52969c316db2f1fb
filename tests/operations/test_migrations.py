"""Data folders of other versions: schemas are the sums of their migrations, older ones open, newer ones are refused."""

import contextlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from hub import sql
from hub.backups.contents import COMMITS, JOURNAL
from hub.commits.database import Database
from hub.core.events import State
from hub.core.ports import EventFilter, JobFilter
from hub.doctor import migrations
from hub.journal.sqlite import SqliteJournal
from tests.hubs import Watch, read_sse, running

ROOT = Path(__file__).parents[2]
FIRST = ROOT / "tests" / "fixtures" / "first_migrations"
"""Databases as the first version left them when it had cloned, synced and stopped."""


def schema(script: str) -> list[tuple[str, ...]]:
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        db.executescript(script)
        return sorted(db.execute("SELECT type, name, sql FROM sqlite_master").fetchall())


def first_data(folder: Path) -> Path:
    folder.mkdir(mode=0o700)
    for name in (JOURNAL, COMMITS):
        with contextlib.closing(sqlite3.connect(folder / name)) as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.executescript((FIRST / f"{Path(name).stem}.sql").read_text(encoding="utf-8"))
            assert db.execute("PRAGMA user_version").fetchone() == (1,)
    return folder


def test_every_folder_of_migrations_is_known() -> None:
    found = {path.relative_to(ROOT) for path in (ROOT / "hub").glob("**/migrations")}
    assert found == {path.relative_to(ROOT) for path in migrations.FOLDERS.values()}


@pytest.mark.parametrize("name", migrations.FOLDERS)
def test_a_schema_is_the_sum_of_its_migrations(name: str) -> None:
    folder = migrations.FOLDERS[name]
    scripts = sql.migrations(folder)
    assert [number for number, _ in scripts] == list(range(1, len(scripts) + 1))
    migrated = schema(";\n".join(script for _, script in scripts))
    written = folder.parent / "schema.sql"
    # A catalog may be lost, so where one script is all there is, that is its schema.
    assert migrated == schema(written.read_text(encoding="utf-8") if written.exists() else scripts[0][1])


async def test_a_data_folder_of_the_first_version_opens_with_all_that_was_in_it(tmp_path: Path) -> None:
    data = first_data(tmp_path / "data")
    async with running(data) as hub:
        status, listed, _ = await hub.call("GET", "/api/v1/jobs")
        assert status == 200
        assert {(job["kind"], job["state"]) for job in listed["items"]} == {
            ("clone", "succeeded"),
            ("sync", "succeeded"),
        }
        status, told, _ = await hub.call("GET", "/api/v1/projects/old/history?type=stage&order=asc")
        assert [event["stage"] for event in told["items"]][:2] == ["connect", "receiving"]
        await hub.begin("old", "j1")
        watch = Watch()
        headers = {"Accept": "text/event-stream"}
        async with hub.session.get(f"{hub.url}/api/v1/projects/old/events", headers=headers) as response:
            async for message in read_sse(response, watch):
                if message["type"] == "snapshot":
                    assert {job["id"] for job in message["jobs"]} >= {"j1"}
                    break
    assert migrations.newest(JOURNAL) > 1
    for name in (JOURNAL, COMMITS):
        with contextlib.closing(sqlite3.connect(data / name)) as db:
            newest = (
                migrations.newest(name) if name == JOURNAL else 1
            )  # which the first job to need it brings up to date
            assert db.execute("PRAGMA user_version").fetchone() == (newest,)
    with contextlib.closing(Database(data / COMMITS)) as commits, commits.reading() as db:
        assert db.execute("SELECT count(*) FROM commits").fetchone() == (1,)


async def test_it_opens_twice_and_the_second_time_nothing_changes(tmp_path: Path) -> None:
    path = first_data(tmp_path / "data") / JOURNAL
    epochs = []
    for _ in range(2):
        journal = SqliteJournal(path)
        epochs.append(await journal.open(recent_jobs=5))
        jobs = await journal.jobs(JobFilter(), 10, None)
        history = await journal.history(EventFilter(project="old"), 100, None)
        await journal.close()
    assert epochs[0] == epochs[1]
    assert (jobs.total, {job.state for job in jobs.items}) == (2, {State.SUCCEEDED})
    assert history.total > 5


@pytest.mark.parametrize("name", [JOURNAL, COMMITS])
def test_a_data_folder_of_a_newer_version_is_refused_and_left_as_it_is(name: str, tmp_path: Path) -> None:
    data = first_data(tmp_path / "data")
    with contextlib.closing(sqlite3.connect(data / name)) as db:
        db.execute("PRAGMA user_version=999")
    before = (data / name).read_bytes()
    command = [sys.executable, "-m", "hub", "serve", "--port", "0", "--data-dir", str(data)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "was written by a newer Progress Hub" in done.stderr
    assert "Traceback" not in done.stderr
    assert (data / name).read_bytes() == before
    told = subprocess.run(
        [sys.executable, "-m", "hub", "doctor", "--json", "--data-dir", str(data)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert told.returncode == 1
    failed = [each for each in json.loads(told.stdout)["findings"] if each["level"] == "fail"]
    assert [each["id"] for each in failed] == ["folder.databases"]
    assert "newer" in failed[0]["text"]
