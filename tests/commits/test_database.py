"""The file: schema, migrations, two who write, and what is left when nobody does."""

import contextlib
import re
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hub.commits.database import HERE, NAME, SQL, CommitsFull, CommitsTooNew, CommitsUnavailable, Database
from hub.sql import migrations


def schema(script: str) -> list[tuple[str, ...]]:
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        db.executescript(script)
        return sorted(db.execute("SELECT type, name, sql FROM sqlite_master").fetchall())


def test_the_schema_is_the_sum_of_its_migrations():
    migrated = schema("".join(script for _, script in migrations(HERE / "migrations")))
    assert schema((HERE / "schema.sql").read_text()) == migrated


def test_every_query_is_valid_against_the_schema():
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        db.executescript((HERE / "schema.sql").read_text())
        for name, statement in SQL.items():
            named = re.findall(r":([a-z]+)", statement)
            numbered = {int(n) for n in re.findall(r"\?(\d+)", statement)}
            plain = len(re.findall(r"\?(?!\d)", statement))
            values = dict.fromkeys(named) if named else [None] * (max(numbered) if numbered else plain)
            assert db.execute(f"EXPLAIN {statement}", values).fetchall(), name


def test_every_query_is_used():
    source = "".join(path.read_text() for path in HERE.glob("*.py"))
    unused = {name for name in SQL if f'"{name}"' not in source}
    assert unused == {f"{part}_{what}" for part in ("list", "total") for what in LISTS}


LISTS = ("commits", "links", "near_misses", "sessions")


def test_a_file_of_a_newer_hub_is_left_alone(tmp_path: Path):
    with contextlib.closing(sqlite3.connect(tmp_path / NAME)) as db:
        db.execute("PRAGMA user_version=9999")
    with pytest.raises(CommitsTooNew):
        Database(tmp_path / NAME)


@pytest.mark.parametrize("damage", [b"not a database at all" * 100, b"SQLite format 3\0" + b"\xff" * 4000])
def test_a_damaged_file_is_told(tmp_path: Path, damage: bytes):
    (tmp_path / NAME).write_bytes(damage)
    with pytest.raises(CommitsUnavailable):
        Database(tmp_path / NAME)


def test_only_the_owner_may_read_the_file(tmp_path: Path):
    with Database(tmp_path / "data" / NAME):
        assert stat.S_IMODE((tmp_path / "data" / NAME).stat().st_mode) == 0o600


def test_the_last_to_close_leaves_no_log(tmp_path: Path):
    first, second = Database(tmp_path / NAME), Database(tmp_path / NAME)
    with first.writing() as db:
        db.execute("INSERT INTO repositories (folder) VALUES ('/a')")
    assert (tmp_path / f"{NAME}-wal").exists()
    first.close()
    second.close()
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_a_log_that_a_killed_process_left_is_taken_in(tmp_path: Path):
    script = (
        "import os, sys, pathlib; from hub.commits.database import Database\n"
        "database = Database(pathlib.Path(sys.argv[1]))\n"
        "with database.writing() as db: db.execute(\"INSERT INTO repositories (folder) VALUES ('/a')\")\n"
        "with database.writing() as db:\n"
        "    db.execute(\"INSERT INTO repositories (folder) VALUES ('/b')\")\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, tmp_path / NAME])
    assert done.returncode == -9
    with Database(tmp_path / NAME) as database, database.reading() as db:
        assert db.execute("SELECT folder FROM repositories").fetchall() == [("/a",)]
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_a_failed_transaction_leaves_nothing(database: Database):
    def write() -> None:
        with database.writing() as db:
            db.execute("INSERT INTO repositories (folder) VALUES ('/a')")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    with database.reading() as db:
        assert db.execute("SELECT count(*) FROM repositories").fetchone() == (0,)


def test_two_write_at_once_and_nothing_is_lost(tmp_path: Path):
    def write(name: str) -> None:
        with Database(tmp_path / NAME) as database:
            for n in range(200):
                with database.writing() as db:
                    db.execute("INSERT INTO repositories (folder) VALUES (?)", (f"/{name}/{n}",))

    threads = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Database(tmp_path / NAME) as database, database.reading() as db:
        assert db.execute("SELECT count(*) FROM repositories").fetchone() == (600,)


def test_a_new_file_that_another_is_just_opening_is_waited_for(tmp_path: Path):
    with contextlib.closing(sqlite3.connect(tmp_path / NAME, isolation_level=None, check_same_thread=False)) as other:
        other.execute("CREATE TABLE x (y)")
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.3, other.execute, ("ROLLBACK",))
        release.start()
        with Database(tmp_path / NAME) as database, database.reading() as db:
            assert db.execute("SELECT count(*) FROM repositories").fetchone() == (0,)
        release.join()


def test_a_place_that_cannot_be_used_is_told(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(CommitsUnavailable):
        Database(tmp_path / "file" / NAME)


def test_a_full_disk_is_told_as_such_and_what_was_stored_stays(tmp_path: Path):
    with Database(tmp_path / NAME) as database:
        with database.writing() as db:
            db.execute("INSERT INTO repositories (folder) VALUES ('/a')")
            db.execute(f"PRAGMA max_page_count={db.execute('PRAGMA page_count').fetchone()[0]}")
        with pytest.raises(CommitsFull), database.writing() as db:
            db.executemany("INSERT INTO repositories (folder) VALUES (?)", [(f"/{n}",) for n in range(10_000)])
        with database.reading() as db:
            assert db.execute("SELECT folder FROM repositories").fetchall() == [("/a",)]


def test_who_cannot_write_is_told_so(tmp_path: Path):
    with Database(tmp_path / NAME) as one, Database(tmp_path / NAME, busy_timeout_s=0.05) as other, one.writing():
        with pytest.raises(CommitsUnavailable, match="locked"), other.writing():
            pass
        with other.reading() as db:
            assert db.execute("SELECT count(*) FROM repositories").fetchone() == (0,)
