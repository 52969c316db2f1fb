"""What a run that also has other work has cloned, noted in its work folder for the retry that goes on with it.

A run may be killed at any instruction. So the note is renamed into place once the objects have all come, and says by
which folder it means them: wherever a rename has put that folder since, it is known by its number.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import pygit2

from hub.jobs.git import ENGINES, landing
from hub.jobs.git.cloning import REPO, Brought
from hub.jobs.git.refs import head_of

NOTE = "cloned.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """A repository with all its objects; the fields are what a result tells of it."""

    asked: Mapping[str, Any]
    """What it was cloned for. Another request has no use for it."""
    folder: tuple[int, int]
    """Device and inode of the repository's folder."""
    head: str
    branch: str | None
    engine: str
    objects: int
    bytes: int
    is_update: bool

    @classmethod
    def of(cls, brought: Brought, repo: Path, asked: Mapping[str, Any]) -> Self:
        """Of a repository that is not empty, and is in the folder `repo`."""
        fetched = brought.fetched
        assert fetched.head is not None
        return cls(
            asked=dict(asked), folder=_number(repo), head=fetched.head, branch=fetched.branch,
            engine=brought.engine.name, objects=fetched.objects, bytes=fetched.bytes, is_update=brought.is_update,
        )  # fmt: skip

    def note(self, work: Path) -> None:
        made = work / f"{NOTE}.new"
        made.write_text(json.dumps(asdict(self)))
        made.rename(work / NOTE)

    def has_landed(self, home: Path) -> bool:
        """It stands in its place. (Else it is in the work folder.)"""
        return self._is(home / landing.PLACE)

    @classmethod
    def find(cls, work: Path, home: Path, asked: Mapping[str, Any]) -> Self | None:
        """What an earlier run has left for this request; None when that is nothing, or nobody's any more."""
        try:
            wire = json.loads((work / NOTE).read_text())
            found = cls(**{**wire, "folder": tuple(wire["folder"])})
        except (OSError, ValueError, TypeError, KeyError):  # whatever another version of the hub has left there
            return None
        if found.engine not in ENGINES:
            return None
        is_there = found._is(home / landing.PLACE) or found._is(work / REPO)
        return found if is_there and found.asked == dict(asked) else None

    def _is(self, repo: Path) -> bool:
        try:
            return _number(repo) == self.folder and head_of(pygit2.Repository(str(repo)))[0] == self.head
        except (OSError, pygit2.GitError):
            return False


def without_files(repo: Path) -> None:
    """Make the working tree empty again: a killed run may have written half of it, and held git's lock."""
    (repo / ".git" / "index").unlink(missing_ok=True)
    (repo / ".git" / "index.lock").unlink(missing_ok=True)
    for entry in repo.iterdir():
        if entry.name != ".git":
            remove(entry)


def clear(work: Path, *, keep: frozenset[str] = frozenset()) -> None:
    """Empty the work folder, but for what is to be kept of it."""
    for entry in work.iterdir():
        if entry.name not in keep:
            remove(entry)


def remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink()


def _number(folder: Path) -> tuple[int, int]:
    found = folder.stat()
    return (found.st_dev, found.st_ino)
