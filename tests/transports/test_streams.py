"""WebSocket, SSE and polling over real sockets: the same facts under the same cursor."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hub.core.errors import HubError, JournalUnavailable, NotFound
from hub.core.events import State
from hub.web.assembly import drain
from tests.conftest import until
from tests.fakes import job_body, log_body, progress_body, stage_body
from tests.hubs import Running, Watch, read_sse, running

EVENTS = "/api/v1/projects/p/events"
SSE = {"Accept": "text/event-stream"}


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path, ring_size=16) as made:
        await made.make_project()
        yield made


async def collect_ws(hub: Running, watch: Watch, path: str = EVENTS, until_end: bool = True) -> None:
    async with hub.session.ws_connect(hub.url + path) as socket:
        async for frame in socket:
            watch.take(json.loads(frame.data))
            if until_end and watch.ended:
                return


async def collect_sse(hub: Running, watch: Watch, path: str = EVENTS) -> None:
    async with hub.session.get(hub.url + path, headers=SSE) as response:
        assert response.headers["Content-Type"] == "text/event-stream"
        async for _ in read_sse(response, watch):
            if watch.ended:
                return


async def collect_poll(hub: Running, watch: Watch, path: str = EVENTS) -> None:
    cursor: str | None = None
    while not watch.ended:
        query = f"?wait=5&since={cursor}" if cursor else ""
        _, body, headers = await hub.call("GET", path + query)
        assert headers["ETag"] == f'W/"{body["cursor"]}"'
        before, cursor = cursor, body["cursor"]
        for event in body["events"]:
            watch.seq = None  # gaps are told as one sum here
            watch.epoch = cursor.partition("-")[0]
            watch.take(event)
        if before is not None:
            moved = int(cursor.partition("-")[2]) - int(before.partition("-")[2])
            assert len(body["events"]) + body.get("merged", 0) == moved, "every number is accounted for"
        watch.cursor = cursor


async def test_three_transports_tell_the_same_story(hub: Running) -> None:
    watches = [Watch() for _ in range(3)]
    tasks = [
        asyncio.create_task(collect(hub, watch))  # type: ignore[operator]
        for collect, watch in zip((collect_ws, collect_sse, collect_poll), watches, strict=True)
    ]
    await until(lambda: hub.hub.tracker.watchers_of("p") == 3)
    hub.publish("p", "j1", job_body(State.QUEUED), job_body(), stage_body())
    for n in range(200):
        hub.publish("p", "j1", progress_body(n / 4, n))
        if n % 50 == 0:
            hub.publish("p", "j1", log_body(f"line {n}"))
            await hub.settle()
    hub.publish("p", "j1", job_body(State.SUCCEEDED, result={"path": "x"}))
    await asyncio.wait_for(asyncio.gather(*tasks), 10)
    lossless = [[m for m in watch.messages if m["type"] in {"job", "stage", "log"}] for watch in watches]
    assert lossless[0] == lossless[1] == lossless[2]
    assert len({watch.cursor for watch in watches}) == 1
    percents = [{m["seq"]: m["percent"] for m in watch.of("progress")} for watch in watches]
    for seq in set(percents[0]) & set(percents[1]) & set(percents[2]):
        assert len({each[seq] for each in percents}) == 1
    assert watches[0].of("job")[-1]["result"] == {"path": "x"}


async def test_sse_headers_and_first_words(hub: Running) -> None:
    async with hub.session.get(hub.url + EVENTS, headers=SSE) as response:
        assert response.headers["Cache-Control"] == "no-store, no-transform"
        assert response.headers["X-Accel-Buffering"] == "no"
        assert response.headers["Content-Type"] == "text/event-stream"
        assert "Content-Encoding" not in response.headers
        watch = Watch()
        stream = read_sse(response, watch)
        assert (await anext(stream))["type"] == "hello"
        snapshot = await anext(stream)
        assert (snapshot["type"], snapshot["_id"]) == ("snapshot", snapshot["cursor"])


@pytest.mark.parametrize("gap", [1, 10, 40], ids=["in the ring", "in the ring, merged", "beyond the ring"])
async def test_any_cursor_resumes_without_loss_or_repeat_on_any_transport(hub: Running, gap: int) -> None:
    await hub.begin()
    first = Watch()
    async with hub.session.ws_connect(hub.url + EVENTS) as socket:
        for _ in range(2):
            first.take(json.loads((await socket.receive()).data))
    for n in range(gap):
        hub.publish("p", "j1", log_body(str(n)), progress_body(n / 10, n), progress_body(n / 10 + 0.05, n))
    await hub.settle()
    hub.publish("p", "j1", job_body(State.FAILED))
    await hub.settle()

    for path, collect in ((EVENTS, collect_ws), (EVENTS, collect_sse)):
        watch = Watch()
        watch.seq = first.seq
        await asyncio.wait_for(collect(hub, watch, f"{path}?since={first.cursor}"), 5)
        assert [m["message"] for m in watch.of("log")] == [str(n) for n in range(gap)]
        assert watch.of("reset") == []
        assert watch.of("progress")[-1]["percent"] == (gap - 1) / 10 + 0.05
    _, body, _ = await hub.call("GET", f"{EVENTS}?since={first.cursor}")
    logs = [event["message"] for event in body["events"] if event["type"] == "log"]
    assert logs == [str(n) for n in range(gap)]


@pytest.mark.parametrize(
    ("cursor", "reason"),
    [
        ("nonsense", "unknown_cursor"),
        ("%00%0a", "unknown_cursor"),
        ("00000000-3", "other_epoch"),
        ("{epoch}-999999", "from_the_future"),
    ],
)
async def test_a_cursor_that_cannot_be_served_gets_a_reason_and_a_snapshot(
    hub: Running, cursor: str, reason: str
) -> None:
    await hub.begin()
    cursor = cursor.format(epoch=hub.hub.tracker.epoch)
    _, body, _ = await hub.call("GET", f"{EVENTS}?since={cursor}")
    assert body["reset"] == {"type": "reset", "project": "p", "reason": reason}
    assert [job["id"] for job in body["snapshot"]["jobs"]] == ["j1"]
    async with hub.session.get(f"{hub.url}{EVENTS}?since={cursor}", headers=SSE) as response:
        stream = read_sse(response, Watch())
        assert [(await anext(stream))["type"] for _ in range(3)] == ["hello", "reset", "snapshot"]
    async with hub.session.ws_connect(f"{hub.url}{EVENTS}?since={cursor}") as socket:
        assert [json.loads((await socket.receive()).data)["type"] for _ in range(3)] == ["hello", "reset", "snapshot"]


async def test_a_cursor_older_than_the_journal_keeps_is_too_old(hub: Running) -> None:
    await hub.begin()
    _, body, _ = await hub.call("GET", EVENTS)
    for n in range(60):
        hub.publish("p", "j1", log_body(str(n)))
    await hub.settle()
    floors = await hub.hub.journal.prunable(events=5, before_ms=0)
    hub.hub.tracker.raise_floor("p", floors["p"])
    await hub.hub.journal.prune(floors)
    _, late, _ = await hub.call("GET", f"{EVENTS}?since={body['cursor']}")
    assert late["reset"]["reason"] == "too_old"


async def test_pruning_during_a_replay_is_a_reset_and_not_a_merge(
    hub: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hub.begin()
    _, body, _ = await hub.call("GET", EVENTS)
    for n in range(60):
        hub.publish("p", "j1", log_body(str(n)))
    await hub.settle()
    journal, read = hub.hub.journal, hub.hub.journal.events

    async def prune_meanwhile(*args: Any, **kwargs: Any) -> Any:
        floors = await journal.prunable(events=5, before_ms=0)
        hub.hub.tracker.raise_floor("p", floors["p"])
        await journal.prune(floors)
        return await read(*args, **kwargs)

    monkeypatch.setattr(journal, "events", prune_meanwhile)
    _, late, _ = await hub.call("GET", f"{EVENTS}?since={body['cursor']}")
    assert (late["reset"]["reason"], late["events"]) == ("too_old", [])


@pytest.mark.parametrize("error", [JournalUnavailable, NotFound])
async def test_an_error_in_mid_catch_up_ends_the_stream_in_its_own_language(
    hub: Running, monkeypatch: pytest.MonkeyPatch, error: type[HubError]
) -> None:
    """A second HTTP head was once written into the stream."""
    await hub.begin()
    _, body, _ = await hub.call("GET", EVENTS)
    for n in range(60):
        hub.publish("p", "j1", log_body(str(n)))
    await hub.settle()

    async def refuse(*args: Any, **kwargs: Any) -> Any:
        raise error

    monkeypatch.setattr(hub.hub.journal, "events", refuse)
    path = f"{hub.url}{EVENTS}?since={body['cursor']}"
    async with hub.session.get(path, headers=SSE) as response:
        text = await asyncio.wait_for(response.text(), 5)
    assert "HTTP/1.1" not in text
    assert '"type":"bye"' in text
    async with hub.session.ws_connect(path) as socket:
        await Client(socket).hear("bye")
        await socket.receive()
        assert socket.close_code == (4000 if error is JournalUnavailable else 4503)


async def test_a_poll_without_logs_is_not_kept_busy_by_them(hub: Running) -> None:
    await hub.begin()
    _, body, _ = await hub.call("GET", f"{EVENTS}?logs=0")
    hub.publish("p", "j1", *[log_body(str(n)) for n in range(30)])
    await hub.settle()
    _, answer, _ = await hub.call("GET", f"{EVENTS}?logs=0&since={body['cursor']}&wait=0.05")
    assert (answer["events"], answer["merged"]) == ([], 30)
    assert answer["cursor"] == f"{hub.hub.tracker.epoch}-{hub.hub.tracker.channel('p').head}"


async def test_a_stale_tag_gets_the_snapshot_and_a_star_matches(hub: Running) -> None:
    await hub.begin()
    status, body, _ = await hub.call("GET", EVENTS, headers={"If-None-Match": '"00000000-1"'})
    assert (status, "snapshot" in body, "reset" in body) == (200, True, False)
    assert (await hub.call("GET", EVENTS, headers={"If-None-Match": "*"}))[0] == 304


async def test_waiting_polls_are_answered_when_the_hub_goes(hub: Running) -> None:
    await hub.begin()
    _, body, _ = await hub.call("GET", EVENTS)
    waiting = asyncio.create_task(hub.call("GET", f"{EVENTS}?since={body['cursor']}&wait=30"))
    await until(lambda: hub.hub.tracker.watchers_of("p"))
    await drain(hub.hub)
    status, answer, _ = await asyncio.wait_for(waiting, 2)
    assert (status, answer["events"]) == (200, [])


async def test_last_event_id_resumes_and_a_finished_job_answers_204(hub: Running) -> None:
    await hub.begin()
    watch = Watch()
    task = asyncio.create_task(collect_sse(hub, watch, f"{EVENTS}?job=j1"))
    await until(lambda: hub.hub.tracker.watchers_of("p"))
    hub.publish("p", "j1", progress_body(5), job_body(State.SUCCEEDED))
    await asyncio.wait_for(task, 5)
    assert watch.ended == {"j1"}
    headers = SSE | {"Last-Event-ID": str(watch.cursor)}
    async with hub.session.get(f"{hub.url}{EVENTS}?job=j1", headers=headers) as response:
        assert response.status == 204


async def test_the_stream_of_an_ended_job_says_so_and_closes(hub: Running) -> None:
    await hub.begin()
    hub.publish("p", "j1", job_body(State.CANCELLED))
    await hub.settle()
    async with hub.session.get(f"{hub.url}{EVENTS}?job=j1", headers=SSE) as response:
        text = await asyncio.wait_for(response.text(), 5)
    assert '"state":"cancelled"' in text


async def test_a_watched_job_is_all_that_its_stream_tells(hub: Running) -> None:
    await hub.begin()
    watch = Watch()
    task = asyncio.create_task(collect_ws(hub, watch, f"{EVENTS}?job=j1"))
    await until(lambda: hub.hub.tracker.watchers_of("p"))
    hub.publish("p", "j2", job_body(), log_body("of another"))
    hub.publish("p", "j1", log_body("mine"), job_body(State.SUCCEEDED))
    await asyncio.wait_for(task, 5)
    assert [m["job"] for m in watch.messages if "seq" in m] == ["j1", "j1"]
    assert [(m["count"], m["upto"]) for m in watch.of("merged")] == [(2, 4)]


async def test_a_poll_waits_for_news_and_answers_304_without(hub: Running) -> None:
    await hub.begin()
    _, body, headers = await hub.call("GET", EVENTS)
    assert headers["Retry-After"] == "1"
    tag = {"If-None-Match": headers["ETag"]}
    status, nothing, again = await hub.call("GET", f"{EVENTS}?wait=0.05", headers=tag)
    assert (status, nothing, again["ETag"]) == (304, None, headers["ETag"])
    status, empty, _ = await hub.call("GET", f"{EVENTS}?since={body['cursor']}&wait=0.05")
    assert (status, empty["events"], empty["cursor"]) == (200, [], body["cursor"])
    waiting = asyncio.create_task(hub.call("GET", f"{EVENTS}?since={body['cursor']}&wait=20"))
    await until(lambda: hub.hub.tracker.watchers_of("p"))
    hub.publish("p", "j1", progress_body(42))
    status, news, _ = await asyncio.wait_for(waiting, 2)
    assert [event["percent"] for event in news["events"]] == [42]


async def test_beyond_the_limit_a_poll_is_answered_at_once_and_right(tmp_path: Path) -> None:
    async with running(tmp_path, max_watchers=1) as hub:
        await hub.make_project()
        await hub.begin()
        _, body, _ = await hub.call("GET", EVENTS)
        held = asyncio.create_task(hub.call("GET", f"{EVENTS}?since={body['cursor']}&wait=20"))
        await until(lambda: hub.hub.tracker.watchers_of("p"))
        status, answer, headers = await asyncio.wait_for(hub.call("GET", f"{EVENTS}?since={body['cursor']}&wait=20"), 2)
        assert (status, answer["events"], headers["Retry-After"]) == (200, [], "1")
        hub.publish("p", "j1", progress_body(42))
        assert (await held)[1]["events"][0]["percent"] == 42


async def test_polls_are_asked_to_come_as_often_as_things_move(hub: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    async def retry_after() -> str:
        return (await hub.call("GET", EVENTS))[2]["Retry-After"]

    assert await retry_after() == "10"
    hub.publish("p", "j1", job_body(State.QUEUED))
    await hub.settle()
    assert await retry_after() == "2"
    await hub.begin()
    await hub.progress(1)
    assert await retry_after() == "1"
    still_ms = hub.hub.clock.now_ms() + 9_000
    monkeypatch.setattr(time, "time_ns", lambda: still_ms * 1_000_000)
    assert await retry_after() == "4"


async def test_a_poll_of_a_finished_job_does_not_wait(hub: Running) -> None:
    await hub.begin()
    hub.publish("p", "j1", job_body(State.FAILED))
    await hub.settle()
    _, body, _ = await hub.call("GET", f"{EVENTS}?job=j1")
    polled = hub.call("GET", f"{EVENTS}?job=j1&since={body['cursor']}&wait=30")
    _, answer, _ = await asyncio.wait_for(polled, 2)
    assert answer["events"] == []


@pytest.mark.parametrize("query", ["wait=-1", "wait=abc", "wait=56", "wait=nan", "min_interval_ms=x"])
async def test_nonsense_parameters_are_told(hub: Running, query: str) -> None:
    status, body, _ = await hub.call("GET", f"{EVENTS}?{query}")
    assert (status, body["error"]["code"]) == (400, "bad_request")


async def test_http_1_0_is_served_on_every_plain_transport(hub: Running) -> None:
    await hub.begin()
    host, port = hub.url.removeprefix("http://").split(":")

    async def ask(accept: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET {EVENTS} HTTP/1.0\r\nHost: {host}:{port}\r\nAccept: {accept}\r\n\r\n".encode())
        return reader, writer

    reader, writer = await ask("application/json")
    assert b'"snapshot"' in await asyncio.wait_for(reader.read(), 5)
    writer.close()
    reader, writer = await ask("text/event-stream")
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    assert b"chunked" not in head.lower()
    assert await asyncio.wait_for(reader.readuntil(b"retry: 2000\n"), 5) == b"\nretry: 2000\n"
    hub.publish("p", "j1", log_body("to the old one"))
    await asyncio.wait_for(reader.readuntil(b"to the old one"), 5)
    writer.close()


async def test_the_feed_tells_of_all_projects_but_no_logs(hub: Running) -> None:
    await hub.make_project("q")
    await hub.begin("q", "old")
    async with hub.session.ws_connect(f"{hub.url}/api/v1/events") as socket:
        hello, snapshot = [json.loads((await socket.receive()).data) for _ in range(2)]
        assert (hello["type"], snapshot["project"]) == ("hello", None)
        assert [job["id"] for job in snapshot["jobs"]] == ["old"]
        hub.publish("p", "j1", job_body(), log_body("quiet"), stage_body())
        got = []
        while len(got) < 2:
            message = json.loads((await asyncio.wait_for(socket.receive(), 5)).data)
            if "seq" in message:
                got.append((message["project"], message["type"]))
        assert got == [("p", "job"), ("p", "stage")]
    _, body, headers = await hub.call("GET", "/api/v1/events")
    assert {job["id"] for job in body["snapshot"]["jobs"]} == {"old", "j1"}
    status, _, _ = await hub.call("GET", "/api/v1/events?wait=0.05", headers={"If-None-Match": headers["ETag"]})
    assert status == 304
    waiting = asyncio.create_task(hub.call("GET", f"/api/v1/events?wait=20&since={body['cursor']}"))
    await until(lambda: len(hub.hub.tracker._feed.waiters))
    hub.publish("p", "j1", progress_body(3))
    _, news, _ = await asyncio.wait_for(waiting, 2)
    assert {job["percent"] for job in news["snapshot"]["jobs"]} == {0.0, 3}


class Client:
    """A WebSocket client for one conversation."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def say(self, frame: Any) -> None:
        await self.socket.send_str(frame if isinstance(frame, str) else json.dumps(frame))

    async def hear(self, kind: str) -> dict[str, Any]:
        while True:
            frame = await asyncio.wait_for(self.socket.receive(), 5)
            assert frame.type is aiohttp.WSMsgType.TEXT, frame
            message = json.loads(frame.data)
            if message["type"] == kind:
                return message  # type: ignore[no-any-return]


