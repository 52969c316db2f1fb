"""Attack: learn a secret from something that the hub writes, says or starts.

Every secret that it is given is looked for, in every form that a machine in between might give it, in every place: what
all transports and surfaces say, logs, errors, exports, metrics, webhooks' bodies, every byte of the data folder
(journal and write-ahead log included), arguments and environments of all that it starts. One hub, one go.
"""

import base64
import contextlib
import hashlib
import html
import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from hub.core.redaction import Redactor
from tests.hubs import running
from tests.jobs.conftest import until
from tests.jobs.git_server import GitServer
from tests.jobs.repositories import Repositories
from tests.servers import serving

TOKEN = 'tök-5Zr9/wQ2+xLm7"Kp4=&s'
PASSWORD = "pass word/w%ith&odd+chars-93"
PASSPHRASE = "open sesame 8817"
KEY_LINE = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZWQ"
SSH_KEY = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{KEY_LINE}\n-----END OPENSSH PRIVATE KEY-----\n"
STORE_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
HOOK = "T0123/B4567/s3cr3tPathOfTheReceiver"
SECRETS = {
    "token": TOKEN, "password": PASSWORD, "passphrase": PASSPHRASE, "key": KEY_LINE, "store": STORE_KEY, "hook": HOOK,
}  # fmt: skip


def forms(secret: str) -> set[str]:
    """As a machine in between may write it. Made here, not by what is tested."""
    raw = secret.encode()
    quoted = {urllib.parse.quote(secret), urllib.parse.quote(secret, safe=""), urllib.parse.quote_plus(secret)}
    quoted |= {re.sub("%..", lambda match: match[0].lower(), one) for one in quoted}
    encoded = {
        encode(pair).decode().rstrip("=")
        for pair in (raw, b"x-access-token:" + raw, b"ann:" + raw, b":" + raw, b"Bearer " + raw)
        for encode in (base64.b64encode, base64.urlsafe_b64encode)
    }
    return {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], *quoted, *encoded}


def leaks(text: bytes, *, but: str = "") -> list[str]:
    return [
        f"{name}: {form}"
        for name, secret in SECRETS.items()
        for form in forms(secret)
        if name != but and form.encode() in text
    ]


@pytest.mark.parametrize("secret", [TOKEN, PASSWORD, STORE_KEY, "0123456789"])
@pytest.mark.parametrize("around", ["", "a", "ab", "abc", "user:"])
def test_what_is_told_is_clean_of_every_form(secret: str, around: str) -> None:
    redactor = Redactor()
    redactor.add([secret], user="ann", job="j")
    raw = (around + secret + around).encode()
    for form in {*forms(secret), base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}:
        told = redactor.text(f"it was {form}.", "j")
        assert "[redacted]" in told, form
        assert not [each for each in forms(secret) if each in told]


# -- one hub, every place ---------------------------------------------------------------------------------------------


