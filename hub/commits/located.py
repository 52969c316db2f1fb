"""Repositories on the disk: where a folder's git folder is, and which folders lead to the same one."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pygit2
from pygit2.enums import RepositoryOpenFlag

from hub.core.errors import HubError
from hub.git_folders import common_folder, git_folder, pointer, stays_inside

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
            (found for place in (real, *real.parents) if is_open(place) and (found := git_folder(place))), None
        )
        if found is None:
            return None
        common = common_folder(found)
        if not (is_open(found.resolve()) and is_open(common)):
            raise RepositoryBroken("Its git folder lies outside of what is open to jobs.")
        if not stays_inside(found, is_open):
            raise RepositoryBroken("It borrows from outside of what is open to jobs.")
        repo = pygit2.Repository(str(common), RepositoryOpenFlag.NO_SEARCH)
        main = [Path(repo.workdir).resolve()] if repo.workdir else []
        return Located(folder=common, folders=(*main, *_worktrees(common)))
    except (OSError, RuntimeError) as exc:
        raise RepositoryBroken(f"Its folder cannot be read: {exc}.") from exc
    except pygit2.GitError as exc:
        raise RepositoryBroken(f"It cannot be opened: {exc}.") from exc


def nested_folder(folder: Path) -> Path | None:
    """The common git folder of the repository whose top `folder` is; None where it is not the top of one."""
    with contextlib.suppress(OSError, RuntimeError):
        found = git_folder(folder)
        return common_folder(found) if found else None
    return None


def _worktrees(common: Path) -> Iterator[Path]:
    """The other working trees, those whose folder has been removed since included."""
    for entry in sorted((common / "worktrees").glob("*/gitdir")):
        if pointed := pointer(entry, ""):
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
