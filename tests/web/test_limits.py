"""Limits: at each one the right answer, which names the setting, while a watcher beside it goes on."""

import asyncio
import contextlib
import gzip
import json
import os
import shutil
import socket
import ssl
import subprocess
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hub.core.errors import Throttled
from hub.settings import Settings
from hub.web.assembly import assembled
from hub.web.listening import limits
from hub.web.listening.connections import Connections
from hub.web.listening.limits import MOST_BUCKETS, RequestRates, share
from hub.web.server import listen, prepared
from tests.conftest import missing, until
from tests.fakes import FakeClock, log_body, progress_body
from tests.hubs import Running, Watch, running
from tests.transports.raw_ws import TEXT, Peer, frame

HEAD = b"Host: localhost\r\n"
POST = b"POST /api/v1/projects HTTP/1.1\r\n" + HEAD
FLOOD = 1500
PROXY = ("127.0.0.0/8",)


class Raw:
    """A connection on which anything may be sent."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def answer(self, data: bytes = b"", patience_s: float = 10.0) -> tuple[int, dict[str, str], Any]:
        """Send, and read one answer: status, headers in small letters, JSON body."""
        self.writer.write(data)
        async with asyncio.timeout(patience_s):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return int(head[0].split()[1]), headers, json.loads(body) if "json" in headers["content-type"] else body

    async def rest(self, patience_s: float = 10.0) -> bytes:
        """Everything that still comes, to the end."""
        async with asyncio.timeout(patience_s):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    def leave(self) -> None:
        self.writer.transport.abort()


@contextlib.asynccontextmanager
async def raw(hub: Running, **options: Any) -> AsyncIterator[Raw]:
    host, port = hub.url.removeprefix("http://").split(":")
    made = Raw(*await asyncio.open_connection(host, int(port), **options))
    try:
        yield made
    finally:
        made.leave()


@contextlib.asynccontextmanager
async def beside(hub: Running) -> AsyncIterator[Watch]:
    """A watcher who is told something all the time, and must have been told all of it at the end."""
    watch = Watch()
    said: list[str] = []

    async def publish() -> None:
        while True:
            said.append(f"line {len(said)}")
            hub.publish("p", "j1", log_body(said[-1]), progress_body(1, len(said)))
            await asyncio.sleep(0.02)

    async def follow(socket_: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket_:
            watch.take(message.json())

    async with aiohttp.ClientSession() as session, session.ws_connect(f"{hub.url}/api/v1/projects/p/events") as opened:
        tasks = [asyncio.create_task(follow(opened)), asyncio.create_task(publish())]
        await until(lambda: len(watch.of("log")) > 2)
        try:
            yield watch
            count = len(watch.of("log"))
            await until(lambda: len(watch.of("log")) > count + 2)
        finally:
            for task in tasks[::-1]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    told = [message["message"] for message in watch.of("log")]
    first = said.index(told[0])
    assert told == said[first : first + len(told)]


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(
        tmp_path, request_head_s=0.4, request_body_s=0.4, too_slow_s=0.5, max_body_bytes=300_000,
        max_bodies_bytes=300_000, max_projects=2,
    ) as made:  # fmt: skip
        await made.make_project()
        await made.begin()
        yield made


@pytest.fixture(autouse=True)
def made(monkeypatch: pytest.MonkeyPatch) -> list[Connections]:
    """The newest hub's connections come last."""
    found: list[Connections] = []

    def make(*values: Any) -> Connections:
        found.append(Connections(*values))
        return found[-1]

    monkeypatch.setattr(limits, "Connections", make)
    return found


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# -- requests that are no requests ------------------------------------------------------------------------------------

