"""Where the files of a project come from: the newest commit of a repository, or a folder without git."""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pygit2
from pygit2.enums import ConfigLevel, FileMode, RepositoryOpenFlag

from hub.index import guards, ignores
from hub.index.errors import SourceGone, SourceTooLarge
from hub.index.ignores import Ignores

OTHER_VCS = frozenset({b".git", b".hg", b".svn", b".bzr", b"CVS", b".jj"})
GONE = (pygit2.GitError, OSError, KeyError, ValueError)
"""What pygit2 and the file system raise for what is not there or broken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    path: bytes
    oid: bytes | None = None
    """The blob's git id; None for what is left out for the `reason`."""
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """All files there are."""

    fingerprint: str
    """The same for the same content, and only then."""
    entries: Sequence[Entry] = field(repr=False)
    head: str | None = None
    """The commit; None for a folder, or before the first commit."""


class Source(Protocol):
    def listing(self, check: Callable[[], None]) -> Listing:
        """`check` is called all along, and may raise. Raises SourceGone, SourceTooLarge."""

    def size(self, oid: bytes, path: bytes) -> int:
        """Bytes of the file; 0 for what cannot be read, which `read` then says."""

    def read(self, oid: bytes, path: bytes) -> bytes | None:
        """The file's content; None for what is larger than `guards.MOST_BYTES`. Raises SourceGone."""


class GitSource:
    """The files of HEAD, by their ids; the working tree is not looked at, and may not be there."""

    def __init__(self, path: Path) -> None:
        """Raises SourceGone."""
        isolate()
        try:
            self.repo = pygit2.Repository(str(path), RepositoryOpenFlag.NO_SEARCH)
        except GONE as exc:
            raise SourceGone(f"There is no repository to be read: {exc}") from exc

    def listing(self, check: Callable[[], None]) -> Listing:
        try:
            if self.repo.head_is_unborn:
                return Listing(fingerprint="empty", entries=())
            commit = self.repo.head.peel(pygit2.Commit)
            entries = list(self._walk(commit.tree, check))
            return Listing(fingerprint=str(commit.tree.id), entries=entries, head=str(commit.id))
        except GONE as exc:
            raise SourceGone(f"The newest commit cannot be read: {exc}") from exc

    def size(self, oid: bytes, path: bytes) -> int:
        try:
            return int(self.repo.odb.read_header(pygit2.Oid(raw=oid))[1])
        except GONE:
            return 0

    def read(self, oid: bytes, path: bytes) -> bytes | None:
        try:
            name = pygit2.Oid(raw=oid)
            if self.repo.odb.read_header(name)[1] > guards.MOST_BYTES:
                return None
            return bytes(self.repo.odb.read(name)[1])
        except GONE as exc:
            raise SourceGone(f"The object cannot be read: {exc}") from exc

    def _walk(self, root: pygit2.Tree, check: Callable[[], None]) -> Iterator[Entry]:
        waiting: list[tuple[bytes, int, pygit2.Tree]] = [(b"", 0, root)]
        count = 0
        while waiting:
            folder, depth, tree = waiting.pop()
            check()
            for entry in tree:
                path = folder + (entry.raw_name or b"")
                count += 1
                _refuse_too_many(count)  # twelve trees can stand for a thousand million files
                if entry.filemode == FileMode.TREE:
                    if depth < guards.DEEPEST:
                        waiting.append((path + b"/", depth + 1, entry))  # type: ignore[arg-type]
                    else:
                        yield Entry(path=path, reason="too_deep")
                elif reason := _GIT_REASONS.get(entry.filemode):
                    yield Entry(path=path, reason=reason)
                else:
                    yield Entry(path=path, oid=entry.id.raw)


_GIT_REASONS: Mapping[int, str] = {FileMode.LINK: "symlink", FileMode.COMMIT: "submodule"}


