"""A real hub program, a real git server, a real Chromium."""

import contextlib
import importlib.resources
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.browser.proxy import Proxy
from tests.conftest import missing
from tests.jobs.git_server import GitServer
from tests.processes import HubProcess

CHROMIUM = Path("/usr/bin/chromium")
HAS_CHROMIUM = CHROMIUM.exists()
SHOTS = Path(__file__).parent / "shots"
START_S = 20.0
EXPECT_MS = 20_000
"""A machine that does much else shows a page late; what is never shown fails all the same."""
expect.set_options(timeout=EXPECT_MS)

FINDINGS = """rules => axe.run(document, { runOnly: rules, resultTypes: ['violations'] }).then(({ violations }) => {
    const words = ({ html, any }) => `${html.slice(0, 200)} ${any[0]?.message}`;
    return violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(words).join(' | ')}`);
})"""
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


class Check(Protocol):
    """No finding of axe, nothing that must be scrolled sideways, and, unless it is not to be kept, a picture."""

    async def __call__(self, page: Page, name: str, *, is_kept: bool = True) -> None: ...


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubProcess]:
    process = HubProcess(tmp_path / "data", "--heartbeat-s", "2", "--drain-s", "1")
    yield process
    process.close()


@pytest.fixture(scope="session")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `demo.git`: 200 files of noise, so that a limited speed takes a while."""
    root = tmp_path_factory.mktemp("repositories")
    source = root / "demo"
    source.mkdir()

    def git(*words: str) -> None:
        identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *identity, "-C", str(source), *words], check=True, capture_output=True)

    git("init", "-q", "-b", "main")
    for number in range(200):
        (source / f"file-{number:03}.bin").write_bytes(os.urandom(2048))
    git("add", "-A")
    git("commit", "-qm", "Noise")
    git("clone", "-q", "--bare", str(source), str(root / "demo.git"))
    return root


@pytest.fixture
def git(repositories: Path) -> Iterator[GitServer]:
    with GitServer(repositories) as server:
        yield server


@pytest.fixture
async def proxy(hub: HubProcess) -> AsyncIterator[Proxy]:
    async with Proxy(hub.url.rstrip("/")) as running:
        yield running


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    if not HAS_CHROMIUM:
        missing(str(CHROMIUM))
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        await running.close()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as running:
        yield running


@pytest.fixture
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    opened = await browser.new_context(viewport={"width": 1200, "height": 900})
    yield opened
    await opened.close()


class Complaints:
    """What pages complain of in their console. Call it with a page to listen to that one, too."""

    def __init__(self) -> None:
        self._heard: list[str] = []
        self._forgiven: list[str] = []

    def __call__(self, page: Page) -> Page:
        page.on("console", lambda message: message.type == "error" and self._heard.append(message.text))
        page.on("pageerror", lambda error: self._heard.append(str(error)))
        return page

    def forgive(self, *words: str) -> None:
        """Complaints with such words are expected: a browser reports every refused request as an error."""
        self._forgiven.extend(words)

    @property
    def left(self) -> list[str]:
        return [text for text in self._heard if not any(words in text for words in self._forgiven)]


@pytest.fixture
def watched() -> Iterator[Complaints]:
    complaints = Complaints()
    yield complaints
    assert not complaints.left


@pytest.fixture
async def page(context: BrowserContext, watched: Complaints) -> Page:
    return watched(await context.new_page())


@pytest.fixture
def shot() -> Callable[[Page, str], Awaitable[None]]:
    """Keep a picture of the whole page under tests/browser/shots/."""
    SHOTS.mkdir(exist_ok=True)

    async def take(page: Page, name: str) -> None:
        await page.screenshot(path=SHOTS / f"{name}.png", full_page=True)

    return take


@pytest.fixture(scope="session")
def axe() -> str:
    try:
        return (importlib.resources.files("axe_playwright_python") / "axe.min.js").read_text()
    except ModuleNotFoundError:
        missing("axe-playwright-python")
        raise


@pytest.fixture
def check(axe: str, shot: Callable[[Page, str], Awaitable[None]]) -> Check:
    async def look(page: Page, name: str, *, is_kept: bool = True) -> None:
        if is_kept:
            await shot(page, f"state-{name}")
        if not await page.evaluate("'axe' in window"):
            await page.evaluate(axe)
        found = await page.evaluate(FINDINGS, RULES)
        assert not found, f"{name}: {found}"
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is too wide"

    return look
