"""Surface D: a snapshot in six steps, polled and streamed."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import until
from tests.hubs import Running, running
from tests.surfaces.reader import Heard, all_heard

KEYS = {
    "projectId", "step", "stepNumber", "totalSteps", "progress", "fileCount", "totalSize", "totalSizeText", "message",
    "timestamp",
}  # fmt: skip
PLACE = "/api/v1/projects/work"


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    folder = tmp_path / "work"
    folder.mkdir()
    for n in range(200):
        (folder / f"f{n}.txt").write_text(f"file {n}\n" * 50)
    async with running(tmp_path / "data", roots=(str(tmp_path),), spare_children=1, snapshot_quiet_s=0.1) as hub:
        assert (await hub.call("POST", "/api/v1/projects", {"path": str(folder), "id": "work"}))[0] == 201
        yield hub


async def stream(hub: Running, **headers: str) -> list[Heard]:
    async with hub.session.get(f"{hub.url}{PLACE}/progress/stream", headers=headers) as response:
        return await all_heard(response)


def check(data: dict[str, Any]) -> None:
    assert set(data) - {"snapshotUrl", "error"} == KEYS
    assert data["projectId"] == "work"
    assert data["totalSteps"] == 6
    assert dt.datetime.fromisoformat(data["timestamp"]).tzinfo is not None


async def test_nothing_running_is_idle_and_an_unknown_project_is_not_found(hub: Running) -> None:
    status, data, _ = await hub.call("GET", f"{PLACE}/progress")
    assert status == 200
    check(data)
    assert (data["step"], data["stepNumber"], data["progress"]) == ("idle", 0, 0)
    assert data["message"] == "No snapshot generation in progress"
    for path in ("progress", "progress/stream"):
        assert (await hub.call("GET", f"/api/v1/projects/none/{path}"))[0] == 404


async def test_a_snapshot_goes_through_its_steps_to_completed(hub: Running) -> None:
    status, begun, headers = await hub.call("POST", f"{PLACE}/snapshot")
    assert status == 202
    assert headers["Location"] == f"/api/v1/jobs/{begun['jobId']}"
    told = await stream(hub)
    for one in told:
        assert one.event is None
        check(one.data)
    numbers = [one.data["stepNumber"] for one in told]
    assert numbers == sorted(numbers)
    assert {1, 4, 5, 6} <= set(numbers)
    assert set(numbers) & {2, 3}
    percents = [one.data["progress"] for one in told]
    assert percents == sorted(percents)
    last = told[-1].data
    assert (last["step"], last["stepNumber"], last["progress"]) == ("completed", 6, 100)
    assert last["message"] == "Snapshot generation completed successfully"
    assert last["fileCount"] == 200
    assert last["totalSize"] == sum(len(f"file {n}\n") * 50 for n in range(200))
    async with hub.session.get(hub.url + last["snapshotUrl"]) as response:
        assert response.status == 200
    words = {one.data["step"]: one.data["message"] for one in told}
    assert words["compressing"] == f"Processing 200 files ({last['totalSizeText']} total)..."
    assert words["uploading"] == "Uploading snapshot to cloud storage..."
    polled = (await hub.call("GET", f"{PLACE}/progress"))[1]
    assert polled == last, "a poll says what the stream said"
    assert [one.data for one in await stream(hub)] == [last]
    async with hub.session.get(f"{hub.url}{PLACE}/progress/stream", headers={"Last-Event-ID": told[-1].id}) as response:
        assert response.status == 204


async def test_a_failure_keeps_its_step_and_says_why(hub: Running, tmp_path: Path) -> None:
    (tmp_path / "work").rename(tmp_path / "gone")
    await hub.call("POST", f"{PLACE}/snapshot")
    last = (await stream(hub))[-1].data
    check(last)
    assert last["step"] == "failed"
    assert last["message"] == f"Snapshot generation failed: {last['error']}"
    assert last["progress"] < 100
    assert (await hub.call("GET", f"{PLACE}/progress"))[1] == last


async def test_who_watches_an_idle_project_sees_the_next_snapshot(hub: Running) -> None:
    waiting = asyncio.create_task(stream(hub))
    await until(lambda: hub.hub.tracker.watcher_count == 1)
    first = await hub.call("POST", f"{PLACE}/snapshot")
    second = await hub.call("POST", f"{PLACE}/snapshot")
    assert second[0] == 202
    assert second[1]["jobId"] == first[1]["jobId"], "starting again joins"
    told = await asyncio.wait_for(waiting, 30)
    assert told[0].data["step"] == "idle"
    assert told[-1].data["step"] == "completed"
