"""Repositories made for a test with `git fast-import`, and what git itself says of them."""

import os
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from hub.commits.database import Database
from hub.commits.git import GitReader
from hub.commits.libgit2 import Libgit2Reader
from hub.commits.located import locate, shallow_commits
from hub.commits.scan import Counted, scan
from hub.commits.table import CommitTable

ENVIRONMENT = {
    "PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "LC_ALL": "C",
    "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org",
}  # fmt: skip
START = 1_700_000_000


def git(repo: Path, *arguments: str | Path, data: bytes | None = None, **env: str) -> str:
    done = subprocess.run(["git", "-C", repo, *arguments], input=data, env=ENVIRONMENT | env, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode(errors="replace").strip()


def init(path: Path, *, bare: bool = True) -> Path:
    bare_flag = ["--bare"] if bare else []
    subprocess.run(["git", "init", "-q", *bare_flag, "-b", "main", path], env=ENVIRONMENT, check=True)
    return path


@dataclass(frozen=True, kw_only=True)
class Change:
    at: int
    files: tuple[bytes, ...] = (b"file",)
    name: bytes = b"Ann"
    email: bytes = b"ann@example.org"
    subject: bytes = b"change"
    branch: str = "main"
    committed: int | None = None
    merge: tuple[str, ...] = ()
    start: str | None = None
    """Where the branch begins anew; empty: at nothing."""
    encoding: bytes = field(default=b"")


def fill(repo: Path, changes: Sequence[Change]) -> Path:
    """Add commits; a branch goes on where it was."""
    stream = []
    begun: set[str] = set()
    for n, change in enumerate(changes):
        branch = f"refs/heads/{change.branch}"
        if change.start is not None:
            stream.append(f"reset {branch}\n".encode() + (f"from {change.start}\n".encode() if change.start else b""))
            stream.append(b"\n")
        who = b"%s <%s>" % (change.name, change.email)
        stream.append(b"commit %s\nauthor %s %d +0000\n" % (branch.encode(), who, change.at))
        stream.append(b"committer %s %d +0000\n" % (who, change.committed or change.at))
        stream.append(b"encoding %s\n" % change.encoding if change.encoding else b"")
        stream.append(b"data %d\n%s\n" % (len(change.subject), change.subject))
        exists = change.branch in begun or _exists(repo, branch)
        if change.start is None and exists and change.branch not in begun:
            stream.append(b"from %s^0\n" % branch.encode())
        begun.add(change.branch)
        stream += [f"merge refs/heads/{other}\n".encode() for other in change.merge]
        for path in change.files:
            content = b"%d %s" % (n, change.subject)
            stream.append(b"M 100644 inline %s\ndata %d\n%s\n" % (_quoted(path), len(content), content))
    git(repo, "fast-import", "--quiet", "--force", "--date-format=raw-permissive", data=b"".join(stream))
    return repo


def _exists(repo: Path, ref: str) -> bool:
    command = ["git", "-C", repo, "rev-parse", "-q", "--verify", ref]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True).returncode == 0


def _quoted(path: bytes) -> bytes:
    escaped = path.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
    return b'"%s"' % escaped


def line(count: int, **fields) -> list[Change]:
    """A plain history, a commit a minute."""
    return [
        Change(at=START + 60 * n, files=(b"dir%d/f%d" % (n % 5, n % 50),), subject=b"change %d" % n, **fields)
        for n in range(count)
    ]


def reader(repo: Path, engine: str = "git") -> GitReader | Libgit2Reader:
    located = locate(repo, lambda path: True)
    assert located is not None
    cut = [bytes.fromhex(name) for name in shallow_commits(located.folder).split()]
    if engine == "git":
        return GitReader(located.folder, ENVIRONMENT, shallow=cut)
    return Libgit2Reader(located.folder, shallow=cut)


def scanned(database: Database, repo: Path, engine: str = "git", project: str = "p") -> Counted:
    """Scan once, as the kind does."""
    located = locate(repo, lambda path: True)
    assert located is not None
    table, counted = CommitTable(database), Counted()
    known = table.open(located.folder, located.folders, [project])
    with ThreadPoolExecutor(2) as pool:
        scan(known, shallow_commits(located.folder), reader(repo, engine), table, pool, counted)
    return counted


def stored(database: Database, *, gone: bool = False) -> set[str]:
    """Ids of the commits in the table."""
    with database.reading() as db:
        return {row[0].lower() for row in db.execute("SELECT hex(id) FROM commits WHERE gone = ?", (int(gone),))}


def whole(database: Database) -> list[tuple]:
    """All that is stored of commits, apart from the order in which they came."""
    with database.reading() as db:
        return db.execute(
            "SELECT hex(id), parents, author_name, author_email, authored, committed, subject, files_total, files, gone"
            " FROM commits ORDER BY id"
        ).fetchall()


def listed(repo: Path, *what: str) -> set[str]:
    return set(git(repo, "rev-list", *(what or ("--all",))).split())
