"""Reading with libgit2, for machines without git: several times slower, as every tree is compared from here."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pygit2
from pygit2.enums import DiffOption, RepositoryOpenFlag, SortMode

from hub.commits import raw
from hub.commits.located import RepositoryBroken, is_partial
from hub.commits.reader import Stopped
from hub.commits.records import Row

BRANCHES = ("refs/heads/", "refs/remotes/")
PIECE = 200
"""Commits read between two looks at whether to stop."""


class Libgit2Reader:
    def __init__(self, folder: Path, *, shallow: Iterable[bytes] = ()) -> None:
        self._folder = folder
        self._shallow = frozenset(shallow)
        self._is_partial = is_partial(folder)
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()

    def heads(self) -> set[bytes]:
        repo = self._open()
        found = set()
        try:
            for ref in repo.references.iterator():
                if ref.name.startswith(BRANCHES) and isinstance(ref.target, pygit2.Oid):
                    found.add(ref.target.raw)
            if not repo.head_is_unborn:
                found.add(pygit2.Oid(hex=str(repo.head.resolve().target)).raw)
        except pygit2.GitError as exc:
            raise RepositoryBroken(f"Its branches cannot be read: {exc}.") from exc
        for file in self._folder.glob("worktrees/*/HEAD"):
            words = file.read_text("ascii", errors="replace").strip()
            if not words.startswith("ref:"):
                found.add(bytes.fromhex(words))
        return found

    def commits_among(self, ids: Iterable[bytes]) -> set[bytes]:
        repo = self._open()
        return {id_ for id_ in ids if isinstance(repo.get(pygit2.Oid(id_)), pygit2.Commit)}

    def reachable(self, heads: Iterable[bytes], without: Iterable[bytes] = ()) -> Iterator[list[bytes]]:
        repo = self._open()
        try:
            walker = repo.walk(None, SortMode.NONE)
            for id_ in heads:
                walker.push(pygit2.Oid(id_))
            for id_ in without:
                walker.hide(pygit2.Oid(id_))
            piece: list[bytes] = []
            for commit in walker:
                piece.append(commit.id.raw)
                if len(piece) >= PIECE:
                    self._check()
                    yield piece
                    piece = []
            yield piece
        except (pygit2.GitError, KeyError) as exc:
            raise RepositoryBroken(f"Its history cannot be read: {exc}.") from exc

    def read(self, ids: Sequence[bytes]) -> Iterator[list[Row]]:
        repo = self._open()  # each thread its own: libgit2 shares none between them
        for start in range(0, len(ids), PIECE):
            self._check()
            try:
                yield [self._row(repo, id_) for id_ in ids[start : start + PIECE]]
            except (pygit2.GitError, KeyError) as exc:
                raise RepositoryBroken(f"A commit cannot be read: {exc}.") from exc

    def _row(self, repo: pygit2.Repository, id_: bytes) -> Row:
        commit = repo[pygit2.Oid(id_)]
        if not isinstance(commit, pygit2.Commit):
            raise RepositoryBroken(f"{commit.id} is not a commit.")
        return raw.row(id_, commit.read_raw(), None if id_ in self._shallow else self._files(commit))

    def _files(self, commit: pygit2.Commit) -> list[bytes] | None:
        if len(commit.parent_ids) > 1:
            return []
        try:
            if commit.parent_ids:
                diff = commit.parents[0].tree.diff_to_tree(commit.tree, flags=_FLAGS)
            else:
                diff = commit.tree.diff_to_tree(swap=True, flags=_FLAGS)
        except (pygit2.GitError, KeyError):
            if self._is_partial:
                return None
            raise
        return sorted({delta.new_file.raw_path or delta.old_file.raw_path for delta in diff.deltas if _differs(delta)})

    def _open(self) -> pygit2.Repository:
        self._check()
        try:
            return pygit2.Repository(str(self._folder), RepositoryOpenFlag.NO_SEARCH)
        except pygit2.GitError as exc:
            raise RepositoryBroken(f"It cannot be opened: {exc}.") from exc

    def _check(self) -> None:
        if self._stopped.is_set():
            raise Stopped


def _differs(delta: pygit2.DiffDelta) -> bool:
    """Not so where only bits of the mode differ that git does not keep, as in its own first commits."""
    old, new = delta.old_file, delta.new_file
    return old.id != new.id or (old.mode ^ new.mode) & KEPT_OF_MODE != 0


KEPT_OF_MODE = 0o170100
"""The type, and whether the owner may execute it."""
_FLAGS = DiffOption.INCLUDE_TYPECHANGE | DiffOption.SKIP_BINARY_CHECK