async def test_one_socket_follows_many_projects_and_answers(hub: Running) -> None:
    await hub.make_project("q")
    async with hub.session.ws_connect(hub.url + EVENTS) as socket:
        client = Client(socket)
        await client.say({"op": "ping", "id": 7})
        assert (await client.hear("pong"))["id"] == 7
        await client.say({"op": "subscribe", "id": 8, "project": "q"})
        assert (await client.hear("subscribed"))["project"] == "q"
        hub.publish("q", "k", job_body())
        assert (await client.hear("job"))["project"] == "q"
        await client.say({"op": "unsubscribe", "id": 9, "project": "q"})
        await client.hear("unsubscribed")
        hub.publish("q", "k", log_body("unheard"))
        await hub.settle()
        hub.publish("p", "j1", job_body())
        assert (await client.hear("job"))["project"] == "p"
        assert hub.hub.tracker.watchers_of("q") == 0
    await until(lambda: hub.hub.tracker.watcher_count == 0)


async def test_a_socket_follows_the_feed_or_projects_but_not_both(hub: Running) -> None:
    """Both tell of the same numbers at different times, and a client could not keep the two accounts apart."""
    async with hub.session.ws_connect(f"{hub.url}/api/v1/events") as socket:
        client = Client(socket)
        await client.say({"op": "subscribe", "id": 1, "project": "p"})
        assert (await client.hear("error"))["error"]["code"] == "feed_or_projects"
        await client.say({"op": "unsubscribe", "id": 2})
        await client.hear("unsubscribed")
        await client.say({"op": "subscribe", "id": 3, "project": "p"})
        await client.hear("subscribed")
        await client.say({"op": "subscribe", "id": 4})
        assert (await client.hear("error"))["error"]["code"] == "feed_or_projects"


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("not json", "bad_request"),
        ("[1]", "bad_request"),
        ({"op": "dance"}, "bad_request"),
        ({"op": "subscribe", "project": "nobody"}, "not_found"),
        ({"op": "subscribe", "project": 5}, "bad_request"),
        ({"op": "unsubscribe", "project": []}, "bad_request"),
        ({"op": "ping", "id": "x" * 1000}, "bad_request"),
        ('{"op": "ping", "id": NaN}', "bad_request"),
        ({"op": "subscribe", "project": "p", "min_interval_ms": True}, "bad_request"),
        ({"op": "subscribe", "project": "p", "min_interval_ms": -1}, "bad_request"),
        ("[" * 50_000, "bad_request"),
    ],
)
async def test_a_frame_that_makes_no_sense_is_told_and_the_socket_lives(hub: Running, frame: Any, code: str) -> None:
    async with hub.session.ws_connect(hub.url + EVENTS) as socket:
        client = Client(socket)
        await client.say(frame)
        assert (await client.hear("error"))["error"]["code"] == code
        await client.say({"op": "ping"})
        await client.hear("pong")


