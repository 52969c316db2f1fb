"""A snapshot back on disk: byte for byte, with modes, times, links and holes.

Nothing is written through a link: every folder, from the root of the system on, is entered from the one above it, links
are refused on the way, and links of the snapshot are made after all files. A file appears under its name only when it
is whole.
"""

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub.core.report import Report
from hub.snapshots import manifest, snapshot
from hub.snapshots.contents import Contents
from hub.snapshots.entries import FILE, FOLDER, LINK, Entry, shown
from hub.snapshots.errors import Damaged, NoSuchFile, RestoreRefused
from hub.snapshots.manifest import Root, SegmentRef
from hub.snapshots.sizes import size_text
from hub.snapshots.store import Store
from hub.snapshots.tree import Tree, folder_at

SET_ID = 0o6000
"""Never restored: the owner is not, and a program that ran as its owner would run as the hub."""
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
MOST_NAMED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    snapshot: str
    to: Path
    prefix: bytes = b""
    """Only what lies below this path, or is at it."""
    overwrite: bool = False


class Restoring:
    def __init__(self, wanted: Wanted, store: Store, watch: Report) -> None:
        self._wanted = wanted
        self._store = store
        self._watch = watch
        self._contents = Contents(store)
        self._damaged: list[tuple[bytes, str]] = []
        self._bytes = 0
        self._files = 0
        self._total: int | None = None
        self._detail: dict[str, Any] = {}

    def run(self) -> Mapping[str, Any]:
        """The job's result. Raises NoSnapshot, NoSuchFile, RestoreRefused, Damaged, and the store's errors.

        A file whose content is damaged is left out, and all others are restored before that is raised.
        """
        watch, wanted = self._watch, self._wanted
        watch.stage("reading")
        watch.progress(0, None, "", "Reading the manifest")
        made = snapshot.read(self._store, wanted.snapshot)
        self._total = None if wanted.prefix else made.bytes
        self._detail = {"totalFiles": made.files, "totalSizeText": size_text(made.bytes)}
        root = manifest.read_root(self._store, made.root)
        self._prepare()
        watch.stage("writing")
        count = 0
        with Tree(wanted.to, follow=False) as tree:
            for entry in self._entries(root):
                count += 1
                if entry.type in {FILE, FOLDER}:
                    self._put(tree, root, entry)
                self._tell()
            if wanted.prefix and not count:
                raise NoSuchFile(f"There is nothing at {shown(wanted.prefix)} in the snapshot.")
            watch.stage("finishing")
            self._finish(tree, root, count)
        if self._damaged:
            path, why = self._damaged[0]
            raise Damaged(
                f"{len(self._damaged)} files are damaged and were not restored, {shown(path)} among them ({why}) "
                "Everything else was restored."
            )
        return {
            "snapshot": made.id, "to": str(wanted.to), "files": self._files, "bytes": self._bytes, "entries": count,
        }  # fmt: skip

    def _tell(self) -> None:
        current = self._bytes if self._total is None else min(self._bytes, self._total)
        self._watch.progress(current, self._total, "bytes", "Writing files", {"files": self._files, **self._detail})

    def _prepare(self) -> None:
        """Have the folder. Raises RestoreRefused, also for one behind a link: who asked has followed those before."""
        wanted = self._wanted
        try:
            fd = folder_at(wanted.to, is_made=True)
        except OSError as exc:
            if exc.errno in {errno.ELOOP, errno.ENOTDIR}:
                raise RestoreRefused(f"{wanted.to} is no folder, or lies behind a link.") from exc
            raise RestoreRefused(f"{wanted.to} cannot be made: {exc.strerror}.") from exc
        try:
            with os.scandir(fd) as found:
                if not wanted.overwrite and next(found, None) is not None:
                    raise RestoreRefused(
                        f"The folder {wanted.to} is not empty. Name a new one, or allow `overwrite`.", code="not_empty"
                    )
        finally:
            os.close(fd)

    def _segment(self, ref: SegmentRef) -> Sequence[Entry]:
        return manifest.read_segment(self._store, ref)

    def _entries(self, root: Root) -> Iterator[Entry]:
        place = self._wanted.prefix
        return manifest.self_contained(self._segment, root, manifest.under(self._segment, root, place), place)

    def _put(self, tree: Tree, root: Root, entry: Entry) -> None:
        above, _, name = entry.path.rpartition(b"/")
        folder = self._folder(tree, above)
        if entry.type == FOLDER:
            self._make_folder(folder, name)
            return
        try:
            if entry.hard_link is not None and self._link(tree, entry, folder, name):
                self._files += 1
                return
            self._write(folder, name, entry if entry.hard_link is None else self._first(root, entry))
            self._files += 1
        except Damaged as exc:
            self._damaged.append((entry.path, exc.message))
            if len(self._damaged) <= MOST_NAMED:
                self._watch.log(f"{shown(entry.path)} was not restored: {exc}", "error")

    def _folder(self, tree: Tree, path: bytes) -> int:
        """The folder, made with all above it where it is not there; never one behind a link."""
        try:
            return tree.folder(path)
        except OSError:
            parts = path.split(b"/")
            for depth in range(len(parts)):
                self._make_folder(tree.folder(b"/".join(parts[:depth])), parts[depth])
            return tree.folder(path)

    def _make_folder(self, folder: int, name: bytes) -> None:
        try:
            os.mkdir(name, 0o700, dir_fd=folder)
        except FileExistsError:
            mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
            if mode & 0o170000 != 0o040000:
                self._clear(folder, name)
                os.mkdir(name, 0o700, dir_fd=folder)
            elif mode & 0o700 != 0o700:
                os.chmod(name, 0o700, dir_fd=folder)  # until all is in it

    def _write(self, folder: int, name: bytes, entry: Entry) -> None:
        draft = b".restoring-" + secrets.token_hex(8).encode()
        fd = os.open(draft, _NEW, 0o600, dir_fd=folder)
        try:
            try:
                for piece in entry.pieces:
                    self._bytes += piece.length
                    self._tell()
                    if piece.place is None:
                        os.lseek(fd, piece.length, os.SEEK_CUR)
                    else:
                        _write_all(fd, self._contents.piece(piece))
                os.ftruncate(fd, entry.size)
                os.fchmod(fd, entry.mode & ~SET_ID)
                os.utime(fd, ns=(entry.mtime_ns, entry.mtime_ns))
            finally:
                os.close(fd)
            self._clear(folder, name)
            os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(draft, dir_fd=folder)
            raise

    def _link(self, tree: Tree, entry: Entry, folder: int, name: bytes) -> bool:
        """Make a further name of a file that was restored; False where its first name was not."""
        assert entry.hard_link is not None
        above, _, first = entry.hard_link.rpartition(b"/")
        target = os.dup(folder)
        try:
            self._clear(target, name)
            os.link(first, name, src_dir_fd=tree.folder(above), dst_dir_fd=target, follow_symlinks=False)
        except FileNotFoundError:
            return False
        finally:
            os.close(target)
        return True

    def _first(self, root: Root, entry: Entry) -> Entry:
        """The entry that has the content of a further name, where the first could not be restored."""
        assert entry.hard_link is not None
        return manifest.find(self._segment, root, entry.hard_link)

    def _clear(self, folder: int, name: bytes) -> None:
        """Make room for `name`. Raises RestoreRefused unless that was allowed."""
        try:
            mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
        except FileNotFoundError:
            return
        if not self._wanted.overwrite:
            raise RestoreRefused(f"{shown(name)} appeared in the folder meanwhile.", code="not_empty")
        if mode & 0o170000 == 0o040000:
            raise RestoreRefused(f"{shown(name)} is a folder there, and no folder in the snapshot.", code="not_empty")
        os.unlink(name, dir_fd=folder)

    def _finish(self, tree: Tree, root: Root, total: int) -> None:
        """Links, and last the modes and times of folders, which everything before would have changed.

        What is in a folder comes before it: its own mode may let nobody in.
        """
        for number, entry in enumerate(self._entries(root)):
            self._tell_finishing(number, 2 * total)
            if entry.type == LINK:
                self._make_link(tree, entry)
        for number, entry in enumerate(manifest.backwards(self._segment, root, self._wanted.prefix)):
            self._tell_finishing(total + number, 2 * total)
            if entry.type == FOLDER:
                fd = tree.folder(entry.path)  # never one behind a link
                os.fchmod(fd, entry.mode & ~SET_ID | entry.mode & stat.S_ISGID)
                os.utime(fd, ns=(entry.mtime_ns, entry.mtime_ns))

    def _tell_finishing(self, number: int, total: int) -> None:
        if number % 100 == 0:
            self._watch.progress(number, total, "entries", "Setting links and times")

    def _make_link(self, tree: Tree, entry: Entry) -> None:
        assert entry.target is not None
        above, _, name = entry.path.rpartition(b"/")
        folder = self._folder(tree, above)
        self._clear(folder, name)
        os.symlink(entry.target, name, dir_fd=folder)
        os.utime(name, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=folder, follow_symlinks=False)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
