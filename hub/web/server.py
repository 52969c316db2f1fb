"""Listening: from settings to a hub that answers, until it is told to stop."""

import asyncio
import contextlib
import logging
import resource
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from aiohttp import web

from hub.settings import Settings, SettingsError
from hub.transports.outlet import notice_the_dead
from hub.web import logs
from hub.web.app import create_app
from hub.web.assembly import Hub, assembled
from hub.web.guard import is_loopback

log = logging.getLogger(__name__)

CLOSE_S = 3.0
"""Longest wait for open answers after the watchers have been told."""
KEEP_ALIVE_S = 75.0
"""An idle connection is kept this long for the next request: longer than common proxies keep theirs, so that none sends
one into a connection that closes."""
WAITING_CONNECTIONS = 1024
"""Not accepted yet: thousands of watchers come back at once after a restart."""


async def serve(
    settings: Settings,
    *,
    on_ready: Callable[[str], Coroutine[Any, Any, None]] | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve until `stop` is set or SIGTERM or SIGINT comes, then drain.

    `on_ready` gets the base URL once the hub listens, and may go on working while it does. Raises SettingsError for an
    address that is not loopback, OSError for one that is taken, and what `assembled` raises.
    """
    if not is_loopback(settings.host):
        raise SettingsError(
            f"host: this version listens on loopback only, got {settings.host!r}. To be reached from elsewhere, put a "
            "reverse proxy with sign-in in front, and name it in allowed_hosts."
        )
    stop = stop or asyncio.Event()
    _raise_descriptor_limit()
    with _signals(stop):
        async with assembled(settings) as hub:
            logs.configure(settings.log_level, hub.redactor)
            runner = await prepared(hub, CLOSE_S)
            try:
                await listen(runner, settings.host, settings.port, settings.heartbeat_s)
                url = _address(runner)
                log.info("listening on %s", url, extra={"action": "listening"})
                async with asyncio.TaskGroup() as tasks:
                    follower = tasks.create_task(on_ready(url)) if on_ready is not None else None
                    await stop.wait()
                    if follower is not None:
                        follower.cancel()
            finally:
                log.info("stopping", extra={"action": "stopping"})
                await runner.cleanup()


async def prepared(hub: Hub, close_s: float) -> web.AppRunner:
    """The application, ready to be listened for; `close_s` is the longest wait for open answers when it ends."""
    runner = web.AppRunner(
        create_app(hub),
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=close_s,
        keepalive_timeout=KEEP_ALIVE_S,
    )
    await runner.setup()
    return runner


async def listen(runner: web.AppRunner, host: str, port: int, heartbeat_s: float) -> None:
    """On every address that `host` has. Raises OSError for one that is taken or not this machine's."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    for family, address in dict.fromkeys((each[0], each[4]) for each in found):
        listener = socket.create_server(address, family=family, backlog=WAITING_CONNECTIONS)
        notice_the_dead(listener, heartbeat_s)
        await web.SockSite(runner, listener, backlog=WAITING_CONNECTIONS).start()


def _raise_descriptor_limit() -> None:
    """Every watcher is a descriptor: take as many as the system lets this user have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _address(runner: web.AppRunner) -> str:
    host, port = runner.addresses[0][:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextlib.contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
