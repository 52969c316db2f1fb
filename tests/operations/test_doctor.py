"""The doctor: each check on facts that are given, and the whole on a real machine, folder, repository and hub."""

import asyncio
import json
import os
import resource
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pygit2.enums import Feature

from hub.backups.contents import JOURNAL
from hub.cli import main
from hub.doctor import configuration, folder, machine, repository, transports
from hub.doctor.findings import Finding, Level, fail, ok, warn, worst
from hub.jobs.base import Rules
from hub.jobs.git.base import Credentials
from hub.settings import MIB, Settings
from tests.hubs import LOOPBACK, Running, running
from tests.operations.conftest import Cli
from tests.operations.test_migrations import first_data
from tests.servers import serving

ALL = Feature.THREADS | Feature.HTTPS | Feature.SSH


@pytest.mark.parametrize(
    ("finding", "level"),
    [
        (machine.python((3, 11, 0)), Level.OK),
        (machine.python((3, 10, 9)), Level.FAIL),
        (machine.sqlite((3, 40, 1), ()), Level.OK),
        (machine.sqlite((3, 40, 1), ("FTS5",)), Level.OK),
        (machine.sqlite((3, 40, 1), ("JSON",)), Level.FAIL),
        (machine.sqlite((3, 22, 0), ()), Level.FAIL),
        (machine.git(None), Level.WARN),
        (machine.git((2, 11, 0)), Level.WARN),
        (machine.git((2, 39, 5)), Level.OK),
        (machine.libgit2("1.9", ALL), Level.OK),
        (machine.libgit2("1.9", Feature.THREADS | Feature.HTTPS), Level.WARN),
        (machine.libgit2("1.9", Feature.THREADS | Feature.SSH), Level.FAIL),
        (machine.descriptors(1024, 12_000), Level.WARN),
        (machine.descriptors(20_000, 12_000), Level.OK),
        (machine.descriptors(resource.RLIM_INFINITY, 12_000), Level.OK),
        (machine.disk(99, 100), Level.FAIL),
        (machine.disk(150, 100), Level.WARN),
        (machine.disk(200, 100), Level.OK),
        (machine.file_system("/", "ext4"), Level.OK),
        (machine.file_system("/srv", "nfs4"), Level.FAIL),
        (machine.clock(0.2, has_zones=True), Level.OK),
        (machine.clock(-3600, has_zones=True), Level.WARN),
        (machine.clock(0, has_zones=False), Level.FAIL),
        (machine.memory(None), Level.OK),
        (machine.memory(100 * MIB), Level.WARN),
        (machine.memory(4096 * MIB), Level.OK),
    ],
)
def test_a_machine_is_judged_by_its_facts(finding: Finding, level: Level) -> None:
    assert finding.level is level
    assert bool(finding.advice) == (level is not Level.OK), "what is wrong says what to do"


def test_a_mount_is_the_nearest_one(tmp_path: Path) -> None:
    real = tmp_path.resolve()
    mounts = f"x / ext4 rw 0 0\ny {real.parent} xfs rw 0 0\nz {real}/a\\040b nfs4 rw 0 0\n"
    assert machine._mount(tmp_path, mounts) == (str(real.parent), "xfs")
    (tmp_path / "a b").mkdir()
    assert machine._mount(tmp_path / "a b", mounts) == (f"{real}/a b", "nfs4")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return first_data(tmp_path / "data")


def looked(data: Path, **settings: Any) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for finding in folder.look(Settings(data_dir=str(data), **settings)):
        found.setdefault(finding.id, []).append(finding)
    return found


def test_a_sound_folder_is_sound_and_is_left_as_it_is(data: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in data.rglob("*")}
    found = looked(data)
    assert worst(each for part in found.values() for each in part) is Level.OK
    assert "from migration 1 to" in found["folder.databases"][0].text
    assert {path: path.stat().st_mtime_ns for path in data.rglob("*") if path in before} == before


@pytest.mark.parametrize("at", [0, 5000])
def test_a_damaged_database_is_told_with_what_to_do(data: Path, at: int) -> None:
    with (data / JOURNAL).open("r+b") as file:
        file.seek(at)
        file.write(b"\xff" * 3000)
    broken = [each for each in looked(data)["folder.databases"] if each.level is Level.FAIL]
    assert [JOURNAL in each.text and "backup" in each.advice for each in broken] == [True]


def test_what_earlier_runs_left_is_counted(data: Path) -> None:
    for path in ("work/j1", "trash/a", "trash/b", "kept/p/clone/j2"):
        (data / path).mkdir(parents=True)
    os.utime(data / "kept" / "p" / "clone" / "j2", (time.time() - 9 * 86400,) * 2)
    (data.parent / f".restoring-{data.name}-1").mkdir()
    (left,) = looked(data)["folder.leftover"]
    assert left.level is Level.WARN
    assert left.text == "Left over: 1 in work, 1 in kept, 2 in trash, 1 beside the folder"


