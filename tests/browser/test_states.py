"""Each view in each state: what it says, that axe finds nothing, that it fits, and that the console stays silent."""

import re
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import Check, Complaints
from tests.browser.stub_hub import StubHub, failure, job, now_ms

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

NOT_FOUND = failure("repository_not_found", "The server knows no such repository.", "Check the spelling.")
WANTED = failure("credentials_wanted", "The server wants credentials.", "Run the job again with a token.", "s1")
FULL = failure("disk_full", "The disk is full.", "Make room, then retry.", "s3")
SILENT = failure("publisher_silent", "Its program has said nothing for 60 s.", "Look whether it still runs.", None)

JOBS: dict[str, tuple[dict[str, Any], str, list[str]]] = {
    # name: the job, its state's word, and what else must be read
    "queued": (
        job("queued", state="queued", queue=3), "Waiting",
        ["number 3 in the queue", "It says something once it runs."],
    ),
    "running": (
        job("running", usual_s=[90, 120], detail={"received_bytes": 12_400_000}), "Running",
        ["Stage 2 of 4: Receiving objects", "1,204 of 2,800 objects", "12.4", "58 objects/s", "30 to 50", "left"],
    ),
    "indeterminate": (
        job("indeterminate", percent=0.0, at=1, current=0, total=None, unit="", rate=None, eta_s=None), "Running",
        ["Stage 1 of 4: Connecting"],
    ),
    "stalled": (job("stalled", stalled_s=42, rate=0, eta_s=None), "Running", ["stalled: nothing moved for"]),
    "paused": (
        job("paused", "snapshot", "paused", held_at=now_ms() - 90_000), "Paused", ["paused for", "Resume"],
    ),
    "cancelling": (
        job("cancelling", state="cancelling"), "Cancelling", ["stopping and tidying up", "Cancelling…"],
    ),
    "outside": (
        job("outside", "nightly", stages=[], step=0, steps=0, stage="warm", silence_s=60, message="epoch 3 of 12"),
        "Running", ["run by another program", "epoch 3 of 12"],
    ),
    "not-found": (
        job("not-found", state="failed", error=NOT_FOUND), "Failed",
        ["The server knows no such repository.", "Check the spelling.",
         "It ended in the stage “Receiving objects”, at 43 %.", "Retry", "Copy report"],
    ),
    "credentials": (
        job("credentials", state="failed", at=1, error=WANTED), "Failed",
        ["The server wants credentials.", "Access token"],
    ),
    "resumable": (
        job("resumable", "index", "failed", at=3, error=FULL, resumable=True), "Failed",
        ["The disk is full.", "Retry from “Indexing”", "Retry from the start"],
    ),
    "silent": (
        job("silent", "nightly", "failed", stages=[], step=0, steps=0, stage=None, silence_s=60, error=SILENT),
        "Failed", ["Its program has said nothing"],
    ),
    "again": (
        job("again", state="failed", error=NOT_FOUND, retry={"attempts": 5, "attempt": 1}), "Failed",
        ["Attempt 2", "tries again in", "Start now"],
    ),
    "cancelled": (
        job("cancelled", "sync", "cancelled"), "Cancelled",
        ["Cancelled. What it had begun was removed.", "Run again"],
    ),
    "interrupted": (
        job("interrupted", "index", "interrupted"), "Interrupted", ["The hub was stopped while this ran."],
    ),
}  # fmt: skip
COMMIT, SNAPSHOT = "4f1c" * 10, "20261121-200000-ab12"
RESULTS: dict[str, dict[str, Any]] = {
    "clone": {"path": "/srv/hub/demo", "head": COMMIT, "branch": "main", "bytes": 12_400_000, "files": 200},
    "ingest": {"path": "/srv/hub/demo", "files": 812, "languages": [{"lang": "python", "files": 90}]},
    "sync": {"commitsFound": 12, "linksCreated": 3, "failed": [{"project": "old", "message": "It is broken."}]},
    "index": {"head": COMMIT, "files": 812, "left_out": 3, "bytes": 9_000_000, "symbols": 20_411, "fresh": False},
    "snapshot": {"snapshot": SNAPSHOT, "files": 812, "uploaded_bytes": 12_000, "was_quiet": True},
    "restore": {"snapshot": SNAPSHOT, "to": "/srv/restored", "files": 812, "bytes": 9_000_000},
    "verify": {"snapshots": 12, "objects": 4_400, "bytes": 9_000_000_000, "damaged": 0},
    "prune": {"dry_run": False, "removed": ["a", "b"], "kept": 10, "keep_reasons": {"c": "last"}},
}


async def at(page: Page, place: str) -> None:
    await page.evaluate("place => { location.hash = place }", place)


