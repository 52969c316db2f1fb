"""The example pages of the five surfaces, in every state that a person may see, under the page's own strict policy."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Page, expect

from tests.browser.surface_mock import SurfaceMock
from tests.conftest import until

pytestmark = pytest.mark.browser

NETWORK = ("Failed to load resource", "net::ERR", "EventSource's response")
URL = "https://example.org/team/demo.git"


@pytest.fixture
async def mock() -> AsyncIterator[SurfaceMock]:
    async with SurfaceMock() as running:
        yield running


def value(page: Page):
    return page.locator(".sample .surface-bar")


async def has_percent(page: Page, percent: int) -> None:
    await expect(value(page)).to_have_attribute("aria-valuenow", str(percent))
    await expect(page.locator("#percent")).to_have_text(str(percent))


# -- clone ----------------------------------------------------------------------------------------------------------

COUNTERS = ("received_objects", "total_objects", "received_bytes", "indexed_objects", "total_deltas", "indexed_deltas")


def counters(*numbers: int) -> dict:
    return {"type": "progress", **dict(zip(COUNTERS, numbers, strict=True))}


CLONED = {
    "type": "complete",
    "repo": {"id": "7", "path": "/srv/demo", "name": "demo", "created_at": "x", "updated_at": "x"},
    "message": "Cloned to /srv/demo",
}
WANTS_CREDENTIALS = {
    "type": "error",
    "message": "The server wants credentials.",
    "help_steps": ["Make an access token with the right to read.", "Enter it below."],
    "can_retry_with_credentials": True,
}


async def begin_clone(page: Page, mock: SurfaceMock) -> None:
    await page.goto(f"{mock.url}clone.html")
    await page.fill("#url", URL)
    await page.press("#url", "Enter")


async def test_clone_runs_to_its_end_and_never_asks_again(page, mock, shot):
    await page.goto(f"{mock.url}clone.html")
    await expect(page.locator("#empty")).to_be_visible()
    await page.fill("#url", URL)
    await expect(page.locator("#folder")).to_have_text("Will be called demo.")
    await shot(page, "surface-clone-empty")
    await page.press("#url", "Enter")
    await expect(page.locator("#phase")).to_have_text("Connecting")
    await mock["clone"].tell(counters(100, 200, 5_000_000, 80, 20, 0))
    await has_percent(page, 32)
    await expect(page.locator("#phase")).to_have_text("Receiving objects")
    await expect(page.locator("#counts")).to_have_text("100 of 200 objects, 5 MB")
    await shot(page, "surface-clone-running")
    await mock["clone"].tell(counters(200, 200, 9_000_000, 180, 40, 20))
    await expect(page.locator("#counts")).to_have_text("200 of 200 objects, 9 MB, 20 of 40 deltas")
    await mock["clone"].tell(CLONED, "complete")
    await has_percent(page, 100)
    await expect(page.locator("#result")).to_have_text("Cloned to /srv/demo")
    await shot(page, "surface-clone-done")
    await until(lambda: not mock["clone"].listeners)
    # A browser's own wait before it comes back is 3 s.
    await page.wait_for_timeout(3_500)
    assert [query for query, _ in mock["clone"].asked] == [{"url": URL}]


async def test_clone_that_wants_credentials_is_tried_again_with_them(page, mock, shot):
    await begin_clone(page, mock)
    await mock["clone"].tell(WANTS_CREDENTIALS, "clone_error")
    await expect(page.locator("#cause")).to_have_text("The server wants credentials.")
    await expect(page.locator("#help li")).to_have_count(2)
    await shot(page, "surface-clone-failed")
    await page.fill("[name=username]", "ada")
    await page.fill("[name=password]", "s3cret")
    await page.press("[name=password]", "Enter")
    await expect(page.locator("#credentials")).to_be_hidden()
    await mock["clone-again"].tell(counters(1, 2, 3, 1, 0, 0))
    await has_percent(page, 32)
    await mock["clone-again"].tell(CLONED, "complete")
    await expect(page.locator("#result")).to_have_text("Cloned to /srv/demo")
    assert mock["clone-again"].asked == [({}, {"url": URL, "credentials": {"username": "ada", "password": "s3cret"}})]
    assert "s3cret" not in await page.content()


async def test_clone_whose_connection_breaks_comes_back_and_says_so(page, mock, shot, watched):
    watched.forgive(*NETWORK)
    await begin_clone(page, mock)
    await mock["clone"].tell(counters(100, 200, 5_000, 80, 20, 0))
    await mock["clone"].end()
    await expect(page.locator("#phase")).to_have_text("Reconnecting")
    await has_percent(page, 32)
    await shot(page, "surface-clone-reconnecting")
    await mock["clone"].tell(counters(150, 200, 7_000, 90, 20, 0))
    await expect(page.locator("#phase")).to_have_text("Receiving objects")
    mock["clone"].refusal = (502, "no hub")
    await mock["clone"].end()
    await expect(page.locator("#phase")).to_have_text("Connection lost", timeout=10_000)
    await expect(page.locator("#again")).to_be_visible()
    await shot(page, "surface-clone-lost")


async def test_clone_of_nothing_is_refused_in_place(page, mock):
    await page.goto(f"{mock.url}clone.html")
    await page.press("#url", "Enter")
    await expect(page.locator("#url-says")).to_have_text("Paste a git URL first.")
    await expect(page.locator("#url")).to_be_focused()
    assert not mock["clone"].asked


async def test_texts_from_outside_are_only_ever_texts(page, mock):
    hostile = "<img src=x onerror=alert(1)><b>bold</b>"
    await begin_clone(page, mock)
    await mock["clone"].tell({"type": "error", "message": hostile, "help_steps": [hostile]}, "clone_error")
    await expect(page.locator("#cause")).to_have_text(hostile)
    await expect(page.locator("#help li")).to_have_text(hostile)
    assert await page.locator("#run img, #run b").count() == 0


# -- sync -----------------------------------------------------------------------------------------------------------

STATUS = {
    "lastIndexedAt": None,
    "lastIndexDurationMs": 1200,
    "sessionsIndexed": 8,
    "projectsIndexed": 5,
    "lastGitSyncAt": "2026-11-21T10:00:00Z",
    "commitsFound": 40,
    "linksCreated": 12,
    "updatedAt": "2026-11-21T10:00:00Z",
    "gitSyncIntervalSecs": 60,
}


def scanning(processed: int, total: int) -> dict:
    return {
        "phase": "scanning",
        "reposScanned": processed,
        "totalRepos": total,
        "commitsFound": 0,
        "reposProcessed": processed,
    }


async def test_sync_says_what_it_does_and_ends_in_one_note(page, mock, shot):
    mock.answers["sync-status"] = (200, STATUS)
    mock.answers["sync-start"] = (202, {"message": "Git sync initiated", "status": "accepted"})
    await page.goto(f"{mock.url}sync.html")
    await expect(page.locator("#line")).to_have_text("No sync is running.")
    await expect(page.locator("#interval")).to_have_value("60")
    await shot(page, "surface-sync-empty")
    await page.click("#trigger")
    await expect(page.locator("#line")).to_have_text("Starting sync...")
    await until(lambda: len(mock["sync"].asked) == 2)
    await until(lambda: mock["sync"].listeners == 1)
    await mock["sync"].tell(scanning(0, 0), "scanning")
    await expect(page.locator("#line")).to_have_text("Scanning repos...")
    await mock["sync"].tell(scanning(2, 5), "scanning")
    await expect(page.locator("#line")).to_have_text("Scanning repo 2/5...")
    await expect(page.locator("#trigger")).to_be_disabled()
    await shot(page, "surface-sync-running")
    linking = {"phase": "correlating", "sessionsCorrelated": 3, "totalCorrelatableSessions": 8, "commitsFound": 40}
    await mock["sync"].tell({**linking, "linksCreated": 12}, "correlating")
    await expect(page.locator("#line")).to_have_text("Linking sessions 3/8... (12 links)")
    await mock["sync"].tell({"phase": "done", "reposScanned": 3, "commitsFound": 40, "linksCreated": 12}, "done")
    await expect(page.locator(".surface-toast")).to_have_count(1)
    await expect(page.locator(".surface-toast")).to_contain_text("Sync completed")
    await expect(page.locator(".surface-toast")).to_contain_text("3 repos | 40 commits | 12 links")
    await shot(page, "surface-sync-done")
    await expect(page.locator(".surface-toast")).to_have_count(0, timeout=10_000)


async def test_sync_that_fails_keeps_its_note_until_it_is_tried_again(page, mock, shot):
    mock.answers["sync-start"] = (202, {"message": "Git sync initiated", "status": "accepted"})
    await page.goto(f"{mock.url}sync.html")
    await page.click("#trigger")
    await until(lambda: len(mock["sync"].asked) == 2 and mock["sync"].listeners == 1)
    await mock["sync"].tell({"phase": "error", "message": "The disk is full."}, "error")
    await expect(page.locator("[role=alert] .surface-toast")).to_contain_text("Sync failed")
    await expect(page.locator(".surface-toast")).to_contain_text("The disk is full.")
    await shot(page, "surface-sync-failed")
    await page.click("text=Retry")
    await expect(page.locator(".surface-toast")).to_have_count(0)
    await expect(page.locator("#line")).to_have_text("Starting sync...")
    assert [name for name, _ in mock.asked].count("sync-start") == 2


async def test_sync_comes_back_after_a_break_and_joins_what_runs(page, mock, shot, watched):
    watched.forgive(*NETWORK)
    mock.answers["sync-start"] = (409, {"error": "Conflict", "details": "Git sync already in progress."})
    await page.goto(f"{mock.url}sync.html")
    await page.click("#trigger")
    await until(lambda: len(mock["sync"].asked) == 2 and mock["sync"].listeners == 1)
    await mock["sync"].tell(scanning(1, 5), "scanning")
    await mock["sync"].end()
    await expect(page.locator("#connection")).to_have_text("Connection lost. Reconnecting…")
    await shot(page, "surface-sync-reconnecting")
    await mock["sync"].tell(scanning(4, 5), "scanning")
    await expect(page.locator("#line")).to_have_text("Scanning repo 4/5...")
    await expect(page.locator("#connection")).to_have_text("")


async def test_sync_interval_is_saved_or_refused_in_place(page, mock, watched):
    mock.answers["sync-status"] = (200, STATUS)
    await page.goto(f"{mock.url}sync.html")
    await expect(page.locator("#interval")).to_have_value("60")
    await page.fill("#interval", "120")
    await page.press("#interval", "Enter")
    await expect(page.locator("#saved")).to_have_text("Saved.")
    assert ("sync-interval", {"intervalSecs": 120}) in mock.asked
    watched.forgive("400")
    mock.answers["sync-interval"] = (400, {"error": "Bad Request", "details": "intervalSecs must be 10 to 3600."})
    await page.fill("#interval", "5")
    await page.press("#interval", "Enter")
    await expect(page.locator("#interval-says")).to_have_text("intervalSecs must be 10 to 3600.")
    await expect(page.locator("#interval")).to_be_focused()


# -- index ----------------------------------------------------------------------------------------------------------


def indexing(stage: str, message: str, current: int = 0, total: int = 0, kind: str = "progress") -> dict:
    return {
        "type": kind,
        "stage": stage,
        "current": current,
        "total": total,
        "message": message,
        "timestamp_ms": 1,
    }


async def begin_index(page: Page, mock: SurfaceMock) -> None:
    await page.goto(f"{mock.url}index-stream.html")
    await page.fill("#path", "/srv/project")
    await page.press("#path", "Enter")


async def test_index_runs_to_its_end(page, mock, shot):
    await page.goto(f"{mock.url}index-stream.html")
    await shot(page, "surface-index-empty")
    await begin_index(page, mock)
    await mock["index"].tell(indexing("collecting", "Collecting source files..."))
    await expect(page.locator("#message")).to_have_text("Collecting source files...")
    await expect(value(page)).not_to_have_attribute("aria-valuenow", "0")
    await shot(page, "surface-index-unknown")
    await mock["index"].tell(indexing("indexing", "Indexing", 3, 9))
    await has_percent(page, 33)
    await expect(page.locator("#counts")).to_have_text("3 of 9 files")
    await shot(page, "surface-index-running")
    await mock["index"].tell(indexing("indexing", "Done: 9 files", 9, 9, "complete"))
    await has_percent(page, 100)
    await expect(page.locator("#message")).to_have_text("Done: 9 files")
    await expect(page.locator("#cancel")).to_be_hidden()
    await shot(page, "surface-index-done")
    await until(lambda: not mock["index"].listeners)
    assert mock["index"].asked == [({}, {"project_path": "/srv/project", "force_reindex": False})]


async def test_index_is_cancelled_by_its_path(page, mock, shot):
    await begin_index(page, mock)
    await mock["index"].tell(indexing("indexing", "Indexing", 3, 9))
    await page.click("#cancel")
    await expect(page.locator("#phase")).to_have_text("Cancelling…")
    assert ("index-cancel", {"project_path": "/srv/project"}) in mock.asked
    await mock["index"].tell(indexing("error", "Error: Cancelled", kind="error"))
    await expect(page.locator("#phase")).to_have_text("Cancelled")
    await has_percent(page, 33)
    await shot(page, "surface-index-cancelled")


async def test_index_that_fails_or_breaks_off_says_why(page, mock, shot, watched):
    await begin_index(page, mock)
    await mock["index"].tell(indexing("error", "Error: There is no such folder.", kind="error"))
    await expect(page.locator("#cause")).to_have_text("Error: There is no such folder.")
    await shot(page, "surface-index-failed")
    await page.press("#path", "Enter")
    await mock["index"].tell(indexing("indexing", "Indexing", 3, 9))
    await mock["index"].end()
    await expect(page.locator("#phase")).to_have_text("Connection lost")
    watched.forgive("404")
    mock["index"].refusal = (404, {"error": {"message": "There is no such thing here."}})
    await page.press("#path", "Enter")
    await expect(page.locator("#cause")).to_have_text("There is no such thing here.")


# -- snapshot -------------------------------------------------------------------------------------------------------


def step(name: str, number: int, progress: int, message: str, **more: object) -> dict:
    return {
        "projectId": "demo",
        "step": name,
        "stepNumber": number,
        "totalSteps": 6,
        "progress": progress,
        "fileCount": 0,
        "totalSize": 0,
        "totalSizeText": "",
        "message": message,
        "timestamp": "2026-11-21T10:00:00Z",
        **more,
    }


IDLE = step("idle", 0, 0, "No snapshot generation in progress")
UPLOADING = step(
    "uploading",
    5,
    70,
    "Uploading snapshot to cloud storage...",
    fileCount=120,
    totalSize=3_400_000,
    totalSizeText="3.4 MB",
)
COMPLETED = step("completed", 6, 100, "Snapshot generation completed successfully", snapshotUrl="/snapshots/1")
FAILED = step("failed", 5, 70, "Snapshot generation failed: no space is left", error="no space is left")


async def test_snapshot_opens_its_modal_and_closes_it_two_seconds_after_the_end(page, mock, shot):
    await page.goto(f"{mock.url}snapshot.html")
    await shot(page, "surface-snapshot-empty")
    await page.fill("#project", "demo")
    await page.press("#project", "Enter")
    modal = page.get_by_role("dialog", name="Snapshot")
    await expect(modal).to_be_visible()
    await mock["snapshot"].tell(UPLOADING)
    await expect(modal).to_contain_text("Step 5 of 6")
    await expect(modal).to_contain_text("120 files • 3.4 MB")
    await expect(modal).to_contain_text("Uploading snapshot to cloud storage...")
    bar = modal.get_by_role("progressbar", name="Snapshot")
    await expect(bar).to_have_attribute("aria-valuenow", "70")
    await expect(modal.get_by_role("button", name="Close")).to_be_focused()
    await shot(page, "surface-snapshot-running")
    await mock["snapshot"].tell(COMPLETED)
    await expect(bar).to_have_attribute("aria-valuenow", "100")
    await shot(page, "surface-snapshot-completed")
    await expect(modal).to_be_hidden(timeout=4_000)
    await expect(page.locator("#made a")).to_have_attribute("href", mock.url.replace("static/examples/", "snapshots/1"))
    await until(lambda: not mock["snapshot"].listeners)


async def test_snapshot_that_failed_stays_until_escape_which_gives_the_focus_back(page, mock, shot):
    await page.goto(f"{mock.url}snapshot.html?project=demo")
    await mock["snapshot"].tell(IDLE)
    await expect(page.locator("#phase")).to_have_text("No snapshot generation in progress")
    modal = page.get_by_role("dialog", name="Snapshot")
    await expect(modal).to_be_hidden()
    await page.focus("#project")
    await mock["snapshot"].tell(UPLOADING)
    await expect(modal).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(modal).to_be_hidden()
    await expect(page.locator("#project")).to_be_focused()
    await page.click("#open")
    await mock["snapshot"].tell(FAILED)
    await expect(modal.get_by_role("alert")).to_have_text("Snapshot generation failed: no space is left")
    await page.wait_for_timeout(2_500)
    await shot(page, "surface-snapshot-failed")
    await page.keyboard.press("Escape")
    await expect(modal).to_be_hidden()
    await expect(page.locator("#open")).to_be_focused()


async def test_snapshot_comes_back_up_the_ladder_and_polls_where_no_stream_passes(page, mock, shot, watched):
    watched.forgive(*NETWORK)
    begin = datetime(2026, 11, 21, tzinfo=UTC)
    await page.clock.install(time=begin)
    mock.answers["snapshot-poll"] = (200, UPLOADING)
    await page.goto(f"{mock.url}snapshot.html?project=demo")
    stream = mock["snapshot"]
    await stream.tell(step("browsing", 3, 40, "Browsing files in folder..."))
    await page.clock.pause_at(begin + timedelta(seconds=30))
    stream.refusal = (502, "no hub")
    await stream.end()
    for number, seconds in enumerate((1, 2, 4, 8, 16)):
        await expect(page.locator("#connection")).to_have_text(f"Connection lost. Trying again in {seconds} s.")
        await page.clock.run_for(seconds * 1000 - 1)
        assert len(stream.asked) == number + 1
        if seconds == 1:
            await shot(page, "surface-snapshot-reconnecting")
        await page.clock.run_for(1)
        await until(lambda wanted=number + 2: len(stream.asked) == wanted)
    modal = page.get_by_role("dialog", name="Snapshot")
    await expect(modal).to_contain_text("Asking every second.")
    await expect(modal).to_contain_text("Step 5 of 6")
    await shot(page, "surface-snapshot-polling")
    mock.answers["snapshot-poll"] = (200, COMPLETED)
    await page.clock.run_for(1000)
    await expect(modal).to_contain_text("Snapshot generation completed successfully")


async def test_snapshot_of_a_project_that_nobody_knows(page, mock, watched):
    watched.forgive("404")
    mock["snapshot"].refusal = (404, {"error": {"message": "There is no project 'nothing'."}})
    await page.goto(f"{mock.url}snapshot.html?project=nothing")
    await expect(page.locator("#phase")).to_have_text("There is no project 'nothing'.")
    assert len(mock["snapshot"].asked) == 1


# -- ingest ---------------------------------------------------------------------------------------------------------


def ingesting(stage: str, percentage: float, message: str, **metadata: object) -> dict:
    return {
        "stage": stage,
        "message": message,
        "percentage": percentage,
        "timestamp": "2026-11-21T10:00:00Z",
        "metadata": {"jobId": "job-7", **metadata},
    }


async def begin_ingest(page: Page, mock: SurfaceMock) -> None:
    await page.goto(f"{mock.url}ingest.html")
    await page.fill("#repository", "owner/name")
    await page.press("#repository", "Enter")


async def test_ingest_goes_through_its_stages(page, mock, shot):
    await page.goto(f"{mock.url}ingest.html")
    await shot(page, "surface-ingest-empty")
    await begin_ingest(page, mock)
    stream = mock["ingest"]
    await stream.tell(ingesting("Cloning", 10, "Receiving objects"), "progress")
    await expect(page.locator(".stages [aria-current=step]")).to_contain_text("Cloning")
    await stream.tell(ingesting("Parsing", 35, "Parsing file 50/200"), "progress")
    await has_percent(page, 35)
    await expect(page.locator("#message")).to_have_text("Parsing file 50/200")
    await expect(page.locator(".stages li")).to_have_text(["Cloningdone", "Parsing25 %", "Indexing"])
    await shot(page, "surface-ingest-running")
    await stream.tell(ingesting("Cloning", 20, "late"), "progress")
    await expect(page.locator("#message")).to_have_text("late")
    await has_percent(page, 35)
    await stream.tell(ingesting("Complete", 100, "Complete", files=200, symbols=900, duration=12.5), "progress")
    await has_percent(page, 100)
    await expect(page.locator("#result")).to_contain_text("900")
    await shot(page, "surface-ingest-done")
    assert stream.asked == [({"stream": "true"}, {"repository": "owner/name", "incremental": False})]


async def test_ingest_is_watched_by_its_job_in_a_second_page(page, mock, watched):
    await begin_ingest(page, mock)
    await expect(page.locator("#job")).to_contain_text("Job job-7.")
    async with page.expect_popup() as opening:
        await page.click("#job a")
    second = watched(await opening.value)
    await mock["ingest-job"].tell(ingesting("Indexing", 70, "Indexing"), "progress")
    await has_percent(second, 70)
    await mock["ingest-job"].tell(ingesting("Complete", 100, "Complete"), "progress")
    await expect(second.locator("#phase")).to_have_text("Complete")


async def test_ingest_that_fails_or_breaks_says_where(page, mock, shot):
    await begin_ingest(page, mock)
    await mock["ingest"].tell(ingesting("Parsing", 45, "Parsing file 100/200"), "progress")
    await mock["ingest"].end()
    await expect(page.locator("#phase")).to_have_text("Reconnecting")
    await has_percent(page, 45)
    await shot(page, "surface-ingest-reconnecting")
    await mock["ingest-job"].tell(ingesting("Failed", 45, "Parsing failed: the disk is full"), "progress")
    await expect(page.locator("#cause")).to_have_text("Parsing failed: the disk is full")
    await expect(page.locator(".stages li[data-state=failed]")).to_contain_text("Parsing")
    await has_percent(page, 45)
    await shot(page, "surface-ingest-failed")


# -- all of them ----------------------------------------------------------------------------------------------------

PAGES = ("index", "clone", "sync", "index-stream", "snapshot", "ingest")


async def test_the_list_leads_to_every_page_and_to_every_source(page, mock):
    await page.goto(f"{mock.url}index.html")
    links = await page.eval_on_selector_all("main a", "links => links.map((link) => link.href)")
    assert [link.rsplit("/", 1)[1] for link in links[:6]] == [f"{name}.html" for name in ("embed", *PAGES[1:])]
    for name in PAGES:
        await page.goto(f"{mock.url}{name}.html")
        sources = await page.eval_on_selector_all(".sources a", "links => links.map((link) => link.href)")
        assert len(sources) >= 3
        for source in sources:
            answer = await page.request.get(source)
            assert answer.status == 200, source
            assert answer.headers["content-type"].startswith("text/javascript")


SCREENS = {
    "dark": {"color_scheme": "dark", "viewport": {"width": 1200, "height": 900}},
    "narrow": {"viewport": {"width": 360, "height": 780}, "has_touch": True},
    "forced": {"forced_colors": "active", "reduced_motion": "reduce"},
}


@pytest.mark.parametrize("screen", SCREENS)
async def test_every_page_fits_on(browser, mock, watched, shot, screen):
    context = await browser.new_context(**SCREENS[screen])
    page = watched(await context.new_page())

    async def fits(name: str) -> None:
        await shot(page, f"surface-{screen}-{name}")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name

    await page.goto(f"{mock.url}index.html")
    await fits("index")
    await begin_clone(page, mock)
    await mock["clone"].tell(WANTS_CREDENTIALS, "clone_error")
    await expect(page.locator("#credentials")).to_be_visible()
    await fits("clone")
    await page.goto(f"{mock.url}sync.html")
    await mock["sync"].tell(scanning(2, 5), "scanning")
    await expect(page.locator("#line")).to_have_text("Scanning repo 2/5...")
    await mock["sync"].tell({"phase": "error", "message": "The disk is full."}, "error")
    await expect(page.locator(".surface-toast")).to_be_visible()
    await fits("sync")
    await begin_index(page, mock)
    await mock["index"].tell(indexing("indexing", "Indexing", 3, 9))
    await has_percent(page, 33)
    await fits("index-stream")
    await page.goto(f"{mock.url}snapshot.html?project=demo")
    await mock["snapshot"].tell(UPLOADING)
    await expect(page.get_by_role("dialog")).to_be_visible()
    await fits("snapshot")
    await begin_ingest(page, mock)
    await mock["ingest"].tell(ingesting("Parsing", 35, "Parsing file 50/200"), "progress")
    await has_percent(page, 35)
    await fits("ingest")
    await context.close()


async def test_every_page_is_used_by_keyboard_alone(page, mock):
    for name, first in (("clone", "url"), ("index-stream", "path"), ("snapshot", "project"), ("sync", "trigger")):
        await page.goto(f"{mock.url}{name}.html")
        await page.keyboard.press("Tab")
        await expect(page.locator(".brand")).to_be_focused()
        await page.keyboard.press("Tab")
        await expect(page.locator(f"#{first}")).to_be_focused()
    await page.goto(f"{mock.url}ingest.html")
    for wanted in (".brand", "#source", "#repository", "#submit"):
        await page.keyboard.press("Tab")
        await expect(page.locator(wanted)).to_be_focused()
