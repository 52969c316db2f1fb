"""Listening: from settings to a hub that answers, until it is told to stop."""

import asyncio
import contextlib
import logging
import os
import resource
from collections.abc import Callable, Coroutine
from typing import Any

from aiohttp import web

import hub as package
from hub.settings import Settings, unknown_variables
from hub.web import logs
from hub.web.app import create_app
from hub.web.assembly import Hub, assembled
from hub.web.listening.limits import CONNECTIONS
from hub.web.listening.places import (
    address,
    check_guarded,
    exposed,
    listen,
    listen_on,
    places,
    sockets_handed_over,
    token_command,
)
from hub.web.listening.runner import Runner
from hub.web.listening.service_manager import ServiceManager
from hub.web.listening.stopping import Stopping
from hub.web.listening.tls import Certificate

log = logging.getLogger(__name__)

CLOSE_S = 3.0
"""Longest wait for open answers after the watchers have been told."""


async def serve(
    settings: Settings,
    *,
    on_ready: Callable[[str], Coroutine[Any, Any, None]] | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve until `stop` is set or SIGTERM or SIGINT comes, then drain.

    `on_ready` gets the base URL once the hub listens, and may go on working while it does. Raises SettingsError where
    others could reach a hub without any token, OSError for an address that is taken, and what `assembled` raises.
    """
    sockets = sockets_handed_over()
    reachable = exposed(places(settings, sockets))
    check_guarded(settings, reachable, has_token=True)
    certificate = Certificate(settings) if settings.tls_cert else None
    stopping, manager = Stopping(stop), ServiceManager(os.environ)
    _raise_descriptor_limit()
    with stopping.by_signals():
        async with assembled(settings) as hub:
            logs.configure(settings.log_level, hub.redactor, settings.log_format)
            if reachable:
                hub.keeper.expose()
            check_guarded(settings, reachable, has_token=hub.keeper.has_token)
            if hub.keeper.is_wanted and not hub.keeper.has_token:
                log.warning("nobody can sign in yet: %s", token_command(settings), extra={"action": "no_token"})
            _warn_of_strangers()
            runner = await prepared(hub, CLOSE_S)
            try:
                tls = certificate.context if certificate else None
                if sockets:
                    await listen_on(runner, sockets, tls)
                else:
                    await listen(runner, settings.host, settings.port, settings.heartbeat_s, tls=tls)
                url = address(runner, "https" if tls else "http")
                log.info("listening on %s", url, extra={"action": "listening", "version": package.__version__})
                manager.tell(READY="1", STATUS=f"At {url}")
                renewed = certificate.watched() if certificate else contextlib.nullcontext()
                async with manager.watched(), renewed, asyncio.TaskGroup() as tasks:
                    follower = tasks.create_task(on_ready(url)) if on_ready is not None else None
                    await stopping.asked.wait()
                    if follower is not None:
                        follower.cancel()
            finally:
                manager.tell(STOPPING="1")
                log.info("stopping", extra={"action": "stopping"})
                await stopping.clean_up(runner)
    log.info("stopped", extra={"action": "stopped"})


async def prepared(hub: Hub, close_s: float) -> web.AppRunner:
    """The application, ready to be listened for; `close_s` is the longest wait for open answers when it ends."""
    app = create_app(hub)
    runner = Runner(app, app[CONNECTIONS], close_s=close_s)
    await runner.setup()
    return runner


def _raise_descriptor_limit() -> None:
    """Every watcher is a descriptor: take as many as the system lets this user have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _warn_of_strangers() -> None:
    for name, meant in unknown_variables(os.environ).items():
        hint = f"; is {meant} meant?" if meant else ""
        log.warning("%s is no setting, and has no effect%s", name, hint, extra={"action": "unknown_variable"})
