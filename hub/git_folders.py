"""Git folders on this disk: where a folder's is, and whether all that it leads to may be read.

A link, a `.git` file, or a list of folders to borrow objects from can name any place of the machine, and a repository
that somebody has put into a folder which is open to jobs may hold any of them.
"""

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

IsOpen = Callable[[Path], bool]
"""Of a path in which no link is left."""

LARGEST_POINTER_BYTES = 8192
"""Of a `.git` file and its like, which hold one path."""
LARGEST_ALTERNATES_BYTES = 1024 * 1024
_BORROWED = re.compile(r"\.{0,2}/[^\x00-\x1f\x7f]*")
"""How both engines read a line alike. Else git takes quotes away, libgit2 ends lines at CR, and what begins with a name
is below the folder of the objects for the one and below the folder it happens to run in for the other."""


def git_folder(folder: Path) -> Path | None:
    """The git folder of the repository whose top `folder` is, worktree or bare; None where it is not the top of one.

    Raises OSError.
    """
    inner = folder / ".git"
    if inner.is_dir():
        return inner
    if inner.is_file():  # a worktree or a submodule
        return (folder / pointer(inner, "gitdir:")).resolve()
    is_bare = all((folder / name).exists() for name in ("HEAD", "objects", "refs"))
    return folder if is_bare else None


def common_folder(own: Path) -> Path:
    """The git folder that a worktree's own one belongs to; any other's is itself (gitrepository-layout(5))."""
    pointed = pointer(own / "commondir", "")
    return (own / pointed).resolve() if pointed else own.resolve()


def stays_inside(own: Path, is_open: IsOpen) -> bool:
    """Do neither links nor borrowed objects lead from the git folder `own` out of what is open?

    Raises OSError and RuntimeError for what cannot be followed.
    """
    common = common_folder(own)
    if any(os.path.lexists(folder / ".git") for folder in (own, common)):
        return False  # whoever opens the folder would take that for the repository
    read = [own, own / "HEAD", common]
    read += [common / name for name in ("HEAD", "packed-refs", "refs", "refs/heads", "refs/remotes")]
    waiting, seen = [common / "objects"], set()
    while waiting:
        objects = waiting.pop().resolve()
        if objects in seen or not objects.is_dir():
            read.append(objects)
            continue
        seen.add(objects)
        alternates = objects / "info" / "alternates"
        read += [objects, alternates, *_links(objects)]
        if not all(is_open(path.resolve()) for path in read):
            return False
        read.clear()
        for line in _lines(alternates):
            if not _BORROWED.fullmatch(line):
                return False
            waiting.append(objects / line)
    return all(is_open(path.resolve()) for path in read)


def pointer(file: Path, prefix: str) -> str:
    """The path that the file holds; empty where there is no file."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), file.open("rb") as opened:
        text = opened.read(LARGEST_POINTER_BYTES).decode(errors="surrogateescape").strip()
        return text.removeprefix(prefix).strip()
    return ""


def _links(objects: Path) -> Iterator[Path]:
    """What is a link in the folder, or in a folder in it; nothing that git reads lies deeper."""
    with os.scandir(objects) as found:
        folders = [entry.path for entry in found if entry.is_dir() or entry.is_symlink()]
    for folder in folders:
        yield Path(folder)
        with contextlib.suppress(NotADirectoryError, FileNotFoundError), os.scandir(folder) as found:
            yield from (Path(entry.path) for entry in found if entry.is_symlink())


def _lines(file: Path) -> list[str]:
    """Those that are no comments; none where there is no file."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), file.open("rb") as opened:
        text = opened.read(LARGEST_ALTERNATES_BYTES + 1)
        if len(text) > LARGEST_ALTERNATES_BYTES:
            return [""]  # which is none that anybody could have meant
        lines = text.decode(errors="surrogateescape").split("\n")
        return [line for line in lines if line and not line.startswith("#")]
    return []
