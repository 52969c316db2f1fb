"""The API's document: as JSON, as a page, and kept to."""

import functools

from aiohttp import web

from hub.core.errors import BadRequest
from hub.web.errors import Handler
from hub.web.openapi.document import OPERATIONS, as_bytes
from hub.web.openapi.reference import as_html
from hub.web.page import Asset, answer

POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
EVERYWHERE = frozenset({"access_token", "watch"})
"""Parameters by which callers say who they are."""


async def openapi(request: web.Request) -> web.Response:
    return answer(request, _asset("application/json"), POLICY)


async def docs(request: web.Request) -> web.Response:
    return answer(request, _asset("text/html"), POLICY)


@web.middleware
async def keep_to_contract(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A query parameter that is not in the document is refused: one with a typing error would filter nothing.

    OPTIONS answers what the address can do (RFC 9110, 9.3.7).
    """
    if request.method == "OPTIONS" and isinstance(request.match_info.http_exception, web.HTTPMethodNotAllowed):
        return web.Response(status=204, headers={"Allow": _allowed(request.path, request.match_info.http_exception)})
    if request.query_string:
        _check(request)
    return await handler(request)


def _allowed(path: str, found: web.HTTPMethodNotAllowed) -> str:
    """Of an address that is written in the document, what it says, not what `{id}` in its place could do."""
    named = {method for method, each in OPERATIONS if each == path}
    heads = {"HEAD"} if "GET" in named and "HEAD" in found.allowed_methods else set()
    return ", ".join(sorted(named | heads or found.allowed_methods))


def _check(request: web.Request) -> None:
    """Raises BadRequest."""
    resource = request.match_info.route.resource
    if resource is None:
        return
    method = "GET" if request.method == "HEAD" else request.method
    known = _known(method, resource.canonical)
    if known is not None and (unknown := sorted(request.query.keys() - known - EVERYWHERE)):
        there_are = f"there are: {', '.join(sorted(known))}" if known else "there are none"
        raise BadRequest(f"There is no parameter {unknown[0][:100]!r} here; {there_are}.")


@functools.cache
def _known(method: str, path: str) -> frozenset[str] | None:
    """None where whatever is not known is passed over."""
    operation = OPERATIONS.get((method, path))
    if operation is None or operation.is_lenient:
        return None
    return frozenset(each.name for each in operation.query)


@functools.cache
def _asset(content_type: str) -> Asset:
    return Asset.of(as_bytes() if content_type == "application/json" else as_html(), content_type)
