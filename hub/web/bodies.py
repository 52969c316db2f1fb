"""Request bodies and list parameters, checked once."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from hub.core.errors import BadRequest
from hub.transports.ask import whole
from hub.transports.bodies import json_object

PAGE_LIMIT = 50
PAGE_MAX = 500


async def read_object(request: web.Request, allowed: frozenset[str]) -> dict[str, Any]:
    """The body as a JSON object with no other keys than `allowed`. Raises BadRequest, TooLarge."""
    value = await json_object(request)
    if unknown := sorted(set(value) - allowed):
        raise BadRequest(f"There is no field {unknown[0]!r}; there are: {', '.join(sorted(allowed))}.")
    return value


def text_field(body: Mapping[str, Any], name: str, longest: int = 2048) -> str | None:
    """Raises BadRequest for anything but a non-empty text or nothing."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip() or len(value) > longest:
        raise BadRequest(f"{name} must be a text of 1 to {longest} characters.")
    if any(ord(char) < 32 or 0xD800 <= ord(char) <= 0xDFFF for char in value):
        raise BadRequest(f"{name} holds control characters.")
    return value.strip()


def object_field(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Raises BadRequest for anything but an object or nothing."""
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadRequest(f"{name} must be an object.")
    return value


def paging(request: web.Request) -> tuple[int, str | None]:
    """`?limit=` and `?cursor=`. Raises BadRequest."""
    return whole(request.query, "limit", 1, PAGE_MAX, PAGE_LIMIT), request.query.get("cursor")


def listing(items: list[dict[str, Any]], total: int, following: str | None) -> web.Response:
    body: dict[str, Any] = {"items": items, "total": total}
    if following is not None:
        body["next"] = following
    return web.json_response(body)
