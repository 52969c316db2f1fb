"""Commands under `progress-hub run`, live in the page: a clone, a download, a script with a bar."""

import contextlib
import http.server
import importlib.util
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from playwright.async_api import expect

from tests.client.commands import ROOT, environment, in_a_terminal
from tests.conftest import missing
from tests.servers import package_index

pytestmark = pytest.mark.browser

FILE_BYTES = 6_000_000
SECONDS = 5.0
"""A download's time: long enough to be looked at."""


@pytest.fixture
def run(hub):
    """The words before a command."""
    return [sys.executable, "-m", "hub", "run", "--hub", hub.url, "--project", "site"]


@contextlib.contextmanager
def running(*words, **more):
    """Without a terminal, as in a script."""
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=ROOT,
                          env=environment(**more)) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.terminate()
            process.communicate()


class Slow(http.server.SimpleHTTPRequestHandler):
    """Files take SECONDS."""

    def log_message(self, *_):
        pass

    def copyfile(self, source, outputfile):
        while data := source.read(FILE_BYTES // 100):
            outputfile.write(data)
            if len(data) > 1000:
                time.sleep(SECONDS / 100)


@pytest.fixture
def index(tmp_path):
    """A package index with one wheel."""
    with package_index(tmp_path / "index", FILE_BYTES, Slow) as url:
        yield url


async def opened(page, hub):
    """The only job's own page."""
    await page.goto(hub.url)
    await page.locator(".job .name").click()
    return page


async def test_a_git_clone_shows_gits_phases_and_objects(page, hub, git, run, shot, tmp_path):
    git.behaviour.bytes_per_s = 100_000
    with running(*run, "--", "git", "clone", "--progress", f"{git.url}/demo.git", str(tmp_path / "copy")) as command:
        await opened(page, hub)
        await expect(page.locator(".stages li[aria-current=step]")).to_have_text(re.compile("Receiving objects"))
        await expect(page.locator(".facts .step")).to_contain_text("Receiving objects")
        await expect(page.locator(".title")).to_contain_text("git")
        await shot(page, "run-git")
        await expect(page.locator(".title .mark")).to_have_text("Done", timeout=20_000)
        assert command.wait(10) == 0
    await expect(page.locator(".stages li[data-state=done]").first).to_be_visible()
    await shot(page, "run-git-done")


async def test_a_pip_download_shows_its_bytes(page, hub, run, index, shot, tmp_path):
    if importlib.util.find_spec("pip") is None:
        missing("pip")
    pip = [sys.executable, "-m", "pip"]
    words = ["download", "--no-cache-dir", "--disable-pip-version-check", "--index-url", index, "-d", str(tmp_path)]
    with in_a_terminal([*run, "--name", "pip", "--", *pip, *words, "payload"], PIP_CONFIG_FILE=os.devnull) as screen:
        await opened(page, hub)
        await expect(page.locator(".facts .step")).to_contain_text("Downloading", timeout=15_000)
        await expect(page.locator(".facts").first).to_contain_text(re.compile(r"[1-9][.\d]* (kB|MB) of 6 MB"))
        await shot(page, "run-pip")
        assert screen.code() == 0
        await expect(page.locator(".title .mark")).to_have_text("Done", timeout=20_000)


async def test_a_script_with_tqdm_shows_its_rows_and_a_cancel_ends_it(page, hub, run, shot, tmp_path):
    pytest.importorskip("tqdm")
    (tmp_path / "train.py").write_text(
        "import time\nfrom tqdm import tqdm\nfor _ in tqdm(range(400), desc='Training', unit='row'): time.sleep(0.05)\n"
    )
    with running(*run, "--name", "train", "--", sys.executable, str(tmp_path / "train.py")) as command:
        await opened(page, hub)
        await expect(page.locator(".facts .step")).to_contain_text("Training")
        await expect(page.locator(".facts").first).to_contain_text(re.compile(r"\d+ of 400 row"))
        await shot(page, "run-tqdm")
        await page.locator(".title .cancel").click()
        await expect(page.locator(".title .mark")).to_have_text("Cancelled", timeout=15_000)
        assert command.wait(10) == -signal.SIGTERM
    await shot(page, "run-tqdm-cancelled")
