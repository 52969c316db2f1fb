"""Stopping a clone: asked, or killed, in every stage."""

import contextlib
import os
import signal
import sys
import time

import pytest

from tests.jobs.conftest import until
from tests.jobs.repositories import advance, fill, git, init
from tests.jobs.test_clone_secrets import processes_of

LIMIT_S = 2.0

STAGES = {  # stage: the repository and what makes the server, or the work, slow there
    "connect": ("small.git", {"hang": "refs"}),
    "receiving": ("heavy.git", {"bytes_per_s": 200_000.0}),
    "resolving": ("heavy.git", {}),
    "checkout": ("many.git", {}),
}


def started(child, server, engine, stage):
    repository, slow = STAGES[stage]
    for name, value in slow.items():
        setattr(server.behaviour, name, value)
    run = child(f"{server.url}/{repository}", params={"engine": engine})
    run.wait_for(stage=stage)
    if stage == "receiving":
        run.wait_for(progress=...)
    if stage == "connect":
        until(lambda: server.requests)
    return run


@pytest.mark.parametrize("stage", STAGES)
def test_cancel_stops_the_work_in_time_and_leaves_nothing(child, server, engine, stage):
    run = started(child, server, engine, stage)
    asked = time.monotonic()
    run.cancel()
    assert run.end() == {"cancelled": True}
    assert time.monotonic() - asked < LIMIT_S
    assert run.stages[-1] == stage
    until(run.group_is_gone, LIMIT_S)
    assert not run.home.exists() or not list(run.home.iterdir())


@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_child_leaves_nothing_outside_its_work_folder(child, server, engine, stage):
    run = started(child, server, engine, stage)
    os.killpg(run.process.pid, signal.SIGKILL)
    run.process.wait()
    until(run.group_is_gone, LIMIT_S)
    assert not run.home.exists() or not list(run.home.iterdir())


HUB = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-m", "hub.jobs.child"], stdin=subprocess.PIPE, start_new_session=True)
open(sys.argv[1], "w").write(str(child.pid))
for line in sys.stdin.buffer:
    child.stdin.write(line)
    child.stdin.flush()
"""


def alive(group: int) -> list[str]:
    """The processes of the group that have not ended; whoever adopted those that have may not have looked yet."""
    found = []
    for path in processes_of(group):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            state = (path / "stat").read_text().rpartition(")")[2].split()[0]
            if state != "Z":
                found.append(path.name)
    return found


def test_nothing_outlives_a_hub_killed_while_a_server_stalls(child, server, engine, tmp_path):
    """The server sends nothing, so git would notice by itself only much later."""
    server.behaviour.hang = "pack"
    pid_file = tmp_path / "pid"
    run = child(
        f"{server.url}/small.git", params={"engine": engine}, command=[sys.executable, "-c", HUB, str(pid_file)]
    )
    until(lambda: any(method == "POST" for method, _, _ in server.requests))
    group = int(pid_file.read_text())
    assert alive(group)
    run.process.kill()
    run.process.wait()
    try:
        until(lambda: not alive(group), LIMIT_S)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


@pytest.mark.parametrize("stage", STAGES)
def test_the_child_ends_with_the_hub(child, server, engine, stage):
    """The hub's death closes the child's input; git and all go at once."""
    run = started(child, server, engine, stage)
    run.process.stdin.close()
    assert run.process.wait(LIMIT_S) == -signal.SIGKILL
    until(run.group_is_gone, LIMIT_S)


def test_an_update_cancelled_in_mid_transfer_leaves_the_old_clone(child, server, repositories, engine):
    repo = init(repositories.root / f"halted-{engine}.git")
    fill(repo)
    url = f"{server.url}/{repo.name}"
    child(url, params={"engine": engine}).result()
    advance(repo, "newer")
    before = sorted(str(path) for path in (child(url).home / "repo").rglob("*"))
    server.behaviour.hang = "pack"
    run = child(url, params={"engine": engine})
    until(lambda: run.work.joinpath("repo").exists())
    until(lambda: any(method == "POST" for method, _, _ in server.requests[-2:]))
    run.cancel()
    assert run.end() == {"cancelled": True}
    assert sorted(str(path) for path in run.repo.rglob("*")) == before
    assert (run.repo / "README").read_text() == "read me 29\n"
    assert git(run.repo, "status", "--porcelain") == ""
    server.behaviour.hang = ""
    assert child(url, params={"engine": engine}).result()["updated"]


def test_a_cancel_before_the_work_begins_is_kept(child, server, engine):
    server.behaviour.hang = "refs"
    run = child(f"{server.url}/small.git", params={"engine": engine})
    run.cancel()
    assert run.end() == {"cancelled": True}


def test_other_lines_on_the_input_change_nothing(child, server, engine):
    run = child(f"{server.url}/small.git", params={"engine": engine})
    run.tell("dance")
    run.result()
