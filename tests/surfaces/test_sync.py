"""Surface B: syncs that somebody asked for, as phases with counters."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.surfaces.sync import CORRELATING, DONE, SCANNING
from hub.web.desk import HubDesk
from hub.web.resources.commits import start_sync
from tests.commits.histories import START, fill, init, line
from tests.conftest import until
from tests.hubs import Running, running
from tests.jobs.conftest import needs
from tests.surfaces.reader import Heard, all_heard, heard

SYNC, PROGRESS = "/api/sync/git", "/api/sync/git/progress"


@pytest.fixture(autouse=True)
def needs_git() -> None:
    needs("git")


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path / "data", roots=(str(tmp_path),), spare_children=1) as hub:
        yield hub


async def add(hub: Running, path: Path, commits: int, sessions: int = 0) -> None:
    repo = fill(init(path), line(commits))
    assert (await hub.call("POST", "/api/v1/projects", {"path": str(repo), "id": path.name}))[0] == 201
    told = [
        {"id": f"{path.name}-{n}", "project": path.name, "start": (START + 60 * n) * 1000,
         "end": (START + 60 * n + 600) * 1000} for n in range(sessions)
    ]  # fmt: skip
    if told:
        assert (await hub.call("POST", "/api/v1/sessions", {"sessions": told}))[0] == 201


async def stream(hub: Running, **headers: str) -> list[Heard]:
    async with hub.session.get(hub.url + PROGRESS, headers=headers) as response:
        return await all_heard(response)


async def test_a_sync_is_told_in_phases_to_one_end(hub: Running, tmp_path: Path) -> None:
    await add(hub, tmp_path / "a", 50, sessions=4)
    await add(hub, tmp_path / "b", 20)
    await add(hub, tmp_path / "empty", 0)
    assert (await hub.call("POST", SYNC))[0] == 202
    told = await stream(hub)
    assert [one.event for one in told if one.event != "scanning"][-2:] == ["correlating", "done"]
    names = {"scanning": SCANNING, "correlating": CORRELATING, "done": DONE}
    for one in told:
        assert list(one.data) == ["phase", *names[one.event]]
        assert one.data["phase"] == one.event
    for name in ("commitsFound", "reposProcessed", "linksCreated"):
        counted = [one.data[name] for one in told if name in one.data]
        assert counted == sorted(counted)
    done = told[-1].data
    assert (done["reposScanned"], done["commitsFound"]) == (2, 70)
    assert done["linksCreated"] > 0


async def test_the_answer_comes_after_the_phase(hub: Running, tmp_path: Path) -> None:
    await add(hub, tmp_path / "a", 5)
    for _ in range(3):
        status, body, _ = await hub.call("POST", SYNC)
        assert (status, body) == (202, {"message": "Git sync initiated", "status": "accepted"})
        told = await stream(hub)
        assert told[0].event in {"scanning", "correlating"}, "no watcher sees the end of the last run"
        assert told[-1].event == "done"


async def test_a_second_one_is_a_conflict(hub: Running, tmp_path: Path) -> None:
    await add(hub, tmp_path / "a", 3000)
    assert (await hub.call("POST", SYNC))[0] == 202
    status, body, _ = await hub.call("POST", SYNC)
    details = "Git sync already in progress. Please wait for it to complete."
    assert (status, body) == (409, {"error": "Conflict", "details": details})


async def test_who_watches_an_idle_hub_waits_for_the_next_sync(hub: Running, tmp_path: Path) -> None:
    await add(hub, tmp_path / "a", 5)
    waiting = asyncio.create_task(stream(hub))
    await until(lambda: hub.hub.tracker.watcher_count == 1)
    await asyncio.sleep(0.2)
    assert not waiting.done()
    await hub.call("POST", SYNC)
    told = await asyncio.wait_for(waiting, 30)
    assert told[0].event == "scanning"
    assert told[-1].event == "done"


async def test_a_sync_that_is_over_is_one_event_and_then_nothing_more(hub: Running, tmp_path: Path) -> None:
    await add(hub, tmp_path / "a", 5)
    await hub.call("POST", SYNC)
    last = (await stream(hub))[-1]
    assert [one.event for one in await stream(hub)] == ["done"]
    assert [one.event for one in await stream(hub, **{"Last-Event-ID": "nonsense"})] == ["done"]
    async with hub.session.get(hub.url + PROGRESS, headers={"Last-Event-ID": last.id}) as response:
        assert response.status == 204


async def test_a_sync_in_the_background_moves_nothing_here(hub: Running, tmp_path: Path) -> None:
    await add(hub, tmp_path / "a", 5)
    await hub.call("POST", SYNC)
    before = await stream(hub)
    await start_sync(hub.hub, {"scheduled": True})
    await until(lambda: not hub.hub.ledger.live_jobs(), 30)
    after = await stream(hub)
    assert [(one.event, one.data, one.id.partition("-")[0]) for one in after] == [
        (before[-1].event, before[-1].data, before[-1].id.partition("-")[0])
    ]


async def test_a_sync_that_is_cancelled_is_an_error(hub: Running, tmp_path: Path) -> None:
    await add(hub, tmp_path / "a", 30_000)
    await hub.call("POST", SYNC)
    async with hub.session.get(hub.url + PROGRESS) as response:
        events = heard(response)
        await anext(events)
        (job,) = hub.hub.ledger.live_jobs()
        await hub.call("POST", f"/api/v1/jobs/{job.id}/cancel")
        told = [one async for one in events]
    assert told[-1].event == "error"
    assert told[-1].data == {"phase": "error", "message": "The sync was cancelled."}


async def test_the_status_tells_what_was_done_last(hub: Running, tmp_path: Path) -> None:
    names = {
        "lastIndexedAt", "lastIndexDurationMs", "sessionsIndexed", "projectsIndexed", "lastGitSyncAt", "commitsFound",
        "linksCreated", "updatedAt", "gitSyncIntervalSecs",
    }  # fmt: skip
    _, before, _ = await hub.call("GET", "/api/status")
    assert set(before) == names
    assert (before["lastGitSyncAt"], before["commitsFound"], before["gitSyncIntervalSecs"]) == (None, 0, 0)
    await add(hub, tmp_path / "a", 12, sessions=2)
    await hub.call("POST", SYNC)
    await stream(hub)
    _, after, _ = await hub.call("GET", "/api/status")
    assert (after["commitsFound"], after["sessionsIndexed"], after["projectsIndexed"]) == (12, 2, 0)
    assert after["lastGitSyncAt"] == after["updatedAt"]


@pytest.mark.parametrize("seconds", [9, 3601, 10.5, "60", None, True])
async def test_an_interval_out_of_bounds_is_refused(hub: Running, seconds: object) -> None:
    assert (await hub.call("PUT", "/api/settings/git-sync-interval", {"intervalSecs": seconds}))[0] == 400


async def test_the_interval_is_kept_over_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as hub:
        status, body, _ = await hub.call("PUT", "/api/settings/git-sync-interval", {"intervalSecs": 600})
        assert (status, body["gitSyncIntervalSecs"]) == (200, 600)
    async with running(tmp_path / "data") as hub:
        assert (await hub.call("GET", "/api/status"))[1]["gitSyncIntervalSecs"] == 600


async def test_eight_repositories_scanned_at_once_add_up_exactly(hub: Running, tmp_path: Path) -> None:
    for n in range(8):
        await add(hub, tmp_path / f"r{n}", 100, sessions=3)
    await add(hub, tmp_path / "empty", 0, sessions=2)
    for commits in (800, 0):
        assert (await hub.call("POST", SYNC))[0] == 202
        told = await stream(hub)
        scanned = [one.data for one in told if one.event == "scanning"]
        linked = [one.data for one in told if one.event == "correlating"]
        done = told[-1].data
        assert (done["reposScanned"], done["commitsFound"]) == (8, commits)
        assert all(one["totalRepos"] in {0, 9} and one["reposScanned"] <= one["reposProcessed"] <= 9 for one in scanned)
        assert (linked[-1]["sessionsCorrelated"], linked[-1]["totalCorrelatableSessions"]) == (24, 24)
        assert linked[-1]["linksCreated"] == done["linksCreated"]
        if commits:
            links = [(await hub.call("GET", f"/api/v1/projects/r{n}/links?limit=1"))[1]["total"] for n in range(8)]
            assert done["linksCreated"] == sum(links) > 0
        else:
            assert done["linksCreated"] == 0


async def test_a_sync_that_begins_while_a_stream_is_opened_is_not_missed(hub: Running, tmp_path: Path) -> None:
    await add(hub, tmp_path / "a", 5)
    desk = HubDesk(hub.hub)
    assert await desk.newest("all", "sync") is None
    begun = await desk.sync()
    assert (await asyncio.wait_for(desk.next("all", "sync", after=None), 5)).id == begun.id
    waiting = asyncio.create_task(desk.next("all", "sync", after=begun))
    await desk.ended(begun.id)
    second = await desk.sync()
    assert (await asyncio.wait_for(waiting, 5)).id == second.id
