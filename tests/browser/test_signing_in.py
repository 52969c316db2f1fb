"""A hub that wants to know who asks, and several tabs of one browser: what one of them is told, all of them show."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.browser.conftest import Complaints
from tests.fakes import log_body
from tests.hubs import Running
from tests.keys import guarded, made

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

TABS = 3
QUIET_S = 6.0
"""Longer than it takes to see a link that tries again and again."""
MOST_BY_TAB = 4
"""Calls by a tab that is turned away: of its link, of its view, and for who is signed in."""


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    async with guarded(tmp_path / "data", access_log=True) as running:
        yield running


@pytest.fixture
async def tabs(context: BrowserContext, hub: Running, watched: Complaints) -> list[Page]:
    watched.forgive("401", "WebSocket connection")
    pages = [watched(await context.new_page()) for _ in range(TABS)]
    for number, page in enumerate(pages):
        await page.goto(f"{hub.url}/{'' if number == TABS - 1 else '#/j/j1'}")
        await expect(page.get_by_label("Token")).to_be_visible()
    return pages


async def sign_in(page: Page, token: str) -> None:
    await page.get_by_label("Token").fill(token)
    await page.get_by_role("button", name="Sign in").click()


async def all_live(pages: list[Page]) -> None:
    for page in pages:
        await expect(page.locator(".chip:has(.dot)")).to_have_text("Live")
        await expect(page.get_by_label("Token")).to_have_count(0)


async def all_asked(pages: list[Page], log: pytest.LogCaptureFixture) -> None:
    """Each tab shows the form, and then nobody asks the hub anything any more."""
    for page in pages:
        await expect(page.get_by_label("Token")).to_be_visible()
        await expect(page.locator(".chip:has(.dot)")).to_have_text("Not signed in")
    asked = requests(log)
    assert len(asked) <= MOST_BY_TAB * len(pages), asked
    log.clear()
    await asyncio.sleep(QUIET_S)  # that nothing happens is what is looked for
    assert requests(log) == []


def requests(log: pytest.LogCaptureFixture) -> list[str]:
    """Calls of the API; files of the page come from the hub, too, some of them seconds later."""
    told = [record.getMessage() for record in log.records if getattr(record, "action", "") == "request"]
    return [words for words in told if "/static/" not in words]


async def test_signing_in_makes_all_tabs_live_and_a_revoked_token_asks_in_all_of_them(
    tabs: list[Page], hub: Running, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "hub.web.requests")
    token, secret = await made(hub, "run", name="ada")
    await sign_in(tabs[0], "hub_wrong")
    await expect(tabs[0].locator("#token-says")).to_contain_text("does not know this token")
    await expect(tabs[1].locator("#token-says")).to_have_text("")
    await sign_in(tabs[0], secret)
    await all_live(tabs)
    await expect(tabs[0].locator(".title .mark")).to_have_text("Running")
    await expect(tabs[1].locator(".title .mark")).to_have_text("Running")
    await expect(tabs[2].locator(".running .name")).to_have_count(2)
    hub.publish("p", "j1", log_body("heard by all"))
    for page in tabs[:2]:
        await expect(page.locator("[data-seq]")).to_contain_text(["heard by all"])

    caplog.clear()
    await hub.hub.keeper.revoke(token.id)
    await all_asked(tabs, caplog)
    await sign_in(tabs[1], (await made(hub, "watch", name="bob"))[1])
    await all_live(tabs)


async def test_signing_out_in_one_tab_signs_all_of_them_out(
    tabs: list[Page], hub: Running, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "hub.web.requests")
    await sign_in(tabs[0], (await made(hub, "run", name="ada"))[1])
    await all_live(tabs)
    await tabs[0].locator(".chip:has(.dot)").click()
    await expect(tabs[0].locator(".who")).to_contain_text("Signed in as ada")
    await tabs[0].get_by_role("button", name="Sign out").click()
    for page in tabs:
        await expect(page.get_by_label("Token")).to_be_visible()
    caplog.clear()
    await all_asked(tabs, caplog)
    await sign_in(tabs[2], (await made(hub, "run", name="bob"))[1])
    await all_live(tabs)
