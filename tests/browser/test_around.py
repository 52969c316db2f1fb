"""What stands around the views: help, notices, the summary on coming back, reports; and what is no everyday state."""

import asyncio
import re
import time
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser import stub_hub
from tests.browser.conftest import Check, Complaints
from tests.browser.stub_hub import StubHub, failure, job, now_ms, settled

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

HOUR_MS = 3_600_000
TURNED, SHOWN = "turn\u202eed\u2066", "turn⟨U+202E⟩ed⟨U+2066⟩"
RAW = """() => [...document.querySelectorAll('body, body *')].filter((node) => /[\\u202a-\\u202e\\u2066-\\u2069]/.test(
    [...node.childNodes].filter((child) => child.nodeType === Node.TEXT_NODE).map((child) => child.data).join('')
    + (node.getAttribute('title') ?? '') + (node.getAttribute('aria-label') ?? ''))).map((node) => node.outerHTML)"""
SLEEPER = """() => {
    const now = Date.now;
    window.later = (ms) => { Date.now = () => now() + ms; };
    window.hide = (is) => {
        Object.defineProperty(document, 'hidden', { value: is, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
    };
}"""
NOTES = """(() => {
    window.asked = 0;
    window.notes = [];
    window.Notification = class {
        static requestPermission() { window.asked += 1; return Promise.resolve(window.may ?? 'granted'); }
        constructor(title, { body }) { window.notes.push([title, body]); }
    };
})()"""


async def at(page: Page, place: str) -> None:
    await page.evaluate("place => { location.hash = place }", place)


async def test_help_notices_and_the_summary_on_coming_back_pass_axe_and_close_by_keyboard(
    page: Page, check: Check
) -> None:
    async with StubHub() as hub:
        hub.have(job("a"), job("b", "index"), job("c", "sync", state="queued", queue=1))
        await page.goto(hub.url)
        await expect(page.locator(".list.running .job")).to_have_count(2)
        await page.keyboard.press("?")
        dialog = page.get_by_role("dialog", name="Keyboard")
        await expect(dialog).to_be_visible()
        await check(page, "help")
        await page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()
        await page.evaluate(SLEEPER)
        await page.evaluate("hide(true)")
        a, b = hub.jobs["a"], hub.jobs["b"]
        await hub.say("a", "job", state="failed", params={}, attempt=1, error=failure("x", "No host.", "Look."))
        await hub.say("b", "job", state="succeeded", params={}, attempt=1, result={"files": 2})
        assert (a["state"], b["state"]) == ("failed", "succeeded")
        await page.evaluate("later(90_000); hide(false)")
        summary = page.get_by_role("region", name="While you were away")
        await expect(summary.get_by_role("listitem").first).to_contain_text("clone demo failed: No host.")
        await expect(summary.get_by_role("listitem").nth(1)).to_contain_text("index demo is done")
        await check(page, "away")
        await page.set_viewport_size({"width": 360, "height": 780})
        await check(page, "away-narrow")
        await summary.get_by_role("button", name="Close this summary").press("Enter")
        await expect(summary).to_have_count(0)


async def test_a_notice_of_the_end_is_asked_for_by_a_click_and_stays_when_it_is_bad(page: Page, check: Check) -> None:
    await page.add_init_script(NOTES)
    async with StubHub() as hub:
        hub.have(job("good"), job("bad"))
        await page.goto(f"{hub.url}#/j/good")
        button = page.get_by_role("button", name=re.compile("Notify me|Will notify"))
        await expect(button).to_have_text("Notify me")
        assert await page.evaluate("asked") == 0
        await button.click()
        await expect(button).to_have_attribute("aria-pressed", "true")
        await button.click()
        await expect(button).to_have_attribute("aria-pressed", "false")
        await button.click()
        await hub.say("good", "job", state="succeeded", params={}, attempt=1, result={})
        await expect(page.locator(".toast")).to_contain_text("clone demo: Done")
        assert await page.evaluate("notes") == [["clone demo: Done", ""]]
        await page.evaluate("window.may = 'denied'")
        await at(page, "#/j/bad")
        await page.get_by_role("button", name="Notify me").click()
        await expect(page.locator(".toast").last).to_contain_text("This browser was told not to notify.")
        await hub.say("bad", "job", state="failed", params={}, attempt=1, error=failure("x", "No host.", "Look."))
        bad = page.get_by_role("alert").filter(has_text="clone demo: Failed").last
        await expect(bad.get_by_role("link", name="Show")).to_have_attribute("href", "#/j/bad")
        assert len(await page.evaluate("notes")) == 1
        await check(page, "notices")
        await bad.get_by_role("button", name="Close this notice").press("Enter")
        await expect(page.locator(".toast[data-error]")).to_have_count(0)


