"""`<job-progress>` in other people's pages, and the pages and pictures that need no JavaScript."""

import contextlib
import html
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from playwright.async_api import Page, expect

from hub.core.events import State
from tests.browser.conftest import Complaints
from tests.conftest import until
from tests.fakes import job_body, progress_body
from tests.hubs import Running
from tests.jobs.git_server import GitServer
from tests.keys import bearer, guarded, key
from tests.processes import HubProcess

pytestmark = pytest.mark.browser
SLOW = 60_000.0
WATCHED_S = 20.0


def start(hub: HubProcess, git: GitServer) -> str:
    project = hub.call("POST", "projects", {"url": f"{git.url}/demo.git"})["id"]
    return str(hub.call("POST", f"projects/{project}/jobs", {"kind": "clone"})["id"])


async def test_four_shapes_of_one_job_say_the_same_over_one_connection(page: Page, hub, git, shot) -> None:
    git.behaviour.bytes_per_s = SLOW
    job = start(hub, git)
    await page.goto(f"{hub.url}static/examples/embed.html?job={job}")
    elements = page.locator("job-progress")
    await expect(elements).to_have_count(4)
    bars = page.get_by_role("progressbar", name="clone demo")
    await expect(bars).to_have_count(4)
    await expect(bars.first).to_have_attribute("aria-valuenow", re.compile(r"[1-9]"))
    values = await bars.evaluate_all("bars => bars.map((bar) => bar.getAttribute('aria-valuenow'))")
    assert len(set(values)) == 1
    assert len(hub.call("GET", "watchers")["items"]) == 1
    assert await page.locator("#badge").evaluate("image => image.naturalWidth") > 40
    await expect(page.get_by_text("Receiving objects").first).to_be_visible()
    await shot(page, "element-running")
    git.behaviour.bytes_per_s = None
    for n in range(4):
        await expect(elements.nth(n).locator("[data-state=succeeded]").first).to_be_attached(timeout=20_000)
    await expect(page.locator("#heard")).to_contain_text("jobend: succeeded, 100 %")
    assert await elements.first.evaluate("element => element.state.percent") == 100
    await shot(page, "element-done")


async def test_what_cannot_be_shown_is_said_in_the_element(page: Page, hub, watched: Complaints) -> None:
    watched.forgive("404")
    await page.goto(f"{hub.url}static/examples/embed.html")
    await page.evaluate("document.getElementById('shapes').hidden = false")
    element = page.locator("job-progress").first
    await expect(element).to_contain_text("Say which job")
    await element.evaluate("element => element.setAttribute('job', 'nothing')")
    await expect(element.get_by_role("alert")).to_contain_text("no job")


async def test_an_element_that_is_taken_away_lets_its_connection_go(page: Page, hub, git) -> None:
    git.behaviour.bytes_per_s = SLOW
    job = start(hub, git)
    await page.goto(f"{hub.url}static/examples/embed.html?job={job}")
    await expect(page.get_by_role("progressbar").first).to_be_visible()
    await page.wait_for_function("document.querySelector('job-progress').state")
    await page.evaluate("document.querySelectorAll('job-progress').forEach((element) => element.remove())")
    await until(lambda: not hub.call("GET", "watchers")["items"])


async def test_without_javascript_the_job_is_followed_all_the_same(browser, hub, git, shot) -> None:
    git.behaviour.bytes_per_s = SLOW
    start(hub, git)
    context = await browser.new_context(java_script_enabled=False, viewport={"width": 1000, "height": 800})
    page = await context.new_page()
    await page.goto(f"{hub.url}status")
    await page.get_by_role("link", name="clone demo").click()
    await expect(page.get_by_role("heading", name="demo")).to_be_visible()
    await shot(page, "status-running")
    git.behaviour.bytes_per_s = None
    await expect(page.get_by_text("Nothing changes here any more.")).to_be_visible(timeout=30_000)
    await expect(page.get_by_text("Done", exact=True)).to_be_visible()
    await shot(page, "status-done")
    await context.close()


# -- on another site's page -------------------------------------------------------------------------------------------


@pytest.fixture
async def strict(tmp_path: Path) -> AsyncIterator[Running]:
    """A hub that wants to know who asks, with the job `j1` of the project `p` under way."""
    async with guarded(tmp_path / "data") as hub:
        yield hub