BAD_HEADS = {
    "a long URL": (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n", 431, "head_too_large"),
    "a long header": (b"GET / HTTP/1.1\r\n" + HEAD + b"X: " + b"a" * 9000 + b"\r\n\r\n", 431, "head_too_large"),
    "a header without end": (b"GET / HTTP/1.1\r\n" + HEAD + b"X: " + b"a" * 200_000, 431, "head_too_large"),
    "many headers": (b"GET / HTTP/1.1\r\n" + HEAD + b"X: 1\r\n" * 5000 + b"\r\n", 431, "head_too_large"),
    "a method of no kind": (b"FOO<>BAR / HTTP/1.1\r\n" + HEAD + b"\r\n", 400, "bad_request"),
    "a version of no kind": (b"GET / HTTP/9.9\r\n" + HEAD + b"\r\n", 400, "bad_request"),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 400, "bad_request"),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "bad_request"),
    "a negative length": (POST + b"Content-Length: -1\r\n\r\n", 400, "bad_request"),
    "two lengths": (POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "bad_request"),
    "a huge chunk": (POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\n", 400, "bad_request"),
    "no head at all in time": (b"GET / HTTP/1.1\r\nHo", 408, "request_timeout"),
    "a body of another kind": (POST + b"Content-Length: 3\r\n\r\n\xff\xfe\xfd", 400, "not_json"),
    "half a body": (POST + b"Content-Length: 100\r\n\r\n{", 408, "request_timeout"),
    "a body too large by its length": (POST + b"Content-Length: 100000000\r\n\r\n{", 413, "too_large"),
    "a body too large in chunks": (
        POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"186a0\r\n" + b" " * 100_000 + b"\r\n"
        + b"493e0\r\n" + b" " * 300_000 + b"\r\n", 413, "too_large",
    ),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400, "bad_request"),
    "an unknown method": (b"PURGE /api/v1/projects HTTP/1.1\r\n" + HEAD + b"\r\n", 405, "method_not_allowed"),
}  # fmt: skip


async def test_what_is_no_request_gets_an_error_and_costs_nobody_else(
    hub: Running, caplog: pytest.LogCaptureFixture
) -> None:
    async with beside(hub):
        for name, (data, status, code) in BAD_HEADS.items():
            async with raw(hub) as peer:
                got, _, body = await peer.answer(data)
                assert (got, body["error"]["code"]) == (status, code), name
                assert body["error"]["message"]
                if status == 408:
                    assert body["error"]["detail"]["setting"] in {"request_head_s", "request_body_s"}
                if status == 413:
                    assert body["error"]["detail"] == {"setting": "max_body_bytes", "limit": 300_000}
    assert [record for record in caplog.records if record.levelname in {"WARNING", "ERROR"}] == []


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_a_bomb_is_not_unpacked_further_than_the_largest_body(hub: Running, encoding: str, pack: Any) -> None:
    bomb = pack(b" " * 50_000_000)
    before = resident()
    async with beside(hub):
        for _ in range(3):
            async with raw(hub) as peer:
                head = f"Content-Encoding: {encoding}\r\nContent-Length: {len(bomb)}\r\n\r\n".encode()
                status, _, body = await peer.answer(POST + head + bomb)
                assert (status, body["error"]["detail"]["setting"]) == (413, "max_body_bytes")
    assert resident() - before < 30_000_000


async def test_bodies_under_way_have_a_bound_together(hub: Running) -> None:
    part = POST + b"Content-Length: 290000\r\n\r\n" + b" " * 280_000
    async with raw(hub) as first, raw(hub) as second:
        first.writer.write(part)
        await asyncio.sleep(0.1)  # it is read, or the second one is refused in its place
        second.writer.write(part)
        answers = await asyncio.gather(first.answer(), second.answer())
    errors = [body["error"] for _, _, body in answers]
    assert sorted(error["code"] for error in errors) == ["request_timeout", "too_many_bodies"]
    refused = next(error for error in errors if error["code"] == "too_many_bodies")
    assert refused["detail"] == {"setting": "max_bodies_bytes", "limit": 300_000}
    assert (await hub.call("POST", "/api/v1/projects", {"id": "q"}))[0] == 201


async def test_a_head_or_body_that_dribbles_is_not_waited_for(hub: Running) -> None:
    """A byte now and then does not begin the time anew."""

    async def dribble(peer: Raw) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                peer.writer.write(b"a")
                await asyncio.sleep(0.05)

    for begin in (b"GET /", POST + b"Content-Length: 1000\r\n\r\n"):
        async with beside(hub), raw(hub) as peer:
            peer.writer.write(begin)
            task = asyncio.create_task(dribble(peer))
            assert (await peer.answer(patience_s=5))[0] == 408
            await peer.rest(5)  # and the connection ends
            task.cancel()


