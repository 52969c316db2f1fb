"""A SQLite file copied while others write in it: one moment of it, whole, checked."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

PAGES_AT_ONCE = 2000
BUSY_S = 10.0
SIDECARS = ("-wal", "-shm", "-journal")


class Damaged(Exception):
    """What SQLite found wrong with it."""


def copy(source: Path, target: Path, tell: Callable[[int], None]) -> None:
    """Bring `source` as of now into the new file `target`. `tell` gets the share of pages that are done, in percent.

    Raises Damaged, sqlite3.OperationalError (a full disk, a lock), FileNotFoundError.
    """
    if not source.is_file():
        raise FileNotFoundError(source)
    # Not read-only: who comes first after a crash has to bring the log in. And never made where it has gone meanwhile.
    uri = f"{source.absolute().as_uri()}?mode=rw"
    try:
        with (
            closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_S)) as old,
            closing(sqlite3.connect(target, isolation_level=None)) as new,
        ):
            # A transaction of the reader's own pins the moment. Without it each commit of the hub would begin the copy
            # anew, and a busy hub's would never end.
            old.execute("BEGIN")
            old.execute("SELECT count(*) FROM sqlite_master").fetchone()

            def progress(status: int, remaining: int, total: int) -> None:
                tell(100 * (total - remaining) // max(total, 1))

            old.backup(new, pages=PAGES_AT_ONCE, progress=progress)
            old.execute("ROLLBACK")
            new.execute("PRAGMA journal_mode=DELETE")  # one file, no log beside it; the hub turns it back
        check(target)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as exc:
        raise Damaged(str(exc)) from exc


def check(path: Path) -> None:
    """Raises Damaged."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            found = [row[0] for row in db.execute("PRAGMA integrity_check(3)")]
    except sqlite3.DatabaseError as exc:
        raise Damaged(str(exc)) from exc
    if found != ["ok"]:
        raise Damaged("; ".join(found))


def version(path: Path) -> int:
    """The number of its newest migration."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])
