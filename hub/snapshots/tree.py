"""A folder on disk, walked and opened without ever following a link.

Every step down is made from the folder above it and refuses links. So whoever changes the tree meanwhile, and puts a
link where a folder was, leads nobody out of it; and paths may be longer than the system takes in one piece.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from hub.snapshots.errors import SourceGone

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_STEP = _FOLDER | getattr(os, "O_PATH", 0)
"""On the way to a folder; folders may be walked through that may not be read."""
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
"""Non-blocking, for a file may be replaced by a FIFO between two looks at it; on files it changes nothing."""
CHECK_EVERY = 200
KINDS = (
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISFIFO, "FIFO"),
    (stat.S_ISCHR, "character device"),
    (stat.S_ISBLK, "block device"),
)


@dataclass(frozen=True, slots=True)
class Seen:
    """Something in the tree; `why_not` says why it cannot be taken."""

    path: bytes
    status: os.stat_result | None
    why_not: str = ""


class Tree:
    """Holds the root, and the folder that was used last, open."""

    def __init__(self, root: Path, *, follow: bool = True) -> None:
        """`follow`: the root itself may lie behind links. Raises SourceGone."""
        self.root = root
        try:
            self._root = os.open(root, _FOLDER & ~os.O_NOFOLLOW) if follow else folder_at(root)
        except OSError as exc:
            raise SourceGone(f"The folder {root} cannot be read: {exc.strerror}.") from exc
        self._start()

    def _start(self) -> None:
        self._parent = b""
        self._parent_fd = self._root
        self.share = 0.0
        """How much of a `walk` is done, from 0 to 1, as far as that can be said of a tree that nobody has counted: what
        is in a folder counts for as much as each folder in it does with all below it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()
        os.close(self._root)

    def twin(self) -> Self:
        """The same for another thread."""
        made = object.__new__(type(self))
        made.root, made._root = self.root, os.dup(self._root)
        made._start()
        return made

    def folder(self, path: bytes) -> int:
        """A descriptor of the folder, which stays open until the next call. Raises OSError."""
        if path == self._parent:
            return self._parent_fd
        start, below = self._root, path
        if self._parent and path.startswith(self._parent + b"/"):
            start, below = self._parent_fd, path[len(self._parent) + 1 :]
        fd = os.dup(start)
        try:
            for part in below.split(b"/") if below else ():
                deeper = os.open(part, _FOLDER, dir_fd=fd)
                os.close(fd)
                fd = deeper
        except OSError:
            os.close(fd)
            raise
        self._leave()
        self._parent, self._parent_fd = path, fd
        return fd

    def open(self, path: bytes) -> int:
        """A descriptor of the file, which is the caller's to close. Raises OSError."""
        above, _, name = path.rpartition(b"/")
        return os.open(name, _READ, dir_fd=self.folder(above))

    def stat(self, path: bytes) -> os.stat_result:
        above, _, name = path.rpartition(b"/")
        return os.stat(name, dir_fd=self.folder(above), follow_symlinks=False)

    def target(self, path: bytes) -> bytes:
        above, _, name = path.rpartition(b"/")
        return os.readlink(name, dir_fd=self.folder(above))

    def walk(self, check: Callable[[], None], skip: Callable[[bytes], bool] = lambda path: False) -> Iterator[Seen]:
        """Everything below the root, a folder before what is in it, in no other order.

        Raises SourceGone when the root itself vanishes, and what `check` raises.
        """
        waiting, count, self.share = [(b"", 1.0)], 0, 0.0
        while waiting:
            (above, share), folders = waiting.pop(), []
            try:
                fd = os.dup(self.folder(above))
            except OSError as exc:
                if not above:
                    raise SourceGone(f"The folder {self.root} cannot be read: {exc.strerror}.") from exc
                self.share += share
                yield Seen(above, None, reason(exc))
                continue
            try:
                with os.scandir(fd) as found:
                    for item in found:
                        count += 1
                        if count % CHECK_EVERY == 0:
                            check()
                        name = os.fsencode(item.name)  # scandir of a descriptor gives text
                        path = above + b"/" + name if above else name
                        if skip(path):
                            continue
                        seen = _seen(path, item)
                        if seen.status is not None and stat.S_ISDIR(seen.status.st_mode):
                            folders.append(path)
                        yield seen
            except OSError as exc:
                if not above:
                    raise SourceGone(f"The folder {self.root} cannot be read: {exc.strerror}.") from exc
                yield Seen(above, None, reason(exc))
            finally:
                os.close(fd)
            share /= len(folders) + 1
            self.share += share
            waiting.extend((path, share) for path in folders)
        check()
        if not self.is_there():
            raise SourceGone(f"The folder {self.root} was removed while it was read.")

    def is_there(self) -> bool:
        """Is the root still the folder that its path names?"""
        with contextlib.suppress(OSError):
            return os.path.samestat(self.root.stat(), os.fstat(self._root))
        return False

    def _leave(self) -> None:
        if self._parent_fd != self._root:
            os.close(self._parent_fd)
        self._parent, self._parent_fd = b"", self._root


def folder_at(path: Path, *, is_made: bool = False) -> int:
    """A descriptor of the folder at an absolute path that leads through no link; `is_made`: made if it is not there.

    Raises OSError.
    """
    fd = os.open("/", _STEP)
    for part in path.parts[1:]:
        try:
            fd, above = _step(fd, part, is_made=is_made), fd
        except BaseException:
            os.close(fd)
            raise
        os.close(above)
    try:
        return os.open(".", _FOLDER, dir_fd=fd)
    finally:
        os.close(fd)


def _step(above: int, name: str, *, is_made: bool) -> int:
    try:
        return os.open(name, _STEP, dir_fd=above)
    except FileNotFoundError:
        if not is_made:
            raise
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, dir_fd=above)
    return os.open(name, _STEP, dir_fd=above)


def _seen(path: bytes, item: "os.DirEntry[str]") -> Seen:
    try:
        status = item.stat(follow_symlinks=False)
    except OSError as exc:
        return Seen(path, None, reason(exc))
    mode = status.st_mode
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode):
        return Seen(path, status)
    return Seen(path, None, kind_of(mode))


def kind_of(mode: int) -> str:
    return next((name for is_kind, name in KINDS if is_kind(mode)), "unknown kind of file")


def reason(exc: OSError) -> str:
    """Why something was left out, in a few words that are the same for all of its kind."""
    match exc.errno:
        case errno.ENOENT | errno.ENOTDIR | errno.ESTALE:
            return "vanished"
        case errno.EACCES | errno.EPERM:
            return "not readable"
        case errno.ELOOP:
            return "changed into a link"
    return f"cannot be read: {exc.strerror}"