def test_a_key_that_others_may_read_fails(data: Path) -> None:
    (data / "webhooks.key").write_text("x")
    (data / "webhooks.key").chmod(0o644)
    assert [each.level for each in looked(data)["folder.keys"]] == [Level.FAIL]
    (data / "webhooks.key").chmod(0o600)
    assert [each.level for each in looked(data)["folder.keys"]] == [Level.OK]


def test_a_folder_in_which_all_may_write_fails(data: Path) -> None:
    data.chmod(0o777)
    assert [each.level for each in looked(data)["folder.rights"]] == [Level.FAIL]


def test_sizes_are_told_by_part(data: Path) -> None:
    (data / "projects").mkdir()
    (data / "projects" / "big").write_bytes(bytes(3 * MIB))
    (told,) = looked(data)["folder.sizes"]
    assert "projects 3.0 MiB" in told.text


async def test_a_hub_at_work_is_seen_and_its_work_is_not_left_over(tmp_path: Path) -> None:
    async with running(tmp_path / "data"):
        (tmp_path / "data" / "work" / "j").mkdir(parents=True)
        found = await asyncio.to_thread(looked, tmp_path / "data")
        assert "a hub is at work" in found["folder.place"][0].text
        assert found["folder.leftover"][0].level is Level.OK


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"data_dir": "/srv/hub", "roots": ("/srv",)}, "roots"),
        ({"allow_networks": ("0.0.0.0/0",)}, "allow_networks"),
        ({"heartbeat_s": 60.0}, "heartbeat_s"),
        ({"retry_backoff_s": 60.0, "retry_max_backoff_s": 30.0}, "retry_max_backoff_s"),
        ({"max_watchers": 20_000, "max_connections": 10}, "max_connections"),
        ({"min_free_bytes": 0}, "min_free_bytes"),
    ],
)
def test_settings_in_each_others_way_are_named(settings: Mapping[str, Any], word: str) -> None:
    assert list(configuration.conflicts(Settings())) == []
    (found,) = configuration.conflicts(Settings(**settings))
    assert (found.level, word in found.text, bool(found.advice)) == (Level.WARN, True, True)


def test_strange_variables_and_sources_are_told() -> None:
    found = list(configuration.look(Settings(port=1), {"port": "--port"}, None, {"HUB_PROT": "1"}))
    assert "port = 1 (--port)" in found[1].text
    assert [(each.id, each.advice) for each in found if each.level is Level.WARN] == [
        ("settings.unknown", "Is HUB_PORT meant?")
    ]


def steps(url: str, rules: Rules | None = None, credentials: Credentials | None = None) -> list[tuple[str, str]]:
    rules = rules or Rules(allow_networks=LOOPBACK, connect_timeout_s=3)
    return [(each.id, each.level.value) for each in repository.look(url, rules, credentials or Credentials())]


REACHED = [("repo.dns", "ok"), ("repo.gate", "ok"), ("repo.tcp", "ok")]


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("ext::sh -c x", [("repo.gate", "fail")]),
        ("https://user:secret@example.org/x", [("repo.gate", "fail")]),
        ("file:///etc", [("repo.gate", "fail")]),
        ("https://nowhere.invalid/x.git", [("repo.dns", "fail")]),
        ("http://10.1.2.3/x.git", [("repo.gate", "fail")]),
    ],
)
def test_a_url_that_goes_nowhere_ends_at_its_step(url: str, told: Any) -> None:
    assert steps(url) == told


def test_a_port_that_nobody_listens_on_ends_at_tcp() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert steps(f"http://127.0.0.1:{port}/x.git") == [*REACHED[:2], ("repo.tcp", "fail")]


def answering(status: int, body: bytes = b"", media_type: str = "text/html") -> Any:
    import http.server  # noqa: PLC0415 - in a handler made for one test

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    return Handler


GIT = "application/x-git-upload-pack-advertisement"
HELLO = b"001e# service=git-upload-pack\n0000"


@pytest.mark.parametrize(
    ("handler", "credentials", "told"),
    [
        (answering(200, HELLO, GIT), None, [("repo.http", "ok"), ("repo.refs", "ok"), ("repo.credentials", "ok")]),
        (answering(401), None, [("repo.credentials", "fail")]),
        (answering(403), Credentials(username="u", password="p"), [("repo.credentials", "fail")]),
        (answering(404), None, [("repo.refs", "fail")]),
        (answering(200, b"<html>"), None, [("repo.refs", "fail")]),
        (answering(500), None, [("repo.http", "fail")]),
    ],
)
def test_what_a_server_answers_is_told_at_its_step(handler: Any, credentials: Any, told: Any) -> None:
    with serving(handler) as port:
        assert steps(f"http://127.0.0.1:{port}/x.git", credentials=credentials) == [*REACHED, *told]


