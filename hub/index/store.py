"""The index open for writing, by one writer at a time."""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from hub.index.errors import IndexGone
from hub.index.index_file import Look, connected, empty, locked, look, remove

_PAGES_AT_ONCE = 2000


class Store:
    """Closing it leaves one file: no write-ahead log, no handle, no lock.

    What is made anew while the old one can be searched is made in a file beside it, and replaces it in the end.
    """

    def __init__(self, path: Path, final: Path, lock: int, database: sqlite3.Connection) -> None:
        self.path = path
        self.database = database
        self._final = final
        self._lock = lock
        self._inode = path.stat().st_ino

    @classmethod
    def open(cls, path: Path, *, anew: bool = False) -> Self:
        """Make the file where there is none; make it anew where it is of another version, or `anew` says so.

        A new file that a killed run has begun is gone on with. Raises IndexBusy while another writer has it,
        IndexBroken for what SQLite cannot read (unless `anew`).
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = locked(path)
        try:
            place, is_empty = _place(path, anew=anew)
            database = connected(place)
            try:
                if is_empty:
                    empty(database)
                return cls(place, path, lock, database)
            except BaseException:
                database.close()
                raise
        except BaseException:
            os.close(lock)
            raise

    @property
    def is_beside(self) -> bool:
        """Is it another file than the one that is searched, until `publish`?"""
        return self.path != self._final

    def publish(self, check: Callable[[], None]) -> None:
        """Put it in the place of the one that is searched, all at once. `check` is called all along, and may raise.

        Its pages are copied in one transaction, and no file is renamed: a search goes on with the old ones to its end,
        and no log is ever taken for that of the other file.
        """
        if not self.is_beside:
            return
        final = connected(self._final)
        try:
            row = final.execute("SELECT value FROM meta WHERE key = 'generation'").fetchone()
            with self.change():  # which makes it one more
                self.set_meta("generation", max(self.meta("generation"), row[0]))
            self.database.backup(final, pages=_PAGES_AT_ONCE, progress=lambda *_: check())
        except BaseException:
            final.close()
            raise
        self.database.close()
        remove(self.path)
        self.path, self.database, self._inode = self._final, final, self._final.stat().st_ino

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


def _place(path: Path, *, anew: bool) -> tuple[Path, bool]:
    """The file to write in, and whether it starts empty."""
    beside = path.with_name(f"{path.name}.new")
    found = look(path)
    if found is Look.OLDER or (found is Look.OURS and anew):
        is_begun = look(beside) is Look.OURS
        if not is_begun:
            remove(beside)
        return beside, not is_begun
    remove(beside)
    if found is Look.BROKEN and anew:
        remove(path)
    return path, found is not Look.OURS
