"""Clones that fail: every code, the same from both engines, and nothing left behind."""

import contextlib
import socket
import subprocess

import pytest

from hub.jobs.git.failures import FAILURES, explain
from tests.conftest import missing
from tests.jobs.child_run import ChildRun
from tests.jobs.conftest import free_port
from tests.jobs.git_server import GitServer
from tests.jobs.repositories import advance, fill, git, init, with_submodule


@pytest.fixture
def fails(child, engine):
    """Run a clone that fails; its code. Whatever the reason, the project's folder stays as it was."""

    def run(url, params=None, **options) -> str:
        started = child(url, params={"engine": engine, **(params or {})}, **options)
        failure = started.failure()
        assert failure["message"]
        assert failure["hint"] or failure["code"] == "url_refused"
        assert not started.home.exists() or not list(started.home.iterdir())
        return failure["code"]

    return run


def test_an_unknown_host(fails):
    assert fails("https://no-such-host.invalid/a.git") == "host_not_found"


def test_a_closed_port(fails):
    for scheme in ("http", "https", "git", "ssh"):
        assert fails(f"{scheme}://127.0.0.1:{free_port()}/a.git") == "refused", scheme


def test_a_server_that_never_answers(fails, server):
    server.behaviour.hang = "refs"
    assert fails(f"{server.url}/small.git", rules={"connect_timeout_s": 0.5}) == "timeout"


def test_a_server_that_falls_silent_in_mid_transfer(fails, server):
    server.behaviour.hang = "pack"
    assert fails(f"{server.url}/small.git", rules={"silence_timeout_s": 1.0}) == "timeout"


def test_a_git_server_that_accepts_and_says_nothing(fails):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"git://127.0.0.1:{silent.getsockname()[1]}/a.git"
        assert fails(url, rules={"silence_timeout_s": 1.0}) == "timeout"


def test_a_certificate_that_nobody_vouches_for(fails, repositories, certificate):
    with GitServer(repositories.root, tls=certificate) as server:
        assert fails(f"https://localhost:{server.port}/small.git") == "tls"


def test_a_certificate_for_another_name(fails, repositories, certificate):
    with GitServer(repositories.root, tls=certificate) as server:
        env = {"SSL_CERT_FILE": str(certificate[0])}
        assert fails(f"https://127.0.0.1:{server.port}/small.git", env=env) == "tls"


def test_https_to_a_server_without(fails, server):
    assert fails(f"https://127.0.0.1:{server.port}/small.git") == "tls"


def test_a_web_page(fails, server):
    server.behaviour.page = True
    assert fails(f"{server.url}/small.git") == "not_git"


@pytest.mark.parametrize("answer", [b"hello\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", b"\x15\x03\x01\x00\x02\x02\x50" * 9])
def test_something_that_is_not_http(fails, server, answer):
    server.behaviour.garbage = answer
    assert fails(f"{server.url}/small.git") == "not_git"


def test_the_dumb_protocol_is_not_spoken(fails, server):
    body = b"0" * 40 + b"\trefs/heads/main\n"
    server.behaviour.garbage = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(body)
    server.behaviour.garbage += body
    assert fails(f"{server.url}/small.git") == "not_git"


def test_a_connection_closed_without_an_answer(fails, server):
    server.behaviour.garbage = b""
    assert fails(f"{server.url}/small.git") == "protocol"


def test_no_such_repository(fails, server, git_daemon, repositories):
    assert fails(f"{server.url}/no-such.git") == "repository_not_found"
    assert fails(f"{git_daemon}/no-such.git") == "repository_not_found"
    assert fails(f"file://{repositories.root}/no.git", rules={"roots": ["/"]}) == "repository_not_found"


def test_a_folder_that_is_no_repository(fails, tmp_path):
    (tmp_path / "plain").mkdir()
    assert fails(f"file://{tmp_path}/plain", rules={"roots": [str(tmp_path)]}) == "repository_not_found"


def test_credentials_are_wanted(fails, server):
    server.behaviour.user = ("ann", "right")
    assert fails(f"{server.url}/small.git") == "credentials_wanted"


def test_credentials_are_wrong(fails, server):
    server.behaviour.user = ("ann", "right")
    secrets = {"password": "wrong-password"}
    assert fails(f"{server.url}/small.git", {"username": "ann"}, secrets=secrets) == "credentials_wrong"
    assert fails(f"{server.url}/small.git", secrets={"token": "wrong-token"}) == "credentials_wrong"


