"""Clients that leave, come back, or come twice: work is begun once, goes on without them, and has one end."""

import asyncio
import contextlib
import errno
import signal
from asyncio.selector_events import _SelectorSocketTransport
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hub.core.events import State
from tests.conftest import until
from tests.fakes import job_body
from tests.hubs import running
from tests.jobs.conftest import needs
from tests.jobs.git_server import GitServer
from tests.jobs.repositories import init
from tests.processes import HubProcess
from tests.surfaces.jobs import Work, repository, working
from tests.surfaces.reader import Heard, all_heard, heard
from tests.surfaces.test_foreign_clients import SURFACES, Surface

pytestmark = pytest.mark.git
SSE = {"Accept": "text/event-stream"}
NONSENSE = ["nonsense", "", "0-0", "ffffffff-999999999999999999", "-1", "x" * 2000]


@pytest.fixture
async def work(tmp_path: Path) -> AsyncIterator[Work]:
    needs("git")
    async with working(tmp_path) as work:
        yield work


def asked(work: Work, surface: Surface, **headers: str) -> Any:
    body = surface.body(work) if surface.body else None
    return work.hub.session.request(surface.method, work.url + surface.path(work), json=body, headers=headers)


async def listen(work: Work, surface: Surface, **headers: str) -> list[Heard]:
    async with asked(work, surface, **headers) as response:
        return await all_heard(response)


async def run(work: Work, surface: Surface) -> list[Heard]:
    """A whole run, heard from its beginning."""
    listening = asyncio.create_task(listen(work, surface))
    if surface.start is not None:
        await until(work.hub.hub.tracker.outlets)
        assert (await work.hub.call(*surface.start))[0] == 202
    return await listening


async def again(work: Work, name: str) -> None:
    """Begin another run, and leave it alone."""
    if name == "clone":
        assert (await work.hub.call("POST", "/api/v1/projects/code/jobs", {"kind": "clone"}))[0] == 202
    elif (start := SURFACES[name].start) is not None:
        assert (await work.hub.call(*start))[0] == 202
    else:
        async with asked(work, SURFACES[name]) as response:
            assert response.status == 200


@pytest.mark.parametrize("name", SURFACES)
async def test_an_id_that_says_nothing_is_answered_with_what_is(work: Work, name: str) -> None:
    surface = SURFACES[name]
    told = await run(work, surface)
    starts = await work.starts()
    for id_ in NONSENSE:
        assert [one.data for one in await listen(work, surface, **{"Last-Event-ID": id_})][-1] == told[-1].data
    assert await work.starts() == starts


@pytest.mark.parametrize("name", SURFACES)
async def test_who_has_heard_the_end_of_an_earlier_run_is_told_to_stay_away(work: Work, name: str) -> None:
    surface = SURFACES[name]
    first = (await run(work, surface))[-1].id
    await again(work, name)
    starts = await work.starts()
    for _ in range(2):
        async with asked(work, surface, **{"Last-Event-ID": first}) as response:
            assert response.status == 204
        await until(lambda: not work.hub.hub.ledger.live_jobs(), 60)
    assert await work.starts() == starts


@pytest.mark.parametrize("name", SURFACES)
async def test_who_comes_back_from_an_earlier_run_hears_the_present_one(work: Work, name: str) -> None:
    surface = SURFACES[name]
    earlier = (await run(work, surface))[0].id
    await again(work, name)
    starts = await work.starts()
    told = await listen(work, surface, **{"Last-Event-ID": earlier})
    assert told[-1].data["stage" if name == "index" else next(iter(told[-1].data))]
    assert not work.hub.hub.ledger.live_jobs()
    assert await work.starts() == starts


async def test_who_comes_back_after_the_repository_was_removed_starts_nothing(work: Work) -> None:
    told = await run(work, SURFACES["clone"])
    assert (await work.hub.call("DELETE", "/repos/code"))[0] == 204
    starts = await work.starts()
    for id_ in (told[0].id, told[-1].id, "nonsense"):
        async with asked(work, SURFACES["clone"], **{"Last-Event-ID": id_}) as response:
            assert response.status == 204
    assert await work.starts() == starts


