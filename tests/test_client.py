"""The client against a scripted hub: whatever the network does, nothing is lost and nothing is told twice."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from hub.client import Hub, HubRefused, HubUnreachable, Link, NotAHub, Pace, WrongUrl, fold, job_state
from hub.client.errors import retry_after_s
from hub.client.link import Gap, Place
from hub.client.rungs import RUNGS, Lost, unpacked
from hub.core.events import LogBody, State
from tests.hubs import running

EPOCH = "0badcafe"
JOB = "0190"
QUICK = Pace(first_message_s=0.3, shortest_s=0.001, longest_s=0.01)
STAGES = [{"stage": "fetch", "title": "Fetching", "weight": 1.0}]


def event(seq, kind, **fields):
    return {"type": kind, "project": "p", "seq": seq, "at": seq * 10, "job": JOB, "kind": "clone", **fields}


def job(seq, state, **fields):
    return event(seq, "job", state=state, params={}, attempt=1, **fields)


def progress(seq, percent):
    return event(
        seq, "progress", stage="fetch", step=1, steps=1, current=seq, total=100, unit="objects", percent=percent,
        rate=None, eta_s=None, message="", detail={},
    )  # fmt: skip


STORY = [
    job(1, "queued", stages=STAGES),
    job(2, "running"),
    event(3, "stage", stage="fetch", title="Fetching", step=1, steps=1),
    progress(4, 10.0),
    {"type": "merged", "project": "p", "count": 3, "upto": 7},
    progress(8, 60.0),
    event(9, "log", level="info", message="nearly", stage="fetch"),
    job(10, "succeeded", result={}),
]
SNAPSHOT = {"type": "snapshot", "project": "p", "cursor": f"{EPOCH}-0", "jobs": []}


PAGE = {"items": [], "total": 0}


def place_of(message):
    return message.get("seq", message.get("upto"))


@dataclass
class ScriptedHub:
    """Tells STORY to whoever comes, from their cursor on, and misbehaves as told."""

    blocked: frozenset[str] = frozenset()
    """Transports that something on the way refuses."""
    mute: frozenset[str] = frozenset()
    """Transports that open and then hold everything back."""
    cuts: list[int] = field(default_factory=list)
    """After how many messages the first, second, ... stream is cut off."""
    story: list[dict] = field(default_factory=lambda: list(STORY))
    status: int = 200
    """What every stream and poll is answered with."""
    bye: dict | None = None
    close_code: int = 1000
    served: list[tuple[str, str | None]] = field(default_factory=list)
    """Transport and cursor of every connection."""
    busy: int = 0
    """How many polls are answered with 503 and `Retry-After: 1` first."""
    losses: int = 0
    """How many polls with a cursor leave out an event that they do not count as merged."""

    def app(self):
        app = web.Application()
        app.router.add_get("/healthz", self.health)
        app.router.add_get("/api/v1/projects/p/events", self.events)
        app.router.add_get("/api/v1/jobs/{job}", self.job)
        return app

    async def health(self, request):
        return web.json_response({"status": "ok"})

    async def job(self, request):
        states = fold_all(self.story)
        return web.json_response(states.to_wire())

    async def events(self, request):
        if request.headers.get("Upgrade", "").lower() == "websocket":
            transport = "websocket"
        else:
            transport = "sse" if "event-stream" in request.headers["Accept"] else "polling"
        self.served.append((transport, request.query.get("since")))
        if transport in self.blocked:
            return web.Response(status=502, text="bad gateway")
        if self.status != 200:
            error = {"code": "no", "message": "Not here.", "detail": {"a": 1}}
            return web.json_response({"error": error}, status=self.status)
        return await getattr(self, transport)(request)

    def messages(self, request):
        since = request.query.get("since")
        if since is None:
            yield SNAPSHOT
            since = SNAPSHOT["cursor"]
        seq = int(since.rpartition("-")[2])
        yield from (message for message in self.story if place_of(message) > seq)

    def stream(self, request):
        yield {"type": "hello", "epoch": EPOCH, "boot": "b", "version": "0", "server_ms": 0, "heartbeat_s": 10}
        yield from self.messages(request)
        if self.bye:
            yield self.bye

    async def websocket(self, request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if "websocket" in self.mute:
            await socket.receive()
            return socket
        await self.tell(request, socket.send_json)
        await socket.close(code=self.close_code)
        return socket

    async def sse(self, request):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        if "sse" in self.mute:
            await asyncio.Event().wait()
        await response.write(b"retry: 2000\n\n: a comment\n\n")
        await self.tell(request, lambda message: response.write(b"data: %s\n\n" % json.dumps(message).encode()))
        return response

    async def tell(self, request, send):
        limit = self.cuts.pop(0) if self.cuts else None
        for number, message in enumerate(self.stream(request)):
            if number == limit:
                request.transport.abort()
                return
            await send(message)

    async def polling(self, request):
        messages = list(self.messages(request))
        if self.cuts and self.cuts.pop(0) == 0:
            request.transport.abort()
        if self.busy:
            self.busy -= 1
            return web.Response(status=503, headers={"Retry-After": "1"})
        events = [message for message in messages if "seq" in message]
        if self.losses and "since" in request.query:
            self.losses -= 1
            del events[-2]
        merged = sum(message["count"] for message in messages if message["type"] == "merged")
        answer = {"cursor": f"{EPOCH}-{place_of(self.story[-1])}", "events": events, "merged": merged}
        if messages and messages[0]["type"] == "snapshot":
            answer["snapshot"] = messages[0]
        return web.json_response(answer)


@asynccontextmanager
async def watching(hub: ScriptedHub, pace: Pace = QUICK) -> AsyncIterator[Hub]:
    async with (
        TestServer(hub.app(), handler_cancellation=True) as server,
        Hub(str(server.make_url("/")), pace=pace) as client,
    ):
        yield client


async def told(hub: ScriptedHub, pace: Pace = QUICK, **options) -> list[dict]:
    async with watching(hub, pace) as client, asyncio.timeout(20):
        return [message async for message in client.watch("p", job=JOB, **options)]


def fold_all(messages):
    state = None
    for message in messages:
        state = fold(state, message, JOB)
    return state


def only(transport):
    names = [rung.name for rung in RUNGS]
    return frozenset(names[: names.index(transport)])


TRANSPORTS = [rung.name for rung in RUNGS]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_every_transport_tells_the_same_story(transport):
    assert await told(ScriptedHub(blocked=only(transport))) == [SNAPSHOT, *STORY]


@pytest.mark.parametrize("transport", ["websocket", "sse"])
@pytest.mark.parametrize("cut", range(len(STORY) + 2))
async def test_a_cut_at_any_message_loses_and_repeats_nothing(transport, cut):
    hub = ScriptedHub(blocked=only(transport), cuts=[cut])
    assert await told(hub) == [SNAPSHOT, *STORY]


@pytest.mark.parametrize("transport", ["websocket", "sse"])
async def test_cuts_after_every_single_message_lose_and_repeat_nothing(transport):
    hub = ScriptedHub(blocked=only(transport), cuts=[2] * 20)
    assert await told(hub) == [SNAPSHOT, *STORY]


async def test_a_poll_that_is_cut_off_is_asked_again():
    hub = ScriptedHub(blocked=only("polling"), cuts=[0, 0])
    assert await told(hub) == [SNAPSHOT, *STORY]


async def test_a_websocket_that_is_refused_leads_to_the_event_stream():
    hub = ScriptedHub(blocked=frozenset({"websocket"}))
    await told(hub)
    assert [transport for transport, _ in hub.served] == ["websocket", "sse"]


async def test_transports_that_something_holds_back_lead_to_polling():
    hub = ScriptedHub(mute=frozenset({"websocket", "sse"}))
    assert await told(hub) == [SNAPSHOT, *STORY]
    assert [transport for transport, _ in hub.served] == TRANSPORTS


async def test_a_lower_rung_goes_on_from_the_same_cursor():
    hub = ScriptedHub(cuts=[4])
    async with watching(hub) as client:
        heard = []
        async for message in client.watch("p", job=JOB):
            heard.append(message)
            hub.blocked = frozenset({"websocket"})
    assert heard == [SNAPSHOT, *STORY]
    assert hub.served[-1] == ("sse", f"{EPOCH}-2")


async def test_the_best_transport_gets_another_try():
    hub = ScriptedHub(blocked=frozenset({"websocket"}), story=STORY[:3])
    pace = Pace(first_message_s=0.3, shortest_s=0.001, longest_s=0.01, climb_s=0.05)

    def on_link(link: Link) -> None:
        assert link.transport == "sse" or not hub.blocked
        if len(hub.served) > 2:  # the event stream was lost, and came back as one
            hub.blocked = frozenset()
        if link.transport == "websocket":
            hub.story = list(STORY)

    async with watching(hub, pace) as client, asyncio.timeout(10):
        heard = [message async for message in client.watch("p", job=JOB, on_link=on_link) if "seq" in message]
    assert [message["seq"] for message in heard] == [1, 2, 3, 4, 8, 9, 10]
    assert ("websocket", f"{EPOCH}-3") in hub.served


async def test_since_goes_on_where_another_watch_was():
    assert await told(ScriptedHub(), since=f"{EPOCH}-7") == STORY[5:]


async def test_since_after_the_end_is_over_at_once():
    hub = ScriptedHub()
    assert await told(hub, since=f"{EPOCH}-10") == []
    assert hub.served == []


async def test_an_unaccounted_gap_makes_the_client_ask_again():
    hub = ScriptedHub(story=[*STORY[:3], *STORY[5:]])
    async with watching(hub) as client, asyncio.timeout(10):
        heard = []
        async for message in client.watch("p", job=JOB):
            heard.append(message)
            if len(hub.served) < 2 and place_of(message) == 3:
                hub.story = list(STORY)
    assert heard == [SNAPSHOT, *STORY]
    assert hub.served[1] == ("websocket", f"{EPOCH}-3")


@pytest.mark.parametrize("status", [401, 403, 404, 410])
async def test_a_refusal_is_final_and_in_the_hubs_words(status):
    with pytest.raises(HubRefused, match="Not here") as caught:
        await told(ScriptedHub(status=status))
    assert (caught.value.narrow_code, caught.value.status, caught.value.detail) == ("no", status, {"a": 1})


async def test_a_close_code_that_says_stay_away_is_final():
    with pytest.raises(HubRefused, match="4501"):
        await told(ScriptedHub(story=STORY[:3], close_code=4501))


async def test_a_bye_for_good_is_final():
    bye = {"type": "bye", "reason": "unauthorised", "retry": False, "reconnect_ms": 0}
    with pytest.raises(HubRefused, match="unauthorised"):
        await told(ScriptedHub(story=STORY[:3], bye=bye))


async def test_a_bye_says_when_to_come_back():
    links: list[Link] = []
    bye = {"type": "bye", "reason": "restarting", "retry": True, "reconnect_ms": 30}
    hub = ScriptedHub(story=STORY[:3], bye=bye)
    async with watching(hub) as client, asyncio.timeout(10):
        async for message in client.watch("p", job=JOB, on_link=links.append):
            if place_of(message) == 3:
                hub.bye, hub.story = None, STORY
    waiting = [link for link in links if not link.live]
    assert [(link.retry_s, link.why) for link in waiting] == [(0.03, "the hub said restarting")] * len(waiting)
    assert waiting


async def test_a_hub_that_is_down_is_waited_for_and_then_met_on_the_best_rung():
    async with TestServer(ScriptedHub().app()) as gone:
        port = gone.port
    hub = ScriptedHub()
    back = TestServer(hub.app(), port=port)
    links: list[Link] = []
    starting: list[asyncio.Task[None]] = []

    def on_link(link: Link) -> None:
        links.append(link)
        if len(links) == 3:
            starting.append(asyncio.ensure_future(back.start_server()))

    heard = []
    async with Hub(f"http://127.0.0.1:{port}", pace=QUICK) as client, asyncio.timeout(20):
        async for message in client.watch("p", on_link=on_link):
            heard.append(message)
            if place_of(message) == 10:
                break
    await back.close()
    assert heard == [SNAPSHOT, *STORY]
    assert [link.live for link in links[:3]] == [False] * 3
    assert hub.served == [("websocket", None)]


async def test_calls_to_a_hub_that_is_not_there_say_so():
    async with TestServer(ScriptedHub().app()) as gone:
        base = str(gone.make_url("/"))
    async with Hub(base) as client:
        with pytest.raises(HubUnreachable, match="No hub answers at"):
            await client.jobs()


async def test_an_answer_that_is_no_hubs_is_told_apart():
    async def page(request: web.Request) -> web.Response:
        return web.Response(text="<html>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/{tail:.*}", page)
    async with TestServer(app) as server, Hub(str(server.make_url("/"))) as client:
        with pytest.raises(NotAHub, match="is it a Progress Hub"):
            await client.jobs()


@pytest.mark.parametrize("text", ["[]", "{}", "null", "1", '{"type": 1}', "{bad"])
@pytest.mark.parametrize("transport", ["websocket", "sse"])
async def test_messages_that_are_no_hubs_lead_to_the_next_transport(transport, text):
    class Odd(ScriptedHub):
        async def tell(self, request, send):
            await send(None)

        async def websocket(self, request):
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            await socket.send_str(text)
            await socket.close()
            return socket

        async def sse(self, request):
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            await response.write(f"data: {text}\n\n".encode())
            return response

    hub = Odd(blocked=only(transport))
    assert await told(hub) == [SNAPSHOT, *STORY]
    assert hub.served[-1][0] == "polling"


@pytest.mark.parametrize("url", ["ftp://h", "http://", "http://h:70000", "http://me:sesame@h"])
def test_a_hub_is_not_made_of_a_url_that_is_none(url):
    with pytest.raises(WrongUrl) as caught:
        Hub(url)
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "told", "retry_s"),
    [(503, "7", 7.0), (503, "0", 0.0), (503, "86400", 30.0), (503, "9" * 500, 30.0), (200, "7", None)]
    + [(503, text, None) for text in ("", "-1", "1.5", "Fri, 31 Dec 1999 23:59:59 GMT")],
)
def test_a_busy_server_is_left_alone_as_long_as_it_asks_but_not_for_ever(status, told, retry_s):
    assert retry_after_s(SimpleNamespace(status=status, headers={"Retry-After": told})) == retry_s


async def test_a_call_to_a_busy_hub_is_made_again_when_the_hub_said():
    answers = [web.Response(status=503, headers={"Retry-After": "1"}), web.json_response({"items": [], "total": 0})]
    times = []

    async def busy(request: web.Request) -> web.Response:
        times.append(asyncio.get_running_loop().time())
        return answers.pop(0)

    app = web.Application()
    app.router.add_get("/api/v1/jobs", busy)
    async with TestServer(app) as server, Hub(str(server.make_url("/"))) as client:
        assert await client.jobs() == {"items": [], "total": 0}
    assert times[1] - times[0] >= 0.99


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "3600"}])
async def test_a_hub_that_stays_busy_is_told_as_such_in_its_own_words(headers, monkeypatch):
    pauses = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async def busy(request: web.Request) -> web.Response:
        return web.json_response({"error": {"code": "busy", "message": "Full."}}, status=503, headers=headers)

    app = web.Application()
    app.router.add_get("/api/v1/jobs", busy)
    async with TestServer(app) as server, Hub(str(server.make_url("/"))) as client:
        monkeypatch.setattr("hub.client.api.pause", pause)
        with pytest.raises(HubRefused, match="Full"):
            await client.jobs()
    assert pauses == ([30.0] if headers else [])


async def test_a_poll_of_a_busy_hub_is_made_again_when_the_hub_said():
    links: list[Link] = []
    hub = ScriptedHub(blocked=only("polling"), busy=1)
    assert await told(hub, on_link=links.append) == [SNAPSHOT, *STORY]
    assert [link.retry_s for link in links if not link.live] == [1.0]


async def test_calls_ask_what_the_api_wants():
    seen = []

    async def record(request: web.Request) -> web.Response:
        body = await request.json() if request.can_read_body else None
        seen.append((request.method, request.path_qs, body, request.headers.get("Idempotency-Key")))
        return web.json_response({"id": "1", "project": "a", "state": "queued", "seq": 1, "job": None} | PAGE)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", record)
    async with TestServer(app) as server, Hub(str(server.make_url("/"))) as hub:
        await hub.create_project(url="https://example.org/a.git", id=None, name="a")
        await hub.project("a/b")
        await hub.start("a", "clone", {"depth": 1}, key="k")
        await hub.job("1")
        await hub.jobs(project="a", state=None, limit=5)
        await hub.cancel("1")
        await hub.retry("1", {"token": "t"})
    assert seen == [
        ("POST", "/api/v1/projects", {"url": "https://example.org/a.git", "name": "a"}, None),
        ("GET", "/api/v1/projects/a%2Fb", None, None),
        ("POST", "/api/v1/projects/a/jobs", {"kind": "clone", "params": {"depth": 1}}, "k"),
        ("GET", "/api/v1/jobs/1", None, None),
        ("GET", "/api/v1/jobs?project=a&limit=5", None, None),
        ("POST", "/api/v1/jobs/1/cancel", {}, None),
        ("POST", "/api/v1/jobs/1/retry", {"params": {"token": "t"}}, None),
    ]


def test_pauses_double_up_to_their_longest_for_ever():
    pace = Pace(shortest_s=0.5, longest_s=20.0)
    assert [pace.bound_s(failures) for failures in (0, 1, 5, 6, 100_000)] == [0.5, 1.0, 16.0, 20.0, 20.0]


def test_folding_the_messages_gives_the_jobs_state():
    state = fold_all([SNAPSHOT, *STORY])
    assert (state.state, state.seq, state.percent) == (State.SUCCEEDED, 10, 100.0)


def test_a_state_object_survives_the_way_over_the_wire():
    state = fold_all(STORY[:6])
    assert job_state(state.to_wire()).to_wire() == state.to_wire()


def test_folding_ignores_other_jobs_and_unknown_messages():
    state = fold_all(STORY[:3])
    assert fold(state, job(11, "failed") | {"job": "other"}, JOB) is state
    assert fold(state, {"type": "news"}, JOB) is state


def test_a_place_drops_what_is_known_and_raises_for_what_is_missing():
    place = Place("p", f"{EPOCH}-5")
    place.take({"type": "hello", "epoch": EPOCH})
    assert not place.take(progress(5, 1.0))
    assert place.take(progress(6, 1.0))
    with pytest.raises(Gap):
        place.take(progress(8, 1.0))
    assert place.take({"type": "merged", "project": "p", "count": 1, "upto": 7})
    assert place.take(progress(8, 1.0))
    assert place.cursor == f"{EPOCH}-8"


def test_a_heartbeat_shows_a_gap_at_the_end():
    place = Place("p", f"{EPOCH}-5")
    assert not place.take({"type": "heartbeat", "server_ms": 1, "cursors": {"p": f"{EPOCH}-5"}})
    with pytest.raises(Gap):
        place.take({"type": "heartbeat", "server_ms": 1, "cursors": {"p": f"{EPOCH}-6"}})


def test_a_reset_moves_the_place_to_the_snapshots():
    place = Place("p", "deadbeef-50")
    assert place.take({"type": "reset", "project": "p", "reason": "other_epoch"})
    assert place.take(SNAPSHOT)
    assert place.take(progress(1, 1.0))
    assert place.cursor == f"{EPOCH}-1"


def test_a_finite_answer_accounts_for_the_numbers_it_leaves_out():
    answer = {"cursor": f"{EPOCH}-9", "events": [progress(3, 1.0), progress(6, 2.0)], "merged": 7}
    assert [(message["type"], place_of(message)) for message in unpacked(answer, "p", f"{EPOCH}-0")[:-1]] == [
        ("merged", 2),
        ("progress", 3),
        ("merged", 5),
        ("progress", 6),
        ("merged", 9),
    ]


@pytest.mark.parametrize("merged", [{}, {"merged": 6}])
def test_a_finite_answer_that_leaves_out_more_than_was_merged_is_a_loss(merged):
    with pytest.raises(Lost):
        unpacked({"cursor": f"{EPOCH}-9", "events": [progress(3, 1.0), progress(6, 2.0)], **merged}, "p", f"{EPOCH}-0")


async def test_a_poll_that_lost_something_is_made_anew_without_a_cursor():
    hub = ScriptedHub(blocked=only("polling"), losses=2)
    assert await told(hub, since=f"{EPOCH}-7") == [SNAPSHOT, *STORY]
    polls = [since for transport, since in hub.served if transport == "polling"]
    assert polls == [f"{EPOCH}-7", None]


@pytest.mark.parametrize("query", ["", "&job=j1", "&job=j2", "&logs=0"])
@pytest.mark.parametrize("ring_size", [1, 16, 1024])
async def test_a_real_hubs_answers_account_for_every_number_from_any_cursor(tmp_path, query, ring_size):
    async with running(tmp_path, ring_size=ring_size) as real:
        await real.make_project()
        for name in ("j1", "j2"):
            await real.begin(job=name)
        for _ in range(4):
            for name in ("j1", "j2"):
                await real.progress(5, job=name)
                real.publish("p", name, LogBody(level="info", message="on", stage=None))
        await real.settle()
        path = "/api/v1/projects/p/events?"
        cursor = (await real.call("GET", path))[1]["cursor"]
        epoch, _, head = cursor.partition("-")
        for seq in range(int(head) + 1):
            since = f"{epoch}-{seq}"
            answer = (await real.call("GET", f"{path}since={since}{query}"))[1]
            assert "snapshot" not in answer
            messages = unpacked(answer, "p", since)
            told = sum(message.get("count", 1) for message in messages[:-1])
            assert (answer["cursor"], told) == (cursor, int(head) - seq)


@pytest.mark.parametrize("answer", [[], {}, {"cursor": 1}, {"cursor": f"{EPOCH}-1"}])
def test_a_foreign_answer_to_a_poll_is_not_news(answer):
    with pytest.raises(Exception, match="not the hub's"):
        unpacked(answer, "p", None)


async def test_every_watch_has_a_connection_of_its_own_and_asks_nothing_else_of_it():
    frames = []

    class Listening(ScriptedHub):
        async def websocket(self, request):
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            for message in self.stream(request):
                await socket.send_json(message)
            frames.extend([frame async for frame in socket])
            return socket

    hub = Listening()
    async with watching(hub) as client, asyncio.timeout(5):
        for _ in range(2):
            assert [message async for message in client.watch("p", job=JOB)] == [SNAPSHOT, *STORY]
    assert hub.served == [("websocket", None)] * 2
    assert frames == []


async def test_stopping_to_watch_closes_the_connection():
    closed = asyncio.Event()

    class Lingering(ScriptedHub):
        async def websocket(self, request):
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            for message in self.stream(request):
                await socket.send_json(message)
            while (await socket.receive()).type is not aiohttp.WSMsgType.CLOSE:
                pass
            closed.set()
            return socket

    async with watching(Lingering(story=STORY[:3])) as client, asyncio.timeout(5):
        messages = client.watch("p")
        await anext(messages)
        await messages.aclose()
        await closed.wait()