async def test_a_second_head_on_a_kept_connection_has_its_time_too(hub: Running) -> None:
    async with raw(hub) as peer:
        assert (await peer.answer(b"GET /healthz HTTP/1.1\r\n" + HEAD + b"\r\n"))[0] == 200
        await asyncio.sleep(0.6)  # idle for longer than a head may take
        assert (await peer.answer(b"GET /healthz HTTP/1.1\r\n" + HEAD + b"\r\n"))[0] == 200
        assert (await peer.answer(b"GET /hea"))[0] == 408


async def test_who_takes_no_answer_is_let_go(hub: Running, made: list[Connections]) -> None:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    host, port = hub.url.removeprefix("http://").split(":")
    sock.connect((host, int(port)))
    async with beside(hub), raw_of(sock) as peer:
        peer.writer.transport.pause_reading()
        peer.writer.write((b"GET /static/styles.css HTTP/1.1\r\n" + HEAD + b"\r\n") * 1000)
        await until(lambda: made[-1].counts["slow_reader"] == 1)


@contextlib.asynccontextmanager
async def raw_of(sock: socket.socket) -> AsyncIterator[Raw]:
    made = Raw(*await asyncio.open_connection(sock=sock))
    try:
        yield made
    finally:
        made.leave()


async def test_pipelined_requests_are_answered_in_order(hub: Running) -> None:
    async with raw(hub) as peer:
        for n in range(300):
            peer.writer.write(b"GET /api/v1/nothing-%d HTTP/1.1\r\n" % n + HEAD + b"\r\n")
        for n in range(300):
            status, _, body = await peer.answer()
            assert status == 404
            assert f"nothing-{n}:" in body["error"]["message"]
        status, _, _ = await peer.answer(b"GET /healthz HTTP/1.1\r\n" + HEAD + b"\r\n")
        assert status == 200


async def test_a_half_open_connection_is_gone_with_its_peer(hub: Running, made: list[Connections]) -> None:
    before = len(made[-1])
    for data in (b"", b"GET / HT", POST + b"Content-Length: 10\r\n\r\n{"):
        async with raw(hub) as peer:
            peer.writer.write(data)
            await until(lambda: len(made[-1]) == before + 1)
            peer.writer.write_eof()
            await peer.rest()
    await until(lambda: len(made[-1]) <= before)


async def test_ranges_of_no_kind_are_answered(hub: Running) -> None:
    for asked in ("bytes=0-10", "bytes=-1", "bytes=5-1", "lines=1-2", "bytes=" + "0-0," * 1000, "bytes=99999999999-"):
        status, _, _ = await hub_page(hub, {"Range": asked})
        assert status in {200, 206, 416}


async def hub_page(hub: Running, headers: dict[str, str]) -> tuple[int, bytes, Any]:
    async with hub.session.get(f"{hub.url}/", headers=headers) as response:
        return response.status, await response.read(), response.headers


# -- connections ------------------------------------------------------------------------------------------------------


async def test_a_flood_from_one_address_meets_its_limit_and_nobody_else_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: list[Connections]
) -> None:
    async with running(tmp_path, max_connections_address=20) as hub:
        await hub.make_project()
        await hub.begin()
        async with beside(hub):
            monkeypatch.setattr(limits, "share", lambda address, trusted=(): "192.0.2.1")
            before, size = len(made[-1]), resident()
            host, port = hub.url.removeprefix("http://").split(":")
            flood = await asyncio.to_thread(opened_by_dozens, (host, int(port)))
            try:
                await until(lambda: made[-1].counts["refused_address"] == FLOOD - 20)
                await until(lambda: len(made[-1]) == before + 20)
                assert resident() - size < 20_000_000
                async with raw(hub) as peer:
                    status, headers, body = await peer.answer(b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n")
                assert (status, headers["retry-after"]) == (429, "5")
                assert body["error"]["code"] == "too_many_connections"
                assert body["error"]["detail"] == {"setting": "max_connections_address", "limit": 20}
                monkeypatch.setattr(limits, "share", lambda address, trusted=(): "192.0.2.2")
                async with raw(hub) as peer:
                    assert (await peer.answer(b"GET /healthz HTTP/1.1\r\n" + HEAD + b"\r\n"))[0] == 200
            finally:
                for each in flood:
                    each.close()
            await until(lambda: len(made[-1]) <= before + 1)


def opened_by_dozens(address: tuple[str, int]) -> list[socket.socket]:
    return [socket.create_connection(address, timeout=20) for _ in range(FLOOD)]


@contextlib.asynccontextmanager
async def over_tls(folder: Path, **settings: Any) -> AsyncIterator[tuple[tuple[str, int], ssl.SSLContext]]:
    """A hub's address, and what its callers need."""
    if shutil.which("openssl") is None:
        missing("openssl")
    ours, theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    cert, key = self_signed(folder)
    ours.load_cert_chain(cert, key)
    theirs.load_verify_locations(cert)
    async with assembled(Settings(data_dir=str(folder / "data"), spare_children=0, **settings)) as hub:
        runner = await prepared(hub, close_s=1.0)
        try:
            await listen(runner, "127.0.0.1", 0, 10.0, tls=ours)
            yield runner.addresses[0], theirs
        finally:
            await runner.cleanup()


async def test_a_handshake_of_tls_has_no_more_time_than_a_head(tmp_path: Path, made: list[Connections]) -> None:
    async with over_tls(tmp_path, request_head_s=0.3) as (address, _):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"\x16\x03\x01\x02\x00")  # the beginning of a hello
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        writer.transport.abort()
        await until(lambda: len(made[-1]) == 0)


