"""The file of an index, before anybody writes in it: what it is, whose it is, and how it is opened."""

import contextlib
import enum
import fcntl
import hashlib
import os
import sqlite3
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from hub.index.errors import IndexBroken, IndexBusy, IndexUnreadable, NoIndex
from hub.index.languages import LANGUAGES

SCHEMA = 1
MAGIC = b"SQLite format 3\0"
_BUSY_S = 5.0
_CACHE_KIB = 64 * 1024
_LOG_PAGES = 16 * 1024


class Look(enum.Enum):
    """What a file is to who wants to write an index."""

    NOTHING = 0
    BROKEN = 1
    FOREIGN = 2
    """Of another schema, so that nobody can search it."""
    OLDER = 3
    """It can be searched, and another version of the analysis made it."""
    OURS = 4


def look(path: Path) -> Look:
    if not path.exists() or not path.stat().st_size:
        return Look.NOTHING
    try:
        with contextlib.closing(_opened(path)) as database:
            return _look(database)
    except IndexBroken:
        return Look.BROKEN
    except sqlite3.DatabaseError as exc:
        if is_broken(exc):
            return Look.BROKEN
        raise


def _look(database: sqlite3.Connection) -> Look:
    if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
        return Look.FOREIGN
    rows = dict(database.execute("SELECT key, value FROM meta WHERE key IN ('schema', 'analysis')"))
    if rows.get("schema") != SCHEMA:
        return Look.FOREIGN
    return Look.OURS if rows.get("analysis") == analysis_version() else Look.OLDER


def connected(path: Path) -> sqlite3.Connection:
    """For writing, as the index file that is there. Raises IndexBroken."""
    database = _opened(path)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        # A power cut may cost the last batches, which are then made again; it never breaks the file.
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        # Names are all over their index, so most of its pages are written with each batch: to the log, and seldom back.
        database.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        database.execute("PRAGMA temp_store = MEMORY")
    except sqlite3.DatabaseError as exc:
        database.close()
        if is_broken(exc):
            raise IndexBroken from exc
        raise
    return database


def empty(database: sqlite3.Connection) -> None:
    """Make it an index of nothing, whatever it was."""
    database.execute("BEGIN IMMEDIATE")
    for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        database.execute(f'DROP TABLE "{table}"')
    for statement in _statements():
        database.execute(statement)
    database.executemany(
        "INSERT INTO meta VALUES (?, ?)",
        [("schema", SCHEMA), ("analysis", analysis_version()), ("generation", 0), ("complete", 0)],
    )
    database.execute("COMMIT")


def _statements() -> Iterator[str]:
    text = (Path(__file__).parent / "schema.sql").read_text(encoding="utf-8")
    lines = (line for line in text.splitlines() if not line.startswith("--"))
    yield from (statement for statement in "\n".join(lines).split(";") if statement.strip())


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """The index as it is now, for one question: the file is let go of after it.

    Raises NoIndex, IndexBroken, IndexUnreadable.
    """
    if not path.is_file():
        raise NoIndex
    # Not as read-only: then the first reader after a crash could not read what the log still holds. And never made: the
    # project may be removed just now.
    uri = f"{path.absolute().as_uri()}?mode=rw"
    try:
        database = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_BUSY_S)
    except sqlite3.OperationalError as exc:
        raise NoIndex from exc
    try:
        _begin(database)
        yield database
    finally:
        database.close()


def _begin(database: sqlite3.Connection) -> None:
    try:
        database.execute("PRAGMA query_only = ON")
        database.execute("BEGIN")
        row = database.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
    except sqlite3.DatabaseError as exc:
        if "no such table" in str(exc):  # a writer has made the file, and nothing in it yet
            raise NoIndex from exc
        if is_broken(exc):
            raise IndexBroken from exc
        raise IndexUnreadable(f"The index cannot be read just now: {exc}.") from exc
    if row is None or row[0] != SCHEMA:
        raise NoIndex("This project's index was made by another version of the hub; run an `index` job.")


def locked(path: Path) -> int:
    """A handle that makes its holder the one writer, and is let go of when the process ends. Raises IndexBusy."""
    lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        os.close(lock)
        raise IndexBusy from exc
    return lock


def remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def is_broken(exc: sqlite3.DatabaseError) -> bool:
    """Is it the file that is wrong, and not the moment?"""
    return getattr(exc, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def _opened(path: Path) -> sqlite3.Connection:
    """Raises IndexBroken for what is no database."""
    if path.exists():
        with path.open("rb") as file:
            head = file.read(len(MAGIC))
        if head and head != MAGIC:
            raise IndexBroken
    return sqlite3.connect(path, isolation_level=None, timeout=_BUSY_S, check_same_thread=False)


def analysis_version() -> str:
    """Changes whenever the same file may give other trigrams or symbols, so that everything is looked at again."""
    whole = hashlib.sha1(usedforsecurity=False)
    folder = Path(__file__).parent
    sources = ("analysis", "guards", "languages", "postings", "symbols", "texts", "trigrams")
    for path in (*(folder / f"{name}.py" for name in sources), *sorted((folder / "queries").glob("*.scm"))):
        whole.update(path.read_bytes())
    packages = {"tree-sitter", *(one.grammar[0].replace("_", "-") for one in LANGUAGES if one.grammar)}
    for package in sorted(packages):
        whole.update(f"{package} {metadata.version(package)}\n".encode())
    return whole.hexdigest()
