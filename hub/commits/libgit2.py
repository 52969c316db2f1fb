"""Reading with libgit2, for machines without git: several times slower, as every tree is compared from here."""

import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import pygit2
from pygit2.enums import DiffOption, ObjectType, RepositoryOpenFlag, SortMode

from hub.commits import raw
from hub.commits.located import RepositoryBroken, is_partial, worktree_heads
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
        return found | worktree_heads(self._folder)

    def commits_among(self, ids: Iterable[bytes]) -> set[bytes]:
        repo = self._open()
        return {id_ for id_ in ids if _is_commit(repo, id_)}

    def reachable(self, heads: Iterable[bytes], without: Iterable[bytes] = ()) -> Iterator[list[bytes]]:
        repo, heads, without = self._open(), list(heads), list(without)
        seen: set[bytes] = set()
        try:
            try:
                for piece in self._pieces(_walked(repo, heads, without)):
                    seen.update(piece)
                    yield piece
            except (pygit2.GitError, KeyError):  # the walk reads more of a commit than it needs; slower, and sure:
                seen.update(self._ancestors(repo, without, ()))
                yield from self._pieces(self._ancestors(repo, heads, seen))
        except (pygit2.GitError, KeyError) as exc:
            raise RepositoryBroken(f"Its history cannot be read: {exc}.") from exc

    def _ancestors(self, repo: pygit2.Repository, heads: Iterable[bytes], told: Collection[bytes]) -> Iterator[bytes]:
        """The commits that `heads` lead to, themselves included, without those `told`. Raises KeyError, GitError."""
        waiting, seen = list(heads), set()
        while waiting:
            id_ = waiting.pop()
            if id_ in seen:
                continue
            seen.add(id_)
            if id_ not in told:
                yield id_
            if id_ not in self._shallow:
                waiting += raw.parents(_read(repo, id_))

    def _pieces(self, ids: Iterable[bytes]) -> Iterator[list[bytes]]:
        piece: list[bytes] = []
        for id_ in ids:
            piece.append(id_)
            if len(piece) >= PIECE:
                self._check()
                yield piece
                piece = []
        yield piece

    def read(self, ids: Sequence[bytes]) -> Iterator[list[Row]]:
        repo = self._open()  # each thread its own: libgit2 shares none between them
        for start in range(0, len(ids), PIECE):
            self._check()
            try:
                yield [self._row(repo, id_) for id_ in ids[start : start + PIECE]]
            except (pygit2.GitError, KeyError) as exc:
                raise RepositoryBroken(f"A commit cannot be read: {exc}.") from exc

    def _row(self, repo: pygit2.Repository, id_: bytes) -> Row:
        commit = _read(repo, id_)
        if id_ in self._shallow:  # as git has it, whatever its object says
            return raw.row(id_, commit, None)._replace(parents=0)
        return raw.row(id_, commit, self._files(repo, commit))

    def _files(self, repo: pygit2.Repository, commit: bytes) -> list[bytes] | None:
        parents = raw.parents(commit)
        if len(parents) > 1:
            return []
        try:
            if parents:
                diff = _tree(repo, _read(repo, parents[0])).diff_to_tree(_tree(repo, commit), flags=_FLAGS)
            else:
                diff = _tree(repo, commit).diff_to_tree(swap=True, flags=_FLAGS)
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


def _walked(repo: pygit2.Repository, heads: Iterable[bytes], without: Iterable[bytes]) -> Iterator[bytes]:
    """Raises KeyError, GitError."""
    walker = repo.walk(None, SortMode.NONE)
    for id_ in heads:
        walker.push(pygit2.Oid(id_))
    for id_ in without:
        walker.hide(pygit2.Oid(id_))
    for commit in walker:
        yield commit.id.raw


def _is_commit(repo: pygit2.Repository, id_: bytes) -> bool:
    try:
        kind, _ = repo.read(pygit2.Oid(id_))
    except (pygit2.GitError, KeyError):
        return False
    return kind == ObjectType.COMMIT


def _read(repo: pygit2.Repository, id_: bytes) -> bytes:
    """The commit as it is: libgit2 itself refuses dates and addresses that git takes. Raises KeyError, GitError."""
    kind, data = repo.read(pygit2.Oid(id_))
    if kind != ObjectType.COMMIT:
        raise RepositoryBroken(f"{id_.hex()} is not a commit.")
    return data


def _tree(repo: pygit2.Repository, commit: bytes) -> pygit2.Tree:
    """Raises KeyError, GitError."""
    found = repo[pygit2.Oid(raw.tree(commit))]
    if not isinstance(found, pygit2.Tree):
        raise RepositoryBroken(f"{found.id} is not a tree.")
    return found


def _differs(delta: pygit2.DiffDelta) -> bool:
    """Not so where only bits of the mode differ that git does not keep, as in its own first commits."""
    old, new = delta.old_file, delta.new_file
    return old.id != new.id or (old.mode ^ new.mode) & KEPT_OF_MODE != 0


KEPT_OF_MODE = 0o170100
"""The type, and whether the owner may execute it."""
_FLAGS = DiffOption.INCLUDE_TYPECHANGE | DiffOption.SKIP_BINARY_CHECK