@pytest.mark.parametrize(
    ("frame", "codes"),
    # The peer of an oversized frame is still sending when the hub closes, so TCP may reset before the code is read.
    [(b"\0", {4502}), ("x" * 100_000, {1009, 1006})],
    ids=["binary", "oversized"],
)
async def test_a_frame_of_the_wrong_kind_ends_the_socket_with_a_code(
    hub: Running, frame: str | bytes, codes: set[int]
) -> None:
    async with hub.session.ws_connect(hub.url + EVENTS) as socket:
        await (socket.send_bytes(frame) if isinstance(frame, bytes) else socket.send_str(frame))
        while (await asyncio.wait_for(socket.receive(), 5)).type is aiohttp.WSMsgType.TEXT:
            pass
        assert socket.close_code in codes
    await until(lambda: hub.hub.tracker.watcher_count == 0)


async def test_a_cadence_merges_and_says_so_but_never_delays_an_end(hub: Running) -> None:
    await hub.begin()
    watch = Watch()
    task = asyncio.create_task(collect_ws(hub, watch, f"{EVENTS}?min_interval_ms=60000"))
    await until(lambda: hub.hub.tracker.watchers_of("p"))
    await hub.progress(50)
    hub.publish("p", "j1", job_body(State.SUCCEEDED))
    await asyncio.wait_for(task, 5)
    assert len(watch.of("progress")) == 1
    assert watch.of("merged")[0]["count"] == 49