async def test_a_report_has_the_cause_and_the_last_lines_and_a_retry_says_from_where(page: Page) -> None:
    full = failure("disk_full", "The disk is full.", "Make room, then retry.", "s3")
    async with StubHub() as hub:
        hub.have(job("full", "index", "failed", at=3, error=full, resumable=True, params={"force": True}))
        hub.line_count = 40
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await page.goto(f"{hub.url}#/j/full")
        await expect(page.locator(".messages li").last).to_contain_text("line 39")
        await page.get_by_role("button", name="Copy report").click()
        await expect(page.get_by_role("button", name="Copied")).to_be_visible()
        report = await page.evaluate("navigator.clipboard.readText()")
        for words in ("index of demo: failed", "The disk is full. (disk_full)", "line 39", '{"force":true}'):
            assert words in report
        assert "line 19" not in report
        await page.get_by_role("button", name="Retry from “Indexing”").click()
        await settled(lambda: hub.asked)
        assert hub.asked == [("POST", "jobs/full/retry", {"params": {}, "from": "stage"})]


async def test_the_throughput_is_a_curve_with_the_same_in_words_and_many_stages_are_scrolled(
    page: Page, check: Check
) -> None:
    stages = [
        {"stage": f"n{n}", "title": f"Step {n} " + "long " * 30 * (n % 7 == 0), "weight": 1, "held_ms": 0,
         "current": None, "total": None, "unit": None,
         "state": "done" if n < 30 else "running" if n == 30 else "waiting",
         "started": now_ms() - 1000 if n <= 30 else None, "ended": now_ms() if n < 30 else None}
        for n in range(1, 41)
    ]  # fmt: skip
    async with StubHub() as hub:
        hub.have(job("long", "nightly", project="x" * 200, stages=stages, step=30, steps=40, stage="n30", silence_s=60))
        await page.goto(f"{hub.url}#/j/long")
        await expect(page.locator(".title .mark")).to_have_text("Running")
        await expect(page.locator(".chip:has(.dot)")).to_have_text("Live")  # else only the last of these comes
        for n in range(8):
            await hub.say(
                "long", "progress", stage="n30", current=n, total=100, unit="files", percent=43.7 + n, rate=10.0 + n,
                eta_s=None, stalled_s=None, message="Step 30 ",
                detail={"files_done": n, "files": 100, "retries": 3}, at=now_ms() + n * 1000,
            )  # fmt: skip
        await expect(page.locator(".now")).to_be_hidden()
        await expect(page.locator(".detail")).to_have_text("retries 3")
        await expect(page.get_by_role("img", name=re.compile("^Throughput over"))).to_have_attribute(
            "aria-label", "Throughput over 7\u00a0s: 10 files/s to 17 files/s, 14 files/s on average"
        )
        await expect(page.locator(".stages [aria-current=step]")).to_be_in_viewport()
        assert await page.locator(".stages").evaluate("list => list.clientHeight") <= 400
        await check(page, "many-stages")
        await page.set_viewport_size({"width": 360, "height": 780})
        await check(page, "many-stages-narrow")


async def test_signs_that_turn_text_round_are_shown_by_their_number_everywhere(page: Page) -> None:
    error = failure("x", f"No {TURNED}.", f"Look at {TURNED}.")
    async with StubHub() as hub:
        hub.have(job("run", message=TURNED, unit=TURNED, params={"branch": TURNED}))
        hub.have(job("bad", state="failed", error=error))
        hub.projects[0] |= {"name": TURNED, "url": f"https://example.org/{TURNED}"}
        hub.line_count, hub.lines = 3, lambda _: {"level": "info", "message": TURNED}
        for place, sign in {"": ".projects .name", "#/j/run": ".messages .said", "#/j/bad": ".failure .cause"}.items():
            await page.goto(hub.url + place)
            await expect(page.locator(sign).first).to_contain_text(SHOWN)
            assert await page.evaluate(RAW) == []


