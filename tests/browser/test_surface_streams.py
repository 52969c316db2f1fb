"""The browser's own EventSource on the surfaces' streams, with real jobs: directly, and through Debian's nginx."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, Request

from tests.conftest import until
from tests.jobs.conftest import needs
from tests.surfaces.jobs import WAYS, Work, reached, working

pytestmark = [pytest.mark.browser, pytest.mark.git, pytest.mark.timeout(120)]
EVENTS = ("message", "complete", "clone_error", "scanning", "correlating", "done", "error", "progress")
LISTEN = """([path, events]) => {
    const heard = window[path] = { told: [], opened: 0, stopped: false };
    const source = new EventSource(path);
    source.onopen = () => { heard.opened += 1; };
    for (const event of events) source.addEventListener(event, (said) => {
        if (said.data !== undefined)
            heard.told.push({ at: Date.now(), event, data: JSON.parse(said.data), id: said.lastEventId });
        else heard.stopped = source.readyState === EventSource.CLOSED;
    });
}"""


@pytest.fixture(params=WAYS)
async def work(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Work]:
    needs("git")
    async with working(tmp_path, heartbeat_s=0.5) as work:
        with reached(work, request.param, tmp_path) as there:
            yield there


async def heard(page: Page, path: str) -> dict[str, Any]:
    return dict(await page.evaluate("(path) => window[path]", path))


async def stopped(page: Page, path: str) -> dict[str, Any]:
    """What has been heard, once the browser has given up by itself."""
    async with asyncio.timeout(60):
        while not (found := await heard(page, path))["stopped"]:
            await asyncio.sleep(0.1)
    return found


async def test_eventsource_hears_each_job_to_its_end_and_is_then_told_to_stay_away(work: Work, page: Page) -> None:
    asked: dict[str, int] = {}

    def count(request: Request) -> None:
        path = request.url.removeprefix(work.url)
        asked[path] = asked.get(path, 0) + 1

    page.on("request", count)
    await page.goto(f"{work.url}/static/examples/index.html")
    body = json.dumps(work.ingest_body).encode()
    status, job, _ = await work.hub.call(
        "POST", "/api/v1/ingest/github", json.loads(body), headers={"Accept": "application/json"}
    )
    assert status == 202
    paths = {
        "sync": "/api/sync/git/progress",
        "snapshot": "/api/v1/projects/work/progress/stream",
        "clone": f"{work.clone_stream}&error_event=error",
        "ingest": f"/api/v1/ingest/{job['jobId']}/stream",
    }
    for path in paths.values():
        await page.evaluate(LISTEN, [path, EVENTS])
    await until(lambda: len(work.hub.hub.tracker.outlets()) == len(paths))
    for start in ("/api/sync/git", "/api/v1/projects/work/snapshot"):
        assert (await work.hub.call("POST", start))[0] == 202
    told = {name: (await stopped(page, path))["told"] for name, path in paths.items()}
    assert (told["clone"][-1]["event"], told["sync"][-1]["event"]) == ("complete", "done")
    assert told["snapshot"][-1]["data"]["step"] == "completed"
    assert told["ingest"][-1]["data"]["stage"] == "Complete"
    for name in paths:
        assert all(one["id"] for one in told[name])
        assert told[name][-1]["at"] - told[name][0]["at"] > 50, "not held back to the end"
    assert [asked[path] for path in paths.values()] == [2] * len(paths), "once to listen, and once for the 204"
    assert [(await heard(page, path))["opened"] for path in paths.values()] == [1] * len(paths)
    assert await work.starts() == len(paths)
