"""Where secrets may not be: arguments, environments, logs, files."""

import base64
import os
from pathlib import Path

import pytest

from hub.core.redaction import forms
from tests.jobs.conftest import until

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


@pytest.mark.parametrize("form", [TOKEN, base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()])
def test_a_server_that_repeats_the_secret_is_quoted_without_it(child, server, engine, form):
    """A hook or a proxy on its side may print what it was sent."""
    server.behaviour.words = f"your token is {form}\n".encode()
    run = child(f"{server.url}/small.git", params={"engine": engine}, secrets={"token": TOKEN})
    run.result()
    assert "your token is [redacted]" in repr(run.messages)
    assert holds_secret(repr(run.messages).encode()) == []