async def test_a_handshake_of_tls_counts_as_a_connection(
    tmp_path: Path, made: list[Connections], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of callers who open one and say nothing would take every descriptor."""
    monkeypatch.setattr(limits, "share", lambda address, trusted=(): "192.0.2.1")
    async with over_tls(tmp_path, max_connections_address=5) as (address, context):
        silent = [await asyncio.open_connection(*address) for _ in range(30)]
        await until(lambda: made[-1].counts["refused_address"] == 25)
        assert len(made[-1]) == 5
        monkeypatch.setattr(limits, "share", lambda address, trusted=(): "192.0.2.2")
        peer = Raw(*await asyncio.open_connection(*address, ssl=context, server_hostname="localhost"))
        assert (await peer.answer(b"GET /healthz HTTP/1.1\r\n" + HEAD + b"\r\n"))[0] == 200
        peer.leave()
        for _, writer in silent:
            writer.transport.abort()
        await until(lambda: len(made[-1]) == 0)
        five = [
            Raw(*await asyncio.open_connection(*address, ssl=context, server_hostname="localhost")) for _ in "12345"
        ]
        for peer in five:
            assert (await peer.answer(b"GET /healthz HTTP/1.1\r\n" + HEAD + b"\r\n"))[0] == 200
            peer.leave()


async def test_a_hub_stops_while_handshakes_of_tls_are_under_way(tmp_path: Path, made: list[Connections]) -> None:
    async with over_tls(tmp_path, request_head_s=60.0) as (address, _):
        _, writer = await asyncio.open_connection(*address)
        await until(lambda: len(made[-1]) == 1)
    await until(lambda: len(made[-1]) == 0)
    writer.transport.abort()


def self_signed(folder: Path) -> tuple[Path, Path]:
    cert, key = folder / "cert.pem", folder / "key.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    words += ["-days", "2", "-subj", "/CN=localhost", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(words, check=True, stderr=subprocess.DEVNULL)
    return cert, key


async def test_idle_connections_make_room_and_busy_ones_do_not(tmp_path: Path) -> None:
    async with running(tmp_path, max_connections=12) as hub:
        await hub.make_project()
        await hub.begin()
        poll = b"GET /api/v1/projects/p/events?since=%s&wait=20 HTTP/1.1\r\n" + HEAD + b"\r\n"
        async with contextlib.AsyncExitStack() as stack:
            idle = [await stack.enter_async_context(raw(hub)) for _ in range(20)]
            for peer in idle[-3:]:
                assert (await peer.answer(b"GET /healthz HTTP/1.1\r\n" + HEAD + b"\r\n"))[0] == 200
            assert await idle[0].rest() == b"", "the oldest was given up"
            cursor = str(hub.hub.tracker.channel("p").position).encode()
            busy = [await stack.enter_async_context(raw(hub)) for _ in range(12)]
            for peer in busy:
                peer.writer.write(poll % cursor)
            await until(lambda: hub.hub.tracker.waiting_count == 12)
            late = await stack.enter_async_context(raw(hub))
            status, headers, body = await late.answer()
            assert (status, headers["retry-after"], body["error"]["retry"]) == (503, "5", True)
            assert body["error"]["detail"] == {"setting": "max_connections", "limit": 12}
            hub.publish("p", "j1", progress_body(50))
            assert [(await peer.answer())[0] for peer in busy] == [200] * 12


async def test_strangers_leave_room_for_the_machine_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever watches over the hub must not take a flood for a hub that has died."""
    async with running(tmp_path, max_connections=20) as hub, contextlib.AsyncExitStack() as stack:
        await hub.make_project()
        await hub.session.close()  # its connection is one, too
        position = hub.hub.tracker.channel("p").position
        poll = f"GET /api/v1/projects/p/events?since={position}&wait=20 HTTP/1.1\r\nHost: localhost\r\n\r\n"
        monkeypatch.setattr(limits, "share", lambda address, trusted=(): "192.0.2.1")
        strangers = [await stack.enter_async_context(raw(hub)) for _ in range(18)]
        for peer in strangers:
            peer.writer.write(poll.encode())
        await until(lambda: hub.hub.tracker.waiting_count == 18)
        late = await stack.enter_async_context(raw(hub))
        assert (await late.answer())[0] == 503
        monkeypatch.setattr(limits, "share", lambda address, trusted=(): "")
        watching = await stack.enter_async_context(raw(hub))
        assert (await watching.answer(b"GET /healthz HTTP/1.1\r\n" + HEAD + b"\r\n"))[0] == 200


async def test_who_has_too_many_connections_takes_nobody_elses_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: list[Connections]
) -> None:
    limited = running(tmp_path, max_connections=30, max_connections_address=15)
    async with limited as hub, contextlib.AsyncExitStack() as stack:
        idle = [await stack.enter_async_context(raw(hub)) for _ in range(15)]
        await until(lambda: len(made[-1]) == 15)
        monkeypatch.setattr(limits, "share", lambda address, trusted=(): "192.0.2.1")
        greedy = [await stack.enter_async_context(raw(hub)) for _ in range(60)]
        await until(lambda: made[-1].counts["refused_address"] == 60 - 15)
        monkeypatch.setattr(limits, "share", lambda address, trusted=(): "")
        kept = [await peer.answer(b"GET /healthz HTTP/1.1\r\n" + HEAD + b"\r\n") for peer in idle[3:]]
        assert [status for status, _, _ in kept] == [200] * 12, "no more than what is kept free for the machine"
        assert len(greedy) == 60


