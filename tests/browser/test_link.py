"""The link on spoiled networks: nothing lost, nothing twice, and words that tell what is the matter."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from hub.core.events import State
from tests.browser.conftest import Complaints
from tests.browser.proxy import Proxy
from tests.browser.recorder import heard, lines, page_until, record, resets, started
from tests.conftest import until
from tests.fakes import job_body, log_body, progress_body
from tests.hubs import Running, running

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

CHIP = ".chip:has(.dot)"
NETWORK = ("Failed to load resource", "WebSocket connection", "net::ERR", "ERR_")
HIDE = """(hidden) => {
    Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
}"""
Shot = Callable[[Page, str], Awaitable[None]]


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path / "data", heartbeat_s=2) as made:
        await made.make_project()
        await made.begin()
        yield made


@pytest.fixture
async def proxy(hub: Running, watched: Complaints) -> AsyncIterator[Proxy]:
    watched.forgive(*NETWORK)
    async with Proxy(hub.url) as running:
        yield running


async def say(hub: Running, *words: str) -> None:
    for n, word in enumerate(words):
        hub.publish("p", "j1", progress_body(float(n)), log_body(word))
    await hub.settle()


async def chip_says(page: Page, words: str) -> None:
    await expect(page.locator(CHIP)).to_have_text(words, timeout=30_000)


async def test_without_websocket_it_streams_says_why_remembers_it_and_holds_nothing_while_hidden(
    page: Page, hub: Running, proxy: Proxy, shot: Shot
) -> None:
    proxy.manners.refuses_ws = True
    await page.goto(f"{proxy.url}#/j/j1")
    await chip_says(page, "Live (stream)")
    await page.click(CHIP)
    await expect(page.locator("#link")).to_contain_text("refused or cut off on the way")
    await shot(page, "link-stream")
    await page.keyboard.press("Escape")
    proxy.requests.clear()
    await page.reload()
    await chip_says(page, "Live (stream)")
    assert "ws" not in proxy.requests, "what is blocked is remembered"
    await page.evaluate(HIDE, True)
    await chip_says(page, "Live (polling, up to 2 s late)")
    await until(lambda: not proxy.streams)
    await say(hub, "while hidden")
    await page.evaluate(HIDE, False)
    await chip_says(page, "Live (stream)")
    await expect(page.locator("[data-seq]")).to_contain_text(["while hidden"], timeout=30_000)


async def test_cut_sockets_and_an_outage_cost_nothing_and_are_told(
    page: Page, hub: Running, proxy: Proxy, shot: Shot
) -> None:
    proxy.manners.prefix = "/tools/hub"  # as it may live behind a proxy
    await page.goto(f"{proxy.url}tools/hub/#/j/j1")
    await chip_says(page, "Live")
    await record(page)
    await started(page)
    for cut in range(2):
        before = proxy.requests.count("ws")
        proxy.cut()
        await say(hub, f"cut {cut}")
        await until(lambda before=before: proxy.requests.count("ws") > before, 30)
        await heard(page, f"cut {cut}")
        await chip_says(page, "Live")
    proxy.manners.is_down = True
    proxy.cut()
    await say(hub, "away")
    await expect(page.locator("#stale")).to_contain_text("Last heard", timeout=15_000)
    await expect(page.locator("html")).to_have_class("stale")
    await expect(page.locator(CHIP)).to_contain_text("Hub unreachable since", timeout=30_000)
    await shot(page, "stale")
    proxy.manners.is_down = False
    await chip_says(page, "Live")
    await expect(page.locator("#stale")).to_be_hidden()
    hub.publish("p", "j1", job_body(State.SUCCEEDED))
    await hub.settle()
    await expect(page.locator(".title .mark")).to_have_text("Done", timeout=30_000)
    await heard(page, "away")
    assert await lines(page) == ["cut 0", "cut 1", "away"]
    assert await resets(page) == []
    await page_until(page, "window.recorded.hub.connection.status.state === 'live'")
