"""Clones that succeed: both engines, every transport, over real servers."""

import os
import subprocess
import sys
from pathlib import Path

import pygit2
import pytest

from tests.jobs.git_server import GitServer
from tests.jobs.repositories import advance, fill, git, init, with_submodule

SIX = {"received_objects", "total_objects", "received_bytes", "indexed_objects", "total_deltas", "indexed_deltas"}


def test_a_clone_over_http_has_every_file_and_ref(child, server, repositories, engine):
    run = child(f"{server.url}/small.git", params={"engine": engine})
    result = run.result()
    head = repositories.head("small.git")
    assert result == {
        "path": str(run.repo), "head": head, "branch": "main", "bare": False, "updated": False, "engine": engine,
        "objects": result["objects"], "bytes": result["bytes"], "files": 31,
    }  # fmt: skip
    assert result["objects"] > 90
    assert result["bytes"] > 1000
    assert git(run.repo, "status", "--porcelain") == ""
    assert git(run.repo, "rev-parse", "origin/feature", "v1^{}", "HEAD").split() == [
        repositories.head("small.git", "feature"), repositories.head("small.git", "v1^{}"), head,
    ]  # fmt: skip
    assert (run.repo / "README").read_text() == "read me 29\n"
    assert git(run.repo, "config", "remote.origin.url") == f"{server.url}/small.git"
    git(run.repo, "fsck", "--strict")


def test_the_stages_come_in_order_and_end_full(child, server, engine):
    run = child(f"{server.url}/heavy.git", params={"engine": engine})
    result = run.result()
    assert run.stages == ["connect", "receiving", "resolving", "checkout"]
    by_stage: dict[str, list] = {}
    for message in run.messages:
        if "stage" in message:
            by_stage[message["stage"]] = []
        elif "progress" in message:
            by_stage[run_stage(by_stage)].append(message["progress"])
    for stage in ("receiving", "resolving"):
        last = by_stage[stage][-1]
        assert last["current"] == last["total"] > 0, stage
        assert {name for name in last["detail"] if name != "phase"} == SIX
    for progress in run.progress[1:]:
        assert all(isinstance(value, int) for name, value in progress["detail"].items() if name != "phase")
    last = by_stage["resolving"][-1]["detail"]
    assert last["indexed_objects"] == last["total_objects"] == last["received_objects"] == result["objects"]
    assert last["indexed_deltas"] == last["total_deltas"] > 0


def run_stage(by_stage: dict) -> str:
    return list(by_stage)[-1]


def test_counters_never_go_back(child, server, engine):
    run = child(f"{server.url}/heavy.git", params={"engine": engine})
    run.result()
    details = [progress["detail"] for progress in run.progress if progress["detail"]]
    assert len(details) > 2
    for name in SIX:
        values = [detail[name] for detail in details]
        assert values == sorted(values), name


def test_the_servers_own_phases_are_shown(child, server, engine):
    run = child(f"{server.url}/heavy.git", params={"engine": engine})
    run.result()
    phases = {progress["detail"].get("phase", "").split(":")[0].split(" ")[0] for progress in run.progress}
    assert phases & {"Enumerating", "Counting", "Compressing", "Total"}


def test_a_depth_cuts_the_history(child, server, engine):
    run = child(f"{server.url}/small.git", params={"engine": engine, "depth": 3})
    run.result()
    assert git(run.repo, "rev-list", "--count", "HEAD") == "3"


def test_a_branch_or_a_tag_can_be_chosen(child, server, repositories, engine, tmp_path):
    run = child(f"{server.url}/small.git", params={"engine": engine, "branch": "feature"})
    result = run.result()
    assert result["head"] == repositories.head("small.git", "feature")
    assert result["branch"] == "feature"
    assert (run.repo / "feature.txt").exists()
    run = child(f"{server.url}/small.git", params={"engine": engine, "branch": "v1"})
    result = run.result()
    assert result["head"] == repositories.head("small.git", "v1^{}")
    assert result["branch"] is None


