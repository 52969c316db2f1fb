"""Taking a backup of a data folder, whether or not a hub works in it."""

import hashlib
import os
import shutil
import sqlite3
import stat
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO

import hub
from hub.backups import databases
from hub.backups.contents import JOURNAL, PROJECTS, Part, home, names, projects, top, walk
from hub.backups.databases import Damaged
from hub.backups.errors import BackupFailed
from hub.backups.manifest import DATABASE, FILE, FOLDER, LINK, Entry, Manifest
from hub.backups.vessels import Hashed, Vessel, vessel

TRIES = 3
"""Of a folder that does not stand still while it is copied."""
PAUSE_S = 0.5

Tell = Callable[[int, int, str], None]
"""Gets bytes done, bytes in all as far as they are known, and the path under way."""


class _Unsettled(Exception):
    """It changed under the copy."""


def take(data: Path, place: Path, *, small: bool = False, tell: Tell = lambda done, of, what: None) -> Manifest:
    """Make the backup of `data` at `place`, a new `.tar.zst` or folder. `small`: without clones and indexes.

    Raises BackupFailed, PlaceTaken, OSError.
    """
    if not (data / JOURNAL).is_file():
        raise BackupFailed(f"{data} is no data folder of a hub: there is no {JOURNAL} in it.")
    if place.absolute().is_relative_to(data.resolve()) or place.resolve().is_relative_to(data.resolve()):
        raise BackupFailed("A backup cannot lie in the data folder that it is of.")
    into = vessel(place)
    try:
        return _Taking(data, into, tell).run(small=small)
    except (sqlite3.Error, OSError) as exc:
        raise BackupFailed(f"The backup could not be made, and nothing was left behind: {exc}") from exc
    finally:
        if not place.exists():
            into.discard()


class _Taking:
    def __init__(self, data: Path, into: Vessel, tell: Tell) -> None:
        self._data = data
        self._into = into
        self._tell = tell
        self._entries: dict[str, Entry] = {}
        self._versions: dict[str, int] = {}
        self._unsettled: list[str] = []
        self._left_out: list[str] = []
        self._done = self._of = 0

    def run(self, *, small: bool) -> Manifest:
        parts = list(top(self._data))
        known = names(self._data / PROJECTS)
        for part in (*parts, *(part for project in known for part in home(self._data, project, small=small))):
            self._of += _size(self._data, part)
        copy = self._into.beside / "copy.sqlite3"
        self._database(parts[0], copy)
        told = projects(copy)
        for part in parts[1:]:
            self._copy(part)
        for project in told:
            for part in home(self._data, project, small=small):
                self._folders_above(part.path)
                self._copy(part)
        copy.unlink()
        manifest = Manifest(
            made_ms=time.time_ns() // 1_000_000,
            hub=hub.__version__,
            versions=self._versions,
            unsettled=tuple(self._unsettled),
            left_out=tuple(self._left_out),
            entries=self._entries,
        )
        self._into.close(manifest.dump())
        return manifest

    def _copy(self, part: Part) -> None:
        if part.is_database:
            self._database(part, self._into.beside / "other.sqlite3")
            return
        before = dict(self._entries)
        for _ in range(TRIES):
            self._entries = dict(before)
            try:
                self._plain(part)
            except (_Unsettled, FileNotFoundError):
                time.sleep(PAUSE_S)
            else:
                return
        self._entries = before  # half of it would be worse than none
        self._unsettled.append(str(part.path))

    def _database(self, part: Part, copy: Path) -> None:
        place = self._data / part.path
        copy.unlink(missing_ok=True)
        done = self._done
        size = _size(self._data, part)
        try:
            databases.copy(place, copy, lambda percent: self._say(done + size * percent // 100, part.path))
        except FileNotFoundError:
            return  # of a project that was deleted meanwhile
        except Damaged as exc:
            if not part.can_be_made:
                raise BackupFailed(f"{place} is damaged, so this backup would be of no use: {exc}") from exc
            self._left_out.append(str(part.path))
            return
        status, mode = copy.stat(), stat.S_IMODE(place.stat().st_mode)
        with copy.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            entry = Entry(
                path=str(part.path), type=DATABASE, mode=mode, size=status.st_size, mtime_ns=status.st_mtime_ns,
                sha256=sha256,
            )  # fmt: skip
            self._into.add(entry, file)
        self._entries[entry.path] = entry
        self._versions[entry.path] = databases.version(copy)
        self._done = done + size
        if part.path.name != JOURNAL:
            copy.unlink()

    def _plain(self, part: Part) -> None:
        """Raises _Unsettled or FileNotFoundError for what changes meanwhile."""
        done = self._done
        try:
            before = [(path, _mark(status)) for path, status in walk(self._data, part.path)]
            for path, status in walk(self._data, part.path):
                self._one(path, status)
            after = [(path, _mark(status)) for path, status in walk(self._data, part.path)]
        except BaseException:
            self._done = done
            raise
        is_settled = set(dict(before)) <= set(dict(after)) if part.grows else before == after
        if not is_settled:
            self._done = done
            raise _Unsettled

    def _one(self, path: str, status: os.stat_result) -> None:
        mode = stat.S_IMODE(status.st_mode)
        if stat.S_ISDIR(status.st_mode):
            entry = Entry(path=path, type=FOLDER, mode=mode)
            self._into.add(entry, None)
        elif stat.S_ISLNK(status.st_mode):
            entry = Entry(path=path, type=LINK, mode=mode, target=str((self._data / path).readlink()))
            self._into.add(entry, None)
        elif stat.S_ISREG(status.st_mode):
            with (self._data / path).open("rb") as file:
                status = os.fstat(file.fileno())
                exact = _Exactly(file, status.st_size)
                content = Hashed(exact)
                entry = Entry(path=path, type=FILE, mode=mode, size=status.st_size, mtime_ns=status.st_mtime_ns)
                self._into.add(entry, content)
            if exact.was_cut:
                raise _Unsettled
            entry = replace(entry, sha256=content.sha256)
            self._say(self._done + entry.size, Path(path))
        else:
            return  # a socket or the like: it means nothing without its process
        self._entries.pop(path, None)
        self._entries[path] = entry

    def _folders_above(self, path: Path) -> None:
        for folder in reversed(path.parents):
            if folder.name and str(folder) not in self._entries:
                self._one(str(folder), (self._data / folder).stat())

    def _say(self, done: int, what: Path) -> None:
        self._done = done
        self._tell(done, max(self._of, done), str(what))


class _Exactly:
    """So many bytes of a file; zeros where it has become shorter."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._left = size
        self.was_cut = False

    def read(self, most: int = -1) -> bytes:
        wanted = self._left if most < 0 else min(most, self._left)
        piece = self._file.read(wanted)
        if len(piece) < wanted:
            self.was_cut = True
            piece += bytes(wanted - len(piece))
        self._left -= wanted
        return piece


def _mark(status: os.stat_result) -> tuple[int, ...]:
    if stat.S_ISDIR(status.st_mode):
        return (status.st_mode, status.st_ino)
    return (status.st_mode, status.st_ino, status.st_size, status.st_mtime_ns)


def _size(data: Path, part: Part) -> int:
    try:
        return sum(status.st_size for _, status in walk(data, part.path) if stat.S_ISREG(status.st_mode))
    except FileNotFoundError:
        return 0


def room(place: Path) -> int:
    """Free bytes where a backup is to go."""
    folder = next(each for each in (place.absolute(), *place.absolute().parents) if each.is_dir())
    return shutil.disk_usage(folder).free