async def transports(hub: Running) -> list[str]:
    _, answer, _ = await hub.call("GET", "/api/v1/watchers", headers=bearer(await key(hub, "watch")))
    return [each["transport"] for each in answer["items"]]


async def link_to(hub: Running, **wanted: object) -> str:
    headers = bearer(await key(hub, "run"))
    status, answer, _ = await hub.call("POST", "/api/v1/projects/p/watch-links", wanted, headers=headers)
    assert status == 201
    return str(answer["token"])


@contextlib.asynccontextmanager
async def other_site(hub: Running, *elements: dict[str, str]) -> AsyncIterator[str]:
    """Another origin, whose page lets in the hub's script and requests to the hub, and nothing else."""
    socket = hub.url.replace("http", "ws", 1)
    policy = f"default-src 'none'; img-src data:; script-src {hub.url}; connect-src {hub.url} {socket}"
    shapes = (" ".join(f'{name}="{html.escape(value)}"' for name, value in each.items()) for each in elements)
    body = "".join(f"<job-progress {each}></job-progress>" for each in shapes)
    script = f'<script type="module" src="{hub.url}/static/job-progress.js"></script>'
    head = f'<meta charset="utf-8"><title>Elsewhere</title><link rel="icon" href="data:,">{script}'

    async def show(_: web.Request) -> web.Response:
        text = f'<!doctype html><html lang="en">{head}{body}'
        return web.Response(text=text, content_type="text/html", headers={"Content-Security-Policy": policy})

    app = web.Application()
    app.router.add_get("/", show)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://localhost:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def test_a_page_of_another_site_shows_a_job_live_to_its_end(page: Page, strict: Running, shot) -> None:
    of_job, of_project = await link_to(strict, job="j1"), await link_to(strict)
    elements = (
        {"job": "j1", "watch": of_job, "variant": "full"},
        {"job": "j1", "watch": of_project},
        {"project": "p", "watch": of_project, "variant": "compact"},
    )
    async with other_site(strict, *elements) as url:
        await page.goto(url)
        bars = page.get_by_role("progressbar", name="clone p")
        await expect(bars).to_have_count(len(elements))
        for percent in (20, 45):
            strict.publish("p", "j1", progress_body(float(percent)))
            for n in range(len(elements)):
                await expect(bars.nth(n)).to_have_attribute("aria-valuenow", str(percent))
        assert set(await transports(strict)) == {"ws"}
        await shot(page, "element-elsewhere")
        strict.publish("p", "j1", job_body(State.SUCCEEDED))
        for n in range(len(elements)):
            await expect(page.locator("job-progress").nth(n).locator("[data-state=succeeded]").first).to_be_attached()
        await page.goto("about:blank")  # who follows a project waits for its next job


async def test_where_no_websocket_passes_it_is_streamed(page: Page, strict: Running) -> None:
    await page.add_init_script("delete globalThis.WebSocket")
    async with other_site(strict, {"job": "j1", "watch": await link_to(strict, job="j1")}) as url:
        await page.goto(url)
        await until(lambda: strict.hub.tracker.watcher_count == 1, WATCHED_S)
        assert await transports(strict) == ["sse"]
        strict.publish("p", "j1", progress_body(45.0))
        await expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "45")
        strict.publish("p", "j1", job_body(State.SUCCEEDED))
        await expect(page.locator("job-progress [data-state=succeeded]").first).to_be_attached()
        await until(lambda: strict.hub.tracker.watcher_count == 0)


@pytest.mark.parametrize("what", [{"job": "j1"}, {"project": "p"}])
async def test_a_link_that_has_expired_says_so(page: Page, strict: Running, watched: Complaints, what) -> None:
    watched.forgive("401", "WebSocket connection")
    link = await link_to(strict, ttl_s=1)
    await until(lambda: strict.hub.keeper.by_link(link) is None)
    async with other_site(strict, {**what, "watch": link}) as url:
        await page.goto(url)
        await expect(page.locator("job-progress").get_by_role("alert")).to_contain_text("expired")


async def test_a_link_that_expires_while_it_is_watched_says_so(page: Page, strict: Running) -> None:
    link = await link_to(strict, ttl_s=4)
    async with other_site(strict, {"project": "p", "watch": link}) as url:
        await page.goto(url)
        element = page.locator("job-progress")
        await expect(element.get_by_role("progressbar")).to_be_visible()
        await expect(element.get_by_role("alert")).to_contain_text("expired")
        await expect(element).to_contain_text("last heard")