@pytest.mark.parametrize("name", SURFACES)
async def test_starting_twice_at_once_is_one_run(work: Work, name: str) -> None:
    surface = SURFACES[name]
    if surface.start is None:
        ends = [told[-1] for told in await asyncio.gather(*(listen(work, surface) for _ in range(4)))]
        assert all(surface_is_end(name, one) for one in ends)
    else:
        statuses = sorted(
            [status for status, _, _ in await asyncio.gather(*(work.hub.call(*surface.start) for _ in range(4)))]
        )
        assert statuses == ([202, 409, 409, 409] if name == "sync" else [202] * 4)
        assert surface_is_end(name, (await listen(work, surface))[-1])
    assert await work.starts() == 1


def surface_is_end(name: str, one: Heard) -> bool:
    words = {
        "clone": one.event == "complete",
        "sync": one.event == "done",
        "index": one.data.get("type") == "complete",
        "snapshot": one.data.get("step") == "completed",
        "ingest": one.data.get("stage") == "Complete",
    }
    return words[name]


@pytest.mark.parametrize("name", SURFACES)
async def test_who_leaves_after_any_event_holds_nothing_and_stops_nothing(work: Work, name: str) -> None:
    surface = SURFACES[name]
    last = asyncio.create_task(run(work, surface))

    async def leave_after(count: int) -> None:
        async with asked(work, surface) as response:
            events = heard(response)
            for _ in range(count):
                await anext(events, None)

    await until(lambda: work.hub.hub.tracker.outlets() and (surface.start is None or work.hub.hub.ledger.live_jobs()))
    await asyncio.gather(*(leave_after(count) for count in range(6)))
    assert surface_is_end(name, (await last)[-1])
    await until(lambda: not work.hub.hub.tracker.outlets())
    assert await work.starts() == 1


@pytest.mark.timeout(120)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_hub_that_was_restarted_in_mid_clone_tells_the_end_and_begins_nothing(
    tmp_path: Path, number: signal.Signals
) -> None:
    needs("git")
    served = tmp_path / "served"
    served.mkdir()
    repository(init(served / "code.git"), 1)
    with GitServer(served) as server:
        server.behaviour.bytes_per_s = 20_000
        hub = await asyncio.to_thread(HubProcess, tmp_path / "data", "--drain-s", "0.2")
        try:
            await _restarted(hub, f"{server.url}/code.git", number)
        finally:
            await asyncio.to_thread(hub.close)


async def _restarted(hub: HubProcess, url: str, number: signal.Signals) -> None:
    async with aiohttp.ClientSession() as session:
        place = f"{hub.url}repos/clone-progress"
        last: Heard | None = None
        stopping: asyncio.Task[int] | None = None
        try:
            async with session.get(place, params={"url": url}) as response:
                async for one in heard(response):
                    stopping = stopping or asyncio.create_task(asyncio.to_thread(hub.stop, number))
                    last = one
        except (aiohttp.ClientError, AssertionError):
            assert number is signal.SIGKILL
        assert last is not None
        assert stopping is not None
        await stopping
        await asyncio.to_thread(hub.start)
        if last.event is None:  # killed, it could not tell the end
            async with session.get(place, params={"url": url}, headers={"Last-Event-ID": last.id}) as response:
                last = (await all_heard(response))[-1]
        assert last.event == "clone_error"
        async with session.get(place, params={"url": url}, headers={"Last-Event-ID": last.id}) as response:
            assert response.status == 204
        jobs = await asyncio.to_thread(hub.call, "GET", "jobs")
        assert [job["state"] for job in jobs["items"]] == ["interrupted"]


async def test_a_watcher_that_cuts_its_connection_at_the_end_costs_the_others_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faster = [OSError(errno.ENOTCONN, "Transport endpoint is not connected")]
    shut = _SelectorSocketTransport.write_eof

    def write_eof(transport: _SelectorSocketTransport) -> None:
        if faster:
            raise faster.pop()
        shut(transport)

    monkeypatch.setattr(_SelectorSocketTransport, "write_eof", write_eof)
    async with running(tmp_path / "data") as hub, contextlib.AsyncExitStack() as stack:
        await hub.make_project()
        await hub.begin()
        path = "/api/v1/projects/p/events?job=j1"
        readers = [await stack.enter_async_context(hub.session.get(hub.url + path, headers=SSE)) for _ in range(3)]
        await until(lambda: len(hub.hub.tracker.outlets()) == 3)
        hub.publish("p", "j1", job_body(State.SUCCEEDED))
        for reader in readers:
            assert b'"succeeded"' in await reader.content.read()
        await until(lambda: not hub.hub.tracker.outlets())
        assert not faster
        assert hub.hub.tracker.counts.ended == {"done": 3}
