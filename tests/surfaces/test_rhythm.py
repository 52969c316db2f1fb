"""How often a watcher hears of a job that says much, little, or nothing, on a real hub."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hub.jobs import process
from tests.conftest import until
from tests.hubs import Running, running

SLACK_S = 0.6
"""Of a machine that has other things to do."""


@pytest.fixture
async def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    monkeypatch.setattr(process, "PROGRAM", "tests.surfaces.slow_child")
    (tmp_path / "work").mkdir()
    async with running(tmp_path / "data", roots=(str(tmp_path),)) as hub:
        yield hub


def go(hub: Running, project: str) -> None:
    (hub.hub.engine.home(project) / "go").touch()


async def times(response: Any, seconds: float) -> tuple[list[float], list[float], list[dict[str, Any]]]:
    """When data, and when keep-alives have come within so many seconds from the first data on; and the data."""
    said: list[float] = []
    alive: list[float] = []
    data: list[dict[str, Any]] = []
    while not said or time.monotonic() < said[0] + seconds:
        line = await response.content.readline()
        assert line, "the stream has ended"
        if line == b": keep-alive\n":
            alive.append(time.monotonic())
        elif line.startswith(b"data: "):
            said.append(time.monotonic())
            data.append(json.loads(line[6:]))
    return said, alive, data


def gaps(at: list[float]) -> list[float]:
    return [after - before for before, after in itertools.pairwise(at)]


@pytest.mark.timeout(60)
async def test_a_silent_job_is_told_of_every_five_seconds_and_at_most_every_second(
    hub: Running, tmp_path: Path
) -> None:
    folder = str(tmp_path / "work")
    asked = hub.session.post(f"{hub.url}/api/v1/ingest/local", json={"repository": folder})
    async with asked as response:
        said, alive, data = await times(response, 14)
        assert max(gaps(said)) <= 5.0 + SLACK_S
        repeated = [
            at
            for at, (before, one) in zip(said[1:], itertools.pairwise(data), strict=True)
            if one["stage"] == before["stage"]
        ]
        assert len(repeated) > 2
        assert min(gaps(repeated)) >= 1.0 - SLACK_S
        assert alive
        assert max(gaps([said[0], *alive])) <= 15.0
        go(hub, "work")
        await response.content.read()


@pytest.mark.timeout(60)
async def test_a_silent_index_is_told_of_every_five_seconds(hub: Running, tmp_path: Path) -> None:
    folder = str(tmp_path / "work")
    async with hub.session.post(f"{hub.url}/mcp/index/stream", json={"project_path": folder}) as response:
        said, *_ = await times(response, 11)
        assert max(gaps(said)) <= 5.0 + SLACK_S
        go(hub, "work")
        assert b'"complete"' in await response.content.read()


@pytest.mark.alone
async def test_a_sync_that_counts_all_the_time_is_told_of_every_hundred_milliseconds(hub: Running) -> None:
    assert (await hub.call("POST", "/api/sync/git"))[0] == 202
    async with hub.session.get(f"{hub.url}/api/sync/git/progress") as response:
        said, *_ = await times(response, 4)
        go(hub, "all")
        assert b"event: done" in await response.content.read()
    assert 4 / 0.1 / 3 < len(said) <= 4 / 0.1 + 3
    await until(lambda: not hub.hub.ledger.live_jobs())


async def test_idle_streams_are_kept_alive(tmp_path: Path) -> None:
    async with (
        running(tmp_path / "data", heartbeat_s=0.1) as hub,
        hub.session.get(f"{hub.url}/api/sync/git/progress") as response,
    ):
        for _ in range(3):
            assert await asyncio.wait_for(response.content.readline(), 10) == b": keep-alive\n"
