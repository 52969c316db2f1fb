"""Damage: a journal that is not whole is told of, and never taken for an empty one or for a shorter one."""

import contextlib
import logging
import os
import sqlite3
import struct
import time
from pathlib import Path

from hub.core.errors import JournalUnavailable

logger = logging.getLogger(__name__)

DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
MOST_CHECKED_BYTES = 512 * 1024**2
"""Of a file that is looked through at the start; that takes about 2 ms for each MB."""
MOST_LOG_BYTES = 32 * 1024**2
"""Of a write-ahead log that is looked through; SQLite keeps it at 4 MB unless somebody reads for long."""
LOOKS, LOOK_AGAIN_S = 10, 0.05
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
    """Look for what was committed behind a frame that is not whole. SQLite would take that frame for the end of the
    log, and forget the rest without a word. Raises JournalDamaged. Blocks, and for a moment where something is found.

    What a kill leaves is no such thing, and of the transaction that was written last a power failure may leave any
    part. Nor do older frames match, which carry another salt. Where the machine itself has gone down since, commits
    that did not wait for the disk may be missing in any order: SQLite's end is right then, and the log tells of it.
    See https://www.sqlite.org/fileformat2.html#the_write_ahead_log.
    """
    log, seen = log_of(path), None
    for _ in range(LOOKS):
        if not log.exists() or not LOG_HEAD < log.stat().st_size <= MOST_LOG_BYTES:
            return
        found = _broken(log.read_bytes())
        if found is None:
            return
        if found == seen:
            break
        # A hub that writes to the log while it is read shows it half old and half new; but not twice the same.
        seen = found
        time.sleep(LOOK_AGAIN_S)
    assert seen is not None
    how, data = seen
    if len(data) > LOG_HEAD and log.stat().st_mtime < _started():
        text = "the machine went down: %s, and what stands there is lost; durable_power keeps it"
        logger.warning(text, how, extra={"action": "log_cut_off"})
        return
    raise damaged(path, how)


def _started() -> float:
    """When the machine was, in Unix seconds."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # on Linux alone, where the other one stops in sleep
    return time.time() - time.clock_gettime(clock)


def _broken(data: bytes) -> tuple[str, bytes] | None:
    """How a log is broken, and the bytes that are; None where it is whole."""
    if len(data) <= LOG_HEAD:
        return None
    head = data[:LOG_HEAD]
    magic, _, page_bytes, _, *salt, sum1, sum2 = struct.unpack(">8I", head)
    if magic not in {BIG_ENDIAN, LITTLE_ENDIAN}:
        return "its log does not begin as one", head
    order = ">" if magic == BIG_ENDIAN else "<"
    if _summed((0, 0), data[:24], order) != (sum1, sum2):
        return "the beginning of its log is not whole", head
    sums, step = (sum1, sum2), FRAME_HEAD + page_bytes
    broken, is_committed = None, False
    for start in range(LOG_HEAD, len(data) - step + 1, step):
        _, size, *frame_salt, frame1, frame2 = struct.unpack_from(">6I", data, start)
        if frame_salt != salt:
            if broken is None:
                return None  # here an older generation begins
            continue
        if broken is not None and is_committed:
            text = f"its log is broken at byte {broken}, and goes on behind that"
            return text, data[broken : broken + step]
        if broken is None:
            sums = _summed(sums, data[start : start + 8], order)
            sums = _summed(sums, data[start + FRAME_HEAD : start + step], order)
            if sums != (frame1, frame2):
                broken = start
        is_committed = broken is not None and (is_committed or size > 0)  # a commit's last frame tells the file's size
    return None


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
