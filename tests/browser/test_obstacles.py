"""The page behind real proxies that stand in the way: where it ends up, how soon, and that it lacks nothing."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from hub.core.events import State
from tests.browser.conftest import Complaints
from tests.browser.proxy import Proxy
from tests.browser.recorder import heard, lines, page_until, record, resets, started
from tests.browser.switch import Switch
from tests.fakes import job_body, log_body, progress_body
from tests.hubs import Running, running
from tests.processes import HubProcess
from tests.proxies.programs import haproxy, nginx

pytestmark = [pytest.mark.browser, pytest.mark.proxy, pytest.mark.timeout(150)]

SITE = "server { listen 127.0.0.1:PORT; location / { proxy_pass http://HUB; proxy_set_header Host $http_host; %s } }"
VERSION = "proxy_http_version 1.1;"
UPGRADE = VERSION + ' proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";'
DEAF = "proxy_ignore_headers X-Accel-Buffering;"
IMPATIENT = """
frontend hub
    bind 127.0.0.1:PORT
    default_backend hub
backend hub
    timeout tunnel 5s
    option http-no-delay
    server hub HUB
"""
Start = Callable[[Path, str], AbstractContextManager[str]]
LIVE, STREAM, POLLING = "Live", "Live (stream)", "Live (polling, up to 2 s late)"
CHIP = ".chip:has(.dot)"
RIGHT_S = 25
"""For what takes a second or five on an idle machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """`rung` is where the link ends up, `chip` what it says then."""

    name: str
    start: Start | None
    sections: str = ""
    rung: str
    chip: str


OBSTACLES = (
    Obstacle(name="none", start=nginx, sections=SITE % UPGRADE, rung="ws", chip=LIVE),
    Obstacle(name="nginx without `Upgrade`", start=nginx, sections=SITE % VERSION, rung="sse", chip=STREAM),
    Obstacle(name="nginx, stock (HTTP/1.0 to the hub)", start=nginx, sections=SITE % "", rung="sse", chip=STREAM),
    Obstacle(
        name="nginx that ignores `X-Accel-Buffering`", start=nginx, sections=SITE % DEAF, rung="poll", chip=POLLING
    ),
    Obstacle(name="haproxy, `timeout tunnel 5s`", start=haproxy, sections=IMPATIENT, rung="sse", chip=STREAM),
    Obstacle(name="WebSocket into a black hole", start=None, rung="sse", chip=STREAM),
)


def port_of(url: str) -> int:
    return int(url.rstrip("/").rpartition(":")[2])


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    """With heartbeats as slow as they are by default."""
    async with running(tmp_path / "data") as made:
        yield made


async def say(hub: Running, project: str, *words: str) -> None:
    for n, word in enumerate(words):
        hub.publish(project, project, progress_body(float(n)), log_body(word))
    await hub.settle()


async def chip_says(page: Page, words: str, timeout_s: float = RIGHT_S) -> None:
    await expect(page.locator(CHIP)).to_have_text(words, timeout=timeout_s * 1000)


async def opened(context: BrowserContext, watched: Complaints, url: str, job: str) -> Page:
    watched.forgive("Failed to load resource", "WebSocket connection", "net::ERR", "ERR_")
    page = watched(await context.new_page())
    await page.goto(f"{url}#/j/{job}", wait_until="commit")
    return page


async def seconds_until(page: Page, condition: str) -> float:
    """Since the page was asked for."""
    await page_until(page, condition)
    return float(await page.evaluate("performance.now()")) / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    name: str
    rung: str
    chip: str
    shown_s: float
    live_s: float


async def passed(
    browser: Browser, watched: Complaints, hub: Running, obstacle: Obstacle, port: int, project: str
) -> Row:
    """Through the obstacle, past its end, to the job's end."""
    async with Switch(port) as switch:
        context = await browser.new_context()
        page = await opened(context, watched, switch.url, project)
        shown_s = await seconds_until(page, f"document.querySelector('h1')?.textContent === '{project}'")
        live_s = await seconds_until(page, f"document.querySelector('{CHIP}')?.textContent.startsWith('Live')")
        await record(page, project)
        await chip_says(page, obstacle.chip, 40)
        await started(page)
        rung = await page.evaluate("window.recorded.hub.connection.status.rung")
        await say(hub, project, "one", "two", "three")
        await until_said(page, 3)
        switch.to(port_of(hub.url))  # the obstacle is gone
        await page.evaluate("window.dispatchEvent(new Event('online'))")
        await chip_says(page, LIVE)
        await say(hub, project, "four", "five", "six")
        hub.publish(project, project, job_body(State.SUCCEEDED))
        await hub.settle()
        await expect(page.locator(".title .mark")).to_have_text("Done", timeout=RIGHT_S * 1000)
        await until_said(page, 6)
        await context.close()
        return Row(name=obstacle.name, rung=rung, chip=obstacle.chip, shown_s=shown_s, live_s=live_s)


async def until_said(page: Page, count: int) -> None:
    words = ["one", "two", "three", "four", "five", "six"][:count]
    shown = page.locator("[data-seq]")
    await expect(shown).to_have_count(count, timeout=RIGHT_S * 1000)
    texts = await shown.all_inner_texts()
    assert [word for text in texts for word in words if text.rstrip().endswith(word)] == words, texts
    await lines(page)  # raises for a gap or a repeat
    assert await resets(page) == []


