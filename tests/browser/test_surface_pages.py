"""The example pages against the hub itself: each takes a real job to its end."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.conftest import until
from tests.jobs.conftest import needs
from tests.surfaces.jobs import Work, working

pytestmark = [pytest.mark.browser, pytest.mark.git, pytest.mark.timeout(120)]
JOB_MS = 60_000
NETWORK = ("Failed to load resource", "EventSource's response")


@pytest.fixture
async def work(tmp_path: Path) -> AsyncIterator[Work]:
    needs("git")
    async with working(tmp_path, heartbeat_s=0.5) as work:
        yield work


@pytest.fixture
def pages(work: Work) -> str:
    return f"{work.url}/static/examples"


async def test_a_clone_with_the_credentials_that_it_asked_for(
    work: Work, pages: str, page: Page, shot, watched
) -> None:
    watched.forgive(*NETWORK)
    work.git.behaviour.user = ("ada", "s3cret")
    await page.goto(f"{pages}/clone.html")
    await page.fill("#url", work.clone_url)
    await page.press("#url", "Enter")
    await expect(page.locator("#cause")).to_contain_text("credentials", timeout=JOB_MS)
    await shot(page, "real-clone-credentials")
    await page.fill("[name=username]", "ada")
    await page.fill("[name=password]", "s3cret")
    await page.press("[name=password]", "Enter")
    await expect(page.locator("#counts")).to_contain_text("objects", timeout=JOB_MS)
    await expect(page.locator("#result")).to_contain_text("Cloned to ", timeout=JOB_MS)
    await expect(page.locator("#percent")).to_have_text("100")
    await shot(page, "real-clone-done")
    await page.press("#url", "Enter")
    await expect(page.locator("#cause")).to_contain_text("Directory already exists: ")
    assert await work.starts() == 2


async def test_a_sync_and_its_interval(work: Work, pages: str, page: Page, shot, watched) -> None:
    watched.forgive(*NETWORK)
    await page.goto(f"{pages}/sync.html")
    await expect(page.locator("#line")).to_have_text("No sync is running.")
    await expect(page.locator("#interval")).to_have_value("")
    await page.click("#trigger")
    await expect(page.locator(".surface-toast")).to_contain_text("Sync completed", timeout=JOB_MS)
    await expect(page.locator(".surface-toast")).to_contain_text("1 repos | 3000 commits | 0 links")
    await shot(page, "real-sync-done")
    await expect(page.locator("#status")).to_contain_text("3")
    await page.fill("#interval", "5")
    await page.press("#interval", "Enter")
    await expect(page.locator("#interval-says")).to_contain_text("from 10 to 3600")
    await page.fill("#interval", "120")
    await page.press("#interval", "Enter")
    await expect(page.locator("#saved")).to_have_text("Saved.")
    assert (await work.hub.call("GET", "/api/status"))[1]["gitSyncIntervalSecs"] == 120


async def test_an_index_its_repetition_and_a_folder_that_may_not(
    work: Work, pages: str, page: Page, shot, watched
) -> None:
    watched.forgive(*NETWORK)
    await page.goto(f"{pages}/index-stream.html")
    await page.fill("#path", str(work.folder))
    await page.press("#path", "Enter")
    await expect(page.locator("#message")).to_have_text("Done: 150 files", timeout=JOB_MS)
    await expect(page.locator("#percent")).to_have_text("100")
    await shot(page, "real-index-done")
    await page.press("#path", "Enter")
    await expect(page.locator("#submit")).to_be_enabled(timeout=JOB_MS)
    await expect(page.locator("#phase")).to_have_text("Done", timeout=JOB_MS)
    await until(lambda: not work.hub.hub.tracker.outlets())
    assert await work.starts() == 2
    await page.fill("#path", "/etc")
    await page.press("#path", "Enter")
    await expect(page.locator("#cause")).to_contain_text("roots")
    await shot(page, "real-index-refused")


async def test_a_snapshot_opens_its_modal_and_closes_it(work: Work, pages: str, page: Page, shot, watched) -> None:
    watched.forgive(*NETWORK)
    await page.goto(f"{pages}/snapshot.html")
    await page.fill("#project", "work")
    await page.press("#project", "Enter")
    modal = page.locator("dialog")
    await expect(modal).to_contain_text("of 6", timeout=JOB_MS)
    await shot(page, "real-snapshot-under-way")
    await expect(modal).to_contain_text("Snapshot generation completed successfully", timeout=JOB_MS)
    await expect(modal).to_be_hidden(timeout=10_000)
    await expect(page.locator("#made a")).to_have_attribute("href", f"{work.url}{await _snapshot(work)}/archive")
    await shot(page, "real-snapshot-done")
    await page.fill("#project", "none")
    await page.press("#project", "Enter")
    await expect(page.locator("#phase")).to_contain_text("none")


async def _snapshot(work: Work) -> str:
    (one,) = (await work.hub.call("GET", "/api/v1/projects/work/snapshots"))[1]["items"]
    return f"/api/v1/projects/work/snapshots/{one['id']}"


async def test_an_ingest_that_another_page_watches(work: Work, pages: str, page: Page, shot, watched) -> None:
    watched.forgive(*NETWORK)
    await page.goto(f"{pages}/ingest.html")
    await page.select_option("#source", "github")
    await page.fill("#repository", work.ingest_body["repository"])
    await page.press("#repository", "Enter")
    await expect(page.locator("#phase")).to_contain_text("Cloning", timeout=JOB_MS)
    await shot(page, "real-ingest-under-way")
    await expect(page.locator("#phase")).to_contain_text("Complete", timeout=JOB_MS)
    await expect(page.locator("#percent")).to_have_text("100")
    await expect(page.locator("#result")).to_contain_text("Files150")
    await shot(page, "real-ingest-done")
    await page.fill("#repository", "no such thing")
    await page.press("#repository", "Enter")
    await expect(page.locator("#repository-says, #cause").filter(has_text="repository")).to_have_count(1)
