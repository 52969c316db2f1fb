"""`<job-progress>` in other people's pages, and the pages and pictures that need no JavaScript."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Complaints
from tests.conftest import until
from tests.jobs.git_server import GitServer
from tests.processes import HubProcess

pytestmark = pytest.mark.browser
SLOW = 60_000.0


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