async def test_each_state_of_a_job_says_what_it_is_and_axe_finds_nothing(page: Page, check: Check) -> None:
    async with StubHub() as hub:
        hub.have(*(known for known, _, _ in JOBS.values()))
        hub.have(job("next", state="queued", retry_of="again", attempt=2, starts_at=now_ms() + 3_600_000))
        hub.have(*(job(f"done-{kind}", kind, "succeeded", result=result) for kind, result in RESULTS.items()))
        hub.line_count, hub.log_of = 300, "not-found"
        hub.lines = lambda n: {"level": "error" if n == 299 else "info", "message": f"remote: line {n}"}
        await page.goto(hub.url)
        await expect(page.locator(".chip[data-mood]")).to_have_text("Live")
        for name, (_, word, told) in JOBS.items():
            await at(page, f"#/j/{name}")
            await expect(page.locator(".title .mark")).to_have_text(word)
            for words in told:
                await expect(page.locator("main")).to_contain_text(words.replace(" %", "\u00a0%"), use_inner_text=True)
            await expect(page.get_by_role("progressbar")).to_have_count(1)
            await check(page, f"job-{name}")
        await at(page, "#/j/not-found")
        # A failed job opens with its last lines, right below the cause.
        await expect(page.locator(".failure + section, div:has(> .failure) + .messages")).to_have_count(1)
        await expect(page.locator(".messages li").last).to_be_in_viewport()
        await expect(page.locator(".messages li").last).to_have_text(re.compile("remote: line 299"))
        for kind in RESULTS:
            await at(page, f"#/j/done-{kind}")
            await expect(page.locator(".title .mark")).to_have_text("Done")
            await expect(page.locator(".outcome dd").first).to_be_visible()
            await expect(page.locator(".bar.big")).to_have_attribute("aria-valuenow", "100")
        await check(page, "job-done")


async def test_the_dashboard_in_each_state(page: Page, browser: Browser, check: Check, watched: Complaints) -> None:
    async with StubHub() as hub:
        await page.goto(hub.url)
        await expect(page.locator(".empty h2")).to_be_visible()
        await check(page, "dashboard-empty")
        fill(hub)
        await hub.show(*hub.jobs.values())
        await expect(page.locator(".list.running .job")).to_have_count(5)
        await expect(page.locator(".list.waiting .job")).to_have_count(3)
        await expect(page.locator(".waiting .job").first).to_contain_text("next in the queue")
        await expect(page.locator(".waiting .job").last).to_contain_text("tries again in")
        await expect(page.locator(".waiting .job").last.get_by_role("button").first).to_have_text("Start now")
        demo = page.locator(".projects .row", has_text="team/demo.git")
        await expect(demo).to_contain_text("usually 1 min 33 s")
        await expect(demo.get_by_role("img")).to_have_attribute(
            "aria-label", re.compile(r"^The last \d+ runs took .*s")
        )
        await expect(page.locator(".projects .row", has_text="team/site.git")).to_contain_text("62 % indexed")
        await expect(page.locator(".recent .row").first).to_be_visible()
        await check(page, "dashboard-busy")
        await page.locator("summary", has_text="Options").click()
        await expect(page.get_by_label("Branch")).to_be_visible()
        await page.select_option(".start select[name=kind]", "prune")
        await expect(page.get_by_label("Keep the last")).to_be_visible()
        await check(page, "dashboard-options")
        await page.select_option("select[aria-label='Only this state']", "failed")
        await expect(page).to_have_url(re.compile(r"#/\?state=failed$"))
        await expect(page.locator(".recent .row")).to_have_count(1)
        await page.select_option("select[aria-label='Only this project']", "demo")
        await expect(page.locator("main")).to_contain_text("No job fits.")
        await page.reload()
        await expect(page.locator("select[aria-label='Only this state']")).to_have_value("failed")
        await check(page, "dashboard-filtered")
        for name, screen in SCREENS.items():
            context = await browser.new_context(**screen)
            other = watched(await context.new_page())
            await other.goto(hub.url)
            await expect(other.locator(".recent .row").first).to_be_visible()
            await expect(other.locator(".projects")).to_contain_text("indexed")
            await check(other, f"dashboard-{name}")
            for place in ("busy-1", "failed", "done-0"):
                await at(other, f"#/j/{place}")
                await expect(other.locator(".title .mark")).to_be_visible()
                if place != "busy-1":
                    await expect(other.locator(":is(.failure, .outcome):visible")).to_have_count(1)
                await check(other, f"job-{place}-{name}")
            await context.close()


SCREENS: dict[str, Any] = {
    "dark": {"color_scheme": "dark", "viewport": {"width": 1200, "height": 900}},
    "narrow": {"viewport": {"width": 360, "height": 780}, "has_touch": True},
    "forced": {"forced_colors": "active", "reduced_motion": "reduce"},
}


