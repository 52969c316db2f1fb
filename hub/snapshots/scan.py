"""What a run has seen in the folder, in order, in a file: a million entries need no memory."""

import os
import sqlite3
import stat
from pathlib import Path
from typing import Self

from hub.snapshots.entries import FILE, FOLDER, LEFT_OUT, LINK
from hub.snapshots.tree import Seen
from hub.sql import transaction

_SCHEMA = """
CREATE TABLE entries (
  path BLOB PRIMARY KEY, type TEXT, mode INTEGER, size INTEGER, mtime_ns INTEGER, ctime_ns INTEGER, inode INTEGER,
  device INTEGER, links INTEGER, changing INTEGER DEFAULT 0, reason TEXT
) WITHOUT ROWID
"""
_INSERT = """
INSERT OR REPLACE INTO entries (path, type, mode, size, mtime_ns, ctime_ns, inode, device, links, reason)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_UPDATE = """
UPDATE entries SET mode = ?, size = ?, mtime_ns = ?, ctime_ns = ?, inode = ?, device = ?, links = ?, changing = ?
WHERE path = ?
"""
BATCH = 2000


class Scan:
    """One connection, one thread."""

    def __init__(self, path: Path) -> None:
        """A scan of an earlier run is forgotten: the folder has gone on since."""
        for suffix in ("", "-journal"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=OFF")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.execute("PRAGMA cache_size=-65536")
        self._db.execute(_SCHEMA)
        self._rows: list[tuple[object, ...]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def add(self, seen: Seen) -> None:
        self._rows.append(_row(seen))
        if len(self._rows) >= BATCH:
            self.save()

    def save(self) -> None:
        if self._rows:
            with transaction(self._db):
                self._db.executemany(_INSERT, self._rows)
            self._rows.clear()

    def leave_out(self, path: bytes, why: str) -> None:
        self._db.execute("UPDATE entries SET type = ?, reason = ? WHERE path = ?", (LEFT_OUT, why, path))

    def update(self, path: bytes, status: os.stat_result, *, size: int, changing: bool) -> None:
        """The file was another when it was read than when it was first seen; `size` is what was read of it."""
        mode, times = stat.S_IMODE(status.st_mode), (status.st_mtime_ns, status.st_ctime_ns)
        which = (status.st_ino, status.st_dev, status.st_nlink)
        self._db.execute(_UPDATE, (mode, size, *times, *which, changing, path))

    def totals(self) -> tuple[int, int, int, int]:
        """Files, their bytes, folders, links."""
        found = {kind: (count, size or 0) for kind, count, size in self._db.execute(_TOTALS)}
        files, size = found.get(FILE, (0, 0))
        return files, size, found.get(FOLDER, (0, 0))[0], found.get(LINK, (0, 0))[0]

    def count(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM entries").fetchone()[0])

    def left_out(self) -> tuple[dict[str, int], list[tuple[bytes, str]]]:
        """How many for each reason, and the first of them."""
        rows = self._db.execute(
            "SELECT reason, count(*) FROM entries WHERE type = ? GROUP BY reason ORDER BY 2 DESC", (LEFT_OUT,)
        )
        first = self._db.execute("SELECT path, reason FROM entries WHERE type = ? ORDER BY path LIMIT 20", (LEFT_OUT,))
        return dict(rows.fetchall()), first.fetchall()


_TOTALS = "SELECT type, count(*), sum(size) FROM entries GROUP BY type"


def kind_of(mode: int) -> str:
    return FILE if stat.S_ISREG(mode) else FOLDER if stat.S_ISDIR(mode) else LINK


def _row(seen: Seen) -> tuple[object, ...]:
    status = seen.status
    if status is None:
        return (seen.path, LEFT_OUT, 0, 0, 0, 0, 0, 0, 0, seen.why_not)
    mode = status.st_mode
    kind = kind_of(mode)
    size = status.st_size if kind == FILE else 0
    return (
        seen.path, kind, stat.S_IMODE(mode), size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino,
        status.st_dev, status.st_nlink, "",
    )  # fmt: skip
