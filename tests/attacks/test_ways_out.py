"""Attack: be a server that passes the check, and then send the hub on to where it may not go.

The ways in: redirects, on any hop and at any moment; a name whose address changes between the check and the use
(rebinding); lists of other servers inside git's own protocol. What holds: the preflight alone follows redirects,
each through the gate; both engines, and webhooks, are given the address that was checked, and ask no DNS themselves.
"""

import asyncio
import http.server
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import pytest

from hub.core.errors import UrlRefused
from hub.jobs import gate
from hub.jobs.base import JobFailed, Rules
from hub.jobs.git import preflight
from hub.jobs.git.base import Credentials
from tests.attacks.conftest import Canary, Notes
from tests.hubs import Running, running
from tests.jobs.git_server import GitServer, packet
from tests.servers import serving
from tests.webhooks.receivers import receiving

RULES = Rules(allow_networks=("127.0.0.1/32",), connect_timeout_s=10.0)
OPEN = {"allow_networks": ["127.0.0.1/32"]}

PLACES = [
    "http://{host}:{port}/a.git", "http://2130706434:{port}/a.git", "http://0x7f.2:{port}/a.git",
    "//{host}:{port}/a.git",
    "http://[::ffff:127.0.0.2]:{port}/a.git", "http://127.2:{port}/a.git",
    "http://inside.example:{port}/a.git", "https://{host}:{port}/a.git", "http://a@{host}:{port}/a.git",
    "http://a:b@{host}:{port}/a.git", "ssh://git@{host}:{port}/a.git", "git://{host}:{port}/a.git", "file:///etc",
    "file://{host}/a.git", "ext::sh -c id", "gopher://{host}:{port}/a.git", "ftp://{host}:{port}/a.git",
    "http:\\\\{host}:{port}\\a.git", "/\\{host}:{port}/a.git", "http://{host}:{port}/-a", "javascript:alert(1)",
    "http://169.254.169.254/latest/meta-data", "http://[fe80::1%25lo]:{port}/a", "http://{host}:{port}/%0a",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _names(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def answer(host: str, port: int, *given: int, **named: int) -> list[tuple[object, ...]]:
        return real("127.0.0.2" if host == "inside.example" else host, port, *given, **named)

    monkeypatch.setattr(socket, "getaddrinfo", answer)


def asked(url: str, notes: Notes) -> preflight.Source:
    return preflight.connect(gate.check(url, RULES), Credentials(password="tok-secret"), RULES, notes)


@pytest.mark.parametrize("hops", [1, 3])
def test_a_redirect_leads_nowhere_that_a_url_may_not(
    server: GitServer, canary: Canary, notes: Notes, hops: int
) -> None:
    for place in PLACES:
        target = place.format(host=canary.host, port=canary.port)
        chain = {f"/hop{n}.git": f"{server.url}/hop{n + 1}.git" for n in range(1, hops)}
        server.behaviour.redirects = {**chain, f"/hop{hops}.git": target}
        with pytest.raises(JobFailed) as caught:
            asked(f"{server.url}/hop1.git", notes)
        assert caught.value.failure.code in {"redirected", "not_git", "credentials_wanted"}, place


@pytest.mark.parametrize("redirects", [{"/a.git": "/a.git"}, {"/a": "/aa"}, {"/a.git": "/b.git", "/b.git": "/a.git"}])
def test_redirects_without_end_have_one(server: GitServer, notes: Notes, redirects: Mapping[str, str]) -> None:
    server.behaviour.redirects = redirects
    with pytest.raises(JobFailed, match="more than 5 times"):
        asked(f"{server.url}/a.git", notes)
    assert len(server.requests) == preflight.MOST_REDIRECTS + 1


def test_a_header_that_hides_a_second_line_changes_no_request(server: GitServer, canary: Canary, notes: Notes) -> None:
    location = f"http://127.0.0.1:{server.port}/x\r\n Host: {canary.host}/info/refs"
    server.behaviour.garbage = f"HTTP/1.1 302 F\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
    with pytest.raises(JobFailed):
        asked(f"{server.url}/a.git", notes)


class Later(dict[str, str]):
    """A redirect that begins with the second request: the first is the preflight's."""

    def __init__(self, place: str) -> None:
        super().__init__()
        self._place = place
        self._count = 0

    def items(self):
        self._count += 1
        return {"/small.git": self._place}.items() if self._count > 1 else {}.items()


@pytest.mark.parametrize("engine_name", ["git", "libgit2"])
def test_an_engine_follows_no_redirect_however_late_it_comes(
    child: Callable, server: GitServer, canary: Canary, engine_name: str
) -> None:
    server.behaviour.redirects = Later(f"http://{canary.host}:{canary.port}/small.git")
    run = child(f"{server.url}/small.git", params={"engine": engine_name}, rules=OPEN)
    assert run.failure()["code"] in {"redirected", "protocol"}
    assert len(server.requests) > 1


# -- other servers, named inside git's protocol -----------------------------------------------------------------------


class TwoFaced(http.server.BaseHTTPRequestHandler):
    """Smart for the preflight, and for the engine a folder of files that names another server's."""

    protocol_version = "HTTP/1.1"
    other = ""

    def log_message(self, *args: object) -> None: ...

    def do_GET(self) -> None:
        if "progress-hub" in self.headers["User-Agent"]:
            self._send(packet(b"# service=git-upload-pack\n") + b"0000", preflight.MEDIA_TYPE)
        elif "/info/refs" in self.path:
            self._send(b"%s\trefs/heads/main\n" % (b"a" * 40), "text/plain")
        elif self.path.endswith("alternates"):
            self._send(f"{self.other}/objects\n".encode(), "text/plain")
        elif self.path.endswith("HEAD"):
            self._send(b"ref: refs/heads/main\n", "text/plain")
        else:
            self.send_error(404)

    def _send(self, body: bytes, media_type: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.mark.parametrize("engine_name", ["git", "libgit2"])
def test_alternates_of_the_dumb_protocol_are_not_asked(child: Callable, canary: Canary, engine_name: str) -> None:
    handler = type("Handler", (TwoFaced,), {"other": f"http://{canary.host}:{canary.port}/other.git"})
    with serving(handler) as port:
        run = child(f"http://127.0.0.1:{port}/a.git", params={"engine": engine_name}, rules=OPEN)
        assert "failed" in run.end()


@pytest.mark.parametrize("engine_name", ["git", "libgit2"])
def test_packs_and_bundles_that_are_said_to_be_elsewhere_are_not_fetched(
    child: Callable, canary: Canary, engine_name: str
) -> None:
    place = f"http://{canary.host}:{canary.port}/x".encode()
    offers = b"".join(
        packet(line + b"\n") for line in (b"version 2", b"ls-refs", b"fetch=packfile-uris", b"bundle-uri")
    )

    class Offering(TwoFaced):
        def do_GET(self) -> None:
            self._send(packet(b"# service=git-upload-pack\n") + b"0000" + offers + b"0000", preflight.MEDIA_TYPE)

        def do_POST(self) -> None:
            said = self.rfile.read(int(self.headers["Content-Length"] or 0))
            if b"bundle-uri" in said:
                body = packet(b"bundle.version=1\n") + packet(b"bundle.a.uri=%s\n" % place) + b"0000"
            elif b"ls-refs" in said:
                body = packet(b"%s refs/heads/main\n" % (b"a" * 40)) + b"0000"
            else:
                body = packet(b"packfile-uris\n") + packet(b"%s %s\n" % (b"b" * 40, place)) + b"0000"
            self._send(body, "application/x-git-upload-pack-result")

    with serving(Offering) as port:
        run = child(f"http://127.0.0.1:{port}/a.git", params={"engine": engine_name}, rules=OPEN)
        run.end()


# -- rebinding --------------------------------------------------------------------------------------------------------

REBOUND = """
import socket, sys
asked, real = [], socket.getaddrinfo
def answer(host, port, *given, **named):
    if host != "rebound.example":
        return real(host, port, *given, **named)
    asked.append(host)
    print("asked", len(asked), file=sys.stderr, flush=True)
    return real("127.0.0.1" if len(asked) == 1 else "127.0.0.2", port, *given, **named)
socket.getaddrinfo = answer
from hub.jobs import child
child.main()
"""


@pytest.mark.parametrize("engine_name", ["git", "libgit2"])
def test_a_name_that_changes_its_mind_is_asked_once_and_its_checked_address_used(
    child: Callable, server: GitServer, canary: Canary, engine_name: str
) -> None:
    """Nobody else can place the name at all: an engine that asked a DNS itself would have failed."""
    run = child(
        f"http://rebound.example:{server.port}/small.git", params={"engine": engine_name}, rules=OPEN,
        command=[sys.executable, "-c", REBOUND],
    )  # fmt: skip
    run.result()
    assert run.stderr.count("asked") == 1
    hosts = {headers["Host"] for _, _, headers in server.requests}
    assert hosts == {f"rebound.example:{server.port}"}


def test_each_hop_is_asked_for_anew_and_connects_to_what_was_checked(
    server: GitServer, canary: Canary, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {"first.example": ["127.0.0.1", "127.0.0.2"], "second.example": ["127.0.0.2"]}
    real = socket.getaddrinfo

    def answer(host: str, port: int, *given: int, **named: int) -> list[tuple[object, ...]]:
        return real(answers[host].pop(0) if host in answers else host, port, *given, **named)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    server.behaviour.redirects = {"/small.git": f"http://second.example:{server.port}/small.git"}
    with pytest.raises(JobFailed, match="does not connect"):
        asked(f"http://first.example:{server.port}/small.git", notes)
    assert (len(server.requests), answers) == (1, {"first.example": ["127.0.0.2"], "second.example": []})


def test_a_name_with_one_good_address_among_bad_ones_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for bad in ("127.0.0.2", "::1", "::ffff:10.0.0.1", "fe80::1%lo", "64:ff9b::a00:1"):
        found = [(0, 0, 0, "", (address, 80)) for address in ("93.184.216.34", bad)]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, found=found, **__: found)
        with pytest.raises(UrlRefused):
            gate.resolve(gate.parse("http://both.example/a"), RULES)


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path, allow_networks=("127.0.0.1/32",)) as hub:
        yield hub


async def test_a_webhook_whose_name_changes_its_mind(
    hub: Running, canary: Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked when it is added, and at each attempt, which goes to the answer that was checked."""
    places = iter(["127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.2"])
    real = socket.getaddrinfo

    def answer(host: str, port: int, *given: int, **named: int) -> list[tuple[object, ...]]:
        return real(next(places) if host == "rebound.example" else host, port, *given, **named)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    async with receiving() as there:
        url = f"http://rebound.example:{there.port}/hook"
        status, made, _ = await hub.call("POST", "/api/v1/webhooks", {"url": url})
        assert status == 201, made
        test = f"/api/v1/webhooks/{made['id']}/test"
        assert (await hub.call("POST", test))[1]["state"] == "delivered"
        told = (await hub.call("POST", test))[1]
        assert (told["state"], "private" in told["error"], there.connections) == ("failed", True, 1)


async def test_a_webhooks_receiver_sends_nobody_anywhere(hub: Running, canary: Canary) -> None:
    async with receiving() as there:
        made = (await hub.call("POST", "/api/v1/webhooks", {"url": there.url}))[1]
        for place in PLACES[:16]:
            there.plan = [(307, {"Location": place.format(host=canary.host, port=canary.port)})]
            told = (await hub.call("POST", f"/api/v1/webhooks/{made['id']}/test"))[1]
            assert (told["state"], told["status"]) == ("failed", 307)
        assert there.connections == 16


# -- the programs' own ways around ------------------------------------------------------------------------------------


@pytest.fixture
def proxy() -> Iterator[int]:
    """What a proxy that the environment names would be: it counts who comes."""
    canary = Canary("127.0.0.1")
    yield canary.port
    canary.close()
    assert canary.visits == 0


@pytest.mark.parametrize("engine_name", ["git", "libgit2"])
def test_no_proxy_rewrite_or_helper_of_the_machine_is_used(
    child: Callable, server: GitServer, proxy: int, engine_name: str, tmp_path: Path, mark: Path
) -> None:
    evil = f"""
[url "http://127.0.0.1:{proxy}/"]
\tinsteadOf = {server.url}/
[http]
\tproxy = http://127.0.0.1:{proxy}
[core]
\tsshCommand = touch {mark}
\tgitProxy = touch {mark}
\taskPass = touch {mark}
\tfsmonitor = touch {mark}
\thooksPath = {tmp_path}/hooks
[credential]
\thelper = !touch {mark}
[filter "evil"]
\tsmudge = touch {mark}
[init]
\ttemplateDir = {tmp_path}/template
"""
    home = tmp_path / "machine"
    for folder in (home, tmp_path / "hooks", tmp_path / "template" / "hooks"):
        folder.mkdir(parents=True)
    (home / ".gitconfig").write_text(evil)
    (home / ".netrc").write_text("machine 127.0.0.1 login me password mine\n")
    for hooks in (tmp_path / "hooks", tmp_path / "template" / "hooks"):
        for name in ("post-checkout", "reference-transaction", "pre-auto-gc"):
            (hooks / name).write_text(f"#!/bin/sh\ntouch {mark}\n")
            (hooks / name).chmod(0o755)
    names = ("http_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
    env = dict.fromkeys(names, f"http://127.0.0.1:{proxy}") | {
        "HOME": str(home), "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"), "GIT_PROXY_COMMAND": f"touch {mark}",
        "GIT_SSH_COMMAND": f"touch {mark}", "GIT_ASKPASS": f"touch {mark}", "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.fsmonitor", "GIT_CONFIG_VALUE_0": f"touch {mark}", "GIT_TRACE": str(mark),
        "GIT_EXTERNAL_DIFF": f"touch {mark}", "GIT_TEMPLATE_DIR": str(tmp_path / "template"),
    }  # fmt: skip
    child(f"{server.url}/small.git", params={"engine": engine_name}, rules=OPEN, env=env).result()
    assert all("Authorization" not in headers for _, _, headers in server.requests)


def test_what_waits_for_a_name_can_be_ended(monkeypatch: pytest.MonkeyPatch, notes: Notes) -> None:
    """A DNS that answers after an hour holds nobody."""
    asleep = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: asleep.wait(30) and [])
    rules = Rules(connect_timeout_s=0.2)
    try:
        with pytest.raises(JobFailed) as caught:
            preflight.connect(gate.parse("http://slow.example/a"), Credentials(), rules, notes)
        assert caught.value.failure.code == "timeout"
    finally:
        asleep.set()


async def test_nothing_is_waited_for_on_the_loop() -> None:
    """The gate's pure part is all that the hub's own process calls; what blocks is called in threads and children."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for _ in range(1000):
        gate.check("https://example.org/a.git", RULES)
    assert loop.time() - began < 1