def test_a_bare_clone_has_branches_and_no_files(child, server, repositories, engine):
    run = child(f"{server.url}/small.git", params={"engine": engine, "bare": True})
    result = run.result()
    assert result["bare"]
    assert result["files"] == 0
    assert git(run.repo, "rev-parse", "feature") == repositories.head("small.git", "feature")
    assert git(run.repo, "config", "core.bare") == "true"
    assert git(run.repo, "config", "remote.origin.url") == f"{server.url}/small.git"
    assert run.stages == ["connect", "receiving", "resolving", "checkout"]


def test_an_empty_repository_is_a_success_without_a_head(child, server, engine):
    run = child(f"{server.url}/empty.git", params={"engine": engine})
    result = run.result()
    assert result["head"] is None
    assert result["branch"] is None
    assert run.stages == ["connect", "receiving", "resolving", "checkout"]
    assert (run.repo / ".git").is_dir()


@pytest.mark.parametrize("params", [{}, {"bare": True}, {"depth": 2}, {"branch": "main"}], ids=str)
def test_a_second_run_brings_the_clone_up_to_date(child, server, repositories, engine, params, tmp_path):
    repo = init(repositories.root / f"update-{engine}-{tmp_path.name}.git")
    fill(repo)
    url = f"{server.url}/{repo.name}"
    first = child(url, params={"engine": engine, **params})
    first.result()
    git(repo, "update-ref", "refs/heads/later", "feature")
    git(repo, "update-ref", "-d", "refs/heads/feature")
    head = advance(repo, "newer")
    run = child(url, params={"engine": engine, **params})
    result = run.result()
    assert result["updated"]
    assert result["head"] == head
    assert result["branch"] == "main"
    assert result["objects"] <= 10
    git(run.repo, "fsck", "--strict")
    if not params.get("bare"):
        assert (run.repo / "README").read_text() == "newer"
        assert git(run.repo, "status", "--porcelain") == ""
    if "depth" not in params:
        refs = git(run.repo, "for-each-ref", "--format=%(refname:lstrip=-1)").split()
        assert "later" in refs
        assert "feature" not in refs


def test_an_update_follows_a_rewritten_branch(child, server, repositories, engine, tmp_path):
    repo = init(repositories.root / f"forced-{engine}.git")
    fill(repo)
    child(f"{server.url}/{repo.name}", params={"engine": engine}).result()
    git(repo, "update-ref", "refs/heads/main", "main~5")
    run = child(f"{server.url}/{repo.name}", params={"engine": engine})
    assert run.result()["head"] == git(repo, "rev-parse", "main")
    assert (run.repo / "README").read_text() == "read me 24\n"
    assert not (run.repo / "folder" / "file-29.txt").exists()


def test_an_update_with_nothing_new_succeeds(child, server, engine):
    child(f"{server.url}/small.git", params={"engine": engine}).result()
    run = child(f"{server.url}/small.git", params={"engine": engine})
    result = run.result()
    assert result["updated"]
    assert result["objects"] == 0


@pytest.mark.parametrize("params", [{}, {"bare": True}, {"depth": 2}, {"branch": "feature"}], ids=str)
def test_with_nothing_new_nothing_is_written(child, server, engine, params):
    first = child(f"{server.url}/small.git", params={"engine": engine, **params})
    expected = first.result() | {"updated": True, "objects": 0, "bytes": ...}
    before = {path: path.lstat().st_ino for path in first.repo.rglob("*")}
    run = child(f"{server.url}/small.git", params={"engine": engine, **params})
    assert run.result() | {"bytes": ...} == expected
    assert {path: path.lstat().st_ino for path in run.repo.rglob("*")} == before
    assert run.stages[-1] == "checkout"


@pytest.mark.parametrize("what", ["folder/file-29.txt", ".git/index"])
def test_a_clone_that_was_damaged_is_made_whole_again(child, server, engine, what):
    first = child(f"{server.url}/small.git", params={"engine": engine})
    first.result()
    (first.repo / what).write_bytes(b"damaged")
    run = child(f"{server.url}/small.git", params={"engine": engine})
    run.result()
    assert git(run.repo, "status", "--porcelain") == ""


