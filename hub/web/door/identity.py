"""Who asks: a token, a cookie, a watch link, or nobody that is known."""

import logging
import math

from aiohttp import web

from hub.access.visitor import Visitor
from hub.core.errors import Throttled, Unauthorised
from hub.transports.handshake import wants_websocket
from hub.web.door.guard import SAFE_METHODS, WORKING_GETS, is_same_site, same_origin
from hub.web.door.peers import client_address, peer
from hub.web.keys import HUB

log = logging.getLogger(__name__)

LINK, ACCESS_TOKEN = "watch", "access_token"
"""Parameters."""
NO_LINK = "This watch link is void: it has expired, or its hub has made all links void, or a part of it is missing."


def identified(request: web.Request) -> Visitor:
    """Raises Unauthorised, and Throttled for who guesses."""
    keeper = request.app[HUB].keeper
    if is_linked(request):
        # Alone: other sites' pages may use it, so nothing that a browser adds by itself counts beside it.
        visitor = keeper.by_link(request.query[LINK])
        if visitor is None:
            raise Unauthorised(NO_LINK)
        return visitor
    if (anybody := keeper.by_nothing()) is not None:
        return anybody
    if token := bearer(request):
        return by_token(request, token)
    visitor = keeper.by_cookie(cookie(request)) if may_use_cookie(request) else None
    if visitor is None:
        raise Unauthorised
    return visitor


def by_token(request: web.Request, token: str) -> Visitor:
    """Raises Unauthorised, and Throttled for who guesses.

    One that is right comes in also where others guess from the same address, as they do behind one proxy.
    """
    keeper, address = request.app[HUB].keeper, client_address(request)
    visitor = keeper.by_token(token)
    if visitor is not None:
        return visitor
    check_guesses(request)
    if not keeper.was_token(token):
        keeper.guesses.was_wrong(address, request.app[HUB].clock.monotonic())
        log.warning("a token was wrong", extra={"action": "wrong_token", "address": address})
    raise Unauthorised("That is no token of this hub, or it has been revoked, or has expired.")


def check_guesses(request: web.Request) -> None:
    """Raises Throttled."""
    hub = request.app[HUB]
    wait_s = hub.keeper.guesses.wait_s(client_address(request), hub.clock.monotonic())
    if wait_s:
        raise Throttled(
            "Too many wrong tokens came from your address; wait a moment.",
            code="too_many_guesses",
            retry_after=math.ceil(wait_s),
        )


def is_linked(request: web.Request) -> bool:
    """Does it come with a watch link?"""
    return request.method in SAFE_METHODS and LINK in request.query


def bearer(request: web.Request) -> str:
    """A token from the header or, where a browser can set none, from the address; empty where there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip() or "-"
    return request.query.get(ACCESS_TOKEN, "") if request.method in SAFE_METHODS else ""


def cookie_name(request: web.Request) -> str:
    """By hub, since all that share a host name share their cookies, whatever their ports.

    `__Host-` has a browser refuse a cookie of that name from a neighbouring host, or over plain http.
    """
    client, keeper = peer(request), request.app[HUB].keeper
    begin = "" if client.scheme != "https" else "__Secure-" if client.prefix else "__Host-"
    return f"{begin}hub_session_{keeper.name}"


def cookie(request: web.Request) -> str:
    return request.cookies.get(cookie_name(request), "")


def may_use_cookie(request: web.Request) -> bool:
    """Does the browser send it for a page of the hub's own? Then what it asks is what its user wants.

    SameSite keeps other sites from using it; this keeps out those on another port of the same host, too, and whoever a
    browser lets through.
    """
    fetch = request.headers.get("Sec-Fetch-Site")
    if fetch is not None and not is_same_site(fetch):
        return False
    origin = request.headers.get("Origin")
    if origin is not None:
        return same_origin(request, origin)
    needs_proof = request.method not in SAFE_METHODS or request.path in WORKING_GETS or wants_websocket(request.headers)
    return not needs_proof or fetch == "same-origin"
