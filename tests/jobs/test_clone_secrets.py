"""Where secrets may not be: arguments, environments, logs, files."""

import base64
import os
from pathlib import Path

import pytest

from hub.core.redaction import forms
from hub.jobs.child import LONGEST_PROGRESS
from tests.jobs.conftest import until
from tests.jobs.git_server import packet

TOKEN = "tok-5Zr9wQ2xLm7Kp4"


def processes_of(group: int) -> list[Path]:
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                if os.getpgid(int(path.name)) == group:
                    found.append(path)
            except ProcessLookupError:
                continue
    return found


def told(group: int) -> bytes:
    """Arguments and environment of every process of the group."""
    return b"\n".join(
        (path / name).read_bytes() for path in processes_of(group) for name in ("cmdline", "environ") if path.exists()
    )


def holds_secret(text: bytes) -> list[str]:
    return [form for form in forms(TOKEN, "x-access-token") if form.encode() in text]


def test_a_token_is_in_no_argument_environment_file_or_message(child, server, engine):
    server.behaviour.user = ("x-access-token", TOKEN)
    server.behaviour.hang = "pack"
    run = child(f"{server.url}/small.git", params={"engine": engine}, secrets={"token": TOKEN})
    until(lambda: any(method == "POST" for method, _, _ in server.requests))
    seen = told(run.process.pid)
    if engine == "git":
        assert b"git-remote-http" in seen
        assert b"GIT_CONFIG_GLOBAL=/proc/" in seen
    assert holds_secret(seen) == []
    for path in run.work.rglob("*"):
        if path.is_file():
            assert holds_secret(path.read_bytes()) == [], path
    server.behaviour.hang = ""
    server.released.set()
    for _ in run.read():
        pass
    sent = [headers.get("Authorization") for _, _, headers in server.requests]
    assert "Basic " + base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode() in sent
    assert holds_secret(repr(run.messages).encode()) == []
    assert holds_secret(run.stderr.encode()) == []


def test_the_finished_clone_holds_no_secret(child, server, engine):
    server.behaviour.user = ("x-access-token", TOKEN)
    run = child(f"{server.url}/small.git", params={"engine": engine}, secrets={"token": TOKEN})
    run.result()
    for path in run.repo.rglob("*"):
        if path.is_file():
            assert holds_secret(path.read_bytes()) == [], path


@pytest.mark.parametrize("column", [190, 290, 990, 1_980, 65_520])
def test_a_secret_is_masked_before_its_line_is_cut(child, server, engine, column):
    server.behaviour.words = b"x" * (column - 30) + b" " * 30 + TOKEN.encode() + b" and more words" * 20 + b"\n"
    if column > 60_000:  # more than a packet holds: the line goes on in the next
        server.behaviour.words = (b"y" * column + TOKEN.encode())[:65_000] + b"\n"
    run = child(f"{server.url}/small.git", params={"engine": engine}, secrets={"token": TOKEN})
    run.result()
    told = repr(run.messages)
    assert not [n for n in range(4, len(TOKEN) + 1) if TOKEN[:n] in told]


def test_a_secret_in_a_phase_is_masked_before_it_is_cut(child, server, engine):
    server.behaviour.words = b"Counting " + b"\x07" * 30 + b"x" * 150 + TOKEN.encode() + b" objects" * 8_000 + b"\n"
    run = child(f"{server.url}/small.git", params={"engine": engine}, secrets={"token": TOKEN})
    run.result()
    phases = {progress["detail"].get("phase", "") for progress in run.progress}
    assert max(map(len, phases)) == LONGEST_PROGRESS
    assert all(phase.isprintable() for phase in phases)
    told = repr(run.messages)
    assert not [n for n in range(4, len(TOKEN) + 1) if TOKEN[:n] in told]


@pytest.mark.parametrize("column", [290, 500, 990])
def test_a_secret_in_an_error_is_masked_before_it_is_cut(child, server, engine, column):
    error = b"ERR " + b"x" * column + TOKEN.encode() + b" is not liked"
    server.behaviour.garbage = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n"
        b"Connection: close\r\n\r\n" + packet(error)
    )
    run = child(f"{server.url}/small.git", params={"engine": engine}, secrets={"token": TOKEN})
    message = run.failure()["message"]
    assert not [n for n in range(4, len(TOKEN) + 1) if TOKEN[:n] in message]


@pytest.mark.parametrize("token", ["main", "state", "message", "result", "receiving", "objects", "progress"])
def test_a_secret_that_is_a_word_of_the_protocol_breaks_nothing(child, server, repositories, engine, token):
    server.behaviour.words = f"it is {token}\n".encode()
    run = child(f"{server.url}/small.git", params={"engine": engine}, secrets={"token": token})
    result = run.result()
    assert (result["head"], result["branch"]) == (repositories.head("small.git"), "main")
    assert set(result) == {
        "path", "head", "branch", "bare", "updated", "engine", "objects", "bytes", "files"
    }  # fmt: skip
    assert run.stages == ["connect", "receiving", "resolving", "checkout"]
    assert {progress["unit"] for progress in run.progress} <= {"objects", "deltas", "files"}
    assert all("received_objects" in progress["detail"] for progress in run.progress if progress["unit"] == "objects")
    assert "server: it is [redacted]" in [message["log"]["message"] for message in run.messages if "log" in message]


def test_a_failure_with_such_a_secret_keeps_its_code(child, server, engine):
    server.behaviour.status = 404
    run = child(f"{server.url}/small.git", params={"engine": engine}, secrets={"token": "repository_not_found"})
    assert run.failure()["code"] == "repository_not_found"


@pytest.mark.parametrize("form", [TOKEN, base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()])
def test_a_server_that_repeats_the_secret_is_quoted_without_it(child, server, engine, form):
    """A hook or a proxy on its side may print what it was sent."""
    server.behaviour.words = f"your token is {form}\n".encode()
    run = child(f"{server.url}/small.git", params={"engine": engine}, secrets={"token": TOKEN})
    run.result()
    assert "your token is [redacted]" in repr(run.messages)
    assert holds_secret(repr(run.messages).encode()) == []
