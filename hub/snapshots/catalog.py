"""What is known of a project's store and folder without asking or reading: an SQLite file that may be lost.

Whatever is missing in it is found out again: packs name their own contents, and files can be read.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from hub.snapshots.extents import Extent, packed, parse
from hub.snapshots.packs import Pack, Place
from hub.sql import migrate, statements, transaction

SQL = statements(Path(__file__).with_name("catalog.sql"))
MIGRATIONS = Path(__file__).with_name("migrations")
BATCH = 2000
"""Rows that wait before they are written together."""
SAME_TICK_NS = 2_000_000_000
"""A file whose status changed so shortly before it was read may change again without a sign: its clock ticks in
milliseconds, on some file systems in seconds. So it is read again the next time."""

Status = tuple[int, int, int, int]
"""Size, mtime and so on, as `status` gives them."""


class Catalog:
    """One connection, one thread. What is added is there for everybody after `save`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = _opened(path)
        self._files: list[tuple[object, ...]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, exc: BaseException | None, trace: object) -> None:
        self._db.close()
        if isinstance(exc, sqlite3.DatabaseError) and not isinstance(exc, sqlite3.OperationalError | sqlite3.DataError):
            _forget(self._path)  # it is damaged somewhere in its middle, and the next run makes it anew

    def attach(self, path: Path) -> None:
        """Have the file of a `Scan` beside this one, as `scan`."""
        self._db.execute("ATTACH ? AS scan", (str(path),))

    @property
    def db(self) -> sqlite3.Connection:
        return self._db

    # -- packs --------------------------------------------------------------------------------------------------------

    def packs(self, *, stored: bool = False) -> dict[str, int]:
        """Name and size of each, or of those alone that are known to be in the store."""
        return dict(self._db.execute("SELECT name, size FROM packs WHERE stored >= ?", (stored,)))

    def trees(self) -> set[str]:
        return {name for (name,) in self._db.execute("SELECT name FROM trees")}

    def add_tree(self, name: str) -> None:
        self._db.execute("INSERT OR IGNORE INTO trees (name) VALUES (?)", (name,))

    def drop_trees(self, names: Sequence[str]) -> None:
        with transaction(self._db):
            self._db.executemany("DELETE FROM trees WHERE name = ?", [(name,) for name in names])

    def add_pack(self, pack: Pack, *, stored: bool) -> None:
        with transaction(self._db):
            self._db.execute(SQL["add_pack"], {"name": pack.name, "size": pack.size, "stored": stored})
            (id_,) = self._db.execute("SELECT id FROM packs WHERE name = ?", (pack.name,)).fetchone()
            rows = [(sha, id_, at.frame_at, at.frame_len, at.at, at.length) for sha, at in pack.chunks]
            self._db.executemany(SQL["add_chunk"], rows)

    def mark_stored(self, name: str) -> None:
        self._db.execute("UPDATE packs SET stored = 1 WHERE name = ?", (name,))

    def drop_packs(self, names: Sequence[str]) -> None:
        """They are gone, or not to be trusted: what they held has to be stored again."""
        with transaction(self._db):
            for name in names:
                self._db.execute(SQL["drop_chunks"], (name,))
                self._db.execute(SQL["drop_pack"], (name,))

    # -- chunks -------------------------------------------------------------------------------------------------------

    @property
    def is_empty(self) -> bool:
        return self._db.execute("SELECT 1 FROM chunks LIMIT 1").fetchone() is None

    def has_chunk(self, sha: bytes) -> bool:
        return self._db.execute(SQL["has_chunk"], (sha,)).fetchone() is not None

    def place(self, sha: bytes) -> Place | None:
        row = self._db.execute(SQL["place"], (sha,)).fetchone()
        return None if row is None else Place(pack=row[0], frame_at=row[1], frame_len=row[2], at=row[3], length=row[4])

    # -- files --------------------------------------------------------------------------------------------------------

    def compared(self) -> Iterator[tuple[bytes, Status, bool]]:
        """Every file of the attached scan, in order, and whether it is as it was last read, with all of it stored."""
        after = b""
        while page := self._db.execute(SQL["compared"], (after,)).fetchall():
            for path, *status, how in page:
                yield path, tuple(status), how == 1 or (how == 2 and self._is_stored(path))
            after = page[-1][0]

    def _is_stored(self, path: bytes) -> bool:
        sha, raw, size = self._db.execute(SQL["extents"], (path,)).fetchone()
        return all(one.sha is None or self.has_chunk(one.sha) for one in parse(sha, raw, size))

    def keep_file(
        self, path: bytes, status: Status, *, read_ns: int, sha: bytes | None, extents: Sequence[Extent]
    ) -> None:
        """`read_ns` is when reading began."""
        racy = max(status[1], status[3]) > read_ns - SAME_TICK_NS
        self._files.append((path, *status, racy, sha, packed(sha, extents)))
        if len(self._files) >= BATCH:
            self.save()

    def save(self) -> None:
        if self._files:
            with transaction(self._db):
                self._db.executemany(SQL["add_file"], self._files)
            self._files.clear()

    def keep_only(self, scanned: str) -> None:
        """Forget files that are in no row of the table `scanned`."""
        with transaction(self._db):
            self._db.execute(f"DELETE FROM files WHERE path NOT IN (SELECT path FROM {scanned})")  # noqa: S608 - ours

    # -- odds ---------------------------------------------------------------------------------------------------------

    def meta(self, prefix: str) -> Iterator[tuple[str, str]]:
        """Name and value of what is noted under the prefix."""
        rows = self._db.execute("SELECT name, value FROM meta WHERE name GLOB ? ORDER BY name", (f"{prefix}*",))
        yield from rows.fetchall()

    def note(self, name: str, value: str | None) -> None:
        """None forgets it."""
        if value is None:
            self._db.execute("DELETE FROM meta WHERE name = ?", (name,))
        else:
            self._db.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", (name, value))


def _opened(path: Path) -> sqlite3.Connection:
    """A file that cannot be read, or is of a newer program, is begun anew."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for attempt in range(2):
        db = sqlite3.connect(path, isolation_level=None, timeout=10.0, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            # Not OFF: after a power cut it could be a mixture of old pages and new, and name wrong places.
            db.execute("PRAGMA synchronous=NORMAL")
            db.execute("PRAGMA cache_size=-65536")
            if migrate(db, MIGRATIONS):
                db.execute("SELECT count(*) FROM packs").fetchone()
                return db
        except sqlite3.DatabaseError as exc:
            if attempt or isinstance(exc, sqlite3.OperationalError):
                db.close()
                raise
        db.close()
        _forget(path)
    raise sqlite3.DatabaseError(f"{path} cannot be made anew")


def _forget(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
