"""Who may ask from where: only under the hub's own names, and from other sites' pages nothing at all."""

import functools
import ipaddress
from collections.abc import Collection

from aiohttp import HttpVersion11, web
from yarl import URL

from hub.core.errors import BadRequest, Forbidden
from hub.surfaces import clone
from hub.transports.handshake import wants_websocket
from hub.web import cors
from hub.web.errors import Handler
from hub.web.keys import HUB

SAFE_METHODS = frozenset({"GET", "HEAD"})
WORKING_GETS = frozenset(clone.STARTED_BY_GET)
"""The paths of GETs that start work all the same."""


@functools.lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Is this a name of the machine itself that no DNS can point elsewhere?"""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_host(host: str, allowed: Collection[str]) -> None:
    """Refuse a `Host` that is not the hub's: after DNS rebinding a stranger's name leads here. Raises Forbidden."""
    name = _split(host)[0]
    if not (is_loopback(name) or name in allowed or host in allowed):
        raise Forbidden(
            f"This hub does not go by the name {name!r}. Its operator can add it with the setting allowed_hosts.",
            code="unknown_host",
        )


def check_origin(origin: str, host: str, allowed: Collection[str]) -> None:
    """Refuse a page of another site. Raises Forbidden.

    Same host and port as the request was for, or a name the operator allowed: a proxy may have rewritten `Host`.
    """
    try:
        url = URL(origin)
        name, port = url.host or "", url.explicit_port
    except ValueError:
        name, port = "", None
    same = (name, port) == _split(host)
    place = f"{name}:{port}"
    if not name or not (same or name in allowed or place in allowed):
        raise Forbidden("Pages of other sites may not do this here.", code="foreign_origin")


def _split(host: str) -> tuple[str, int | None]:
    """A `Host` header's name and port."""
    try:
        url = URL(f"//{host}")
        return (url.host or "").lower(), url.explicit_port
    except ValueError:
        return "", None


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    allowed = request.app[HUB].settings.allowed_hosts
    host = request.headers.get("Host")
    if host is None and request.version >= HttpVersion11:
        raise BadRequest("A request in HTTP/1.1 names its host.")  # RFC 9112, 3.2
    if host is not None:  # older clients name none; they are no browsers, whose DNS could be turned against them
        check_host(host, allowed)
    origin = request.headers.get("Origin")
    is_socket = wants_websocket(request.headers)
    changes = request.method not in SAFE_METHODS or request.path in WORKING_GETS
    # Only browsers send Origin, and they send it with everything that could do harm here ...
    if origin is not None and (is_socket or changes) and not cors.is_allowed(request):
        check_origin(origin, host or "", allowed)
    # ... but for a GET that another site's page makes for an image, say: that they tell of in this way.
    if changes and origin is None and request.headers.get("Sec-Fetch-Site") in {"cross-site", "same-site"}:
        raise Forbidden("Pages of other sites may not do this here.", code="foreign_origin")
    return await handler(request)