async def test_a_crowd_is_let_in_by_dozens_so_that_limits_see_it_before_descriptors_run_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: list[Connections]
) -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    async with running(tmp_path) as hub:
        host, port = hub.url.removeprefix("http://").split(":")
        seen: list[int] = []
        add = made[-1].add
        monkeypatch.setattr(made[-1], "add", lambda caller: (seen.append(descriptors()), add(caller))[1])
        crowd = [socket.create_connection((host, int(port))) for _ in range(200)]  # the loop gets no turn meanwhile
        before = descriptors()
        try:
            await until(lambda: len(seen) == 200)
        finally:
            for each in crowd:
                each.close()
        assert seen[0] - before <= 64


# -- one address ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("127.0.0.1", ""),
        ("127.9.9.9", ""),
        ("::1", ""),
        ("unix", ""),
        ("", ""),
        ("10.0.0.7", ""),
    ],
)
def test_an_address_is_counted_by_its_household_and_the_machine_and_its_proxies_not_at_all(
    address: str, name: str
) -> None:
    assert share(address, ("10.0.0.0/8",)) == name


def test_requests_have_a_rate_for_each_address_and_few_are_remembered() -> None:
    clock = FakeClock()
    rates = RequestRates(2.0, clock)
    for _ in range(10):
        rates.take("a")
    with pytest.raises(Throttled) as caught:
        rates.take("a")
    assert caught.value.detail == {"retry_after": 1, "setting": "request_rate", "limit": 2.0}
    rates.take("b")
    rates.take("")
    clock.step(1.0)
    rates.take("a")
    for n in range(MOST_BUCKETS + 100):
        rates.take(f"address {n}")
    assert len(rates) == MOST_BUCKETS


