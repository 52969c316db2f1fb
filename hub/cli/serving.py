"""`progress-hub serve`: settings in, a listening hub out, and the demo beside it if asked for."""

import argparse
import asyncio
import dataclasses
import errno
import logging
import urllib.parse
import webbrowser
from collections.abc import Callable
from contextlib import AsyncExitStack

import hub
from hub.cli import codes, output
from hub.cli.configuration import traced_settings
from hub.client import Hub, HubRefused
from hub.demo import Demo
from hub.settings import Settings
from hub.web.listening.places import addresses
from hub.web.server import serve as serve_hub

try:
    import uvloop
except ImportError:  # the `fast` extra was not installed, or there is no uvloop for this platform
    new_event_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
else:
    new_event_loop = uvloop.new_event_loop


log = logging.getLogger("hub.demo")


def serve(options: argparse.Namespace) -> int:
    settings = read_settings(options)
    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(_serve(settings, demo=options.demo, open_page=options.open))
    except OSError as exc:
        if exc.errno != errno.EADDRINUSE:
            raise
        raise OSError(
            f"Something listens on {settings.host}:{settings.port} already. Is it another hub? "
            "Stop it, or take another port: --port 8471, or --port 0 for any that is free."
        ) from exc
    return codes.SUCCEEDED


def read_settings(options: argparse.Namespace) -> Settings:
    """Raises SettingsError."""
    return traced_settings(options)[0]


async def _serve(settings: Settings, *, demo: bool, open_page: bool) -> None:
    async with AsyncExitStack() as stack:
        show: Demo | None = None
        if demo:
            show = await stack.enter_async_context(Demo(settings.data_path / "demo"))
            settings = dataclasses.replace(
                settings,
                roots=(*settings.roots, *show.roots),
                allow_networks=(*settings.allow_networks, *show.networks),
            )

        async def ready(base: str) -> None:
            _say(f"Progress Hub {hub.__version__} is at {base} - open it in a browser; Ctrl-C stops it.")
            if elsewhere := addresses(settings, urllib.parse.urlsplit(base).port or 0):
                _say(f"From elsewhere it is at {', '.join(elsewhere)}, for whoever has a token.")
            if open_page:
                await asyncio.to_thread(webbrowser.open, base)
            if show:
                await _start_demo(show, base)

        await serve_hub(settings, on_ready=ready)


async def _start_demo(demo: Demo, base: str) -> None:
    """A hub whose demo fails is still a hub, so this tells what went wrong and no more."""
    try:
        url = await demo.ready()
        async with Hub(base) as client:
            project = await client.create_project(url=url, name="demo")
            job = await client.start(project["id"], "clone")
    except HubRefused as refused:
        if refused.narrow_code != "already_running":
            log.warning("The demo could not start: %s", refused)
    except Exception:
        log.exception("The demo could not start")
    else:
        _say(f"The demo clones {url}, slowly on purpose. In another terminal: progress-hub watch {job['project']}")


def _say(text: str) -> None:
    """A hub goes on when nobody reads what it says, and when the disk that it goes to is full."""
    try:
        print(text, flush=True)  # a pipe would keep it until the hub ends
    except OSError:
        output.silence()