@pytest.mark.parametrize(("status", "code"), [(403, "credentials_wanted"), (410, "repository_not_found"),
                                              (418, "not_git"), (429, "protocol"), (503, "protocol")])  # fmt: skip
def test_other_answers(fails, server, status, code):
    server.behaviour.status = status
    assert fails(f"{server.url}/small.git") == code


@pytest.mark.parametrize(
    "place",
    [
        "http://169.254.169.254/latest", "http://10.0.0.1/small.git", "file:///etc/small.git",
        "http://ann:secret@127.0.0.1/small.git", "http://[::ffff:10.0.0.1]/x", "ssh://git@127.0.0.1/x",
        "ext::sh -c id ", "http://[::1", "http://[::1]x:y/z",
    ],
)  # fmt: skip
def test_a_redirect_that_the_gate_refuses(fails, server, place):
    server.behaviour.redirects = {"/small.git": place}
    assert fails(f"{server.url}/small.git") == "redirected"


def test_a_redirect_from_https_to_http(fails, server, repositories, certificate):
    with GitServer(repositories.root, tls=certificate) as secure:
        secure.behaviour.redirects = {"/": f"{server.url}/"}
        env = {"SSL_CERT_FILE": str(certificate[0])}
        assert fails(f"https://localhost:{secure.port}/small.git", env=env) == "redirected"
    assert server.requests == []


def test_redirects_in_a_circle(fails, server):
    server.behaviour.redirects = {"/small.git": "/other.git", "/other.git": "/small.git"}
    assert fails(f"{server.url}/small.git") == "redirected"
    assert len(server.requests) == 6


def test_a_redirect_to_a_sign_in_page(fails, server):
    server.behaviour.redirects = {"/small.git/info/refs?service=git-upload-pack": "/users/sign_in"}
    assert fails(f"{server.url}/small.git") == "credentials_wanted"


def test_a_redirect_to_some_page(fails, server):
    server.behaviour.redirects = {"/small.git/info/refs?service=git-upload-pack": "/welcome"}
    assert fails(f"{server.url}/small.git") == "not_git"


def test_no_such_branch(fails, server):
    assert fails(f"{server.url}/small.git", {"branch": "no-such"}) == "branch_not_found"
    assert fails(f"{server.url}/empty.git", {"branch": "no-such"}) == "branch_not_found"


def test_a_pack_that_is_cut(fails, server):
    server.behaviour.cut_after = 200_000
    assert fails(f"{server.url}/heavy.git") == "protocol"


def test_a_place_that_the_gate_refuses(fails, server, tmp_path):
    assert fails(f"{server.url}/small.git", rules={"allow_networks": []}) == "url_refused"
    assert fails("http://localhost/small.git", rules={"allow_networks": []}) == "url_refused"
    assert fails("file:///etc") == "url_refused"
    assert server.requests == []


def test_a_disk_that_is_nearly_full(fails, server):
    assert fails(f"{server.url}/small.git", rules={"min_free_bytes": 1 << 60}) == "disk_full"


def test_a_disk_that_is_full(child, server, engine, tmp_path):
    disk = tmp_path / "home-and-work"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], stderr=subprocess.DEVNULL).returncode:
        missing("the right to mount a small disk")
    try:
        run = ChildRun(disk, f"{server.url}/heavy.git", params={"engine": engine})
        with contextlib.closing(run):
            assert run.failure()["code"] == "disk_full"
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_destination_that_holds_something_else(child, server, engine):
    run = child(f"{server.url}/small.git", params={"engine": engine})
    run.result()
    other = child(f"{server.url}/heavy.git", params={"engine": engine})
    assert other.failure()["code"] == "destination_taken"
    assert (other.repo / "README").exists()


def test_a_destination_that_is_no_repository(child, server, engine, tmp_path):
    (tmp_path / "home" / "repo").mkdir(parents=True)
    (tmp_path / "home" / "repo" / "notes").write_text("mine")
    assert child(f"{server.url}/small.git", params={"engine": engine}).failure()["code"] == "destination_taken"
    assert (tmp_path / "home" / "repo" / "notes").read_text() == "mine"


