"""The link on spoiled networks: right end, nothing lost, nothing twice, and words that tell what is the matter."""

import signal

import pytest
from playwright.async_api import Page, expect

from tests.conftest import until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(90)]

CRAWL = 40_000.0
NETWORK = ("Failed to load resource", "WebSocket connection", "net::ERR")


@pytest.fixture(autouse=True)
def slow(git, watched):
    git.behaviour.bytes_per_s = CRAWL
    return watched


async def begin(page: Page, base: str, git, watched) -> None:
    await page.goto(base)
    watched.forgive(*NETWORK)
    await page.fill("#source", f"{git.url}/demo.git")
    await page.press("#source", "Enter")
    await expect(page.locator(".facts .step")).to_contain_text("Receiving", timeout=15_000)


async def finish(page: Page, git) -> None:
    """Let the clone run to its end, and check that the page was told all of it."""
    git.behaviour.bytes_per_s = None
    git.released.set()
    await expect(page.locator(".title .mark")).to_have_text("Done", timeout=25_000)
    await expect(page.locator(".stages li[data-state=done]")).to_have_count(4)
    seqs = await page.evaluate("[...document.querySelectorAll('[data-seq]')].map((line) => Number(line.dataset.seq))")
    assert seqs == sorted(set(seqs))
    await page.click(".chip")
    await expect(page.locator("#link")).to_contain_text("no gaps")


async def test_without_websocket_the_stream_takes_over_and_the_popover_says_why(page, proxy, git, watched, shot):
    proxy.manners.refuses_ws = True
    await begin(page, proxy.url, git, watched)
    await expect(page.locator(".chip")).to_have_text("Live (stream)")
    await page.click(".chip")
    await expect(page.locator("#link")).to_contain_text("refused or cut off on the way")
    await shot(page, "link-stream")
    await page.keyboard.press("Escape")
    await finish(page, git)
    proxy.requests.clear()
    await page.reload()
    await expect(page.locator(".chip")).to_have_text("Live (stream)")
    assert "ws" not in proxy.requests, "what is blocked is remembered"


async def test_streams_held_back_end_in_polling(page, proxy, git, watched, shot):
    proxy.manners.refuses_ws = proxy.manners.holds_streams = True
    await begin(page, proxy.url, git, watched)
    await expect(page.locator(".chip")).to_have_text("Live (polling, up to 2 s late)", timeout=10_000)
    await page.click(".chip")
    await expect(page.locator("#link")).to_contain_text("holds the stream back")
    await shot(page, "link-polling")
    await page.keyboard.press("Escape")
    await finish(page, git)


async def test_a_websocket_that_never_answers_delays_nothing_for_more_than_three_seconds(page, proxy, git, watched):
    proxy.manners.swallows_ws = True
    await page.goto(proxy.url)
    await expect(page.locator(".empty h2")).to_be_visible(timeout=1_000)  # painted without any stream
    await expect(page.locator(".chip")).to_have_text("Live (stream)", timeout=4_000)
    await begin(page, proxy.url, git, watched)
    await finish(page, git)


async def test_it_climbs_back_up_in_the_middle_of_a_job(page, proxy, git, watched):
    proxy.manners.refuses_ws = proxy.manners.holds_streams = True
    await begin(page, proxy.url, git, watched)
    await expect(page.locator(".chip")).to_have_text("Live (polling, up to 2 s late)", timeout=10_000)
    proxy.manners.refuses_ws = proxy.manners.holds_streams = False
    await page.evaluate("window.dispatchEvent(new Event('online'))")
    await expect(page.locator(".chip")).to_have_text("Live")
    await finish(page, git)


async def test_a_cut_socket_comes_back_with_its_cursor(page, proxy, git, watched):
    await begin(page, proxy.url, git, watched)
    await expect(page.locator(".chip")).to_have_text("Live")
    for _ in range(2):
        before = proxy.requests.count("ws")
        proxy.cut()
        await until(lambda before=before: proxy.requests.count("ws") > before)
        await expect(page.locator(".chip")).to_have_text("Live")
    await finish(page, git)


async def test_an_outage_is_shown_as_stale_and_forgotten_when_over(page, proxy, git, watched, shot):
    await begin(page, proxy.url, git, watched)
    proxy.manners.is_down = True
    proxy.cut()
    await expect(page.locator("#stale")).to_contain_text("Last heard", timeout=5_000)
    await expect(page.locator("html")).to_have_class("stale")
    await expect(page.locator(".chip")).to_contain_text("Hub unreachable since", timeout=15_000)
    await shot(page, "stale")
    proxy.manners.is_down = False
    await expect(page.locator(".chip")).to_have_text("Live", timeout=25_000)
    await expect(page.locator("#stale")).to_be_hidden()
    await finish(page, git)


async def test_a_restart_is_called_one_and_the_job_is_interrupted(page, hub, git, watched):
    await begin(page, hub.url, git, watched)
    hub.stop()
    hub.start()
    await expect(page.locator(".chip")).to_have_text("Live", timeout=20_000)
    await expect(page.locator(".title .mark")).to_have_text("Interrupted")


async def test_a_killed_hub_is_found_again_and_the_page_is_right(page, hub, git, watched):
    await begin(page, hub.url, git, watched)
    hub.stop(signal.SIGKILL)
    await expect(page.locator("html")).to_have_class("stale", timeout=10_000)
    hub.start()
    await expect(page.locator(".chip")).to_have_text("Live", timeout=25_000)
    await expect(page.locator(".title .mark")).to_have_text("Interrupted")


async def test_it_lives_under_a_prefix(page, proxy, git, watched):
    proxy.manners.prefix = "/tools/hub"
    await begin(page, f"{proxy.url}tools/hub/", git, watched)
    await expect(page.locator(".chip")).to_have_text("Live")
    await finish(page, git)


async def test_hidden_without_websocket_it_holds_no_connection_and_is_right_when_seen_again(page, proxy, git, watched):
    proxy.manners.refuses_ws = True
    await begin(page, proxy.url, git, watched)
    await expect(page.locator(".chip")).to_have_text("Live (stream)")
    hide = """(hidden) => {
        Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
    }"""
    await page.evaluate(hide, True)
    await expect(page.locator(".chip")).to_have_text("Live (polling, up to 2 s late)")
    await until(lambda: not proxy.streams)
    await page.evaluate(hide, False)
    await expect(page.locator(".chip")).to_have_text("Live (stream)")
    await finish(page, git)