async def test_each_obstacle_is_passed_by_the_best_way_left_and_climbed_back_from(
    browser: Browser, watched: Complaints, hub: Running, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    place = hub.url.removeprefix("http://")
    with ExitStack() as programs:
        async with Proxy(hub.url) as hole:
            hole.manners.swallows_ws = True
            ports = []
            for number, obstacle in enumerate(OBSTACLES):
                folder = tmp_path / str(number)
                folder.mkdir()
                await hub.make_project(f"p{number}")  # of its own: what others say would keep its connections alive
                await hub.begin(f"p{number}", f"p{number}")
                start = obstacle.start
                url = (
                    programs.enter_context(start(folder, obstacle.sections.replace("HUB", place)))
                    if start
                    else hole.url
                )
                ports.append(port_of(url))
            rows = await asyncio.gather(
                *(
                    passed(browser, watched, hub, obstacle, port, f"p{number}")
                    for number, (obstacle, port) in enumerate(zip(OBSTACLES, ports, strict=True))
                )
            )
    for row in rows:
        record_property(row.name, f"{row.rung}, shown after {row.shown_s:.1f} s, live after {row.live_s:.1f} s")
        print(f"| {row.name} | {row.rung} | {row.shown_s:.1f} | {row.live_s:.1f} | {row.chip} |")
    assert [row.rung for row in rows] == [obstacle.rung for obstacle in OBSTACLES]


async def test_an_obstacle_that_changes_three_times_in_one_job_costs_nothing(
    browser: Browser, watched: Complaints, tmp_path: Path
) -> None:
    """No WebSocket, then no stream either, then nothing at all, then all of it again."""
    numbers = itertools.count()

    async with running(tmp_path / "data", heartbeat_s=2) as hub:
        await hub.make_project()
        await hub.begin()
        place = hub.url.removeprefix("http://")
        with ExitStack() as programs:
            ports = []
            for name, extra in (("plain", VERSION), ("deaf", DEAF)):
                (tmp_path / name).mkdir()
                url = programs.enter_context(nginx(tmp_path / name, (SITE % extra).replace("HUB", place)))
                ports.append(port_of(url))
            async with Switch(ports[0]) as switch:
                context = await browser.new_context()
                page = await opened(context, watched, switch.url, "j1")
                await chip_says(page, STREAM)
                await record(page)
                await started(page)
                stop = asyncio.Event()
                telling = asyncio.create_task(tell(hub, numbers, stop))
                switch.to(ports[1])
                await chip_says(page, POLLING)
                switch.to(None)
                await expect(page.locator("html")).to_have_class("stale", timeout=60_000)
                switch.to(port_of(hub.url))
                await page.evaluate("window.dispatchEvent(new Event('online'))")
                await chip_says(page, LIVE, 40)
                stop.set()
                await telling
                hub.publish("p", "j1", job_body(State.SUCCEEDED))
                await hub.settle()
                await expect(page.locator(".title .mark")).to_have_text("Done", timeout=RIGHT_S * 1000)
                count = next(numbers)
                await heard(page, f"line {count - 1}")
                assert await lines(page) == [f"line {n}" for n in range(count)]
                assert await resets(page) == []
                await context.close()


async def tell(hub: Running, numbers: itertools.count, stop: asyncio.Event) -> None:
    """A line each second: quicker ones would fill a proxy's buffer, and so pass."""
    while not stop.is_set():
        n = next(numbers)
        hub.publish("p", "j1", log_body(f"line {n}"))
        await hub.settle()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 1.0)


async def test_a_hub_killed_and_restarted_in_mid_job_is_found_again_and_the_job_goes_on(
    browser: Browser, watched: Complaints, tmp_path: Path
) -> None:
    hub = HubProcess(tmp_path / "data", "--heartbeat-s", "2", "--drain-s", "1")
    try:
        hub.call("POST", "projects", {"url": "https://example.org/p.git", "id": "p"})
        publish(hub, {"type": "job", "state": "running"}, {"type": "log", "message": "before"})
        context = await browser.new_context()
        page = await opened(context, watched, hub.url, "j1")
        await chip_says(page, LIVE)
        await record(page)
        await started(page)
        publish(hub, {"type": "log", "message": "one"})
        await heard(page, "one")
        hub.stop(9)
        await expect(page.locator("html")).to_have_class("stale", timeout=RIGHT_S * 1000)
        hub.start()
        publish(hub, {"type": "log", "message": "two"})
        began = time.monotonic()
        await chip_says(page, LIVE, 40)
        print(f"live {time.monotonic() - began:.1f} s after the hub was back")
        await heard(page, "two")
        hub.stop()  # as an update does: it says so, and when to come back
        hub.start()
        await chip_says(page, LIVE, 40)
        publish(hub, {"type": "log", "message": "three"}, {"type": "job", "state": "succeeded"})
        await expect(page.locator(".title .mark")).to_have_text("Done", timeout=RIGHT_S * 1000)
        assert await lines(page) == ["one", "two", "three"]
        await context.close()
    finally:
        hub.close()


def publish(hub: HubProcess, *events: dict[str, str]) -> None:
    hub.call("POST", "projects/p/publish", {"events": [{"job": "j1", "kind": "build", **event} for event in events]})
