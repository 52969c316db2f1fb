"""Who may ask from where: only under the hub's own names, and from other sites' pages nothing at all."""

from collections.abc import Collection

from aiohttp import HttpVersion11, web
from yarl import URL

from hub.access.places import is_address, is_loopback, own_names
from hub.core.errors import BadRequest, Forbidden
from hub.surfaces import clone
from hub.transports.handshake import wants_websocket
from hub.web.door import cors
from hub.web.door.peers import peer
from hub.web.errors import Handler
from hub.web.keys import HUB

SAFE_METHODS = frozenset({"GET", "HEAD"})
WORKING_GETS = frozenset(clone.STARTED_BY_GET)
"""The paths of GETs that start work all the same."""


def check_host(host: str, allowed: Collection[str]) -> None:
    """Refuse a `Host` that is not the hub's: after DNS rebinding a stranger's name leads here. Raises Forbidden."""
    name = _split(host)[0]
    if not (is_loopback(name) or name in allowed or host in allowed or is_address(name) or name in own_names()):
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


def is_same_site(fetch: str) -> bool:
    """By `Sec-Fetch-Site`: a page of this very origin, or the user's own doing. Another port is another origin."""
    return fetch in {"same-origin", "none"}


def same_origin(request: web.Request, origin: str) -> bool:
    """Does this page come from the very place that the browser takes the hub to be at?

    More strict than `check_origin`: what runs on another port under an allowed name is not the hub's page.
    """
    client = peer(request)
    try:
        url = URL(origin)
        place, scheme = ((url.host or "").lower(), url.port), url.scheme
    except ValueError:
        return False
    if client.scheme == "https" and scheme != "https":
        return False
    hosts = [host for host in (client.host, request.headers.get("Host", "")) if host]
    # Behind a proxy that says nothing the page knows the hub by a name of the operator's, and by https.
    hosts += request.app[HUB].settings.allowed_hosts
    usual = {"http": 80, "https": 443}.get(scheme)
    return any(place == (name, port or usual) for name, port in map(_split, hosts))


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    allowed = request.app[HUB].settings.allowed_hosts
    host = request.headers.get("Host")
    if host is None and request.version >= HttpVersion11:
        raise BadRequest("A request in HTTP/1.1 names its host.")  # RFC 9112, 3.2
    asked = peer(request).host  # `Host`, or what a trusted proxy says that it was
    # Both: a page of the name that DNS has turned against us may send a forwarding header of its own, where a browser
    # comes from the very address at which a proxy is trusted. Older clients name no host; they are no browsers.
    for name in filter(None, dict.fromkeys((host, asked))):
        check_host(name, allowed)
    origin = request.headers.get("Origin")
    is_socket = wants_websocket(request.headers)
    changes = request.method not in SAFE_METHODS or request.path in WORKING_GETS
    # Only browsers send Origin, and they send it with everything that could do harm here ...
    is_open = cors.is_allowed(request) or cors.is_linked(request) or cors.asks_for_link(request)
    if origin is not None and (is_socket or changes) and not is_open:
        check_origin(origin, asked, allowed)
    # ... but for a GET that another site's page makes for an image, say: that they tell of in this way.
    if changes and origin is None and request.headers.get("Sec-Fetch-Site") in {"cross-site", "same-site"}:
        raise Forbidden("Pages of other sites may not do this here.", code="foreign_origin")
    return await handler(request)
