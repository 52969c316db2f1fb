"""Clients that others have written, on a hub with real jobs: directly, and through nginx as Debian has it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_sse import aconnect_sse

from tests.jobs.conftest import needs
from tests.surfaces.jobs import WAYS, Work, reached, working

pytestmark = pytest.mark.git


@dataclass(frozen=True)
class Come:
    """One event, and when it came."""

    at: float
    event: str
    data: dict[str, Any]
    id: str


@dataclass(frozen=True)
class Surface:
    method: str
    path: Callable[[Work], str]
    body: Callable[[Work], Any] | None
    start: tuple[str, str] | None
    """What starts the job where the stream does not."""
    is_end: Callable[[Come], bool]


SURFACES = {
    "clone": Surface("GET", lambda work: work.clone_stream, None, None, lambda one: one.event == "complete"),
    "sync": Surface(
        "GET", lambda _: "/api/sync/git/progress", None, ("POST", "/api/sync/git"), lambda one: one.event == "done"
    ),
    "index": Surface(
        "POST",
        lambda _: "/mcp/index/stream",
        lambda work: work.index_body,
        None,
        lambda one: one.data["type"] == "complete",
    ),
    "snapshot": Surface(
        "GET",
        lambda _: "/api/v1/projects/work/progress/stream",
        None,
        ("POST", "/api/v1/projects/work/snapshot"),
        lambda one: one.data["step"] == "completed",
    ),
    "ingest": Surface(
        "POST",
        lambda _: "/api/v1/ingest/github",
        lambda work: work.ingest_body,
        None,
        lambda one: one.data["stage"] == "Complete",
    ),
}


@pytest.fixture(params=WAYS)
async def work(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Work]:
    needs("git")
    async with working(tmp_path, heartbeat_s=0.3) as work:
        with reached(work, request.param, tmp_path) as there:
            yield there


async def listen(work: Work, surface: Surface, last_id: str | None = None) -> tuple[int, list[Come]]:
    """The answer's status, and what comes to its end."""
    headers = {"Last-Event-ID": last_id} if last_id is not None else {}
    body = surface.body(work) if surface.body else None
    async with (
        httpx.AsyncClient(timeout=60, trust_env=False) as client,
        aconnect_sse(client, surface.method, work.url + surface.path(work), json=body, headers=headers) as source,
    ):
        if source.response.status_code != 200:
            return source.response.status_code, []
        return 200, [Come(time.time(), one.event, one.json(), one.id) async for one in source.aiter_sse()]


@pytest.mark.alone
@pytest.mark.parametrize("name", SURFACES)
async def test_httpx_sse_hears_everything_at_once_and_the_end_is_the_end(work: Work, name: str) -> None:
    surface = SURFACES[name]
    listening = asyncio.create_task(listen(work, surface))
    if surface.start is not None:
        await work.hub.call(*surface.start)
    status, told = await listening
    assert status == 200
    ends = [surface.is_end(one) for one in told]
    assert ends == [False] * (len(told) - 1) + [True], told[-1]
    assert len(told) > 2
    assert told[-1].at - told[0].at > 0.1, "not held back to the end"
    before = await work.starts()
    assert await listen(work, surface, told[-1].id) == (204, [])
    assert await work.starts() == before


async def test_curl_hears_an_index_as_it_happens(work: Work) -> None:
    curl = needs("curl")
    arguments = [
        "-sN", "-X", "POST", f"{work.url}/mcp/index/stream", "-H", "Content-Type: application/json", "-d",
        json.dumps(work.index_body),
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(curl, *arguments, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    told: list[tuple[float, dict[str, Any]]] = [
        (time.time(), json.loads(line[6:])) async for line in process.stdout if line.startswith(b"data: ")
    ]
    assert await process.wait() == 0
    assert [data["stage"] for _, data in told][:3] == ["starting", "collecting", "loading_storage"]
    assert told[-1][1]["message"] == "Done: 150 files"
    late_s = max(at - data["timestamp_ms"] / 1000 for at, data in told)
    assert late_s < 1.5, "each when it happens"
    assert told[-1][0] - told[0][0] > late_s


async def test_five_surfaces_hear_their_jobs_at_the_same_time(work: Work) -> None:
    listening = [asyncio.create_task(listen(work, surface)) for surface in SURFACES.values()]
    for surface in SURFACES.values():
        if surface.start is not None:
            await work.hub.call(*surface.start)
    for surface, (status, told) in zip(SURFACES.values(), await asyncio.gather(*listening), strict=True):
        assert status == 200
        assert surface.is_end(told[-1]), told[-1]