async def test_heartbeats_carry_the_watchers_own_cursor(hub: Running) -> None:
    await hub.begin()
    async with hub.session.ws_connect(hub.url + EVENTS) as socket:
        client = Client(socket)
        snapshot = await client.hear("snapshot")
        hub.hub.tracker.beat()
        assert (await client.hear("heartbeat"))["cursors"] == {"p": snapshot["cursor"]}
        hub.publish("p", "j1", progress_body(1))
        event = await client.hear("progress")
        hub.hub.tracker.beat()
        beat = await client.hear("heartbeat")
        assert beat["cursors"] == {"p": f"{hub.hub.tracker.epoch}-{event['seq']}"}


async def test_at_the_limit_a_watcher_is_told_to_poll(tmp_path: Path) -> None:
    async with running(tmp_path, max_watchers=1) as hub:
        await hub.make_project()
        async with hub.session.ws_connect(hub.url + EVENTS):
            await until(lambda: hub.hub.tracker.watcher_count == 1)
            status, body, headers = await hub.call("GET", EVENTS, headers=SSE)
            assert (status, body["error"]["code"]) == (503, "too_many_watchers")
            assert "Retry-After" in headers
            status, _, _ = await hub.call("GET", body["error"]["detail"]["poll"])
            assert status == 200