class FolderSource:
    """The files of a folder that is no repository. Nothing outside of it is ever opened: links are not followed."""

    def __init__(self, path: Path) -> None:
        """Raises SourceGone."""
        try:
            self._root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as exc:
            raise SourceGone(f"The folder {path} cannot be read: {exc.strerror}.") from exc

    def __del__(self) -> None:
        if (root := getattr(self, "_root", None)) is not None:
            os.close(root)

    def listing(self, check: Callable[[], None]) -> Listing:
        entries = []
        for entry in self._walk(check):
            entries.append(entry)
            _refuse_too_many(len(entries))
        entries.sort(key=lambda entry: entry.path)
        whole = hashlib.sha1(usedforsecurity=False)
        for entry in entries:
            whole.update(b"%s\0%s\0" % (entry.path, entry.oid or (entry.reason or "").encode()))
        return Listing(fingerprint=f"folder-{whole.hexdigest()}", entries=entries)

    def size(self, oid: bytes, path: bytes) -> int:
        try:
            file = self._open(path)
        except OSError:
            return 0
        with os.fdopen(file, "rb") as opened:
            return os.fstat(opened.fileno()).st_size

    def read(self, oid: bytes, path: bytes) -> bytes | None:
        try:
            with os.fdopen(self._open(path), "rb") as opened:
                data = opened.read(guards.MOST_BYTES + 1)
        except OSError as exc:
            raise SourceGone(f"The file cannot be read: {exc.strerror}") from exc
        return data if len(data) <= guards.MOST_BYTES else None

    def _walk(self, check: Callable[[], None]) -> Iterator[Entry]:
        waiting: list[tuple[bytes, int, Ignores | None]] = [(b"", 0, None)]
        while waiting:
            folder, depth, above = waiting.pop()
            try:
                opened = self._open(folder, os.O_DIRECTORY)
            except OSError:
                yield Entry(path=folder.rstrip(b"/") or b".", reason="unreadable")
                continue
            try:
                with os.scandir(opened) as found:
                    names = sorted(
                        (os.fsencode(entry.name), entry.stat(follow_symlinks=False).st_mode) for entry in found
                    )
            except OSError:  # it went while it was read
                names = []
            finally:
                os.close(opened)
            rules = self._ignores(folder, above) if any(name == ignores.FILE for name, _ in names) else above
            for name, mode in names:
                check()
                path = folder + name
                if rules and rules.leave_out(path, is_folder=stat.S_ISDIR(mode)):
                    yield Entry(path=path, reason="ignored")
                elif stat.S_ISDIR(mode):
                    if name in OTHER_VCS:
                        continue
                    if depth < guards.DEEPEST:
                        waiting.append((path + b"/", depth + 1, rules))
                    else:
                        yield Entry(path=path, reason="too_deep")
                elif stat.S_ISREG(mode):
                    yield self._hashed(path)
                else:
                    yield Entry(path=path, reason="symlink" if stat.S_ISLNK(mode) else "special")

    def _ignores(self, folder: bytes, above: Ignores | None) -> Ignores | None:
        """The rules in a folder's own file; those around it when it has none that can be read."""
        try:
            with os.fdopen(self._open(folder + ignores.FILE), "rb") as opened:
                text = opened.read(ignores.MOST_BYTES + 1)
        except OSError:  # a link, for one, which git does not follow either
            return above
        return above if len(text) > ignores.MOST_BYTES else Ignores.parse(folder, text, above)

    def _hashed(self, path: bytes) -> Entry:
        try:
            data = self.read(b"", path)
        except SourceGone:
            return Entry(path=path, reason="unreadable")
        return Entry(path=path, reason="too_large") if data is None else Entry(path=path, oid=blob_id(data))

    def _open(self, path: bytes, flags: int = 0) -> int:
        """Open what is at `path`, step by step, so that no link on the way leads elsewhere. Raises OSError."""
        flags |= os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe would wait for its writer
        parts = [part for part in path.split(b"/") if part]
        if not parts:
            return os.open(b".", flags, dir_fd=self._root)
        above = self._root
        try:
            for part in parts[:-1]:
                below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
                if above != self._root:
                    os.close(above)
                above = below
            return os.open(parts[-1], flags, dir_fd=above)
        finally:
            if above != self._root:
                os.close(above)


def blob_id(data: bytes) -> bytes:
    """What git would call it, so that a folder and its repository agree."""
    return hashlib.sha1(b"blob %d\0%s" % (len(data), data), usedforsecurity=False).digest()


def open_source(path: Path) -> Source:
    """The repository at `path`, or else the folder. Raises SourceGone."""
    return GitSource(path) if is_repository(path) else FolderSource(path)


def is_repository(path: Path) -> bool:
    """Bare or not."""
    return (path / ".git").exists() or ((path / "HEAD").is_file() and (path / "objects").is_dir())


def isolate() -> None:
    """Read repositories whoever owns them, with no settings of the machine: nothing that they name is ever run."""
    pygit2.settings.owner_validation = False
    for level in (ConfigLevel.SYSTEM, ConfigLevel.XDG, ConfigLevel.GLOBAL, ConfigLevel.PROGRAMDATA):
        pygit2.settings.search_path[level] = os.devnull


def _refuse_too_many(count: int) -> None:
    if count > guards.MOST_FILES:
        raise SourceTooLarge(f"There are more than {guards.MOST_FILES:,} files.")
