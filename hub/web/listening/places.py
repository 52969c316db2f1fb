"""Where the hub listens: addresses, unix sockets, and what a service manager hands over; and what that asks for."""

import asyncio
import os
import shlex
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from hub.access.places import UNIX, is_local
from hub.settings import Settings, SettingsError, default_data_dir
from hub.transports.outlet import notice_the_dead
from hub.web.listening.runner import Site
from hub.web.listening.service_manager import handed_over

WAITING_CONNECTIONS = 1024
"""Not accepted yet: thousands of watchers come back at once after a restart."""
SOCKET_MODE = 0o660
"""Of a unix socket: for the hub's user and its group, in which a proxy may be."""


def sockets_handed_over() -> list[socket.socket]:
    return handed_over(os.environ)


def places(settings: Settings, sockets: Sequence[socket.socket]) -> list[str]:
    """Where it is to listen, as hosts and `unix:` paths."""
    if not sockets:
        return list(settings.hosts)
    return [
        f"{UNIX}{each.getsockname()}" if each.family == socket.AF_UNIX else each.getsockname()[0] for each in sockets
    ]


def exposed(found: Sequence[str]) -> list[str]:
    """Those of the places that others than this machine reach."""
    return [place for place in found if not is_local(place)]


def check_guarded(settings: Settings, reachable: Sequence[str], *, has_token: bool) -> None:
    """Raise SettingsError where others could reach a hub that asks nobody who they are, or that nobody could use."""
    if not reachable:
        return
    where = ", ".join(reachable)
    if settings.sign_in == "never":
        raise SettingsError(
            f"sign_in: never is for a hub that only this machine reaches, and others reach {where}. "
            "Leave sign_in at auto, or listen on 127.0.0.1."
        )
    if not has_token:
        raise SettingsError(
            f"host: others reach the hub at {where}, so it wants a token first. "
            f"Make one, and start again:\n\n    {token_command(settings)}\n"
        )


def token_command(settings: Settings) -> str:
    """What makes the first token."""
    words = ["progress-hub", "token", "create", "--role", "admin"]
    if settings.data_path != default_data_dir():
        words += ["--data-dir", str(settings.data_path)]
    return shlex.join(words)


async def listen(
    runner: web.AppRunner, host: str, port: int, heartbeat_s: float, *, tls: ssl.SSLContext | None = None
) -> None:
    """At every place in `host`, and on every address that it has.

    Raises OSError for one that is taken or not this machine's.
    """
    for place in filter(None, map(str.strip, host.split(","))):
        if place.startswith(UNIX):
            await _listen_unix(runner, Path(place.removeprefix(UNIX)))
        else:
            await _listen_tcp(runner, place.strip("[]"), port, heartbeat_s, tls)


async def listen_on(runner: web.AppRunner, sockets: Sequence[socket.socket], tls: ssl.SSLContext | None) -> None:
    for each in sockets:
        context = None if each.family == socket.AF_UNIX else tls
        await Site(runner, each, backlog=WAITING_CONNECTIONS, ssl_context=context).start()


async def _listen_unix(runner: web.AppRunner, path: Path) -> None:
    try:
        await web.UnixSite(runner, path, backlog=WAITING_CONNECTIONS).start()
    except OSError as exc:
        exc.filename = exc.filename or str(path)  # the system does not say which
        raise
    await asyncio.to_thread(path.chmod, SOCKET_MODE)


async def _listen_tcp(
    runner: web.AppRunner, host: str, port: int, heartbeat_s: float, tls: ssl.SSLContext | None
) -> None:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    for family, address in dict.fromkeys((each[0], each[4]) for each in found):
        listener = socket.create_server(address, family=family, backlog=WAITING_CONNECTIONS)
        notice_the_dead(listener, heartbeat_s)
        await Site(runner, listener, backlog=WAITING_CONNECTIONS, ssl_context=tls).start()


def address(runner: web.AppRunner, scheme: str) -> str:
    """Where a browser on this machine finds the hub; the path of a unix socket where it listens on no other."""
    tcp = [each[:2] for each in runner.addresses if isinstance(each, tuple)]
    if not tcp:
        return f"{UNIX}{runner.addresses[0]}"
    host, port = tcp[0]
    own = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(str(host), str(host))  # noqa: S104 - where it is asked
    return _url(scheme, own, port)


def addresses(settings: Settings, port: int) -> list[str]:
    """Where others than this machine find the hub, as far as it knows."""
    scheme = "https" if settings.tls_cert else "http"
    every = {"0.0.0.0", "::"}  # noqa: S104 - a question, not a place to listen
    found = [socket.gethostname() if place in every else place for place in exposed(settings.hosts)]
    return [_url(scheme, name, port) for name in dict.fromkeys(found) if name]


def _url(scheme: str, host: str, port: int) -> str:
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