def fill(hub: StubHub) -> None:
    """A hub in the middle of its day."""
    hub.have(
        job("busy-1", detail={"received_bytes": 12_400_000}),
        job("busy-2", "snapshot", "paused", project="site", held_at=now_ms() - 9_000, at=5),
        job("busy-3", "nightly", project="ml", silence_s=60, stages=[], step=0, steps=0, stage=None, unit="batches"),
        job("busy-4", "index", project="docs", percent=0.0, at=1, current=0, total=None, unit="", rate=None,
            eta_s=None),
        job("busy-5", "ingest", project="wiki", stalled_s=31, rate=0, eta_s=None),
        job("wait-1", "index", "queued", project="demo", queue=1),
        job("wait-2", "verify", "queued", project="site", queue=2),
        job("wait-3", state="queued", project="legacy", starts_at=now_ms() + 3_600_000, attempt=2, retry_of="failed",
            retry={"attempts": 5, "attempt": 2}),
        *(
            job(f"done-{n}", state="succeeded", ago_s=50 + (n * 37) % 80, created=now_ms() - (n + 2) * 1_000_000,
                result={"files": 200})
            for n in range(7)
        ),
        job("failed", state="failed", project="legacy", error=NOT_FOUND),
        job("cancelled", "sync", "cancelled"),
        job("interrupted", "index", "interrupted", project="site"),
    )  # fmt: skip
    hub.statistics = [
        {"project": "demo", "kind": "clone", "runs": 9, "states": {"succeeded": 8}, "duration_s": {"p50": 93.0}},
        {"project": "site", "kind": "index", "runs": 4, "states": {"succeeded": 3}, "duration_s": {"p50": 610.0}},
    ]
    hub.coverage = {"site": {"indexed": 620, "of": 1000}}


async def test_the_link_tells_what_is_wrong_and_what_it_shows_is_marked_as_old(
    page: Page, watched: Complaints, check: Check
) -> None:
    watched.forgive("ERR_CONNECTION", "WebSocket connection", "ERR_INTERNET", "net::ERR")
    chip = page.locator(".chip[data-mood]")
    async with StubHub() as hub:
        hub.have(job("busy"))
        await page.goto(f"{hub.url}#/j/busy")
        await expect(chip).to_have_text("Live")
        await chip.click()
        panel = page.get_by_role("dialog", name="Connection to the hub")
        await expect(panel).to_contain_text("in use")
        await expect(panel).to_contain_text("no gaps")
        await check(page, "link-live")
        await hub.stop({"reason": "restarting", "retry": True, "reconnect_ms": 3_000})
        await expect(chip).to_have_text("Hub restarting")
        await expect(page.locator("#stale")).to_contain_text("Last heard")
        took = await page.locator(".stages [aria-current] .took").inner_text()
        await check(page, "link-restarting")
        await hub.start()
        await expect(chip).to_have_text("Live", timeout=20_000)
        await expect(page.locator("#stale")).to_be_hidden()
        await hub.stop()
        await expect(chip).to_have_text(re.compile("Reconnecting|Hub unreachable"))
        await expect(page.locator(".hero .remaining")).to_have_text("")
        await expect(chip).to_have_text(re.compile(r"^Hub unreachable since \d\d:\d\d$"), timeout=30_000)
        await expect(panel).to_contain_text("reached")
        await check(page, "link-unreachable")
        assert took  # what is shown of a job stands still meanwhile
        before = await page.locator(".about").inner_text()
        await page.wait_for_function(
            "age => document.querySelector('#stale').textContent !== age", arg=await page.locator("#stale").inner_text()
        )
        assert await page.locator(".about").inner_text() == before
        await page.context.set_offline(True)
        await panel.get_by_text("Test again").click()
        await expect(chip).to_have_text("Offline", timeout=20_000)
        await check(page, "link-offline")
        await page.context.set_offline(False)
        await hub.start()
        await expect(chip).to_have_text("Live", timeout=30_000)


async def test_a_hub_that_wants_to_know_who_asks_gets_a_token_and_lets_go_of_it_again(
    page: Page, watched: Complaints, check: Check
) -> None:
    watched.forgive("401")
    async with StubHub() as hub:
        hub.have(job("busy"))
        hub.session["needed"] = True
        await page.goto(f"{hub.url}#/j/busy")
        token = page.get_by_label("Token")
        await expect(token).to_be_focused()
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.locator("#token-says")).to_have_text("Paste a token first.")
        await token.fill("wrong")
        await token.press("Enter")
        await expect(page.locator("#token-says")).to_contain_text("does not know this token")
        await check(page, "sign-in")
        await token.fill("right-token")
        await token.press("Enter")
        await expect(page.locator(".title .mark")).to_have_text("Running")
        assert "right-token" not in await page.content()
        await page.click(".chip[data-mood]")
        await expect(page.locator(".who")).to_contain_text("Signed in as ada (run)")
        await check(page, "signed-in")
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_label("Token")).to_be_visible()
