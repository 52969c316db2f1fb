"""Which of a remote's refs is wanted, how it is fetched, and how HEAD comes to name it. The same for both engines."""

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pygit2

from hub.jobs.base import JobFailed
from hub.jobs.git.base import Wanted
from hub.jobs.git.failures import failed

HEADS = "refs/heads/"
TAGS = "refs/tags/"
TRACKING = "refs/remotes/origin/"
SHOWN, LONGEST_SHOWN, MOST_COMPARED = 8, 60, 2000
"""Branches named in a failure, characters of each, and branches looked at for those with a name like it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteRef:
    """A ref as a server lists it. Bytes that are not UTF-8 are lone surrogates, here and wherever a ref is named."""

    name: str
    symref: str | None = None
    """The ref that this one, HEAD, stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tip:
    """The ref of the remote that becomes our HEAD."""

    ref: str
    """A full name, or `HEAD` where that is on no branch."""

    @property
    def branch(self) -> str | None:
        return self.ref.removeprefix(HEADS) if self.ref.startswith(HEADS) else None

    def landed(self, wanted: Wanted) -> str:
        """The ref's name here, after the fetch."""
        if self.ref == "HEAD":
            return TRACKING + "HEAD"
        return TRACKING + self.branch if self.branch and not wanted.bare else self.ref


def choose(listed: Sequence[RemoteRef], branch: str | None) -> Tip | None:
    """The wanted ref; None when the remote's HEAD leads nowhere, as in an empty repository.

    Raises JobFailed `branch_not_found`. A branch goes before a tag of the same name, as `git clone --branch` has it.
    """
    names = {ref.name for ref in listed}
    if branch is not None:
        for ref in (HEADS + branch, TAGS + branch):
            if ref in names:
                return Tip(ref=ref)
        raise no_such_branch(branch, listed)
    for found in listed:
        if found.name == "HEAD":
            return Tip(ref=found.symref if found.symref and found.symref.startswith(HEADS) else "HEAD")
    return None


def no_such_branch(branch: str, listed: Sequence[RemoteRef]) -> JobFailed:
    """The failure, with branches of the remote that may have been meant."""
    names = [ref.name.removeprefix(HEADS) for ref in listed if ref.name.startswith(HEADS)]
    message = f"The remote has no branch or tag named {branch!r}."
    if not names:
        return failed("branch_not_found", message)
    close = difflib.get_close_matches(branch, names[:MOST_COMPARED], SHOWN)
    shown = list(dict.fromkeys((*close, *names)))[:SHOWN]
    others = f" and {len(names) - len(shown):,} more" if len(names) > len(shown) else ""
    hint = (
        f"It has {', '.join(name[:LONGEST_SHOWN] for name in shown)}{others}. Without `branch` its own choice is taken."
    )
    return failed("branch_not_found", message, hint=hint)


def refspecs(tip: Tip | None, wanted: Wanted) -> list[str]:
    """What to fetch: every branch and tag, or with a depth the one tip alone."""
    if wanted.depth is not None:
        return [f"+{tip.ref}:{tip.landed(wanted)}"] if tip else []
    specs = [f"+{HEADS}*:{HEADS if wanted.bare else TRACKING}*", f"+{TAGS}*:{TAGS}*"]
    if tip and tip.ref == "HEAD":
        specs.append(f"+HEAD:{tip.landed(wanted)}")
    return specs


def set_head(repo: pygit2.Repository, tip: Tip | None, wanted: Wanted) -> None:
    """Make HEAD name what `tip` brought."""
    if tip is None:
        return
    commit = repo.references[tip.landed(wanted)].peel(pygit2.Commit).id
    if tip.branch is None:
        repo.set_head(commit)
        return
    if not wanted.bare:
        _create(repo, HEADS + tip.branch, commit)
        repo.config[raw(f"branch.{tip.branch}.remote")] = "origin"
        repo.config[raw(f"branch.{tip.branch}.merge")] = raw(HEADS + tip.branch)
        if wanted.branch is None:
            _create(repo, TRACKING + "HEAD", TRACKING + tip.branch)
    head: Any = raw(HEADS + tip.branch)  # pygit2 takes bytes, too, and does not say so
    repo.set_head(head)


def raw(name: str) -> bytes:
    """The bytes that the ref is named by."""
    return name.encode(errors="surrogateescape")


def _create(repo: pygit2.Repository, name: str, target: pygit2.Oid | str) -> None:
    try:
        repo.references.create(name, target, force=True)
    except UnicodeEncodeError:
        # pygit2 reads such names and does not write them. The ref that `name` tracks exists, so the name is sound.
        path = Path(repo.path, os.fsdecode(raw(name)))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw(f"ref: {target}\n" if isinstance(target, str) else f"{target}\n"))


def head_of(repo: pygit2.Repository) -> tuple[str | None, str | None]:
    """The commit and the branch that HEAD is at; None for what there is not."""
    if repo.head_is_unborn:
        return None, None
    return str(repo.head.target), None if repo.head_is_detached else repo.head.shorthand
