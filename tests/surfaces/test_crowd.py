"""Two hundred watchers on every surface beside two hundred of the hub's own, while all five kinds are under way."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.conftest import until
from tests.hubs import Watch, read_sse
from tests.jobs.conftest import needs
from tests.surfaces.jobs import Work, working
from tests.surfaces.reader import Heard, all_heard
from tests.surfaces.test_coming_back import surface_is_end
from tests.surfaces.test_foreign_clients import SURFACES

pytestmark = [pytest.mark.git, pytest.mark.timeout(180)]
WATCHERS = 200


@pytest.fixture
async def work(tmp_path: Path) -> AsyncIterator[Work]:
    needs("git")
    async with working(tmp_path, heartbeat_s=1.0, max_running_jobs=5) as work:
        work.git.behaviour.bytes_per_s = 40_000
        yield work


async def hears(session: aiohttp.ClientSession, work: Work, name: str) -> list[Heard]:
    surface = SURFACES[name]
    body = surface.body(work) if surface.body else None
    async with session.request(surface.method, work.url + surface.path(work), json=body) as response:
        return await all_heard(response)


async def follows(session: aiohttp.ClientSession, work: Work, project: str) -> Watch:
    """A native watcher, which accounts for every number up to the end of one job."""
    watch = Watch()
    headers = {"Accept": "text/event-stream"}
    async with session.get(f"{work.url}/api/v1/projects/{project}/events", headers=headers) as response:
        async for _ in read_sse(response, watch):
            if watch.ended:
                break
    return watch


def ids(told: list[Heard]) -> list[int]:
    return [int(one.id.partition("-")[2]) for one in told if one.id != "refused"]


async def test_everybody_hears_every_job_to_its_end(work: Work) -> None:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(150)) as session:
        for name in ("code", "other"):
            project = {"url": f"{work.git.url}/{name}.git", "id": name}
            assert (await work.hub.call("POST", "/api/v1/projects", project))[0] == 201
        native = [
            asyncio.create_task(follows(session, work, project))
            for project in ("code", "other")
            for _ in range(WATCHERS // 2)
        ]
        told = {name: [asyncio.create_task(hears(session, work, name)) for _ in range(WATCHERS)] for name in SURFACES}
        outlets = work.hub.hub.tracker.outlets
        await until(lambda: len(outlets()) == WATCHERS * (len(SURFACES) + 1), 60)
        for surface in SURFACES.values():
            if surface.start is not None:
                assert (await work.hub.call(*surface.start))[0] == 202
        for name, tasks in told.items():
            heard: list[list[Heard]] = await asyncio.gather(*tasks)
            for one in heard:
                assert [surface_is_end(name, event) for event in one] == [False] * (len(one) - 1) + [True]
                assert ids(one) == sorted(ids(one))
            last: list[Any] = [(one[-1].data, one[-1].id) for one in heard]
            assert last == last[:1] * WATCHERS, "the same end, at the same place, for all"
        for watch in await asyncio.gather(*native):
            assert watch.of("job")[-1]["state"] == "succeeded"
    await until(lambda: not outlets())
    assert await work.starts() == len(SURFACES)
