"""The page by keyboard, by ear, and left alone for a while."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Complaints
from tests.browser.stub_hub import StubHub, failure, job, now_ms

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

PROGRESS = {
    "stage": "s2", "step": 2, "steps": 4, "total": 2800, "unit": "objects", "rate": 58, "eta_s": [20, 40],
    "stalled_s": None, "message": "", "detail": {},
}  # fmt: skip
HIDE = """(hidden) => {
    Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
}"""
SPOKEN = """() => {
    window.spoken = [];
    for (const id of ['polite', 'alert']) {
        const node = document.getElementById(id);
        const hear = () => node.textContent && window.spoken.push(`${id}: ${node.textContent}`);
        new MutationObserver(hear).observe(node, { childList: true, characterData: true, subtree: true });
    }
}"""


@pytest.mark.alone
async def test_it_is_worked_by_keys_which_can_be_turned_off(page: Page) -> None:
    async with StubHub() as hub:
        hub.have(
            job("one"),
            job("two", "index", project="site"),
            job("bad", state="failed", project="old", error=failure("x", "It broke.", "Mend it.")),
        )
        await page.goto(hub.url)
        await expect(page.locator(".recent .row")).to_have_count(1)
        await page.keyboard.press("j")
        await expect(page.locator(".running .name").first).to_be_focused()
        await page.keyboard.press("j")
        await expect(page.locator(".running .name").last).to_be_focused()
        await page.keyboard.press("k")
        await expect(page.locator(".running .name").first).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(re.compile("#/j/one$"))
        await expect(page.locator(".title .cancel")).to_be_visible()  # text is there before its looks are
        await page.keyboard.press("Shift+X")
        await expect(page.locator(".title .cancel")).to_be_focused()
        assert hub.asked == []  # a second key confirms
        await page.keyboard.press("Enter")
        await expect(page.locator(".title .cancel")).to_be_visible()
        assert hub.asked == [("POST", "jobs/one/cancel", {})]
        await page.keyboard.press("n")
        await expect(page.locator("#source")).to_be_focused()
        await page.keyboard.type("d?")
        await expect(page.locator("#source")).to_have_value("d?")  # letters in a field are letters
        await page.locator("#source").fill("")
        await page.locator("h1").evaluate("() => document.activeElement.blur()")
        await page.keyboard.press("?")
        help_ = page.get_by_role("dialog", name="Keyboard")
        await expect(help_).to_be_visible()
        await help_.get_by_label("Single keys do this").uncheck()
        await page.keyboard.press("Escape")
        await page.reload()
        await expect(page.locator(".running .name")).to_have_count(2)
        await page.keyboard.press("j")
        await page.keyboard.press("n")
        await expect(page.locator("#source")).not_to_be_focused()
        await page.get_by_role("button", name="Keyboard shortcuts").click()
        await expect(help_.get_by_label("Single keys do this")).not_to_be_checked()


async def test_the_focus_stays_where_it_is_while_rows_come_and_go(page: Page) -> None:
    async with StubHub() as hub:
        hub.have(job("b-old"))
        await page.goto(hub.url)
        cancel = page.get_by_role("button", name="Cancel clone demo")
        await cancel.focus()
        await hub.show(job("a-older", "index", project="site"), job("c-new", "sync", project="wiki"))
        await expect(page.locator(".running .job")).to_have_count(3)
        await expect(page.locator(".running .name").first).to_have_text("site")
        await expect(cancel).to_be_focused()
        await hub.say("b-old", "job", state="succeeded", params={}, attempt=1, result={"files": 1})
        await expect(page.locator(".running .job")).to_have_count(2)
        await expect(page.locator("main")).to_be_focused()  # and not lost at the top of the document


async def test_what_happens_is_said_calmly_and_a_failure_once(page: Page) -> None:
    async with StubHub() as hub:
        hub.have(job("one", percent=20))
        await page.goto(f"{hub.url}#/j/one")
        await expect(page).to_have_title("20 % clone demo")
        await page.evaluate(SPOKEN)
        for percent in (24, 26, 30, 45, 51, 60, 76, 80):
            await hub.say("one", "progress", current=1204, percent=percent, **PROGRESS)
            await expect(page).to_have_title(f"{percent} % clone demo")
        # Told late, or by a hub that has forgotten: nobody is shown less than before.
        await hub.say("one", "progress", current=900, percent=40, **PROGRESS)
        await hub.say("one", "progress", current=1300, percent=99.9, **PROGRESS)
        await expect(page).to_have_title("99 % clone demo")
        assert "25 percent" in (spoken := await page.evaluate("window.spoken"))[0]
        assert len(spoken) == 1  # and not once for each quarter, within ten seconds
        icon = await page.locator("link[rel=icon]").get_attribute("href")
        assert icon.startswith("data:image/svg+xml")
        await hub.say(
            "one",
            "job",
            state="failed",
            params={},
            attempt=1,
            error=failure("disk_full", "The disk is full.", "Make room."),
        )
        await expect(page).to_have_title("Failed: clone demo")
        await expect(page.locator("#alert")).to_have_text("clone demo: Failed. The disk is full.")
        await hub.show(hub.jobs["one"])
        await expect(page.locator(".cause")).to_have_text("The disk is full.")
        assert [words for words in await page.evaluate("window.spoken") if words.startswith("alert")] == [
            "alert: clone demo: Failed. The disk is full."
        ]
        assert await page.locator("link[rel=icon]").get_attribute("href") != icon


async def test_who_comes_back_reads_what_happened_meanwhile(page: Page) -> None:
    async with StubHub() as hub:
        hub.have(
            job("one", percent=20),
            job("two", "index", project="site", percent=10),
            job("three", "sync", project="wiki"),
        )
        await page.clock.install()
        await page.goto(hub.url)
        await expect(page.locator(".running .job")).to_have_count(3)
        await page.evaluate(HIDE, True)
        await hub.say(
            "one",
            "job",
            state="failed",
            params={},
            attempt=1,
            error=failure("disk_full", "The disk is full.", "Make room."),
        )
        await hub.say("two", "progress", current=1204, percent=64, **PROGRESS)
        await hub.show(job("four", "verify", "succeeded", project="site"))
        await page.clock.fast_forward(61_000)
        await page.evaluate(HIDE, False)
        away = page.get_by_role("region", name="While you were away")
        for _ in range(20):
            await page.clock.run_for(500)
            if await away.count():
                break
        await expect(away.locator("li")).to_have_text(
            [
                "clone demo failed: The disk is full.",
                "verify site began and is done",
                re.compile("index site went from 10 to 64"),
            ]
        )
        await away.get_by_role("button").click()
        await expect(away).to_have_count(0)


async def test_a_notification_is_asked_for_by_a_click_and_refusals_are_told(page: Page, watched: Complaints) -> None:
    watched.forgive("409")
    async with StubHub() as hub:
        hub.have(job("one"))
        hub.refusals["POST", "jobs/one/pause"] = (409, {"code": "job_ending", "message": "The job is ending."})
        await page.add_init_script("""
            window.notes = [];
            window.Notification = class {
                constructor(title) { window.notes.push(title); }
                static requestPermission() { return Promise.resolve('granted'); }
            };
        """)
        await page.goto(f"{hub.url}#/j/one")
        await page.get_by_role("button", name="Pause clone demo").click()
        await expect(page.locator(".acts [role=alert]")).to_have_text("The job is ending.")
        notify = page.get_by_role("button", name="Notify me")
        await notify.click()
        await expect(page.get_by_role("button", name="Will notify")).to_have_attribute("aria-pressed", "true")
        await page.goto(f"{hub.url}#/")
        await hub.say(
            "one",
            "job",
            state="failed",
            params={},
            attempt=1,
            error=failure("disk_full", "The disk is full.", "Make room."),
        )
        toast = page.get_by_role("region", name="Notices").get_by_role("alert")
        await expect(toast).to_contain_text("clone demo: Failed")  # stays, as errors do
        assert await page.evaluate("window.notes") == ["clone demo: Failed"]
        await toast.get_by_role("link", name="Show").click()
        await expect(page.locator(".cause")).to_have_text("The disk is full.")
        await expect(toast).to_have_count(0)


async def test_a_start_says_all_that_was_chosen_and_a_retry_where_from(page: Page) -> None:
    async with StubHub() as hub:
        hub.have(
            job(
                "bad",
                "index",
                "failed",
                at=3,
                resumable=True,
                error=failure("disk_full", "The disk is full.", "Make room.", "s3"),
            )
        )
        hub.have(job("next", state="queued", project="old", starts_at=now_ms() + 60_000, attempt=2, retry_of="x"))
        await page.goto(hub.url)
        await page.fill("#source", "demo")
        await page.select_option(".start select[name=kind]", "snapshot")
        await page.locator("summary", has_text="Options").click()
        await page.get_by_label("Leave out").fill("*.log, tmp")
        await page.get_by_label("Only say what would be done").check()
        await page.get_by_label("Try, in all").fill("3")
        await page.press("#source", "Enter")
        await expect(page.locator(".title .mark")).to_have_text("Waiting")
        assert hub.asked[-1] == (
            "POST", "projects/demo/jobs",
            {"kind": "snapshot", "params": {"exclude": ["*.log", "tmp"], "dry_run": True}, "retry": {"attempts": 3}},
        )  # fmt: skip
        await page.goto(f"{hub.url}#/j/next")
        await page.get_by_role("button", name="Start now").click()
        await expect(page.get_by_role("button", name="Start now")).to_be_enabled()
        assert hub.asked[-1] == ("POST", "jobs/next/resume", {})
        await page.goto(f"{hub.url}#/j/bad")
        await page.get_by_role("button", name="Retry from “Indexing”").click()
        await expect(page.get_by_role("button", name="Retry from “Indexing”")).to_be_enabled()
        assert hub.asked[-1] == ("POST", "jobs/bad/retry", {"params": {}, "from": "stage"})
