"""Damage: a journal that is not whole is told of, and never taken for an empty one or for a shorter one."""

import contextlib
import os
import sqlite3
import struct
from pathlib import Path

from hub.core.errors import JournalUnavailable

DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
MOST_CHECKED_BYTES = 512 * 1024**2
"""Of a file that is looked through at the start; that takes about 2 ms for each MB."""
MOST_LOG_BYTES = 32 * 1024**2
"""Of a write-ahead log that is looked through; SQLite keeps it at 4 MB unless somebody reads for long."""
LOG_HEAD, FRAME_HEAD = 32, 24
BIG_ENDIAN, LITTLE_ENDIAN = 0x377F0683, 0x377F0682
WAY_OUT = (
    "Nothing of it was changed. `progress-hub doctor` says more, and `progress-hub restore-backup` puts a backup in "
    "its place; to begin anew, move the journal's files away while no hub runs."
)


class JournalDamaged(JournalUnavailable):
    """The journal is damaged."""

    code = "journal_damaged"
    retry = False


def damaged(path: Path | str, how: str) -> JournalDamaged:
    return JournalDamaged(f"The journal {path} is damaged: {how}. {WAY_OUT}")


def is_damage(exc: BaseException) -> bool:
    """Does SQLite say so?"""
    return isinstance(exc, sqlite3.Error) and getattr(exc, "sqlite_errorcode", 0) & 0xFF in DAMAGED


def make(path: Path) -> None:
    """An empty journal where there is none; whoever is killed meanwhile leaves none or a whole one.

    Raises JournalDamaged for what cannot be one, OSError, sqlite3.Error.
    """
    if path.exists():
        if not path.stat().st_size:
            raise damaged(path, "the file is empty")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if log_of(path).exists() and log_of(path).stat().st_size:
        raise damaged(path, f"the file is gone, and its log {log_of(path).name} is there")
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    with contextlib.closing(sqlite3.connect(new)) as db:
        db.execute("PRAGMA journal_mode=WAL")
    new.replace(path)


def check_log(path: Path) -> None:
    """Look for frames behind one that is not whole. SQLite would take that one for the end of the log, and forget all
    that was committed after it without a word. Raises JournalDamaged.

    A process that is killed leaves no such thing: what it wrote last is what is missing. Neither do older frames
    match, which carry another salt. See https://www.sqlite.org/fileformat2.html#the_write_ahead_log.
    """
    log = log_of(path)
    if not log.exists() or not LOG_HEAD < log.stat().st_size <= MOST_LOG_BYTES:
        return
    data = log.read_bytes()
    magic, _, page_bytes, _, *salt, sum1, sum2 = struct.unpack_from(">8I", data)
    if magic not in {BIG_ENDIAN, LITTLE_ENDIAN}:
        raise damaged(path, "its log does not begin as one")
    order = ">" if magic == BIG_ENDIAN else "<"
    if _summed((0, 0), data[:24], order) != (sum1, sum2):
        raise damaged(path, "the beginning of its log is not whole")
    sums, step = (sum1, sum2), FRAME_HEAD + page_bytes
    starts = range(LOG_HEAD, len(data) - step + 1, step)
    broken = None
    for start in starts:
        head = struct.unpack_from(">6I", data, start)
        if list(head[2:4]) != salt:
            if broken is None:
                return  # here an older generation begins
            continue
        if broken is not None:
            raise damaged(path, f"its log is broken at byte {broken}, and goes on behind that")
        sums = _summed(sums, data[start : start + 8], order)
        sums = _summed(sums, data[start + FRAME_HEAD : start + step], order)
        if sums != head[4:6]:
            broken = start


def check_file(db: sqlite3.Connection, path: Path) -> None:
    """Raises JournalDamaged."""
    if path.stat().st_size > MOST_CHECKED_BYTES:
        return
    found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise damaged(path, " ".join(str(found).split()))


def log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _summed(sums: tuple[int, int], data: bytes, order: str) -> tuple[int, int]:
    """SQLite's checksum of `data` in pairs of words, on from `sums`."""
    one, two = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for first, second in zip(words[::2], words[1::2], strict=True):
        one = (one + first + two) & 0xFFFFFFFF
        two = (two + second + one) & 0xFFFFFFFF
    return one, two
