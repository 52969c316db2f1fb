"""Signing in with a browser: a token once, and a cookie from then on."""

from typing import Any

from aiohttp import web

from hub.access.visitor import Visitor
from hub.core.errors import Forbidden, HubError, Unauthorised
from hub.core.tokens import Role
from hub.web.bodies import read_object, text_field
from hub.web.door.identity import check_guesses, cookie, cookie_name, identified, may_use_cookie
from hub.web.door.peers import client_address, peer
from hub.web.keys import HUB

FIELDS = frozenset({"token"})


async def read(request: web.Request) -> web.Response:
    """Must one sign in, and is one? Never 401, so that a page can ask what to show."""
    keeper = request.app[HUB].keeper
    try:
        visitor: Visitor | None = identified(request) if keeper.is_wanted else None
    except HubError:
        visitor = None
    if not keeper.is_wanted:
        return _answer({"needed": False, "signed_in": False, "roles": [role.value for role in Role]})
    if visitor is None:
        return _answer({"needed": True, "signed_in": False, "roles": []})
    return _answer({"needed": True, **_told(visitor)})


async def create(request: web.Request) -> web.Response:
    """Raises Unauthorised for a wrong token, and Throttled after too many of them."""
    keeper, address = request.app[HUB].keeper, client_address(request)
    check_guesses(request)
    body = await read_object(request, FIELDS)
    token = text_field(body, "token", 512)
    try:
        made, visitor = await keeper.sign_in((token or "").strip())
    except Unauthorised:
        if not keeper.was_token(token or ""):
            keeper.guesses.was_wrong(address, request.app[HUB].clock.monotonic())
        raise
    keeper.guesses.was_right(address)
    response = _answer({"needed": keeper.is_wanted, **_told(visitor)})
    expires = visitor.expires or 0
    response.set_cookie(
        cookie_name(request),
        made,
        max_age=max(0, (expires - request.app[HUB].clock.now_ms()) // 1000),
        path=_path(request),
        httponly=True,
        samesite="Strict",
        secure=peer(request).scheme == "https",
    )
    return response


async def delete(request: web.Request) -> web.Response:
    """Nobody can use the cookie any more, and what it had open ends; without one nothing happens."""
    if not may_use_cookie(request):
        raise Forbidden("Pages of other sites may not do this here.", code="foreign_origin")
    await request.app[HUB].keeper.sign_out(cookie(request))
    response = web.Response(status=204, headers={"Cache-Control": "no-store"})
    response.del_cookie(
        cookie_name(request),
        path=_path(request),
        httponly=True,
        samesite="Strict",
        secure=peer(request).scheme == "https",
    )
    return response


def _path(request: web.Request) -> str:
    return f"{peer(request).prefix}/"


def _told(visitor: Visitor) -> dict[str, Any]:
    told: dict[str, Any] = {"signed_in": True, "roles": [role.value for role in Role if role in visitor.roles]}
    if visitor.name:
        told["name"] = visitor.name
    if visitor.projects is not None:
        told["projects"] = sorted(visitor.projects)
    if visitor.expires is not None:
        told["expires"] = visitor.expires
    return told


def _answer(body: dict[str, Any]) -> web.Response:
    return web.json_response(body, headers={"Cache-Control": "no-store"})
