"""Reading with the git command: `rev-list` says which commits there are, and `diff-tree` what they are.

Only plumbing is used, which no setting of a repository can make start a program (`log.showSignature` would), and what
settings can change in its output is set here.
"""

import contextlib
import re
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import IO

from hub.commits import raw
from hub.commits.located import RepositoryBroken, is_partial, worktree_heads
from hub.commits.reader import LONGEST_NAME, LONGEST_SUBJECT, MOST_FILES, Stopped, joined, seconds, text
from hub.commits.records import Row

BLOCK_BYTES = 256 * 1024
ID_BYTES = BLOCK_BYTES // 4
WORDS_BYTES = 2000
PIECE = 1000
ALONE = {"GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "none"}
"""Nothing is written, and nothing is fetched, not even what a partial clone lacks."""

FORMAT = "%x00%x00%H%x00%P%x00%an%x00%ae%x00%at%x00%ct%x00%s%x00"
RECORD = re.compile(
    rb"\0\0([0-9a-f]{40,64})\0([0-9a-f ]*)\0([^\0]*)\0([^\0]*)\0([^\0]*)\0([^\0]*)\0([^\0]*)\0\0"
    rb"(?:\n((?:[^\0]++\0)++))?"
)
"""FORMAT and `-z`. Names and subjects hold no NUL and paths are never empty, so nobody's text passes for a record."""
OBJECT = re.compile(rb"([0-9a-f]{40,64}) commit (\d+)\n")
DIFF_TREE = (
    "diff-tree", "--stdin", "--always", "--root", "-z", "-r", "--no-renames", "--no-relative", "--no-ext-diff",
    "--name-only", "--ignore-submodules=none", "--encoding=UTF-8", f"--format={FORMAT}",
)  # fmt: skip


class GitReader:
    """`stop` may be called from any thread: what runs is killed, and every method raises Stopped from then on."""

    def __init__(
        self, folder: Path, env: Mapping[str, str], *, shallow: Iterable[bytes] = (), scratch: Path | None = None
    ) -> None:
        """`env`: the environment for git; `shallow`: the commits at which the history is cut; `scratch`: a folder for
        temporary files, None for the system's own.
        """
        self._folder = folder
        self._env = {**env, **ALONE}
        self._scratch = scratch
        self._shallow = frozenset(shallow)
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.kill()

    def heads(self) -> set[bytes]:
        found = self._ids("for-each-ref", "--format=%(objectname)", "refs/heads", "refs/remotes")
        with contextlib.suppress(RepositoryBroken):  # the branch that HEAD names may not be born
            found |= self._ids("rev-parse", "--verify", "--quiet", "HEAD")
        return found | worktree_heads(self._folder)

    def commits_among(self, ids: Iterable[bytes]) -> set[bytes]:
        found = set()
        for line in self._lines(["cat-file", "--batch-check=%(objectname) %(objecttype)"], _listed(ids)):
            name, _, kind = line.partition(b" ")
            if kind == b"commit":
                found.add(bytes.fromhex(name.decode()))
        return found

    def reachable(self, heads: Iterable[bytes], without: Iterable[bytes] = ()) -> Iterator[list[bytes]]:
        piece: list[bytes] = []
        wanted = chain(_listed(heads), (b"^" + line for line in _listed(without)))
        for line in self._lines(["rev-list", "--stdin"], wanted):
            piece.append(bytes.fromhex(line.decode()))
            if len(piece) >= PIECE:
                yield piece
                piece = []
        yield piece

    def read(self, ids: Sequence[bytes]) -> Iterator[list[Row]]:
        seen: set[bytes] = set()
        try:
            for rows in self._read(ids):
                seen.update(row.id for row in rows)
                yield rows
        except RepositoryBroken:
            if not is_partial(self._folder):
                raise
            for piece in self._commits(id_ for id_ in ids if id_ not in seen):  # the trees may never have come
                yield [raw.row(id_, commit, None) for id_, commit in piece]

    def _read(self, ids: Sequence[bytes]) -> Iterator[list[Row]]:
        rest, enough = b"", 0
        for block in self._output(DIFF_TREE, _listed(ids)):
            rest += block
            if len(rest) < enough:
                continue
            rows, end = self._parsed(rest, is_last=False)
            rest = rest[end:]
            # A commit of a million files must not be looked at again with each block of them.
            enough = 2 * len(rest)
            yield rows
        rows, end = self._parsed(rest, is_last=True)
        if end < len(rest):
            raise RepositoryBroken("git said what nobody can read.")
        yield rows

    def _parsed(self, data: bytes, *, is_last: bool) -> tuple[list[Row], int]:
        """Rows, and where the first that may not be whole begins."""
        matches: list[re.Match[bytes]] = []
        end = 0
        while match := RECORD.match(data, end):
            matches.append(match)
            end = match.end()
        if matches and not is_last:
            end = matches.pop().start()
        # git takes no date before 1970 for one
        odd = [bytes.fromhex(match[1].decode()) for match in matches if not (match[5].isdigit() and match[6].isdigit())]
        dates = {id_: raw.dates(commit) for piece in self._commits(odd) for id_, commit in piece} if odd else {}
        return [self._row(match, dates) for match in matches], end

    def _row(self, match: re.Match[bytes], dates: Mapping[bytes, tuple[bytes, bytes]]) -> Row:
        name, parents, author, email, authored, committed, subject, listed = match.groups()
        id_ = bytes.fromhex(name.decode())
        authored, committed = dates.get(id_, (authored, committed))
        is_known = id_ not in self._shallow
        files = listed.split(b"\0", MOST_FILES)[:-1] if listed and is_known else []
        return Row(
            id_, parents.count(b" ") + 1 if parents else 0, text(author, LONGEST_NAME), text(email, LONGEST_NAME),
            seconds(int(authored)), seconds(int(committed)), text(subject, LONGEST_SUBJECT),
            (listed.count(b"\0") if listed else 0) if is_known else None, joined(files),
        )  # fmt: skip

    def _commits(self, ids: Iterable[bytes]) -> Iterator[list[tuple[bytes, bytes]]]:
        """The ids of the commits and their raw objects, in pieces."""
        rest = b""
        for block in self._output(["cat-file", "--batch"], _listed(ids)):
            rest += block
            found = []
            while match := OBJECT.match(rest):
                end = match.end() + int(match[2])
                if len(rest) <= end:
                    break
                found.append((bytes.fromhex(match[1].decode()), rest[match.end() : end]))
                rest = rest[end + 1 :]
            yield found
        if rest:
            raise RepositoryBroken(f"git cannot read it: {rest[:WORDS_BYTES].decode(errors='replace').strip()}")

    def _ids(self, *arguments: str) -> set[bytes]:
        return {bytes.fromhex(line.decode()) for line in self._lines(arguments, ())}

    def _lines(self, arguments: Sequence[str], given: Iterable[bytes]) -> Iterator[bytes]:
        rest = b""
        for block in self._output(arguments, given, ID_BYTES):
            *lines, rest = (rest + block).split(b"\n")
            yield from lines

    def _output(self, arguments: Sequence[str], given: Iterable[bytes], block_bytes: int = 0) -> Iterator[bytes]:
        """What git says, block by block. Raises RepositoryBroken with git's own words."""
        # Files instead of pipes: git may say much before it has read all, and nobody need do both at once.
        with tempfile.TemporaryFile(dir=self._scratch) as stdin, tempfile.TemporaryFile(dir=self._scratch) as stderr:
            stdin.writelines(given)
            stdin.seek(0)
            with self._started(arguments, stdin, stderr) as process:
                assert process.stdout is not None
                while block := process.stdout.read(block_bytes or BLOCK_BYTES):
                    yield block
            self._check()
            if process.returncode:
                stderr.seek(0)
                words = stderr.read(WORDS_BYTES).decode(errors="replace").strip() or f"exit code {process.returncode}"
                raise RepositoryBroken(f"git cannot read it: {words}")

    @contextlib.contextmanager
    def _started(
        self, arguments: Sequence[str], stdin: IO[bytes], stderr: IO[bytes]
    ) -> Iterator["subprocess.Popen[bytes]"]:
        with self._lock:
            if self._stopped:
                raise Stopped
            process = subprocess.Popen(
                ["git", f"--git-dir={self._folder}", *arguments],
                env=self._env, cwd=self._folder, stdin=stdin, stdout=subprocess.PIPE, stderr=stderr,
            )  # fmt: skip
            self._running.add(process)
        try:
            yield process
            process.wait()
        finally:
            process.kill()
            with process:  # closes the pipe, waits
                self._running.discard(process)

    def _check(self) -> None:
        if self._stopped:
            raise Stopped


def _listed(ids: Iterable[bytes]) -> Iterator[bytes]:
    return (id_.hex().encode() + b"\n" for id_ in ids)