def test_submodules_are_brought_to_a_clone_that_had_none(child, server, repositories, engine, tmp_path):
    name = f"modules-{engine}-{tmp_path.name}.git"
    with_submodule(repositories.root / name, "../small.git", repositories.head("small.git"))
    child(f"{server.url}/{name}", params={"engine": engine}).result()
    run = child(f"{server.url}/{name}", params={"engine": engine, "submodules": True})
    run.result()
    assert git(run.repo, "submodule", "status").split()[0] == repositories.head("small.git")


def test_a_shallow_clone_becomes_whole_when_the_whole_is_asked_for(child, server, engine):
    child(f"{server.url}/small.git", params={"engine": engine, "depth": 1}).result()
    run = child(f"{server.url}/small.git", params={"engine": engine})
    run.result()
    assert git(run.repo, "rev-list", "--count", "HEAD") == "30"


def test_a_clone_can_become_bare(child, server, engine):
    child(f"{server.url}/small.git", params={"engine": engine}).result()
    run = child(f"{server.url}/small.git", params={"engine": engine, "bare": True})
    assert not run.result()["updated"]
    assert git(run.repo, "rev-parse", "--is-bare-repository") == "true"


def test_auto_prefers_the_git_command(child, server):
    assert child(f"{server.url}/small.git").result()["engine"] == "git"


def test_auto_does_without_git(child, server, tmp_path):
    (tmp_path / "bin").mkdir()
    run = child(f"{server.url}/small.git", env={"PATH": str(tmp_path / "bin")})
    assert run.result()["engine"] == "libgit2"


def test_the_git_protocol(child, git_daemon, repositories, engine):
    run = child(f"{git_daemon}/small.git", params={"engine": engine})
    assert run.result()["head"] == repositories.head("small.git")
    assert git(run.repo, "config", "remote.origin.url") == f"{git_daemon}/small.git"


def test_a_folder_inside_the_roots(child, repositories, engine):
    url = f"file://{repositories.root}/small.git"
    run = child(url, params={"engine": engine}, rules={"roots": [str(repositories.root)]})
    assert run.result()["head"] == repositories.head("small.git")
    assert run.stages == ["connect", "receiving", "resolving", "checkout"]


def test_a_token_is_sent_and_kept_out_of_the_clone(child, server, repositories, engine):
    server.behaviour.user = ("x-access-token", "s3cr3t-token")
    run = child(f"{server.url}/small.git", params={"engine": engine}, secrets={"token": "s3cr3t-token"})
    assert run.result()["head"] == repositories.head("small.git")
    assert "s3cr3t" not in (run.repo / ".git" / "config").read_text()


def test_a_user_name_and_a_password_are_sent(child, server, engine):
    server.behaviour.user = ("ann", 'pa"ss\\wörd')
    run = child(
        f"{server.url}/small.git", params={"engine": engine, "username": "ann"}, secrets={"password": 'pa"ss\\wörd'}
    )
    run.result()


def test_a_redirect_inside_the_gate_is_followed(child, server, repositories, engine):
    server.behaviour.redirects = {"/old/": f"{server.url}/"}
    run = child(f"{server.url}/old/small.git", params={"engine": engine})
    assert run.result()["head"] == repositories.head("small.git")
    assert git(run.repo, "config", "remote.origin.url") == f"{server.url}/old/small.git"


def test_credentials_do_not_follow_a_redirect_to_another_server(child, server, repositories, engine):
    with GitServer(repositories.root) as other:
        server.behaviour.redirects = {"/": f"{other.url}/"}
        run = child(f"{server.url}/small.git", params={"engine": engine}, secrets={"token": "s3cr3t-token"})
        run.result()
        assert "Authorization" in server.requests[0][2]
        assert other.requests
        assert all("Authorization" not in headers for _, _, headers in other.requests)


