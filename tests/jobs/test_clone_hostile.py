"""Repositories made to do harm."""

import json
import subprocess
import sys
from pathlib import Path

import pygit2
import pytest

from tests.jobs.conftest import until
from tests.jobs.repositories import fill, git, init, raw_commit, raw_tree, with_link


@pytest.fixture
def refused(child, server, engine):
    def run(name: str, **params) -> str:
        started = child(f"{server.url}/{name}", params={"engine": engine, **params})
        failure = started.failure()
        assert not started.home.exists() or not list(started.home.iterdir())
        return failure["code"]

    return run


def test_a_bomb_is_measured_before_it_goes_off(refused, tmp_path):
    assert refused("bomb.git") == "too_large"
    written = [path for path in (tmp_path / "work").rglob("*") if ".git" not in path.parts]
    assert len(written) < 10


def test_a_bomb_is_harmless_without_files(child, server, engine):
    assert child(f"{server.url}/bomb.git", params={"engine": engine, "bare": True}).result()["files"] == 0


def test_folders_nested_without_end_are_refused(refused):
    assert refused("deep.git") == "too_large"


@pytest.mark.parametrize("number", range(5))
def test_folders_that_pass_for_git_are_refused(refused, number):
    assert refused(f"alike-{number}.git") == "unsafe_files"
    assert not Path("/tmp/progress-hub-hook-ran").exists()


def test_nothing_is_written_through_a_link(child, server, repositories, engine, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    name = f"link-{engine}.git"
    with_link(repositories.root / name, outside)
    run = child(f"{server.url}/{name}", params={"engine": engine})
    run.end()
    assert list(outside.iterdir()) == []


def test_a_link_that_leads_outside_stays_a_link(child, server, repositories, engine, tmp_path):
    path = init(repositories.root / f"plain-link-{engine}.git")
    repo = pygit2.Repository(str(path))
    raw_commit(repo, raw_tree(repo, ("120000", b"passwd", repo.create_blob(b"/etc/passwd"))))
    run = child(f"{server.url}/{path.name}", params={"engine": engine})
    run.result()
    assert (run.repo / "passwd").is_symlink()


SMALL_LIMIT = """
from hub.jobs import child, memory
memory.MOST_BYTES = 400 * 1024**2
child.main()
"""


@pytest.mark.parametrize("what", ["refs", "words"])
def test_a_server_without_end_is_stopped_before_it_fills_the_memory(child, server, engine, what):
    server.behaviour.endless = what
    run = child(f"{server.url}/small.git", params={"engine": engine}, command=[sys.executable, "-c", SMALL_LIMIT])
    failure = run.failure()
    assert failure["code"] == "too_large", failure
    assert failure["hint"]
    until(run.group_is_gone)


def test_an_ordinary_clone_needs_little_memory(child, server, engine):
    command = [sys.executable, "-c", SMALL_LIMIT]
    child(f"{server.url}/heavy.git", params={"engine": engine}, command=command).result()


@pytest.mark.parametrize("params", [{}, {"bare": True}, {"depth": 1}], ids=str)
def test_a_default_branch_that_is_not_utf_8(child, server, repositories, engine, params):
    path = init(repositories.root / f"latin-{engine}-{len(str(params))}.git")
    fill(path)
    subprocess.run([b"git", b"-C", path, b"branch", b"-m", b"main", b"caf\xe9"], check=True)
    subprocess.run([b"git", b"-C", path, b"symbolic-ref", b"HEAD", b"refs/heads/caf\xe9"], check=True)
    for is_update in (False, True):
        run = child(f"{server.url}/{path.name}", params={"engine": engine, **params})
        result = run.result()
        assert (result["head"], result["branch"]) == (repositories.head(path.name), "caf\\udce9")
        assert result["updated"] is is_update
        json.dumps(run.messages, ensure_ascii=False).encode()
        head = subprocess.run(["git", "-C", run.repo, "symbolic-ref", "HEAD"], capture_output=True, check=True)
        assert head.stdout == b"refs/heads/caf\xe9\n"
        assert git(run.repo, "rev-parse", "HEAD") == repositories.head(path.name)
        assert params.get("bare") or git(run.repo, "status", "--porcelain") == ""


def test_words_that_are_not_utf_8_do_no_harm(child, server, repositories, engine):
    """pygit2 insists on UTF-8 in what servers say."""
    server.behaviour.words = "Grüße\n".encode("latin-1")
    run = child(f"{server.url}/small.git", params={"engine": engine})
    assert run.result()["head"] == repositories.head("small.git")


def test_words_of_a_server_are_text_and_no_more(child, server, engine):
    server.behaviour.words = b"fatal: <script>alert(1)</script> not found\x1b[31m\n"
    run = child(f"{server.url}/small.git", params={"engine": engine})
    run.result()
    words = [message["log"]["message"] for message in run.messages if "log" in message]
    assert [word for word in words if word.startswith("server:")] == [
        "server: fatal: <script>alert(1)</script> not found"
    ]
