"""How a clone comes to its place, whole or not at all: it is made in the work folder and renamed.

An update is no exception. It starts from a second git folder that shares the first one's object files by hard links
(they never change), and in the end the two change places. So whenever a run is stopped, cancelled or killed, what
stands in the project's folder is the old clone or the new one.
"""

import ctypes
import errno
import os
import shutil
from pathlib import Path

import pygit2

from hub.core.report import Report
from hub.jobs.base import JobFailed
from hub.jobs.gate import RemoteUrl
from hub.jobs.git.refs import HEADS, TRACKING

PLACE = "repo"
"""The clone's name in the project's folder."""
_SPARE = ".repo-replaced"

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def find(home: Path, remote: RemoteUrl) -> pygit2.Repository | None:
    """The clone of this remote that is there; None when the place is free. JobFailed `destination_taken` otherwise."""
    _recover(home)
    place = home / PLACE
    if not place.exists() and not place.is_symlink():
        return None
    try:
        repo = pygit2.Repository(str(place), pygit2.enums.RepositoryOpenFlag.NO_SEARCH)
        url = repo.remotes["origin"].url
    except (pygit2.GitError, KeyError):
        url = None
    if url != remote.text:
        raise JobFailed(
            "destination_taken",
            "The project's folder already holds something else.",
            hint=f"Move {place} away, or make a new project for this URL.",
        )
    return repo


def copy(current: pygit2.Repository, repo: Path, report: Report) -> None:
    """Make `repo` a git folder with all that `current` has of its remote, but no files and none of its settings."""
    old = Path(current.path)
    new = Path(pygit2.init_repository(str(repo), bare=current.is_bare).path)
    for folder, _, names in os.walk(old / "objects"):
        report.check()
        target = new / "objects" / Path(folder).relative_to(old / "objects")
        target.mkdir(exist_ok=True)
        for name in names:
            if not name.startswith("tmp_") and not name.endswith(".lock"):
                _link(Path(folder, name), target / name)
    if (old / "shallow").exists():
        shutil.copyfile(old / "shallow", new / "shallow")
    # Local branches and the remote's HEAD are made anew from what the remote says now.
    kept = [
        str(ref.target).encode() + b" " + ref.raw_name + b"\n"
        for ref in sorted(current.references.iterator(), key=lambda ref: ref.raw_name)
        if isinstance(ref.target, pygit2.Oid) and (current.is_bare or not ref.name.startswith(HEADS))
        and ref.name != TRACKING + "HEAD"
    ]  # fmt: skip
    (new / "packed-refs").write_bytes(b"# pack-refs with: sorted \n" + b"".join(kept))


def is_same(one: pygit2.Repository, other: pygit2.Repository) -> bool:
    """Have both the same commits under the same names? Then so are the files of HEAD."""
    return _tips(one) == _tips(other)


def _tips(repo: pygit2.Repository) -> tuple[bool, object, dict[bytes, str], frozenset[bytes]]:
    shallow = Path(repo.path, "shallow")
    roots = frozenset(shallow.read_bytes().split()) if shallow.exists() else frozenset[bytes]()
    head = repo.lookup_reference("HEAD").target
    # Which branch the remote's HEAD is at decides nothing where another is wanted, and is else our HEAD's.
    refs = {ref.raw_name: str(ref.target) for ref in repo.references.iterator() if ref.name != TRACKING + "HEAD"}
    return repo.is_bare, head, refs, roots


def settle(repo: Path, remote: RemoteUrl) -> None:
    """Give the finished repository its origin: the project's own URL, wherever the objects really came from."""
    opened = pygit2.Repository(str(repo))
    if "origin" in list(opened.remotes.names()):
        opened.remotes.set_url("origin", remote.text)
    else:
        specs = None if opened.is_bare else f"+{HEADS}*:{TRACKING}*"
        opened.remotes.create("origin", remote.text, specs)
    for name in ("core.protectHFS", "core.protectNTFS"):
        opened.config[name] = True
    if "http.followRedirects" in opened.config:  # an engine's own, for the transfer
        del opened.config["http.followRedirects"]


def land(repo: Path, home: Path) -> Path:
    """Put the finished `repo` into its place. What was there before is then where `repo` was, or gone."""
    home.mkdir(parents=True, exist_ok=True)
    place = home / PLACE
    if not place.exists():
        repo.rename(place)
    elif not _exchange(repo, place):
        # Two renames instead of one. Killed between them, the next run finds the old clone and puts it back.
        place.rename(home / _SPARE)
        repo.rename(place)
        shutil.rmtree(home / _SPARE, ignore_errors=True)
    return place


def _recover(home: Path) -> None:
    spare, place = home / _SPARE, home / PLACE
    if spare.exists():
        if place.exists():
            shutil.rmtree(spare, ignore_errors=True)
        else:
            spare.rename(place)


def _link(old: Path, new: Path) -> None:
    try:
        os.link(old, new)
    except OSError as exc:
        if exc.errno not in {errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOTSUP}:
            raise
        shutil.copyfile(old, new)  # a file system without hard links


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step; False where the C library, the kernel or the file system cannot."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    if renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EXDEV}:
        return False
    raise OSError(number, os.strerror(number), str(one))