async def test_a_drained_hub_says_bye_with_a_slot(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        await hub.make_project()
        socket = await hub.session.ws_connect(hub.url + EVENTS)
        sse = await hub.session.get(hub.url + EVENTS, headers=SSE)
        await until(lambda: hub.hub.tracker.watcher_count == 2)
        await drain(hub.hub)
        bye = await Client(socket).hear("bye")
        assert (bye["reason"], bye["retry"]) == ("restarting", True)
        assert bye["reconnect_ms"] >= 1
        await socket.receive()
        assert socket.close_code == 4000
        assert '"type":"bye"' in await asyncio.wait_for(sse.text(), 5)


async def test_a_deleted_project_ends_its_streams_for_good(hub: Running) -> None:
    async with hub.session.ws_connect(hub.url + EVENTS) as socket:
        await until(lambda: hub.hub.tracker.watcher_count)
        assert (await hub.call("DELETE", "/api/v1/projects/p"))[0] == 204
        bye = await Client(socket).hear("bye")
        assert (bye["reason"], bye["retry"]) == ("gone", False)
        await socket.receive()
        assert socket.close_code == 4503


async def test_a_client_that_asks_without_reading_costs_a_bounded_amount(hub: Running) -> None:
    """Answers once piled up without end, and a growing pile never looked stuck."""
    host, port = hub.url.removeprefix("http://").split(":")
    head = f"GET {EVENTS} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    head += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    _, writer = await asyncio.open_connection(host, int(port), limit=1024)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    writer.write(head.encode())
    text = json.dumps({"op": "subscribe", "project": "y" * 30_000}).encode()
    frame = b"\x81\xfe" + len(text).to_bytes(2) + b"\0\0\0\0" + text
    outlet = await until(lambda: next(iter(hub.hub.tracker.outlets()), None))
    for _ in range(400):
        writer.write(frame)
        try:
            await asyncio.wait_for(writer.drain(), 0.2)
        except TimeoutError:
            break
    else:
        raise AssertionError("the hub took everything")
    assert outlet.backlog() < 300_000
    writer.transport.abort()


async def test_a_reader_that_stops_loses_its_stream_and_costs_nobody_else(tmp_path: Path) -> None:
    settings = {"too_slow_s": 0.3, "high_water_bytes": 2048, "send_buffer_bytes": 4096, "heartbeat_s": 0.1}
    async with running(tmp_path, **settings) as hub:
        await hub.make_project()
        await hub.begin()
        host, port = hub.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port), limit=1024)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(f"GET {EVENTS} HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: text/event-stream\r\n\r\n".encode())
        await until(lambda: hub.hub.tracker.watcher_count == 1)
        watch = Watch()
        task = asyncio.create_task(collect_ws(hub, watch))
        await until(lambda: hub.hub.tracker.watcher_count == 2)
        text = "x" * 2000
        while hub.hub.tracker.watcher_count == 2:
            hub.publish("p", "j1", log_body(text))
            await hub.settle()
        hub.publish("p", "j1", job_body(State.SUCCEEDED))
        await asyncio.wait_for(task, 5)
        assert len(watch.of("log")) == watch.of("job")[-1]["seq"] - 3
        writer.close()


