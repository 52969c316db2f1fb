"""Surface C: an index as the answer to one POST."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.hubs import Running
from tests.surfaces.folders import folder
from tests.surfaces.reader import Heard, all_heard, heard

STREAM = "/mcp/index/stream"
KEYS = ["type", "stage", "current", "total", "message", "timestamp_ms"]


async def stream(hub: Running, body: Any, **headers: str) -> list[Heard]:
    async with hub.session.post(hub.url + STREAM, json=body, headers=headers) as response:
        return await all_heard(response)


def steps(told: list[Heard]) -> list[str]:
    """The stages, each once where it is said several times in a row."""
    found = [one.data["stage"] for one in told]
    return [stage for n, stage in enumerate(found) if n == 0 or found[n - 1] != stage]


async def test_an_index_goes_through_its_stages_in_order(hub: Running, tmp_path: Path) -> None:
    path = folder(tmp_path / "a", 60)
    told = await stream(hub, {"project_path": path, "force_reindex": False})
    assert all(list(one.data) == KEYS and one.event is None for one in told)
    assert steps(told) == ["starting", "collecting", "loading_storage", "indexing"]
    assert [one.data["message"] for one in told[:3]] == [
        f"Starting indexing for: {path}", "Collecting source files...", "Loading indexed data from storage...",
    ]  # fmt: skip
    assert {one.data["type"] for one in told[:-1]} == {"progress"}
    assert told[-1].data | {"timestamp_ms": 0} == {
        "type": "complete", "stage": "indexing", "current": 60, "total": 60, "message": "Done: 60 files",
        "timestamp_ms": 0,
    }  # fmt: skip
    times = [one.data["timestamp_ms"] for one in told]
    assert times == sorted(times)


async def test_what_is_fresh_is_skipped_unless_forced(hub: Running, tmp_path: Path) -> None:
    path = folder(tmp_path / "a", 3)
    await stream(hub, {"project_path": path})
    told = await stream(hub, {"project_path": path})
    assert steps(told) == ["starting", "skipping", "indexing"]
    skipped = told[1].data
    assert (skipped["current"], skipped["total"], skipped["message"]) == (1, 1, "Already indexed")
    assert told[-1].data["type"] == "complete"
    told = await stream(hub, {"project_path": path, "force_reindex": True})
    assert steps(told) == ["starting", "collecting", "loading_storage", "indexing"]


async def test_another_folder_is_a_switch_and_leaves_no_log_behind(hub: Running, tmp_path: Path) -> None:
    one, other = folder(tmp_path / "a", 3), folder(tmp_path / "b", 3)
    assert "switching_projects" not in steps(await stream(hub, {"project_path": one}))
    told = steps(await stream(hub, {"project_path": other}))
    assert told == ["starting", "collecting", "switching_projects", "loading_storage", "indexing"]
    left = [path for path in (tmp_path / "data").rglob("*-wal") if path.parent.name == "a" and path.stat().st_size]
    assert left == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Missing project_path"),
        ({"project_path": ""}, "Missing project_path"),
        ({"project_path": "/none/of/this"}, None),
        ({"project_path": 7}, None),
        ({"project_path": "/etc", "force_reindex": "yes"}, None),
    ],
)
async def test_whatever_is_wrong_is_told_on_the_stream(hub: Running, body: Any, message: str | None) -> None:
    (one,) = await stream(hub, body)
    assert list(one.data) == KEYS
    assert (one.data["type"], one.data["stage"]) == ("error", "error")
    assert one.data["message"].startswith("Error: ") if message is None else one.data["message"] == message
    async with hub.session.post(hub.url + STREAM, json=body, headers={"Last-Event-ID": one.id}) as response:
        assert response.status == 204


async def test_an_index_can_be_cancelled_and_goes_on_without_its_watcher(hub: Running, tmp_path: Path) -> None:
    path = folder(tmp_path / "a", 4000)
    async with hub.session.post(hub.url + STREAM, json={"project_path": path}) as response:
        await anext(heard(response))
    (job,) = hub.hub.ledger.live_jobs()
    told = asyncio.create_task(stream(hub, {"project_path": path}))
    await asyncio.sleep(0)
    async with hub.session.delete(hub.url + STREAM, params={"project_path": path}) as response:
        assert response.status == 202
    assert (await told)[-1].data["type"] in {"error", "progress", "complete"}
    assert (await hub.call("GET", f"/api/v1/jobs/{job.id}"))[1]["state"] == "cancelled"
    async with hub.session.delete(hub.url + STREAM, params={"project_path": path}) as response:
        assert response.status == 404