def test_a_server_without_tls_behind_https_ends_at_tls() -> None:
    with serving(answering(200)) as port:
        assert steps(f"https://127.0.0.1:{port}/x.git")[-1] in {("repo.tls", "fail"), ("repo.http", "fail")}


def ways(found: list[Finding]) -> dict[str, str]:
    return {each.id: each.level.value for each in found}


async def test_a_hub_that_is_near_lets_all_through(tmp_path: Path) -> None:
    async with running(tmp_path / "data", heartbeat_s=0.3) as hub:
        found = await transports.look(hub.url, {})
    assert set(ways(found).values()) == {"ok"}
    assert found[-1].text == "Clients use websocket here"


@pytest.fixture
async def quick(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path / "data", heartbeat_s=0.3) as hub:
        yield hub


class Proxy:
    """Between a doctor and a hub: refuses upgrades, holds streams back, or ends what waits."""

    def __init__(self, hub: Running, *, holds: bool = False, cuts: bool = False) -> None:
        self.hub, self.holds, self.cuts = hub, holds, cuts

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if "Upgrade" in request.headers:
            return web.Response(status=426)
        if self.cuts and "wait" in request.query:
            return web.Response(status=504)
        url = self.hub.url + str(request.rel_url)
        async with self.hub.session.get(url, headers={"Accept": request.headers.get("Accept", "*/*")}) as theirs:
            if theirs.content_type == "text/event-stream" and self.cuts:
                return web.Response(content_type="text/event-stream", text='data: {"type": "hello"}\n\n')
            response = web.StreamResponse(status=theirs.status, headers={"Content-Type": theirs.content_type})
            await response.prepare(request)
            async for chunk in theirs.content.iter_any():
                if not (self.holds and theirs.content_type == "text/event-stream"):
                    await response.write(chunk)
            return response


@pytest.mark.parametrize(
    ("faults", "told", "best"),
    [
        ({}, ("fail", "ok", "ok"), "sse"),
        ({"holds": True}, ("fail", "fail", "ok"), "poll"),
        ({"cuts": True}, ("fail", "fail", "fail"), ""),
    ],
)
async def test_a_proxy_in_the_way_is_found_out(
    quick: Running, monkeypatch: pytest.MonkeyPatch, faults: Any, told: Any, best: str
) -> None:
    monkeypatch.setattr(transports, "FIRST_S", 1.0)
    app = web.Application()
    app.router.add_get("/{path:.*}", Proxy(quick, **faults).handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0]
        found = await transports.look(f"http://{host}:{port}", {})
    finally:
        await runner.cleanup()
    levels = ways(found)
    assert (levels["hub.websocket"], levels["hub.sse"], levels["hub.poll"]) == told
    assert (levels["hub.verdict"], best in found[-1].text) == ("ok" if best else "fail", True)
    assert all(each.advice for each in found if each.level is not Level.OK)


async def test_a_stranger_and_nobody_are_told_apart(tmp_path: Path, unused_tcp_port: int) -> None:
    with serving(answering(200, b"<html>")) as port:
        (other,) = await transports.look(f"http://127.0.0.1:{port}", {})
    (nobody,) = await transports.look(f"http://127.0.0.1:{unused_tcp_port}", {})
    assert "is no hub" in other.text
    assert "Nothing answers" in nobody.text
    async with running(tmp_path / "data") as hub:
        monkey = hub.url.replace("127.0.0.1", "0x7f.1")
        (name,) = await transports.look(monkey, {})
    assert "does not go by that name" in name.text


def test_the_worst_finding_makes_the_exit_code() -> None:
    assert worst([]) is Level.OK
    assert worst([ok("a", ""), warn("b", "")]) is Level.WARN
    assert worst([warn("b", ""), fail("c", "")]) is Level.FAIL


def test_colors_are_for_terminals_whose_owner_wants_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    for wish, colored in (("", True), ("1", False)):
        monkeypatch.setenv("NO_COLOR", wish)
        main(["doctor", "--repo", "ext::sh"])
        assert ("\x1b[" in capsys.readouterr().out) is colored


def test_the_command_is_readable_and_its_json_is_stable(cli: Cli, data: Path, tmp_path: Path) -> None:
    done = cli("doctor", "--data-dir", data, "--min-free-bytes", "1")
    assert done.returncode == 0, done.stdout
    for title in ("Machine", "Data folder", "Settings"):
        assert f"\n{title}\n" in f"\n{done.stdout}"
    assert "\x1b" not in done.stdout
    (data / JOURNAL).write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    done = cli("doctor", "--data-dir", data, "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["level"]) == (1, "fail")
    assert {"id", "level", "text"} <= set(told["findings"][0])
    assert cli("doctor", "--repo", "x", "--hub", "y").returncode == 2
    assert cli("doctor", "--hub", "http://127.0.0.1:1").returncode == 1
    assert "What to do:" in cli("doctor", "--repo", "ext::sh").stdout