def test_a_failed_update_leaves_the_old_clone(child, server, repositories, engine):
    repo = init(repositories.root / f"breaks-{engine}.git")
    fill(repo)
    url = f"{server.url}/{repo.name}"
    child(url, params={"engine": engine}).result()
    advance(repo, "newer")
    server.behaviour.cut_after = 50
    run = child(url, params={"engine": engine})
    assert run.failure()["code"] == "protocol"
    assert (run.repo / "README").read_text() == "read me 29\n"
    assert git(run.repo, "status", "--porcelain") == ""
    git(run.repo, "fsck", "--strict")


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/x",
        "file:///etc",
        "/etc",
        "ext::sh -c id",
        "--upload-pack=id",
        "http://ann:secret@a.org/x",
    ],
)
def test_submodules_pass_the_same_gate(fails, server, repositories, engine, url, tmp_path):
    name = f"{tmp_path.name}.git"
    with_submodule(repositories.root / name, url, repositories.head("small.git"))
    code = fails(f"{server.url}/{name}", {"submodules": True}, rules={"roots": ["/"]})
    assert code == "url_refused"


def test_a_submodule_whose_commit_is_missing(fails, server, repositories, engine, tmp_path):
    name = f"{tmp_path.name}.git"
    with_submodule(repositories.root / name, "../small.git", "1" * 40)
    assert fails(f"{server.url}/{name}", {"submodules": True}) == "protocol"


def test_libgit2_says_what_it_cannot_do(child, repositories):
    url = f"file://{repositories.root}/small.git"
    run = child(url, params={"engine": "libgit2", "depth": 1}, rules={"roots": [str(repositories.root)]})
    assert "local folder" in run.failure()["message"]


def test_a_git_that_is_not_there(child, server, tmp_path):
    run = child(f"{server.url}/small.git", params={"engine": "git"}, env={"PATH": str(tmp_path)})
    assert "not installed" in run.failure()["message"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("fatal: write error: No space left on device\nfatal: fetch-pack: invalid index-pack output", "disk_full"),
        ("failed to write chunk: No space left on device", "disk_full"),
        ("Host key verification failed.\nfatal: Could not read from remote repository.", "host_key_unknown"),
        ("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.", "host_key_unknown"),
        ("invalid or unknown remote ssh hostkey", "host_key_unknown"),
        ("git@example.org: Permission denied (publickey).\nfatal: Could not read from remote", "credentials_wanted"),
        ("fatal: could not read Username for 'https://x': terminal prompts disabled", "credentials_wanted"),
        ("remote authentication required but no callback set", "credentials_wanted"),
        ('Load key "/proc/1/fd/5": error in libcrypto\ngit@x: Permission denied (publickey).', "credentials_wrong"),
        ("fatal: Remote branch nope not found in upstream origin", "branch_not_found"),
        ("ERROR: Repository not found.\nfatal: Could not read from remote repository.", "repository_not_found"),
        ("fatal: '/x.git' does not appear to be a git repository", "repository_not_found"),
        ("fatal: remote error: access denied or repository not exported: /x.git", "repository_not_found"),
        ("ssh: connect to host 1.1.1.1 port 22: Connection refused", "refused"),
        ("failed to connect to 1.1.1.1: Connection refused", "refused"),
        ("ssh: connect to host 1.1.1.1 port 22: Connection timed out", "timeout"),
        ("error: RPC failed; curl 28 Operation too slow. Less than 1 bytes/sec transferred", "timeout"),
        ("fatal: unable to access: server certificate verification failed. CAfile: none CRLfile: none", "tls"),
        ("the SSL certificate is invalid", "tls"),
        ("error: invalid path '.git/hooks/post-checkout'", "unsafe_files"),
        ("fatal: early EOF\nfatal: index-pack failed", "protocol"),
        ("", "protocol"),
    ],
)
def test_the_words_of_the_engines_are_known(words, code):
    failure = explain(words, had_credentials=False).failure
    assert failure.code == code
    assert failure.message
    assert failure.hint


def test_an_unknown_failure_quotes_git():
    failure = explain("Cloning into 'x'...\nfatal: the moon is too bright\nmore", had_credentials=False).failure
    assert failure.message == "The transfer failed: the moon is too bright"


def test_every_code_has_words():
    for row in FAILURES.values():
        assert row.message.endswith(".")
        assert row.hint.endswith(".")
