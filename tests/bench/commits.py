"""Commits: the scan of a sync against `git log --format` of the same fields, at first and when little is new."""

import dataclasses
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from hub.commits.database import NAME, Database
from hub.core.report import Unheard
from hub.jobs.base import Place, Rules, Target, Task, Workspace
from hub.jobs.kinds.sync import SYNC
from tests.bench import figures
from tests.bench.figures import Goal, Line, Plan, Row
from tests.bench.machine import MissingError

COMMITS, FILES, TOUCHED = 40_000, 4_000, 3
NEW = 100
LATER = 1_000_000
FIELDS = "--format=%H%x00%P%x00%an%x00%ae%x00%at%x00%ct%x00%s"
PEER = ("log", "--branches", "--remotes", "HEAD", FIELDS, "--name-only", "--no-renames", "-z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Medians, in seconds."""

    commits: int
    git_log_s: float
    """`git log` of the same fields, files touched included, to a file that nobody keeps."""
    git_walk_s: float
    """The same without the files touched, which are what makes it dear."""
    first_s: float
    again_s: float
    """Nothing is new."""
    new_s: float
    """NEW commits are."""
    bytes: int
    """Of the table, after the first run."""


def measure(repository: str | None, rounds: int) -> Figures:
    if shutil.which("git") is None:
        raise MissingError("no git (apt-get install git)")
    times: dict[str, list[float]] = {name: [] for name in ("log", "walk", "first", "again", "new")}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = Path(repository) if repository else _made(folder / "made.git")
        path = folder / "shared.git"  # new commits are added to it, and not to what was given
        command = ["git", "clone", "--quiet", "--shared", "--mirror", made, path]
        subprocess.run(command, check=True)
        commits = size = 0
        for n in range(rounds):
            data = folder / f"data{n}"
            times["log"].append(_timed(PEER, path))
            times["walk"].append(_timed([part for part in PEER if part != "--name-only"], path))
            found, took = _sync(path, data)
            times["first"].append(took)
            commits, size = found, (data / NAME).stat().st_size
            assert found == int(_git(path, "rev-list", "--count", "--branches", "--remotes", "HEAD"))
            found, took = _sync(path, data)
            assert found == 0
            times["again"].append(took)
            _add(path, n)
            found, took = _sync(path, data)
            assert found == NEW
            times["new"].append(took)
            with Database(data / NAME) as database, database.reading() as db:
                assert db.execute("SELECT count(*) FROM commits").fetchone()[0] == commits + NEW
            _git(path, "update-ref", "-d", f"refs/heads/bench-{n}")
    middle = {name: statistics.median(taken) for name, taken in times.items()}
    return Figures(
        commits=commits, git_log_s=middle["log"], git_walk_s=middle["walk"], first_s=middle["first"],
        again_s=middle["again"], new_s=middle["new"], bytes=size,
    )  # fmt: skip


def _sync(path: Path, data: Path) -> tuple[int, float]:
    """Run the kind as its process does; new commits and seconds."""
    home = data / "projects" / "p"
    (data / "work").mkdir(parents=True, exist_ok=True)
    target = Target(id="p", name="p", path=str(path))
    task = Task(
        job="j", kind="sync", target=target, params={}, secrets={}, places=(Place(target=target, home=home),),
        workspace=Workspace(work=data / "work", home=home), rules=Rules(roots=(str(path.parent),)),
    )  # fmt: skip
    began = time.perf_counter()
    result = SYNC.run(task, Unheard())
    return result["commitsFound"], time.perf_counter() - began


def _timed(arguments: Sequence[str], path: Path) -> float:
    began = time.perf_counter()
    subprocess.run(["git", "-C", path, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def _git(path: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", path, *arguments], check=True, capture_output=True, text=True).stdout.strip()


def _add(path: Path, n: int) -> None:
    """NEW commits on a branch of their own."""
    with subprocess.Popen(["git", "-C", path, "fast-import", "--quiet"], stdin=subprocess.PIPE) as importer:
        assert importer.stdin is not None
        importer.stdin.write(b"reset refs/heads/bench-%d\nfrom HEAD\n\n" % n)
        for number in range(NEW):
            # Later than any other: older ones among known commits make git walk back to their time.
            _write(importer.stdin, b"refs/heads/bench-%d" % n, LATER + number, [number])


def _made(path: Path) -> Path:
    """A history of many small changes in a tree of folders; the same at every run."""
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", path], check=True)
    with subprocess.Popen(["git", "-C", path, "fast-import", "--quiet"], stdin=subprocess.PIPE) as importer:
        assert importer.stdin is not None
        _write(importer.stdin, b"refs/heads/main", 0, list(range(FILES)))
        for number in range(1, COMMITS):
            files = [(number * 7919 + step * 104_729) % FILES for step in range(TOUCHED)]
            _write(importer.stdin, b"refs/heads/main", number, files)
    return path


def _write(out: IO[bytes], branch: bytes, number: int, files: list[int]) -> None:
    lines = [b"commit %s\ncommitter Ann <ann@example.org> %d +0000\n" % (branch, 1_500_000_000 + number * 600)]
    subject = b"change %d" % number
    lines.append(b"data %d\n%b\n" % (len(subject), subject))
    for file in files:
        content = b"%d of %d\n" % (number, file)
        lines.append(b"M 100644 inline d%d/e%d/f%d.txt\n" % (file % 20, file % 7, file))
        lines.append(b"data %d\n%b\n" % (len(content), content))
    out.write(b"".join(lines))


def found(plan: Plan) -> figures.Figures:
    return dataclasses.asdict(measure(plan.repository, plan.rounds))


def lines(f: figures.Figures) -> Iterator[Line]:
    yield Line(
        what=f"scan of {f['commits']:,} commits, first run",
        hub=f"{f['first_s']:.2f} s",
        peer=f"`git log`: {f['git_log_s']:.2f} s",
        ratio=f["first_s"] / f["git_log_s"],
        goal=Goal(bound=1.2),
    )
    yield Line(what="the same, nothing new", hub=f"{f['again_s']:.3f} s")
    yield Line(what=f"the same, {NEW} new commits", hub=f"{f['new_s']:.3f} s")


ROW = Row(name="commits", title="Commit scan", measure=found, lines=lines)
