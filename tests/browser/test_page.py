"""What a person does with the page, against the real program."""

import re

import pytest
from playwright.async_api import BrowserContext, Page, expect

pytestmark = pytest.mark.browser

SLOW = 150_000.0
"""Bytes a second at which the repository takes about three seconds."""
CRAWL = 20_000.0


async def start(page: Page, url: str) -> None:
    await page.fill("#source", url)
    await page.press("#source", "Enter")
    await expect(page.locator("h1")).to_have_text("demo")


async def test_a_pasted_url_becomes_a_clone_that_is_watched_to_its_end(page, hub, git, shot):
    git.behaviour.bytes_per_s = SLOW
    await page.goto(hub.url)
    await expect(page.locator(".empty h2")).to_be_visible()
    await expect(page.locator(".chip")).to_have_text("Live")
    await shot(page, "empty")
    await page.evaluate(
        """() => {
            window.seen = [];
            setInterval(() => {
                const bar = document.querySelector('.bar.big');
                if (bar?.hasAttribute('aria-valuenow')) window.seen.push(Number(bar.getAttribute('aria-valuenow')));
            }, 20);
        }"""
    )
    await start(page, f"{git.url}/demo.git")
    await expect(page).to_have_title(re.compile(r"^\d+ % clone demo$"))
    await expect(page.locator(".stages li[aria-current=step]")).to_have_text(re.compile("Receiving objects"))
    await expect(page.locator(".facts .step")).to_have_text(re.compile("Stage 2 of 4: Receiving objects"))
    await shot(page, "running")
    await expect(page.locator(".title .mark")).to_have_text("Done", timeout=15_000)
    await expect(page).to_have_title("Done: clone demo")
    await expect(page.locator(".result .of-branch dd")).to_have_text("main")
    await expect(page.locator(".result .of-files dd")).to_have_text("200")
    await expect(page.locator(".stages li[data-state=done]")).to_have_count(4)
    await shot(page, "done")
    seen = await page.evaluate("window.seen")
    assert seen == sorted(seen)
    assert len(set(seen)) > 5
    assert seen[-1] == 100
    assert set(seen[:-1]) - {100} or seen[-2] <= 99


async def test_what_cannot_be_is_said_in_place(page, hub, watched):
    watched.forgive("400", "404")
    await page.goto(hub.url)
    await page.fill("#source", "not a repository")
    await page.press("#source", "Enter")
    await expect(page.locator("#source-says")).to_contain_text("neither a git URL nor a project")
    await expect(page.locator("#source")).to_be_focused()
    await expect(page.locator("#source")).to_have_attribute("aria-invalid", "true")
    await page.fill("#source", "http://me:s3cret@10.0.0.1/refused.git")
    await page.press("#source", "Enter")
    await expect(page.locator("#source-says")).to_contain_text("private or reserved network")
    # The password has left the page, and what was typed besides is still there.
    await expect(page.locator("#source")).to_have_value("http://10.0.0.1/refused.git")
    await page.goto(f"{hub.url}#/j/nothing")
    await expect(page.locator("p.empty")).to_contain_text("nothing")


async def test_a_private_repository_asks_for_credentials_and_retry_with_them_succeeds(page, hub, git, shot):
    git.behaviour.user = ("ada", "s3cret-passw0rd")
    bodies = []
    page.on("request", lambda request: bodies.append((request.url, request.post_data or "")))
    await page.goto(hub.url)
    await start(page, f"{git.url}/demo.git")
    await expect(page.locator(".title .mark")).to_have_text("Failed")
    await expect(page.locator("#alert")).to_contain_text("clone demo: Failed")
    await expect(page.locator(".cause").first).to_be_visible()
    await shot(page, "failed")
    await page.select_option(".failure select", "password")
    await page.fill(".failure [name=username]", "ada")
    await page.fill(".failure [name=password]", "s3cret-passw0rd")
    await page.get_by_role("button", name="Retry", exact=True).click()
    await expect(page.locator(".about")).to_contain_text("attempt 2")
    await expect(page.locator(".title .mark")).to_have_text("Done")
    assert "s3cret-passw0rd" not in await page.content()
    # In a pasted URL they reach the hub as secrets only.
    bodies.clear()
    await page.click(".back")
    await start(page, f"{git.url}/demo.git".replace("http://", "http://ada:s3cret-passw0rd@"))
    await expect(page.locator(".title .mark")).to_have_text("Done")
    project = next(body for url, body in bodies if url.endswith("/projects"))
    job = next(body for url, body in bodies if url.endswith("/jobs"))
    assert "s3cret" not in project
    assert "s3cret" in job
    assert "s3cret-passw0rd" not in await page.content()


