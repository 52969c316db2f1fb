"""The index file: opened by one writer at a time, and by any number of readers."""

import contextlib
import fcntl
import hashlib
import os
import sqlite3
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, Self

from hub.index.errors import IndexBroken, IndexBusy, IndexGone, NoIndex
from hub.index.languages import LANGUAGES

SCHEMA = 1
_BUSY_S = 5.0
_CACHE_KIB = 16 * 1024
SQLITE_MAGIC = b"SQLite format 3\0"


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


class Store:
    """The index open for writing. Closing it leaves one file: no write-ahead log, no handle, no lock."""

    def __init__(self, path: Path, lock: int, database: sqlite3.Connection) -> None:
        self.path = path
        self.database = database
        self._lock = lock
        self._inode = path.stat().st_ino

    @classmethod
    def open(cls, path: Path, *, anew: bool = False) -> Self:
        """Make the file where there is none, or when what is there is of another version or `anew`.

        Raises IndexBusy while another writer has it, IndexBroken for what SQLite cannot read (unless `anew`).
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = _locked(path)
        try:
            if anew:
                _remove(path)
            try:
                database = _connected(path)
            except sqlite3.DatabaseError as exc:
                if not _is_broken(exc):
                    raise
                raise IndexBroken from exc
            return cls(path, lock, database)
        except BaseException:
            os.close(lock)
            raise

    def close(self) -> None:
        """Bring everything into the file itself and let go of it. Safe after any error, and twice."""
        if self._lock < 0:
            return
        try:
            if self.database.in_transaction:
                self.database.rollback()
            with contextlib.suppress(sqlite3.OperationalError):  # a full disk: the log stays, and is read again later
                self.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            self.database.close()
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def check(self) -> None:
        """Raise IndexGone when the file was removed under the writer."""
        try:
            is_there = self.path.stat().st_ino == self._inode
        except FileNotFoundError:
            is_there = False
        if not is_there:
            raise IndexGone

    @contextlib.contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """All that is done within the block, or nothing. Readers notice by the generation."""
        self.database.execute("BEGIN IMMEDIATE")
        try:
            yield self.database
            self.set_meta("generation", self.meta("generation", 0) + 1)
            self.database.execute("COMMIT")
        except BaseException:
            if self.database.in_transaction:
                self.database.execute("ROLLBACK")
            raise

    def meta(self, key: str, default: Any = None) -> Any:
        row = self.database.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return default if row is None else row[0]

    def set_meta(self, key: str, value: Any) -> None:
        self.database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """The index as it is now, for one question: the file is let go of after it. Raises NoIndex, IndexBroken."""
    if not path.is_file():
        raise NoIndex
    # Not as read-only: then the first reader after a crash could not read what the log still holds.
    database = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_S)
    try:
        try:
            database.execute("PRAGMA query_only = ON")
            database.execute("BEGIN")
            row = database.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
        except sqlite3.DatabaseError as exc:
            if "no such table" in str(exc):  # a writer has made the file, and nothing in it yet
                raise NoIndex from exc
            raise IndexBroken from exc
        if row is None or row[0] != SCHEMA:
            raise NoIndex("This project's index was made by another version of the hub; run an `index` job.")
        yield database
    finally:
        database.close()


def _locked(path: Path) -> int:
    lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        os.close(lock)
        raise IndexBusy from exc
    return lock


def _connected(path: Path) -> sqlite3.Connection:
    if path.exists() and path.stat().st_size and not path.read_bytes()[:16] == SQLITE_MAGIC:
        raise IndexBroken
    database = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_S, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        # A power cut may cost the last batches, which are then made again; it never breaks the file.
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        database.execute("PRAGMA temp_store = MEMORY")
        if not _is_ours(database):
            _make(database)
    except BaseException:
        database.close()
        raise
    return database


def _is_ours(database: sqlite3.Connection) -> bool:
    if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
        return False
    rows = dict(database.execute("SELECT key, value FROM meta WHERE key IN ('schema', 'analysis')"))
    return rows == {"schema": SCHEMA, "analysis": analysis_version()}


def _make(database: sqlite3.Connection) -> None:
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


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _is_broken(exc: sqlite3.DatabaseError) -> bool:
    return "malformed" in str(exc) or "not a database" in str(exc)
