"""What is open by a token, a cookie or a link ends at once when that is good no longer, by whatever transport."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hub.access import watch_links
from hub.core.events import LogBody
from hub.journal.beside import opened_tokens
from tests.conftest import until
from tests.hubs import Running, Watch, read_sse, running
from tests.keys import bearer, guarded, key, made

EVENTS = "/api/v1/projects/p/events"
TRANSPORTS = ("ws", "sse", "poll", "feed ws", "feed sse", "feed poll")


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    async with guarded(tmp_path / "data") as hub:
        yield hub


async def watched(hub: Running, transport: str, headers: dict[str, str], query: str = "") -> str:
    """Watch until it ends; how it did."""
    feed, _, way = transport.rpartition(" ")
    url = hub.url + ("/api/v1/events" if feed else EVENTS) + f"?{query}"
    if way == "ws":
        async with hub.session.ws_connect(url, headers=headers) as socket:
            async for message in socket:
                last = message.json()
            return f"{last['type']} {last.get('reason')} {socket.close_code}"
    if way == "sse":
        async with hub.session.get(url, headers={**headers, "Accept": "text/event-stream"}) as response:
            assert response.status == 200
            async for message in read_sse(response, Watch()):
                last = message
            return f"{last['type']} {last['reason']} {last['retry']}"
    async with hub.session.get(url, headers=headers) as response:
        cursor = (await response.json())["cursor"]
    async with hub.session.get(f"{url}&wait=50&since={cursor}", headers=headers) as response:
        return f"{response.status} {(await response.json())['error']['code']}"


ENDS = {"ws": "bye unauthorised 4500", "sse": "bye unauthorised False", "poll": "401 unauthorised"}


def is_open(hub: Running) -> bool:
    return bool(hub.hub.tracker.watcher_count or hub.hub.tracker.waiting_count)


@contextlib.asynccontextmanager
async def watching(hub: Running, transport: str, headers: dict[str, str], query: str = "") -> AsyncIterator[None]:
    """Within, it is watched; by the end that must have ended as it does for who may not go on."""
    task = asyncio.create_task(watched(hub, transport, headers, query))
    await until(lambda: task.done() or is_open(hub))
    assert not task.done(), task.result()
    yield
    async with asyncio.timeout(20):
        assert await task == ENDS[transport.rpartition(" ")[2]]
    await until(lambda: not is_open(hub))


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_it_ends_when_the_token_is_revoked_here(hub: Running, transport: str) -> None:
    token, text = await made(hub, "watch")
    admin = bearer(await key(hub, "admin"))
    async with watching(hub, transport, bearer(text)):
        assert (await hub.call("DELETE", f"/api/v1/tokens/{token.id}", headers=admin))[0] == 204


@pytest.mark.parametrize("transport", ["ws", "sse", "poll"])
async def test_it_ends_when_another_process_revokes_it(hub: Running, transport: str, tmp_path: Path) -> None:
    token, text = await made(hub, "watch")
    journal = tmp_path / "data" / "journal.sqlite3"
    async with watching(hub, transport, bearer(text)), opened_tokens(journal) as table:
        assert await table.revoke([token.id], hub.hub.clock.now_ms()) == [token.id]


@pytest.mark.parametrize("transport", ["ws", "sse", "poll"])
async def test_it_ends_when_its_browser_signs_out(hub: Running, transport: str) -> None:
    _, _, answered = await hub.call("POST", "/api/v1/session", {"token": await key(hub, "watch")})
    own = {"Cookie": answered["Set-Cookie"].partition(";")[0], "Origin": hub.url}
    async with watching(hub, transport, own):
        assert (await hub.call("DELETE", "/api/v1/session", headers=own))[0] == 204


async def test_it_ends_when_the_link_expires(hub: Running) -> None:
    async with watching(hub, "sse", {}, f"watch={hub.hub.keeper.link('p', None, 4)[0]}"):
        pass


@pytest.mark.parametrize("transport", ["ws", "sse", "poll"])
async def test_it_ends_when_all_links_are_made_void(hub: Running, transport: str, tmp_path: Path) -> None:
    async with watching(hub, transport, {}, f"watch={hub.hub.keeper.link('p', None, 3600)[0]}"):
        watch_links.rotate(tmp_path / "data")


@pytest.mark.parametrize("transport", ["ws", "sse", "poll"])
async def test_what_was_open_to_anybody_ends_with_the_first_token(tmp_path: Path, transport: str) -> None:
    async with running(tmp_path / "data") as hub:
        await hub.make_project()
        async with watching(hub, transport, {}):
            assert (await hub.call("POST", "/api/v1/tokens", {"roles": ["admin"]}))[0] == 201
        assert (await hub.call("GET", "/api/v1/jobs"))[0] == 401


async def test_the_others_go_on(hub: Running) -> None:
    token, text = await made(hub, "watch")
    kept = bearer(await key(hub, "watch"))
    async with hub.session.ws_connect(hub.url + EVENTS, headers=kept) as other:
        async with hub.session.ws_connect(hub.url + EVENTS, headers=bearer(text)) as mine:
            await until(lambda: hub.hub.tracker.watcher_count == 2)
            await hub.hub.keeper.revoke(token.id)
            assert await closed(mine) == 4500
        await hub.progress(1)
        told: dict[str, Any] = {}
        while told.get("type") != "progress":
            told = await other.receive_json(timeout=10)


async def closed(socket: aiohttp.ClientWebSocketResponse) -> int | None:
    async for _ in socket:
        pass
    return socket.close_code


async def test_a_download_that_has_begun_is_cut_off_so_that_it_is_not_taken_for_whole(hub: Running) -> None:
    token, text = await made(hub, "watch")
    for n in range(60):
        hub.publish("p", "j1", *[LogBody(level="info", message="x" * 60_000)] * 2)
        if n % 20 == 0:
            await hub.settle()
    await hub.settle()
    url = hub.url + "/api/v1/projects/p/history?format=ndjson"
    async with hub.session.get(url, headers=bearer(text)) as response:
        await response.content.readany()
        await hub.hub.keeper.revoke(token.id)
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()


async def test_a_stream_without_rights_is_told_so_in_its_own_words(hub: Running) -> None:
    for headers, code in (({}, 4500), (bearer(await key(hub, "publish")), 4501)):
        async with hub.session.ws_connect(hub.url + EVENTS, headers=headers) as socket:
            bye = await socket.receive_json()
            assert (bye["type"], bye["retry"]) == ("bye", False)
            assert await closed(socket) == code
        sse = {**headers, "Accept": "text/event-stream"}
        assert (await hub.call("GET", EVENTS, headers=sse))[0] == (401 if code == 4500 else 403)


async def test_a_browsers_websocket_may_bring_its_token_in_the_address(hub: Running) -> None:
    text = await key(hub, "watch")
    async with hub.session.ws_connect(f"{hub.url}{EVENTS}?access_token={text}", headers={"Origin": hub.url}) as socket:
        assert (await socket.receive_json())["type"] == "hello"
    assert (await hub.call("POST", f"/api/v1/projects?access_token={text}", {"id": "x"}))[0] == 401


async def test_a_socket_follows_no_more_than_its_token_is_for(hub: Running) -> None:
    text = await key(hub, "watch", projects=["p"])
    async with hub.session.ws_connect(hub.url + EVENTS, headers=bearer(text)) as socket:
        await socket.send_json({"op": "subscribe", "id": 1, "project": "q"})
        told = await answer(socket)
        assert (told["type"], told["error"]["code"]) == ("error", "forbidden")
    async with hub.session.ws_connect(hub.url + "/api/v1/events", headers=bearer(text)) as feed:
        told = [await feed.receive_json() for _ in range(2)][1]
        assert [job["project"] for job in told["jobs"]] == ["p"]
        await hub.progress(1, "q", "j2")
        await hub.progress(1, "p", "j1")
        while (told := await feed.receive_json(timeout=10))["type"] == "heartbeat":
            pass
        assert told["project"] == "p"
    _, body, _ = await hub.call("GET", "/api/v1/events", headers=bearer(text))
    assert [job["project"] for job in body["snapshot"]["jobs"]] == ["p"]
    _, body, _ = await hub.call("GET", "/api/v1/projects", headers=bearer(text))
    assert [project["id"] for project in body["items"]] == ["p"]


async def answer(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    """The first message that answers a request."""
    while "id" not in (told := await socket.receive_json(timeout=10)):
        pass
    return dict(told)
