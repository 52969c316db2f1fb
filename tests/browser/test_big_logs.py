"""A job that says a hundred thousand things, and fifty more each second, leaves the page quick and small."""

import asyncio
import os
import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.stub_hub import FIRST_LINE, StubHub, job

pytestmark = [pytest.mark.browser, pytest.mark.alone, pytest.mark.timeout(240)]

LINES = 100_000
A_SECOND = 50
SECONDS = 6
LONGEST_TASK_MS = 100
MOST_ROWS = 600
MOST_HEAP_BYTES = 24_000_000

WATCH = """() => {
    window.tasks = [];
    const keep = (list) => window.tasks.push(...list.getEntries().map(({ duration }) => duration));
    new PerformanceObserver(keep).observe({ type: 'longtask' });
}"""
AT_END = """() => {
    const list = document.querySelector('.messages ol');
    return list.scrollHeight - list.scrollTop - list.clientHeight < 30;
}"""
SCROLL = (
    "(to) => { const list = document.querySelector('.messages ol'); list.scrollTop = to < 0 ? list.scrollHeight : to; }"
)
FIRST = "() => document.querySelector('.messages li .said').textContent"


def crowd() -> float:
    """How many programs want each core: with two, every task takes twice as long by the clock."""
    return max(1.0, 1.5 * os.getloadavg()[0] / (os.cpu_count() or 1))


async def chatter(hub: StubHub, begin: int, count: int) -> None:
    """One line and one step of progress, fifty times a second."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    for number in range(count):
        await hub.say("big", "log", level="info", message=f"live line {begin + number}", stage="s2")
        await hub.say(
            "big", "progress", stage="s2", step=2, steps=4, current=1204 + number, total=2800, unit="objects",
            percent=min(99, 40 + number / 20), rate=50 + number % 7, eta_s=[20, 40], stalled_s=None,
            message="", detail={},
        )  # fmt: skip
        await asyncio.sleep(max(0.0, start + (number + 1) / A_SECOND - loop.time()))


async def test_a_hundred_thousand_lines_and_fifty_updates_a_second_leave_the_page_quick(page: Page) -> None:
    async with StubHub() as hub:
        hub.have(job("big", percent=40))
        hub.line_count = LINES
        hub.lines = lambda number: {
            "level": "warning" if number % 1000 == 7 else "info",
            "message": f"line {number}: {'x' * (number % 90)}",
        }
        await page.goto(f"{hub.url}#/j/big")
        rows = page.locator(".messages li")
        await expect(rows.last).to_contain_text(f"line {LINES - 1}:")
        await expect(page.locator(".messages .number")).to_have_text("100,000")
        await page.evaluate(WATCH)
        talk = asyncio.create_task(chatter(hub, 0, A_SECOND * SECONDS))
        await expect(page.get_by_text("live line 50", exact=True)).to_be_attached()
        assert await page.evaluate(AT_END)  # it follows
        # Away from the end: nothing moves under the reader, older lines come, and new ones are counted.
        for _ in range(8):
            before = await page.evaluate(FIRST)
            await page.evaluate(SCROLL, 0)
            await page.wait_for_function(f"before => ({FIRST})() !== before", arg=before)
        await expect(page.locator(".pill")).to_contain_text("new line")
        assert await rows.count() <= MOST_ROWS
        await talk
        await expect(page.locator(".pill")).to_have_text(re.compile(r"^\d+ new lines$"))
        await page.click(".pill")
        await expect(page.locator(".pill")).to_be_hidden()
        assert await rows.count() <= MOST_ROWS
        longest = max(await page.evaluate("window.tasks"), default=0)
        assert longest <= LONGEST_TASK_MS * crowd(), f"a task of {longest} ms"
        client = await page.context.new_cdp_session(page)
        await client.send("HeapProfiler.collectGarbage")
        heap = (await client.send("Runtime.getHeapUsage"))["usedSize"]
        assert heap <= MOST_HEAP_BYTES, f"{heap:,} bytes"
        # What is asked for by an address is shown, wherever it is among them.
        await page.goto(f"{hub.url}#/j/big?line={FIRST_LINE + 4_321}")
        await page.reload()
        marked = page.locator(".messages [aria-current]")
        await expect(marked).to_contain_text("line 4321:")
        await expect(marked).to_be_in_viewport()
        await expect(page.locator(".pill")).to_have_text("To the newest")
        await page.evaluate(SCROLL, -1)  # and on from there
        await expect(page.locator(".messages .said", has_text="line 4550:")).to_have_count(1)
        await page.select_option("select[aria-label='Which messages']", "2")
        await expect(rows.last).to_contain_text("line 99007:")
        await expect(rows).to_have_count(LINES // 1000)
