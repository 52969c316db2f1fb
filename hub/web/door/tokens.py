"""Tokens: make, list, revoke."""

import math
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from hub.access.doorkeeper import Wanted
from hub.core import ids
from hub.core.cursors import unknown_cursor
from hub.core.errors import BadRequest
from hub.core.tokens import Role
from hub.web.bodies import listing, paging, read_object, text_field
from hub.web.keys import HUB
from hub.web.resources.commits import BOOLEANS

FIELDS = frozenset({"name", "roles", "projects", "ttl_s"})
LONGEST_NAME = 100
LONGEST_S = 10 * 366 * 86400
MOST_PROJECTS = 100


async def create(request: web.Request) -> web.Response:
    """The answer alone holds the token itself."""
    hub = request.app[HUB]
    body = await read_object(request, FIELDS)
    ttl_s = seconds(body, "ttl_s", LONGEST_S)
    wanted = Wanted(
        roles=roles(body),
        name=text_field(body, "name", LONGEST_NAME) or "",
        projects=projects(body),
        expires=None if ttl_s is None else hub.clock.now_ms() + round(ttl_s * 1000),
    )
    token, text = await hub.keeper.make(wanted)
    return web.json_response(
        token.to_wire() | {"token": text},
        status=201,
        headers={"Location": f"/api/v1/tokens/{token.id}", "Cache-Control": "no-store"},
    )


async def list_(request: web.Request) -> web.Response:
    """Oldest first. Revoked ones only with `?revoked=true`."""
    with_revoked = BOOLEANS.get(request.query.get("revoked", "false"))
    if with_revoked is None:
        raise BadRequest("revoked must be true or false.")
    tokens = [token for token in request.app[HUB].keeper.tokens() if with_revoked or token.revoked is None]
    limit, cursor = paging(request)
    start = next((n + 1 for n, token in enumerate(tokens) if token.id == cursor), 0 if cursor is None else -1)
    if start < 0:
        raise unknown_cursor()
    part = tokens[start : start + limit]
    following = part[-1].id if start + limit < len(tokens) else None
    return listing([token.to_wire() for token in part], len(tokens), following)


async def revoke(request: web.Request) -> web.Response:
    await request.app[HUB].keeper.revoke(request.match_info["token"])
    return web.Response(status=204)


def roles(body: Mapping[str, Any]) -> tuple[Role, ...]:
    """Raises BadRequest."""
    named = body.get("roles")
    known = [role.value for role in Role]
    if not isinstance(named, list) or not named or not all(isinstance(each, str) and each in known for each in named):
        raise BadRequest(f"roles must be a list of one or more of: {', '.join(known)}.")
    return tuple(role for role in Role if role.value in named)


def projects(body: Mapping[str, Any]) -> tuple[str, ...]:
    """Raises BadRequest."""
    named = body.get("projects")
    if named is None:
        return ()
    is_list = isinstance(named, list) and 0 < len(named) <= MOST_PROJECTS
    if not is_list or not all(isinstance(each, str) and ids.SLUG.fullmatch(each) for each in named):
        raise BadRequest(f"projects must be a list of 1 to {MOST_PROJECTS} ids; leave it out for all projects.")
    if Role.ADMIN in roles(body):
        raise BadRequest("admin is of the hub as a whole, and cannot be for some projects only.")
    return tuple(dict.fromkeys(named))


def seconds(body: Mapping[str, Any], name: str, most: float) -> float | None:
    """Raises BadRequest for anything but a time above 0, or nothing."""
    value = body.get(name)
    if value is None:
        return None
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not (math.isfinite(value) and 1 <= value <= most)
    ):
        raise BadRequest(f"{name} must be a number of seconds from 1 to {most:g}.")
    return float(value)
