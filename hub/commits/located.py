"""Repositories on the disk: where a folder's git folder is, and which folders lead to the same one."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pygit2
from pygit2.enums import RepositoryOpenFlag

from hub.core.errors import HubError

LARGEST_POINTER_BYTES = 8192
"""Of a `.git` file and its like, which hold one path."""
ID_BYTES = (20, 32)
"""SHA-1, SHA-256."""


class RepositoryBroken(HubError):
    """The repository cannot be read."""

    code = "repository_broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """A repository, whichever of its folders it was found by."""

    folder: Path
    """The common git folder: what all its worktrees share."""
    folders: tuple[Path, ...]
    """Its working trees, where there are any."""


def locate(folder: Path, is_open: Callable[[Path], bool]) -> Located | None:
    """The repository that `folder` is in; None where it is in none, or is not there itself.

    Looks at nothing for which `is_open` is False. Raises RepositoryBroken for one that is there and cannot be opened.
    """
    try:
        real = folder.resolve()
        found = next(
            (found for place in (real, *real.parents) if is_open(place) and (found := _git_folder(place))), None
        )
        if found is None:
            return None
        common = common_folder(found)
        if not (is_open(found) and is_open(common)):
            raise RepositoryBroken("Its git folder lies outside of what is open to jobs.")
        if not _stays_inside(common, is_open):
            raise RepositoryBroken("It borrows from outside of what is open to jobs.")
        repo = pygit2.Repository(str(common), RepositoryOpenFlag.NO_SEARCH)
        main = [Path(repo.workdir).resolve()] if repo.workdir else []
        return Located(folder=common, folders=(*main, *_worktrees(common)))
    except (OSError, RuntimeError) as exc:
        raise RepositoryBroken(f"Its folder cannot be read: {exc}.") from exc
    except pygit2.GitError as exc:
        raise RepositoryBroken(f"It cannot be opened: {exc}.") from exc


def common_folder(git_folder: Path) -> Path:
    """The git folder that a worktree's own one belongs to; any other's is itself (gitrepository-layout(5))."""
    pointed = _pointer(git_folder / "commondir", "")
    return (git_folder / pointed).resolve() if pointed else git_folder.resolve()


def nested_folder(folder: Path) -> Path | None:
    """The common git folder of the repository whose top `folder` is; None where it is not the top of one."""
    with contextlib.suppress(OSError, RuntimeError):
        found = _git_folder(folder)
        return common_folder(found) if found else None
    return None


def _git_folder(folder: Path) -> Path | None:
    inner = folder / ".git"
    if inner.is_dir():
        return inner
    if inner.is_file():  # a worktree or a submodule
        return (folder / _pointer(inner, "gitdir:")).resolve()
    is_bare = all((folder / name).exists() for name in ("HEAD", "objects", "refs"))
    return folder if is_bare else None


def _stays_inside(common: Path, is_open: Callable[[Path], bool]) -> bool:
    """Neither symlinks nor borrowed objects (gitrepository-layout(5)) lead out of what is open."""
    read = [common / name for name in ("HEAD", "packed-refs", "refs", "refs/heads", "refs/remotes")]
    waiting, seen = [common / "objects"], set()
    while waiting:
        objects = waiting.pop().resolve()
        if objects in seen or not objects.is_dir():
            read.append(objects)
            continue
        seen.add(objects)
        alternates = objects / "info" / "alternates"
        read += [objects, alternates, *objects.iterdir(), *(objects / "pack").glob("*")]
        if not all(is_open(path.resolve()) for path in read):
            return False
        read.clear()
        for line in _lines(alternates):
            if line.startswith('"'):  # a path that git quotes; nobody has such
                return False
            waiting.append(objects / line)
    return all(is_open(path.resolve()) for path in read)


def _lines(file: Path) -> list[str]:
    """Those that are no comments; none where there is no file."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        lines = file.read_text(errors="surrogateescape").split("\n")
        return [line for line in lines if line and not line.startswith("#")]
    return []


def _pointer(file: Path, prefix: str) -> str:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), file.open("rb") as opened:
        text = opened.read(LARGEST_POINTER_BYTES).decode(errors="surrogateescape").strip()
        return text.removeprefix(prefix).strip()
    return ""


def _worktrees(common: Path) -> Iterator[Path]:
    """The other working trees, those whose folder has been removed since included."""
    for entry in sorted((common / "worktrees").glob("*/gitdir")):
        if pointed := _pointer(entry, ""):
            yield (entry.parent / pointed).parent


def worktree_heads(common: Path) -> set[bytes]:
    """The commits at which other working trees are detached; the others name branches."""
    found = set()
    for file in (common / "worktrees").glob("*/HEAD"):
        with contextlib.suppress(OSError, ValueError):
            found.add(bytes.fromhex(file.read_text("ascii")))
    return {id_ for id_ in found if len(id_) in ID_BYTES}


def shallow_commits(common: Path) -> str:
    """The commits at which the history is cut, a line each; empty for a whole history."""
    try:
        return "\n".join(sorted((common / "shallow").read_text("ascii", errors="replace").split()))
    except FileNotFoundError:
        return ""


def is_partial(common: Path) -> bool:
    """Some objects may be missing because they were never asked for (`git clone --filter`)."""
    return any((common / "objects" / "pack").glob("*.promisor"))
