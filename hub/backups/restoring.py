"""A backup made a data folder again: all of it, or nothing."""

import contextlib
import fcntl
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path, PurePosixPath

from hub.backups import databases
from hub.backups.contents import JOURNAL, LOCK
from hub.backups.errors import BackupTooNew, BackupUnsound, PlaceTaken, RestoreFailed
from hub.backups.manifest import DATABASE, FILE, FOLDER, LINK, NAME, Entry, Manifest
from hub.backups.vessels import Hashed, members, put, reading

MOST_MANIFEST_BYTES = 1 << 30
DRAFT = ".restoring-"

Tell = Callable[[int, str], None]
"""Gets bytes done and the path under way."""


def restore(place: Path, data: Path, newest: Mapping[str, int], *, tell: Tell = lambda done, what: None) -> Manifest:
    """Make the backup at `place` the new data folder `data`; `newest` is the last migration known of each database.

    Everything is checked before `data` is there: hashes, and each database by SQLite itself. Raises PlaceTaken,
    BackupUnsound, BackupTooNew, RestoreFailed, and OSError where the backup itself cannot be opened.
    """
    check_vacant(data)
    place.stat()
    try:
        data.parent.mkdir(parents=True, exist_ok=True)
        with _draft(data) as draft, reading(place):
            manifest = _unpacked(place, draft, tell)
            _check(draft, manifest, newest)
            _begin_anew(draft / JOURNAL)
            check_vacant(data)
            draft.rename(data)
    except (OSError, sqlite3.Error) as exc:
        raise RestoreFailed(f"{data} could not be made, and nothing was left behind: {exc}") from exc
    return manifest


def verify(place: Path, beside: Path, newest: Mapping[str, int], *, tell: Tell = lambda done, what: None) -> Manifest:
    """The same checks, and nothing of it stays; `beside` names a place on a disk that has room. Raises as `restore`."""
    with _draft(beside) as draft, reading(place):
        manifest = _unpacked(place, draft, tell)
        _check(draft, manifest, newest)
    return manifest


def check_vacant(data: Path) -> None:
    """Raises PlaceTaken for a folder that a hub uses, or that has anything in it."""
    if not data.exists():
        return
    if not data.is_dir():
        raise PlaceTaken(f"{data} is no folder.")
    lock = data / LOCK
    if lock.exists():
        with lock.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as exc:
                raise PlaceTaken(f"A hub is at work in {data}. Stop it first, or restore elsewhere.") from exc
    if any(data.iterdir()):
        raise PlaceTaken(f"{data} is not empty. Move it away first (mv {data} {data}.old), or restore elsewhere.")


@contextlib.contextmanager
def _draft(data: Path) -> Iterator[Path]:
    """A folder beside `data`, which is gone after the block unless it was renamed; so are those of killed runs."""
    data = data.absolute()
    for left in data.parent.glob(f"{DRAFT}{data.name}-*"):
        with contextlib.suppress(OSError), _held(left):
            shutil.rmtree(left, ignore_errors=True)
    draft = data.parent / f"{DRAFT}{data.name}-{os.getpid()}"
    draft.mkdir(mode=0o700)
    with _held(draft):
        try:
            yield draft
        finally:
            shutil.rmtree(draft, ignore_errors=True)


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Raises BlockingIOError while another process works in it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _unpacked(place: Path, draft: Path, tell: Tell) -> Manifest:
    manifest: Manifest | None = None
    found: dict[str, tuple[Entry, str]] = {}
    done = 0
    for entry, content in members(place):
        if manifest is not None:
            raise BackupUnsound("There is something behind its manifest.")
        if entry.path == NAME:
            assert content is not None
            manifest = Manifest.parse(content.read(MOST_MANIFEST_BYTES))
            continue
        _check_path(entry.path, found)
        reader = Hashed(content) if content is not None else None
        put(draft, entry, reader)
        found.pop(entry.path, None)
        found[entry.path] = (entry, reader.sha256 if reader is not None else "")
        done += entry.size
        tell(done, entry.path)
    if manifest is None:
        raise BackupUnsound(f"{place} has no {NAME}: it is no backup, or one that was cut short.")
    _compare(manifest, found)
    for path in sorted(set(found) - set(manifest.entries), reverse=True):  # of copies that were made again
        _remove(draft / path)
    for entry in manifest.entries.values():
        if entry.type == FOLDER:
            (draft / entry.path).chmod(entry.mode)
    return manifest


def _check_path(path: str, found: Mapping[str, tuple[Entry, str]]) -> None:
    """A member lies in a folder that came before it: nothing leads outside, and nothing goes through a link."""
    parts = PurePosixPath(path)
    above = str(parts.parent)
    is_plain = not parts.is_absolute() and ".." not in parts.parts and str(parts) == path and path != "."
    if not is_plain or (above != "." and (above not in found or found[above][0].type != FOLDER)):
        raise BackupUnsound(f"It holds {path!r}, which leads elsewhere.")


def _compare(manifest: Manifest, found: Mapping[str, tuple[Entry, str]]) -> None:
    if JOURNAL not in manifest.entries:
        raise BackupUnsound(f"It holds no {JOURNAL}.")
    for path, told in manifest.entries.items():
        entry, sha256 = found.get(path, (None, ""))
        kind = FILE if told.type == DATABASE else told.type
        if entry is None or entry.type != kind:
            raise BackupUnsound(f"{path!r} is missing in it.")
        same = (entry.size, sha256) == (told.size, told.sha256) if kind == FILE else True
        if not same or (kind == LINK and entry.target != told.target):
            raise BackupUnsound(f"{path!r} is not as it was when the backup was made.")


def _check(draft: Path, manifest: Manifest, newest: Mapping[str, int]) -> None:
    for path, entry in manifest.entries.items():
        if entry.type != DATABASE:
            continue
        try:
            databases.check(draft / path)
        except databases.Damaged as exc:
            raise BackupUnsound(f"{path} in it is damaged: {exc}.") from exc
        if path in newest and databases.version(draft / path) > newest[path]:
            raise BackupTooNew


def _begin_anew(journal: Path) -> None:
    """Numbers that were told after the backup will be told again, of other events. So the numbering gets a new epoch,
    as it does for a new folder: whoever comes with an old cursor is given a snapshot, and misses nothing.
    """
    with closing(sqlite3.connect(journal)) as db, db:
        db.execute("DELETE FROM meta WHERE key = 'epoch'")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