async def test_an_address_that_is_none_and_a_job_that_is_gone_are_said(page: Page, watched: Complaints) -> None:
    watched.forgive("404")
    async with StubHub() as hub:
        hub.have(job("here"))
        await page.goto(f"{hub.url}#/j/%E0%A4%A")
        await expect(page.get_by_role("alert").filter(has_text="There is no job")).to_be_visible()
        await at(page, "#/j/here")
        await expect(page.locator(".title .mark")).to_have_text("Running")
        # Its project was deleted while somebody looked.
        del hub.jobs["here"]
        said = page.get_by_role("alert").filter(has_text="There is no job 'here'")
        async with asyncio.timeout(20):
            while not await said.is_visible():  # the page may have begun to follow the project only now
                await hub._to_all({"type": "reset", "reason": "gone", "project": "demo"}, "demo")
                await asyncio.sleep(0.2)
        await expect(page.locator(".hero")).to_be_hidden()


async def test_all_projects_are_counted_few_are_shown_and_one_without_data_is_not_asked_for_again_and_again(
    page: Page, watched: Complaints
) -> None:
    watched.forgive("500", "404")
    async with StubHub() as hub:
        for n in range(130):
            hub.have(job(f"j{n}", "index", "succeeded", project=f"p{n:03}", created=now_ms() - n * 1000))
        hub.statistics = [
            {"project": "p000", "kind": "index", "runs": 3, "states": {"succeeded": 3}, "duration_s": {"p50": 93.0}}
        ]
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(hub.url)
        heading = page.get_by_role("heading", name="Projects")
        await expect(heading).to_have_text("Projects 130")
        await expect(page.locator(".projects .row")).to_have_count(20)
        await expect(page.locator(".projects .row").first).to_contain_text("usually 1 min 33 s")
        await page.get_by_role("button", name="Show all 130").press("Enter")
        await expect(page.locator(".projects .row")).to_have_count(130)
        await expect(page.locator(".projects .row").nth(20).get_by_role("link").first).to_be_focused()
        begun = await page.evaluate("performance.now()")
        await page.wait_for_function("begun => performance.now() > begun + 1500", arg=begun)
        assert len([url for url in asked if "statistics" in url]) <= 3


@pytest.mark.parametrize("ahead_ms", [HOUR_MS, -HOUR_MS])
async def test_a_hub_whose_clock_is_an_hour_off_is_believed_and_old_failures_are_no_news(
    page: Page, monkeypatch: pytest.MonkeyPatch, ahead_ms: int
) -> None:
    monkeypatch.setattr(stub_hub, "now_ms", lambda: round(time.time() * 1000) + ahead_ms)
    async with StubHub() as hub:
        hub.have(job("busy"), job("old", state="failed", error=failure("x", "No host.", "Look.")))
        await page.goto(hub.url)
        await expect(page.locator(".recent time").first).to_have_text("just now")
        await at(page, "#/j/busy")
        await expect(page.locator(".about")).to_contain_text(re.compile(r"1.min (5|6|7|8|9|1\d).s"))
        await at(page, "#/j/old")
        await expect(page.locator(".title .mark")).to_have_text("Failed")
        assert await page.locator("#alert").inner_text() == ""
        await expect(page).to_have_title("Failed: clone demo")


async def test_what_counts_nothing_has_no_percent_anywhere(page: Page, check: Check) -> None:
    unknown: dict[str, Any] = {"stages": [], "step": 0, "steps": 0, "stage": None, "percent": 0.0, "total": None}
    async with StubHub() as hub:
        hub.have(job("free", "nightly", silence_s=60, current=195, unit="rows", eta_s=None, **unknown))
        await page.goto(hub.url)
        card = page.locator(".list.running .job")
        await expect(card).to_contain_text("195 rows")
        await expect(card).not_to_contain_text("%")
        await expect(card.get_by_role("progressbar")).not_to_have_attribute("aria-valuenow", re.compile("."))
        await expect(page.locator(".projects .row")).to_contain_text("nightly")
        await expect(page.locator(".projects .row")).not_to_contain_text("%")
        await at(page, "#/j/free")
        await expect(page.locator(".facts .amount")).to_have_text("195 rows")
        await expect(page.locator(".huge")).to_have_text("")
        await expect(page).to_have_title("Running: nightly demo")
        await check(page, "counts-nothing")