async def test_one_address_has_its_rate_and_its_streams_and_others_have_theirs(tmp_path: Path) -> None:
    async with running(tmp_path, trusted_proxies=PROXY, request_rate=2.0, max_watchers_address=2) as hub:
        await hub.make_project()
        await hub.begin()
        events = f"{hub.url}/api/v1/projects/p/events"
        mine, other = {"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "192.0.2.2"}
        stream = {"Accept": "text/event-stream"}
        async with beside(hub), contextlib.AsyncExitStack() as stack:
            for kind in ("ws", "sse"):
                if kind == "ws":
                    await stack.enter_async_context(hub.session.ws_connect(events, headers=mine))
                else:
                    await stack.enter_async_context(hub.session.get(events, headers=mine | stream))
            status, body, headers = await hub.call("GET", "/api/v1/projects/p/events", headers=mine | stream)
            assert (status, body["error"]["code"], headers["Retry-After"]) == (503, "too_many_watchers", "5")
            poll = body["error"]["detail"].pop("poll")
            assert body["error"]["detail"] == {"setting": "max_watchers_address", "limit": 2}
            assert (await hub.call("GET", poll, headers=mine))[0] == 200
            async with hub.session.get(events, headers=other | stream) as response:
                assert response.status == 200
            answers = [await hub.call("GET", "/api/v1/kinds", headers=mine) for _ in range(40)]
            refused = [(body["error"], headers) for status, body, headers in answers if status == 429]
            error, headers = refused[0]
            assert (error["code"], error["detail"]["setting"], headers["Retry-After"]) == (
                "throttled", "request_rate", "1",
            )  # fmt: skip
            assert (await hub.call("GET", "/healthz", headers=mine))[0] == 200
            assert (await hub.call("GET", "/api/v1/kinds", headers=other))[0] == 200
        await until(lambda: hub.hub.tracker.streams_of("192.0.2.1") == 0)


# -- what there may be ------------------------------------------------------------------------------------------------


async def test_projects_and_the_queue_have_their_limits(tmp_path: Path) -> None:
    async with running(tmp_path, max_projects=2, max_queued_jobs=0) as hub:
        await hub.make_project("a")
        await hub.make_project("b")
        status, body, _ = await hub.call("POST", "/api/v1/projects", {"id": "c"})
        assert (status, body["error"]["code"]) == (409, "too_many_projects")
        assert body["error"]["detail"] == {"setting": "max_projects", "limit": 2}
        assert (await hub.call("POST", "/api/v1/projects", {"url": "https://example.org/a.git"}))[0] == 200
        status, body, headers = await hub.call("POST", "/api/v1/projects/a/jobs", {"kind": "clone"})
        assert (status, body["error"]["code"], "Retry-After" in headers) == (503, "queue_full", True)
        assert body["error"]["detail"] == {"setting": "max_queued_jobs", "limit": 0}
        assert (await hub.call("DELETE", "/api/v1/projects/b"))[0] == 204
        assert (await hub.call("POST", "/api/v1/projects", {"id": "c"}))[0] == 201


async def test_a_websocket_takes_no_more_than_it_agreed_to(tmp_path: Path) -> None:
    async with running(tmp_path, max_frame_bytes=1000, max_subscriptions=1) as hub:
        await hub.make_project()
        await hub.make_project("q")
        await hub.begin()
        url = f"{hub.url}/api/v1/projects/p/events"
        async with beside(hub):
            async with hub.session.ws_connect(url, compress=15) as opened:
                assert not opened.compress, "nothing that could be a bomb is agreed on"
                await opened.send_json({"op": "subscribe", "id": 1, "project": "q"})
                error = await answer_to(opened, 1)
                assert error["error"]["detail"] == {"setting": "max_subscriptions", "limit": 1}
                await opened.send_str("x" * 1001)
                assert (await closed(opened)) == 1009
            bomb = zlib.compress(b" " * 1_000_000)[2:-4]
            peer = await Peer.connect(hub, sec_websocket_extensions="permessage-deflate")
            assert b"deflate" not in peer.head
            peer.send(frame(TEXT, bomb[:900], rsv=4))
            assert await peer.ending() == 1002
            peer.leave()


async def answer_to(opened: aiohttp.ClientWebSocketResponse, id_: int) -> dict[str, Any]:
    async for message in opened:
        body: dict[str, Any] = message.json()
        if body.get("id") == id_:
            return body
    raise AssertionError("the socket closed")


async def closed(opened: aiohttp.ClientWebSocketResponse) -> int | None:
    async for _ in opened:
        pass
    return opened.close_code
