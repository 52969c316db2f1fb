"""The commands that start jobs of many kinds, and on many projects, against a real hub."""

# ruff: noqa: F811 - fixtures of another module
import json
import socket

import pygit2
import pytest

from hub.cli import codes
from hub.cli.options import parser
from tests.test_cli import Served, hub, logs, repositories, run, served  # noqa: F401 - fixtures


@pytest.fixture
def closed_url():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return f"http://127.0.0.1:{port}/closed-{port}.git"


def test_a_local_folder_is_ingested_where_it_is(hub, repositories, capsys):
    code, out, _ = run(capsys, "ingest", "local", str(repositories / "small"))
    assert (code, "small: ingest succeeded" in out) == (codes.SUCCEEDED, True)
    assert "1 files" in out
    code, out, _ = run(capsys, "jobs", "--json", "--kind", "ingest", "--limit", "1")
    job = json.loads(out)
    assert (job["params"]["source"], job["result"]["path"]) == ("local", str(repositories / "small"))


def test_with_a_branch_of_its_own_a_local_repository_is_cloned(hub, repositories, capsys):
    repo = pygit2.Repository(str(repositories / "small"))
    repo.branches.local.create("other", repo.head.peel(pygit2.Commit), force=True)
    code, _, err = run(capsys, "ingest", "local", str(repositories / "small"), "--branch", "other", "--id", "branched")
    assert code == codes.SUCCEEDED, err
    result = json.loads(run(capsys, "jobs", "--json", "--kind", "ingest", "--limit", "1")[1])["result"]
    assert (result["branch"], result["engine"] is not None) == ("other", True)


def test_what_is_no_repository_of_the_source_is_wrong_usage(hub, capsys, tmp_path):
    code, _, err = run(capsys, "ingest", "github", "name-alone")
    assert (code, "owner/name" in err) == (codes.USAGE, True)
    code, _, err = run(capsys, "ingest", "local", str(tmp_path / "nothing"))
    assert (code, "no folder" in err) == (codes.USAGE, True)


def test_a_command_follows_the_tries_that_the_hub_makes_by_itself(hub, closed_url, capsys):
    code, out, _ = run(capsys, "clone", closed_url, "--attempts", "2", "--backoff", "0.1")
    assert code == codes.FAILED
    assert out.count("clone failed") == 2
    assert "Trying again by itself" in out


def test_watching_a_project_goes_on_through_its_tries(hub, closed_url, capsys):
    policy = ("--attempts", "3", "--backoff", "0.5")
    assert run(capsys, "clone", closed_url, "--detach", "--id", "thrice", *policy)[0] == codes.SUCCEEDED
    code, out, _ = run(capsys, "watch", "thrice")
    assert code == codes.FAILED
    last = json.loads(run(capsys, "jobs", "--project", "thrice", "--json", "--limit", "1")[1])
    assert (last["attempt"], last["state"]) == (3, "failed")
    assert "Trying again by itself" in out


def test_a_waiting_try_is_said_to_who_starts_the_same_again_and_resumed(hub, closed_url, capsys):
    first = run(capsys, "clone", closed_url, "--detach", "--attempts", "2", "--backoff", "3600")[1].strip()
    assert run(capsys, "watch", first)[0] == codes.FAILED  # this very job, whatever comes after it
    code, out, err = run(capsys, "clone", closed_url, "--detach")
    assert (code, "progress-hub resume" in err) == (codes.SUCCEEDED, True)
    waiting = out.strip()
    assert waiting != first
    assert run(capsys, "resume", waiting)[0] == codes.SUCCEEDED
    assert run(capsys, "watch", waiting)[0] == codes.FAILED


def test_one_kind_is_started_on_many_projects(hub, repositories, capsys):
    for name in ("one", "two"):
        run(capsys, "clone", (repositories / "small").as_uri() + "/" * len(name), "--id", name)
    projects = sorted(
        {json.loads(line)["project"] for line in run(capsys, "jobs", "--json", "--kind", "clone")[1].splitlines()}
    )
    code, out, _ = run(capsys, "start", "clone", *projects[:1], "nobody", "--param", "depth=1")
    assert (code, "nobody: refused: " in out) == (codes.FAILED, True)
    code, out, _ = run(capsys, "start", "index", "--match", "no-such-*", "--json")
    assert (code, out) == (codes.SUCCEEDED, "")
    code, out, _ = run(capsys, "start", "index", "--all", "--json")
    assert {json.loads(line)["outcome"] for line in out.splitlines()} <= {"accepted", "already_running"}
    assert code == codes.SUCCEEDED


@pytest.mark.parametrize(
    "arguments",
    [
        ["index", "a", "b", "--param", "x=1"],
        ["index", "--param", "x=1", "a", "b"],
        ["--param", "x=1", "index", "a", "b"],
        ["index", "a", "--param", "x=1", "b"],
    ],
)
def test_options_and_projects_come_in_any_order(arguments):
    for again in (arguments, [*arguments, "--json"]):
        options = parser().parse_args(["start", *again])
        assert (options.kind, options.projects, options.param) == ("index", ["a", "b"], [("x", 1)])


@pytest.mark.parametrize("arguments", [[], ["p", "--all"], ["p", "--last", "failed"], ["--all", "--match", "x"]])
def test_projects_are_named_in_one_way(hub, capsys, arguments):
    code, _, err = run(capsys, "start", "index", *arguments)
    assert (code, "one of the three" in err) == (codes.USAGE, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ["clone", "URL", "--attempts", "0"],
        ["clone", "URL", "--attempts", "21"],
        ["clone", "URL", "--attempts", "x"],
        ["ingest", "github", "a/b", "--attempts", "3", "--backoff", "-1"],
        ["ingest", "github", "a/b", "--backoff", "nan"],
        ["ingest", "sourceforge", "a/b"],
        ["start", "clone", "--last", "running"],
        ["start", "clone", "p", "--param", "depth"],
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(capsys, arguments):
    with pytest.raises(SystemExit) as left:
        parser().parse_args(arguments)
    assert left.value.code == codes.USAGE


def test_a_wait_needs_a_number_of_tries(hub, capsys):
    code, _, err = run(capsys, "clone", "https://example.org/r.git", "--backoff", "5")
    assert (code, "--attempts" in err) == (codes.USAGE, True)
