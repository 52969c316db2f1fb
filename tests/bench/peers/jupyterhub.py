"""JupyterHub's page of a server that is starting: the progress page that most people have seen."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.machine import BrokenError, MissingError, process

PACKAGE = "jupyterhub>=5"
INSTALL_S = 300.0
START_S = 40.0
SETTINGS = """
import asyncio
from jupyterhub.proxy import Proxy
from jupyterhub.spawner import Spawner

class NoProxy(Proxy):
    should_start = False
    async def add_route(self, *_): pass
    async def delete_route(self, *_): pass
    async def get_all_routes(self): return {{}}
    async def check_routes(self, *_, **__): pass

class Slow(Spawner):
    async def start(self): await asyncio.sleep(600)
    async def stop(self, now=False): pass
    async def poll(self): return None
    async def progress(self):
        for percent in range(100):
            yield {{"progress": percent, "message": f"Step {{percent}}"}}
            await asyncio.sleep(1)

c.JupyterHub.proxy_class = NoProxy
c.JupyterHub.spawner_class = Slow
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.bind_url = "http://127.0.0.1:{other}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_connect_url = "http://127.0.0.1:{port}"
c.JupyterHub.db_url = "sqlite:///:memory:"
c.JupyterHub.cookie_secret_file = "{folder}/secret"
c.Spawner.start_timeout = 600
c.JupyterHub.tornado_settings = {{"slow_spawn_timeout": 0}}
"""
"""Its own web server alone, without the Node proxy in front; the page is the same."""


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Its address. Raises MissingError, BrokenError."""
    program = _installed()
    port, other = _free_port(), _free_port()
    settings = folder / "jupyterhub_config.py"
    settings.write_text(SETTINGS.format(port=port, other=other, folder=folder), encoding="utf-8")
    url = f"http://127.0.0.1:{port}/hub/"
    with process(
        [program, "-f", settings, "--log-level=ERROR"], None, {"PATH": f"{program.parent}:{os.environ['PATH']}"}
    ):
        _wait_for(f"{url}login")
        yield url


def sign_in(page: Any, url: str) -> None:
    page.goto(f"{url}login")
    page.fill("input[name=username]", "ada")
    page.fill("input[name=password]", "ada")
    page.click("#login_submit")
    page.wait_for_url(re.compile("spawn-pending"))


def _installed() -> Path:
    """Raises MissingError. Once, into the user's cache folder."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "progress-hub-bench" / "jupyterhub"
    program = folder / "bin" / "jupyterhub"
    if not program.exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", folder], check=True, capture_output=True, timeout=INSTALL_S)
            pip = [folder / "bin" / "pip", "install", "-q", PACKAGE]
            subprocess.run(pip, check=True, capture_output=True, timeout=INSTALL_S)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as exc:
            raise MissingError(f"pip could not install {PACKAGE}: {exc}") from exc
    return program


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except (urllib.error.URLError, OSError) as exc:
            if time.monotonic() > deadline:
                raise BrokenError("JupyterHub did not start") from exc
            time.sleep(0.2)
        else:
            return
