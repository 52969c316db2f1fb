"""A run that is killed, wherever, is gone on with to the same end, and what there is can be searched meanwhile."""

import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from hub.index.errors import NoIndex
from tests.index.samples import commit, content, find, indexed

STEPS = {f"src/file_{n}.py": f"def function_{n}(argument):\n    return {n}\n".encode() for n in range(40)}
CHANGES = {f"src/file_{n}.py": f"class Changed{n}:\n    field = {n}\n".encode() for n in range(0, 40, 2)}
MOMENTS = 4
"""Of each way to build, spread evenly over all that the database does."""


def killed(repo, index, stage, count, *options):
    command = [sys.executable, "-m", "tests.index.killed_build", stage, str(count), repo, index, *options]
    return subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, timeout=50)


def prepared(base, how):
    """A repository and, unless it is the first run, the index of what was in it before."""
    repo, index = commit(base / "repo", STEPS), base / "home" / "index.sqlite3"
    if how != "first":
        indexed(index, repo)
        commit(repo, {**CHANGES, "src/file_1.py": None})
    return repo, index


@pytest.mark.timeout(400)  # some fifty runs, on a machine that may be busy
@pytest.mark.parametrize("how", ["first", "changed", "force"])
def test_a_run_killed_at_any_moment_is_gone_on_with_to_the_same_end(tmp_path, how):
    options = ("force",) if how == "force" else ()
    repo, index = prepared(tmp_path, how)
    shutil.copytree(index.parent, tmp_path / "before") if how != "first" else (tmp_path / "before").mkdir()
    indexed(tmp_path / "whole.sqlite3", repo)
    whole = content(tmp_path / "whole.sqlite3")
    to_the_end = killed(repo, index, "database", 10**9, *options)
    assert to_the_end.returncode == 0, to_the_end.stderr.decode()
    assert content(index) == whole
    things = int(to_the_end.stdout)
    assert things > 200
    for moment in range(MOMENTS):
        shutil.rmtree(index.parent)
        shutil.copytree(tmp_path / "before", index.parent)
        # Killed twice: the second run goes on with what the first one left, and is killed again somewhere.
        for count in (1 + things * moment // MOMENTS, 1 + things * (MOMENTS - moment) // (MOMENTS + 1)):
            done = killed(repo, index, "database", count, *options)
            assert done.returncode in {-signal.SIGKILL, 0}, done.stderr.decode()
            assert done.returncode or count > 1
            is_searched(index, how)
        indexed(index, repo, force=how == "force")
        assert content(index) == whole
        with sqlite3.connect(index) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        database.close()
        assert sorted(path.name for path in index.parent.iterdir()) == ["index.sqlite3", "index.sqlite3.lock"]


def is_searched(index, how):
    """What is found is there; and all of it, where the old index still stands."""
    try:
        answer = find(index, "function_", limit=200)
    except NoIndex:
        assert how == "first"
        return
    found = {item["path"] for item in answer["items"]}
    assert found <= STEPS.keys()
    if how == "force":
        assert len(found) >= 19
        assert answer["coverage"]["indexed"] == answer["coverage"]["of"]


@pytest.mark.parametrize(
    ("stage", "count"),
    [("collecting", 1), ("collecting", 2), ("collecting", 3), ("parsing", 1), ("parsing", 3), ("parsing", 5),
     ("indexing", 1), ("indexing", 2), ("indexing", 40), ("optimizing", 1)],
)  # fmt: skip
def test_a_run_killed_in_any_stage_is_gone_on_with_to_the_same_end(tmp_path, stage, count):
    repo, index = prepared(tmp_path, "changed")
    done = killed(repo, index, stage, count)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert not indexed(index, repo).fresh
    indexed(tmp_path / "whole.sqlite3", repo)
    assert content(index) == content(tmp_path / "whole.sqlite3")
