"""Projects to index, and an index as plain values to compare."""

import json
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hub.index import postings, requests, segments
from hub.index.builder import Summary, build
from hub.index.search import search
from hub.index.shelf import Shelf
from tests.conftest import missing

ENVIRONMENT = {
    "PATH": "/usr/bin:/bin:/usr/local/bin", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.org",
}  # fmt: skip


class Watching:
    """A watch that remembers."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.reports: list[tuple[str, int, int | None]] = []
        self.logs: list[str] = []

    def stage(self, name: str) -> None:
        self.stages.append(name)

    def progress(self, current, total=None, unit="", message="", detail=None) -> None:
        self.reports.append((self.stages[-1], current, total))

    def log(self, message: str, level: str = "info") -> None:
        self.logs.append(message)

    def check(self) -> None:
        pass


def git(repo: Path, *arguments: str, data: bytes | None = None) -> bytes:
    needs_git()
    done = subprocess.run(["git", "-C", repo, *arguments], input=data, env=ENVIRONMENT, capture_output=True)
    assert done.returncode in {0, 1}, done.stderr.decode()
    return done.stdout


def needs_git() -> None:
    if shutil.which("git") is None:
        missing("git")


def commit(repo: Path, files: Mapping[str | bytes, bytes | None], message: str = "change") -> Path:
    """Bring `files` into the bare repository at `repo`, which is made if need be; None deletes one."""
    needs_git()
    if not repo.exists():
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", repo], env=ENVIRONMENT, check=True)
        parent = b""
    else:
        has_head = bool(git(repo, "rev-parse", "-q", "--verify", "main"))
        parent = b"from refs/heads/main^0\n" if has_head else b""
    head = b"commit refs/heads/main\ncommitter A <a@example.org> 1700000000 +0000\ndata %d\n%s\n%s"
    stream = [head % (len(message), message.encode(), parent)]
    for path, content in files.items():
        name = _quoted(path)
        if content is None:
            stream.append(b"D %s\n" % name)
        else:
            stream.append(b"M 100644 inline %s\ndata %d\n%s\n" % (name, len(content), content))
    git(repo, "fast-import", "--quiet", "--force", data=b"".join(stream))
    return repo


def _quoted(path: str | bytes) -> bytes:
    raw = path if isinstance(path, bytes) else path.encode()
    escaped = b"".join(b"\\%03o" % byte if byte < 33 or byte > 126 or byte in b'"\\' else bytes([byte]) for byte in raw)
    return b'"' + escaped + b'"'


def indexed(index: Path, folder: Path, watch: Watching | None = None, **options: Any) -> Summary:
    return build(index, folder, watch or Watching(), workers=options.pop("workers", 1), **options)


def content(index: Path) -> dict[str, Any]:
    """All that an index says, whatever its numbers and the order of its making."""
    database = sqlite3.connect(index)
    one = database.execute
    oids = {doc: (oid.hex(), hint) for doc, oid, hint in one("SELECT id, oid, hint FROM docs WHERE state = 1")}
    files = one(
        "SELECT f.path, f.reason, f.detail, d.oid, d.hint, d.lang, d.encoding, d.bytes, d.state, d.reason, d.detail"
        " FROM files f LEFT JOIN docs d ON d.id = f.doc ORDER BY f.path"
    ).fetchall()
    symbols = sorted(
        (oids[doc], name, place, kind, line, end_line, parent or "")
        for doc, name, place, kind, line, end_line, parent in one(
            "SELECT s.doc, n.name, s.place, s.kind, s.line, s.end_line, p.name FROM symbols s"
            " JOIN names n ON n.id = s.name LEFT JOIN names p ON p.id = s.parent"
        )
    )
    held: dict[int, set[tuple[str, str]]] = {}
    for segment in segments.all_of(database):
        for id_, data in one("SELECT id, data FROM postings WHERE id / 256 = ?", (segment.id,)).fetchall():
            keys = postings.merged([(data, segment.low)], np.ones(segment.high + 1, bool), 0)
            for key in keys.tolist():
                doc = key & 0xFFFFFFFF
                if doc in oids:
                    held.setdefault((id_ % 256) << 16 | key >> 32, set()).add(oids[doc])
    meta = dict(one("SELECT key, value FROM meta"))
    database.close()
    return {"files": files, "symbols": symbols, "postings": held, "complete": meta["complete"], "head": meta["head"]}


def left_out(index: Path) -> dict[str, tuple[str, str | None]]:
    """By path, why."""
    return {
        row[0].decode(errors="backslashreplace"): (row[1] or row[9], row[2] or row[10])
        for row in content(index)["files"]
        if row[1] or row[9]
    }


def find(index: Path, q: str, *, roots: tuple[str, ...] | None = None, **wanted: Any) -> dict[str, Any]:
    """The answer to a search that nothing stops."""
    place = requests.Place(id="p", index=str(index), roots=(str(index.parents[1]),) if roots is None else roots)
    answer = found_in([place], q, **wanted)
    assert answer["complete"], answer
    assert "problems" not in answer
    return answer


def found_in(places: list[requests.Place], q: str, seconds: float = 20.0, **wanted: Any) -> dict[str, Any]:
    query = requests.parse({"q": q, **wanted})
    answer = search(Shelf(), places, query, time.monotonic() + seconds).to_wire()
    return json.loads(json.dumps(answer))


def paths(answer: dict[str, Any]) -> list[str]:
    return [item["path"] for item in answer["items"]]