class Hub:
    def __init__(self, base: Path) -> None:
        self.data, self.log, self._port = base / "data", base / "log", 0
        environment = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": STORE_KEY}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable, "-m", "hub", "serve", "--port", "0",
                    "--data-dir", str(self.data), "--allow-networks",
                    "127.0.0.1/32", "--log-level", "debug", "--retry-attempts", "0",
                ],
                stdout=subprocess.PIPE, stderr=log, env=os.environ | environment, text=True,
            )  # fmt: skip
        found = re.search(r"http://[\d.]+:\d+", self.process.stdout.readline())
        assert found, self.log.read_text()
        self.url = found[0]

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as exc:
            with exc:
                return exc.code, exc.read()

    def json(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        return json.loads(self.ask(method, path, body, **headers)[1])

    def started(self) -> Iterator[bytes]:
        """Arguments and environment of every process below this one."""
        waiting = [self.process.pid]
        while waiting:
            pid = waiting.pop()
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    waiting += map(int, (task / "children").read_text().split())
                yield Path(f"/proc/{pid}/cmdline").read_bytes()
                if pid != self.process.pid:  # its own environment is where the operator has put the store's key
                    yield Path(f"/proc/{pid}/environ").read_bytes()

    def close(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        self.process.stdout.close()


class Listening(threading.Thread):
    """Keeps every byte of an event stream."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.heard = b""
        self._response = urllib.request.urlopen(
            urllib.request.Request(url, headers={"Accept": "text/event-stream"}), timeout=60
        )
        self.start()

    def run(self) -> None:
        with contextlib.suppress(OSError, ValueError), self._response:
            while chunk := self._response.read1(65536):
                self.heard += chunk


@contextlib.contextmanager
def receiving() -> Iterator[tuple[int, list[bytes]]]:
    bodies: list[bytes] = []

    class Receiver(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None: ...

        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(500 if len(bodies) == 1 else 200)
            self.end_headers()

    with serving(Receiver) as port:
        yield port, bodies


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    hub = Hub(tmp_path)
    yield hub
    hub.close()


def test_no_secret_is_anywhere(hub: Hub, server: GitServer, repositories: Repositories) -> None:
    with receiving() as (receiver, bodies):
        said = _everything_done(hub, server, receiver, bodies)
        places = {**said, **_asked(hub), "webhooks' bodies": b"\n".join(bodies)}
        hub.close()
    # A webhook's URL has to be kept whole, to be used.
    found = {name: leaks(text) for name, text in places.items() if name != "made"}
    found["log"] = leaks(hub.log.read_bytes())
    for path in hub.data.rglob("*"):
        if path.is_file():
            found[str(path)] = leaks(path.read_bytes(), but="hook" if path.name.startswith("journal.sqlite3") else "")
    assert {name: what for name, what in found.items() if what} == {}
    assert b"[redacted]" in places["feed"]
    assert len(bodies) > 1
    secret = json.loads(said["made"])["secret"].encode()
    assert not [name for name, text in places.items() if name != "made" and secret in text]
    assert secret not in hub.log.read_bytes()


def _everything_done(hub: Hub, server: GitServer, receiver: int, bodies: list[bytes]) -> dict[str, bytes]:
    said: dict[str, bytes] = {}
    said["made"] = hub.ask("POST", "/api/v1/webhooks", {"url": f"http://127.0.0.1:{receiver}/{HOOK}?key=1"})[1]
    urls = {"a": f"{server.url}/small.git", "b": f"{server.url}/b.git", "ssh": "ssh://git@127.0.0.1:1/x"}
    for name, url in urls.items():
        hub.json("POST", "/api/v1/projects", {"url": url, "id": name})
    streams = {name: Listening(f"{hub.url}/api/v1/{path}") for name, path in (
        ("feed", "events"), *((each, f"projects/{each}/events") for each in ("a", "b", "ssh")),
    )}  # fmt: skip

    said |= _accepted(hub, server)
    said |= _refused(hub, server)
    said |= _at_other_doors(hub, server)
    until(lambda: len(bodies) > 1, 20)
    return said | {name: stream.heard for name, stream in streams.items()}


def _accepted(hub: Hub, server: GitServer) -> dict[str, bytes]:
    """Credentials that the server takes, and repeats in every form."""
    said: dict[str, bytes] = {}
    server.behaviour.user = ("x-access-token", TOKEN)
    echo = " | ".join([*sorted(forms(TOKEN)), html.escape("fatal: <b>")])
    server.behaviour.words = f"you said {echo}\nfatal: {TOKEN} is not liked\n".encode()
    server.behaviour.hang = "pack"
    job = hub.json(
        "POST", "/api/v1/projects/a/jobs", {"kind": "clone", "params": {"token": TOKEN}}, **{"Idempotency-Key": "key-1"}
    )
    until(lambda: any(method == "POST" for method, _, _ in server.requests), 20)
    said["processes"] = b"\n".join(hub.started())
    assert b"hub.jobs.child" in said["processes"]
    server.behaviour.hang = ""
    server.released.set()
    said["clone"] = _ended(hub, job["id"])
    assert json.loads(said["clone"])["state"] == "succeeded", said["clone"]
    said["again"] = hub.ask(
        "POST", "/api/v1/projects/a/jobs", {"kind": "clone", "params": {"token": TOKEN}}, **{"Idempotency-Key": "key-1"}
    )[1]
    said["reused"] = hub.ask(
        "POST",
        "/api/v1/projects/a/jobs",
        {"kind": "clone", "params": {"token": PASSWORD}},
        **{"Idempotency-Key": "key-1"},
    )[1]
    return said


def _refused(hub: Hub, server: GitServer) -> dict[str, bytes]:
    said: dict[str, bytes] = {}
    server.behaviour.user = ("somebody", "else")
    for project, params in (
        ("b", {"username": "ann", "password": PASSWORD}),
        ("ssh", {"ssh_key": SSH_KEY, "ssh_passphrase": PASSPHRASE}),
    ):
        job = hub.json("POST", f"/api/v1/projects/{project}/jobs", {"kind": "clone", "params": params})
        said[f"{project} failed"] = _ended(hub, job["id"])
        assert json.loads(said[f"{project} failed"])["state"] == "failed"
    return said


def _at_other_doors(hub: Hub, server: GitServer) -> dict[str, bytes]:
    """Those of other systems, and requests that are wrong."""
    said: dict[str, bytes] = {}
    url = f"{server.url}/c.git"
    said["surface"] = hub.ask("POST", "/repos/clone-progress", {"url": url, "credentials": {"token": TOKEN}})[1]
    quoted = urllib.parse.quote(PASSWORD, safe="")
    with_password = f"http://ann:{quoted}@127.0.0.1:{server.port}/d.git"
    for number, (path, body) in enumerate((
        ("/api/v1/projects", {"url": with_password}),
        ("/api/v1/projects", {"url": f"{url}?private_token={quoted}"}),
        ("/repos/clone", {"url": with_password}),
        (f"/repos/clone-progress?url={urllib.parse.quote(with_password)}", {"url": with_password}),
        ("/api/v1/ingest/github", {"repository": with_password, "token": TOKEN}),
        ("/api/v1/webhooks", {"url": f"https://ann:{quoted}@example.org/x"}),
        ("/api/v1/projects/a/jobs", {"kind": "clone", "params": {"token": TOKEN + "\n"}}),
        ("/api/v1/projects/a/jobs", {"kind": "clone", "params": {"token": TOKEN, "password": PASSWORD}}),
        ("/api/v1/projects/a/jobs", {"kind": "clone", "params": {"tokens": TOKEN}}),
    )):  # fmt: skip
        status, text = hub.ask("POST", path, body)
        assert status >= 400 or b'"error"' in text, path
        said[f"wrong {number}"] = text
    said["wrong, by GET"] = hub.ask("GET", f"/repos/clone-progress?url={urllib.parse.quote(with_password)}")[1]
    return said


def _ended(hub: Hub, job: str) -> bytes:
    found = b""

    def look() -> bool:
        nonlocal found
        found = hub.ask("GET", f"/api/v1/jobs/{job}")[1]
        return json.loads(found)["ended"] is not None

    until(look, 30)
    return found


def _asked(hub: Hub) -> dict[str, bytes]:
    paths = [
        "jobs", "jobs?format=csv", "jobs?format=ndjson", "projects", "projects/a", "projects/a/history",
        "projects/a/history?format=csv", "projects/a/history?format=ndjson", "projects/a/events", "events", "webhooks",
        "watchers", "kinds", "schedules", "statistics", "projects/b/history", "projects/ssh/history", "sessions",
    ]  # fmt: skip
    found = {path: hub.ask("GET", f"/api/v1/{path}")[1] for path in paths}
    for webhook in json.loads(found["webhooks"])["items"]:
        found["deliveries"] = hub.ask("GET", f"/api/v1/webhooks/{webhook['id']}/deliveries")[1]
        found["webhook"] = hub.ask("GET", f"/api/v1/webhooks/{webhook['id']}")[1]
    for path in ("/metrics", "/healthz", "/readyz", "/repos", "/api/status", "/"):
        found[path] = hub.ask("GET", path)[1]
    return found


async def test_a_socket_says_none_either(tmp_path: Path, server: GitServer) -> None:
    server.behaviour.user = ("x-access-token", TOKEN)
    server.behaviour.words = f"you said {TOKEN}\n".encode()
    heard = ""
    async with running(tmp_path, allow_networks=("127.0.0.1/32",)) as hub:
        await hub.call("POST", "/api/v1/projects", {"url": f"{server.url}/small.git", "id": "a"})
        async with hub.session.ws_connect(f"{hub.url}/api/v1/projects/a/events") as socket:
            body = {"kind": "clone", "params": {"token": TOKEN, "engine": "libgit2"}}
            assert (await hub.call("POST", "/api/v1/projects/a/jobs", body))[0] == 202
            async for message in socket:
                heard += message.data
                if '"state":"succeeded"' in message.data or '"state":"failed"' in message.data:
                    break
    assert "you said [redacted]" in heard
    assert leaks(heard.encode()) == []


# -- what was asked, kept as a fingerprint ----------------------------------------------------------------------------


async def test_the_record_of_a_request_tells_nobody_who_guesses_what_was_in_it(tmp_path: Path) -> None:
    """A digest without a key can be searched for: a short password is found in seconds."""
    params = {"username": "ann", "password": "1234"}
    for _ in range(2):  # and it is known again after a restart
        async with running(tmp_path, allow_networks=("127.0.0.1/32",)) as hub:
            await hub.call("POST", "/api/v1/projects", {"url": "https://127.0.0.1:1/a", "id": "a"})
            body = {"kind": "clone", "params": params}
            key = {"Idempotency-Key": "k"}
            status, _, _ = await hub.call("POST", "/api/v1/projects/a/jobs", body, headers=key)
            assert status == 202
            assert (await hub.call("GET", "/api/v1/jobs"))[1]["total"] == 1
            other = {"kind": "clone", "params": {**params, "password": "1235"}}
            status, said, _ = await hub.call("POST", "/api/v1/projects/a/jobs", other, headers=key)
            assert (status >= 400, said["error"]["code"]) == (True, "idempotency_key_reused")
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("journal.sqlite3*"))
    asked = json.dumps(["a", "clone", params], sort_keys=True).encode()
    makers: list[Callable[[bytes], Any]] = [hashlib.sha256, hashlib.sha1, hashlib.md5, hashlib.blake2b]
    assert not [make for make in makers if make(asked).hexdigest().encode() in kept]
    assert b"hmac:" in kept
    file = tmp_path / "idempotency.key"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_bytes().strip() not in kept