def test_engines_follow_no_redirect_themselves(child, server, repositories, engine, tmp_path):
    """The second request is redirected, when the preflight has been let through."""
    real = server._server.RequestHandlerClass._redirect

    def later(handler) -> str | None:
        return f"http://localhost:{server.port}/elsewhere" if len(server.requests) > 1 else real(handler)

    handler = type("Later", (server._server.RequestHandlerClass,), {"_redirect": later})
    server._server.RequestHandlerClass = handler
    run = child(f"{server.url}/small.git", params={"engine": engine})
    run.failure()
    assert not any("elsewhere" in path for _, path, _ in server.requests)


def test_an_http_1_0_server_works_with_the_git_command(child, server):
    server.behaviour.close_1_0 = True
    child(f"{server.url}/small.git", params={"engine": "git"}).result()


def test_https_with_a_trusted_certificate(child, repositories, engine, certificate):
    with GitServer(repositories.root, tls=certificate) as server:
        url = f"https://localhost:{server.port}/small.git"
        run = child(url, params={"engine": engine}, env={"SSL_CERT_FILE": str(certificate[0])})
        assert run.result()["head"] == repositories.head("small.git")


def test_settings_of_the_machine_do_not_leak_in(child, server, engine, tmp_path):
    """`insteadOf` would lead away from the checked address, a template would bring hooks."""
    (tmp_path / "template" / "hooks").mkdir(parents=True)
    hook = tmp_path / "template" / "hooks" / "post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/hook-ran\n")
    hook.chmod(0o755)
    (tmp_path / ".gitconfig").write_text(
        f'[url "http://127.0.0.1:1/"]\n\tinsteadOf = {server.url}/\n[init]\n\ttemplateDir = {tmp_path}/template\n'
    )
    env = {"HOME": str(tmp_path), "http_proxy": "http://127.0.0.1:1", "GIT_TEMPLATE_DIR": f"{tmp_path}/template"}
    run = child(f"{server.url}/small.git", params={"engine": engine}, env=env)
    run.result()
    assert not (tmp_path / "hook-ran").exists()
    assert not list(run.repo.glob(".git/hooks/post-checkout"))


def test_submodules_are_left_out_unless_asked_for(child, server, repositories, engine):
    name = f"with-module-{engine}.git"
    with_submodule(repositories.root / name, "../small.git", repositories.head("small.git"))
    run = child(f"{server.url}/{name}", params={"engine": engine})
    run.result()
    assert list((run.repo / "libs" / "module").iterdir()) == []
    run = child(f"{server.url}/{name}", params={"engine": engine, "submodules": True})
    run.result()
    assert (run.repo / "libs" / "module" / "README").read_text() == "read me 29\n"
    assert git(run.repo, "submodule", "status").split()[0] == repositories.head("small.git")
    assert git(run.repo, "status", "--porcelain") == ""
    assert pygit2.Repository(str(run.repo / "libs" / "module")).remotes["origin"].url == f"{server.url}/small.git"


def test_the_first_message_says_ready_and_stdin_closing_ends_an_idle_child():
    process = subprocess.Popen(
        [sys.executable, "-m", "hub.jobs.child"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    with process:
        assert process.stdout.readline() == b'{"ready":true}\n'
        process.stdin.close()
        assert process.wait(5) == 0


def test_the_result_is_readable_by_the_hubs_user_only_by_umask(child, server, engine):
    run = child(f"{server.url}/small.git", params={"engine": engine})
    run.result()
    assert os.access(run.repo / ".git" / "config", os.R_OK)
    assert Path(run.repo).stat().st_mode & 0o002 == 0


def test_a_path_that_is_not_ascii(child, server, repositories, engine):
    path = init(repositories.root / f"é-{engine}.git")
    fill(path)
    run = child(f"{server.url}/{path.name}", params={"engine": engine})
    assert run.result()["head"] == repositories.head(path.name)
