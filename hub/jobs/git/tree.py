"""How large a commit's files would be, found out before any of them is written.

Twelve objects can stand for a thousand million files, each tree naming the one below ten times over. So trees are
measured once each and multiplied, which takes as long as the repository has trees and not as it would have files.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pygit2
from pygit2.enums import FileMode

from hub.core.report import Report
from hub.jobs.base import Rules
from hub.jobs.git.failures import failed
from hub.jobs.reporter import disk_full

MOST_ENTRIES = 2_000_000
"""Some four times the files of the largest public working trees."""
DEEPEST = 256
"""Folders inside folders. A path of 4,096 bytes, Linux's longest, could name more, but no real tree has a tenth."""
MOST_BYTES = 100 * 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeSize:
    files: int = 0
    entries: int = 0
    """Files and folders."""
    depth: int = 0
    """Levels of folders; 0 for a tree of files alone."""
    bytes: int = 0

    def check(self) -> None:
        """Raise JobFailed `too_large` for what is not to be written to a disk."""
        if self.entries > MOST_ENTRIES:
            raise failed("too_large", f"The files of the newest commit would be {self.entries:,} entries.")
        if self.depth > DEEPEST:
            raise failed("too_large", f"The folders of the newest commit are nested {self.depth:,} deep.")
        if self.bytes > MOST_BYTES:
            raise failed("too_large", f"The files of the newest commit would take {self.bytes:,} bytes.")


def measure(repo: pygit2.Repository, head: str, report: Report) -> TreeSize:
    """The size of all files of the commit `head`. Raises Cancelled, and JobFailed for trees that are none."""
    try:
        return _measured(repo[head].peel(pygit2.Tree), repo, report)
    except (pygit2.GitError, KeyError, ValueError) as exc:  # pygit2 spreads libgit2's classes over these
        raise failed("unsafe_files", f"A folder of the newest commit cannot be read: {exc}.") from exc


def _measured(root: pygit2.Tree, repo: pygit2.Repository, report: Report) -> TreeSize:
    done: dict[pygit2.Oid, TreeSize] = {}
    blobs: dict[pygit2.Oid, int] = {}
    waiting = [root]
    while waiting:
        report.check()
        tree = waiting[-1]
        if tree.id in done:  # it stands in several folders, and waited in each
            waiting.pop()
            continue
        # By id: a tree may name another a hundred thousand times over.
        missing = {entry.id: entry for entry in tree if isinstance(entry, pygit2.Tree) and entry.id not in done}
        if missing:
            waiting.extend(missing.values())
        else:
            waiting.pop()
            done[tree.id] = _sum(repo, tree, done, blobs)
    return done[root.id]


def check_room(size: TreeSize, folder: Path, rules: Rules) -> None:
    """Raise JobFailed `disk_full` if the files would leave less than the disk floor."""
    if size.bytes + rules.min_free_bytes > shutil.disk_usage(folder).free:
        raise disk_full(f"The files would take {size.bytes:,} bytes, and the disk has not that much left.")


def _sum(
    repo: pygit2.Repository, tree: pygit2.Tree, done: dict[pygit2.Oid, TreeSize], blobs: dict[pygit2.Oid, int]
) -> TreeSize:
    files = entries = depth = size = 0
    for entry in tree:
        entries += 1
        if isinstance(entry, pygit2.Tree):
            below = done[entry.id]
            files, entries, size = files + below.files, entries + below.entries, size + below.bytes
            depth = max(depth, below.depth + 1)
        elif entry.filemode != FileMode.COMMIT:  # a submodule has no object here
            files += 1
            if entry.id not in blobs:
                blobs[entry.id] = repo.odb.read_header(entry.id)[1]
            size += blobs[entry.id]
    return TreeSize(files=files, entries=entries, depth=depth, bytes=size)