async def test_after_a_clean_stop_a_cursor_goes_on_and_no_number_is_left_out(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        await hub.make_project()
        await hub.begin()
        await hub.progress(5)
        await hub.settle()
        cursor = str(hub.hub.tracker.channel("p").position)
    async with running(tmp_path) as hub:
        _, body, _ = await hub.call("GET", f"{EVENTS}?since={cursor}")
        assert "reset" not in body
        assert [event["state"] for event in body["events"]] == ["interrupted"]
        assert "merged" not in body


async def test_a_slow_watcher_that_catches_up_holds_one_part_of_the_past(tmp_path: Path) -> None:
    async with running(tmp_path, ring_size=5000) as hub:
        await hub.make_project()
        await hub.begin()
        cursor = str(hub.hub.tracker.channel("p").position)
        for _ in range(1000):
            hub.publish("p", "j1", log_body("x" * 2000))
        await hub.settle()
        _, writer = await asyncio.open_connection("127.0.0.1", int(hub.url.rpartition(":")[2]), limit=2**10)
        writer.write(
            f"GET {EVENTS}?since={cursor} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n".encode()
        )
        await until(lambda: hub.hub.tracker.load().backlog_bytes > 0)
        await asyncio.sleep(0.2)  # it would be given more meanwhile
        assert hub.hub.tracker.load().backlog_bytes < 400_000
        writer.close()
        await until(lambda: hub.hub.tracker.watcher_count == 0)


async def test_if_none_match_may_name_several_answers(hub: Running) -> None:
    _, _, headers = await hub.call("GET", EVENTS)
    tags = {"If-None-Match": f'"other", {headers["ETag"]}'}
    assert (await hub.call("GET", EVENTS, headers=tags))[0] == 304


async def test_the_head_of_a_stream_is_that_of_a_stream(hub: Running) -> None:
    async with hub.session.head(hub.url + EVENTS, headers=SSE) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")


async def test_the_feed_is_of_all_jobs(hub: Running) -> None:
    status, body, _ = await hub.call("GET", "/api/v1/events?job=j1")
    assert (status, body["error"]["code"]) == (400, "bad_request")


@pytest.mark.parametrize(
    "lines",
    [
        "Upgrade: websocket\r\nConnection: keep-alive\r\nConnection: Upgrade",
        "Upgrade: h2c, websocket\r\nConnection: Upgrade",
    ],
)
async def test_an_upgrade_may_be_asked_for_among_others(hub: Running, lines: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(hub.url.rpartition(":")[2]))
    key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    writer.write(f"GET {EVENTS} HTTP/1.1\r\nHost: 127.0.0.1\r\n{lines}\r\n{key}\r\n\r\n".encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 101")
    writer.close()
    await until(lambda: hub.hub.tracker.watcher_count == 0)
