"""Cross-origin requests (Fetch standard, CORS): from the origins that the operator names, and from no other.

Without the setting nothing is answered, and a browser keeps other sites' pages from reading anything here.
"""

from aiohttp import web

from hub.web.errors import Handler
from hub.web.keys import HUB

METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
HEADERS = "Accept, Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID"
EXPOSED = "Content-Disposition, ETag, Location, Retry-After, X-Job-Id"
REMEMBERED_S = 600


def is_allowed(request: web.Request) -> bool:
    """Does the request come from a page of an origin that was named?"""
    return request.headers.get("Origin") in request.app[HUB].settings.cors_origins


@web.middleware
async def answer_preflight(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What a browser asks before it sends another site's request."""
    is_preflight = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
    if not (is_preflight and is_allowed(request)):
        return await handler(request)
    return web.Response(
        status=204,
        headers={
            "Access-Control-Allow-Methods": METHODS,
            "Access-Control-Allow-Headers": HEADERS,
            "Access-Control-Max-Age": str(REMEMBERED_S),
        },
    )


async def open_to_named(request: web.Request, response: web.StreamResponse) -> None:
    """For `on_response_prepare`."""
    if not request.app[HUB].settings.cors_origins:
        return
    response.headers["Vary"] = ", ".join(filter(None, (response.headers.get("Vary"), "Origin")))
    if is_allowed(request):
        response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
        response.headers["Access-Control-Expose-Headers"] = EXPOSED