async def test_pause_holds_a_job_and_cancel_ends_it_and_offers_to_run_it_again(page, hub, git, shot):
    git.behaviour.bytes_per_s = CRAWL
    await page.goto(hub.url)
    await start(page, f"{git.url}/demo.git")
    await expect(page.locator(".facts .step")).to_contain_text("Receiving")
    await page.get_by_role("button", name="Pause clone demo").click()
    await expect(page.locator(".title .mark")).to_have_text("Paused")
    await page.get_by_role("button", name="Resume clone demo").click()
    await expect(page.locator(".title .mark")).to_have_text("Running")
    await page.click(".title .cancel")
    await expect(page.locator(".title .mark")).to_have_text("Cancelled")
    await expect(page.locator(".title .cancel")).to_be_hidden()
    await shot(page, "cancelled")
    git.behaviour.bytes_per_s = None
    await page.get_by_role("button", name="Run again").click()
    await expect(page.locator(".about")).to_contain_text("attempt 2")
    await expect(page.locator(".title .mark")).to_have_text("Done")


async def test_every_tab_tells_the_same_and_a_second_start_shows_the_first(
    context: BrowserContext, watched, hub, git, shot
):
    git.behaviour.bytes_per_s = CRAWL
    tabs = [watched(await context.new_page()) for _ in range(8)]
    for tab in tabs:
        await tab.goto(hub.url)
    await start(tabs[0], f"{git.url}/demo.git")
    for tab in tabs[1:]:
        await expect(tab.locator(".job .name")).to_have_text("demo")
    await shot(tabs[1], "dashboard")
    watched.forgive("409")
    await start(tabs[2], f"{git.url}/demo.git")
    assert tabs[2].url == tabs[0].url
    await tabs[3].click(".job .name")
    await tabs[3].click(".title .cancel")
    for tab in (tabs[0], tabs[2], tabs[3]):
        await expect(tab.locator(".title .mark")).to_have_text("Cancelled")
    await expect(tabs[7].locator(".recent .row")).to_contain_text("demo")
    await expect(tabs[7].locator(".list.running .job")).to_have_count(0)


async def test_the_dashboard_follows_every_job_by_each_transport(context: BrowserContext, watched, hub, git):
    git.behaviour.bytes_per_s = SLOW
    pages = [watched(await context.new_page()) for _ in range(3)]
    for page, transport in zip(pages, ("ws", "sse", "poll"), strict=True):
        await page.goto(f"{hub.url}?transport={transport}")
        await expect(page.locator(".chip")).to_contain_text("Live")
    request = pages[0].request
    project = await (await request.post(f"{hub.url}api/v1/projects", data={"url": f"{git.url}/demo.git"})).json()
    await request.post(f"{hub.url}api/v1/projects/{project['id']}/jobs", data={"kind": "clone"})
    for page in pages:
        await expect(page.locator(".job .name")).to_have_text("demo")
        await expect(page.locator(".projects .name")).to_have_text("demo")
        await expect(page.locator(".job .facts .step")).to_contain_text("Receiving")
    for page in pages:
        await expect(page.locator(".recent .row")).to_contain_text("demo", timeout=30_000)
        await expect(page.locator(".list.running .job")).to_have_count(0)
        await page.click(".recent .row")
        await expect(page.locator(".title .mark")).to_have_text("Done")
        await page.click(".back")
        await expect(page.locator(".projects .mark")).to_have_text("clone done")
