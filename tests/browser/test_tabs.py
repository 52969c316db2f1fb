"""Many tabs of one browser: one connection to the hub, the same truth in all of them, whatever becomes of some."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from hub.core.events import State
from tests.browser.conftest import CHROMIUM, HAS_CHROMIUM
from tests.browser.recorder import heard, lines, page_until, record, recorded, started
from tests.conftest import missing
from tests.fakes import job_body, log_body, progress_body
from tests.hubs import Running, running

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

TABS = 8
WITHOUT_WORKER = "delete globalThis.SharedWorker"


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    """Known as hub.lan, to which browsers give none of what they keep for secure places."""
    async with running(tmp_path / "data", allowed_hosts=("hub.lan",)) as made:
        await made.make_project()
        await made.begin()
        yield made


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    if not HAS_CHROMIUM:
        missing(str(CHROMIUM))
    flags = ["--no-sandbox", "--host-resolver-rules=MAP hub.lan 127.0.0.1"]
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield running
        await running.close()


async def opened(context: BrowserContext, hub: Running, query: str = "") -> Page:
    page = await context.new_page()
    await page.goto(f"http://hub.lan:{hub.url.rpartition(':')[2]}/{query}#/j/j1")
    return page


async def watchers(hub: Running) -> list[dict[str, Any]]:
    _, body, _ = await hub.call("GET", "/api/v1/watchers")
    return list(body["items"])


async def connections(hub: Running) -> int:
    return len({watcher["connection"] for watcher in await watchers(hub)})


async def say(hub: Running, number: int) -> str:
    words = f"line {number}"
    hub.publish("p", "j1", progress_body(float(number)), log_body(words))
    await hub.settle()
    return words


async def all_hear(pages: list[Page], words: str, within_s: float) -> None:
    """Tabs are equal when each has the newest line; the limit is for a loud machine."""
    began = time.monotonic()
    await asyncio.gather(*(heard(page, words, within_s) for page in pages))
    assert time.monotonic() - began < within_s


async def the_worker_dies(browser: Browser) -> None:
    session = await browser.new_browser_cdp_session()
    targets = (await session.send("Target.getTargets"))["targetInfos"]
    workers = [target["targetId"] for target in targets if target["type"] == "shared_worker"]
    assert len(workers) == 1
    await session.send("Target.closeTarget", {"targetId": workers[0]})
    await session.detach()


@pytest.mark.alone
async def test_eight_tabs_on_a_plain_http_name_share_one_connection(browser: Browser, hub: Running) -> None:
    context = await browser.new_context()
    pages = [await opened(context, hub) for _ in range(TABS)]
    assert not await pages[0].evaluate("isSecureContext")
    for page in pages:
        await record(page)
    for page in pages:
        await started(page)
    await streams_are(hub, "ws")
    for number in range(5):
        await say(hub, number)
    await all_hear(pages, "line 4", 5)
    said = [message for page in pages for message in await recorded(page) if message["type"] == "log"]
    assert max(message["lateMs"] for message in said) < 1000

    # One is closed, one goes elsewhere, one is closed while it comes to be.
    await pages.pop().close()
    await pages.pop().goto("about:blank")
    young = await context.new_page()
    await young.goto(f"http://hub.lan:{hub.url.rpartition(':')[2]}/#/j/j1", wait_until="commit")
    await young.close()
    await all_hear(pages, await say(hub, 5), 10)
    assert await connections(hub) == 1

    await the_worker_dies(browser)
    await say(hub, 6)  # while there is none
    await all_hear(pages, await say(hub, 7), 30)
    assert await connections(hub) == 1
    late_one = await opened(context, hub)
    hub.publish("p", "j1", job_body(State.SUCCEEDED))
    await hub.settle()
    for page in [*pages, late_one]:
        await expect(page.locator(".title .mark")).to_have_text("Done", timeout=20_000)
    for page in pages:
        assert await lines(page) == [f"line {n}" for n in range(8)]
    for page in pages:
        await page.close()
    await late_one.close()
    await streams_are(hub)


async def test_tabs_of_two_browsers_and_of_other_rights_share_nothing(browser: Browser, hub: Running) -> None:
    first, second = await browser.new_context(), await browser.new_context()
    pages = [await opened(first, hub), await opened(second, hub), await opened(first, hub, "?transport=sse")]
    for page in pages:
        await expect(page.locator(".chip:has(.dot)")).to_contain_text("Live", timeout=20_000)
    assert sorted(watcher["transport"] for watcher in await watchers(hub)) == ["sse", "ws", "ws"]


async def test_without_shared_workers_each_tab_has_its_own_websocket(browser: Browser, hub: Running) -> None:
    context = await browser.new_context()
    await context.add_init_script(WITHOUT_WORKER)
    pages = [await opened(context, hub) for _ in range(3)]
    for page in pages:
        await expect(page.locator(".chip:has(.dot)")).to_have_text("Live", timeout=20_000)
    assert await connections(hub) == 3


@pytest.mark.alone
async def test_six_tabs_that_can_only_stream_leave_room_for_a_page_that_loads(browser: Browser, hub: Running) -> None:
    context = await browser.new_context()
    await context.add_init_script(WITHOUT_WORKER)
    pages = [await opened(context, hub, "?transport=sse") for _ in range(6)]
    for page in pages:
        await expect(page.locator(".title .mark")).to_have_text("Running", timeout=20_000)
        await expect(page.locator(".chip:has(.dot)")).to_contain_text("Live", timeout=20_000)
    await streams_are(hub, "sse", "sse")
    began = time.monotonic()
    seventh = await opened(context, hub, "?transport=sse")
    await expect(seventh.locator(".title .mark")).to_have_text("Running", timeout=20_000)
    assert time.monotonic() - began < 15
    words = await say(hub, 1)
    for page in [*pages, seventh]:
        await expect(page.locator("[data-seq]")).to_contain_text([words], timeout=45_000)
    # A place that is left is taken by another tab.
    await pages[0].close()
    await pages[1].close()
    await streams_are(hub, "sse", "sse")
    await page_until(seventh, "document.querySelector('.title .mark').textContent === 'Running'")


async def streams_are(hub: Running, *wanted: str) -> None:
    deadline = time.monotonic() + 25
    while (open_now := [watcher["transport"] for watcher in await watchers(hub)]) != list(wanted):
        assert time.monotonic() < deadline, open_now
        await asyncio.sleep(0.1)
