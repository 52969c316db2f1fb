"""Cross-origin requests (Fetch standard, CORS): from the origins that the operator names, and from no other.

Without the setting nothing is answered, and a browser keeps other sites' pages from reading anything here. Never with
credentials: another site's page brings a token of its own, and no cookie. What a watch link opens is open to the pages
of all sites, because its signature is the right.
"""

from aiohttp import web

from hub.web.door.rights import right_of
from hub.web.errors import Handler
from hub.web.keys import HUB

METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
HEADERS = "Accept, Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID"
EXPOSED = "Content-Disposition, ETag, Location, Retry-After, X-Job-Id"
REMEMBERED_S = 600
WANTED = "Access-Control-Request-Method"
FOR_LINKS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD",
    "Access-Control-Allow-Headers": "Accept, If-None-Match, Last-Event-ID",
    "Access-Control-Max-Age": str(REMEMBERED_S),
}
"""What a preflight of a request with a watch link is told; that opens nothing yet."""


def is_linked(request: web.Request) -> bool:
    """Does it come with a watch link, to where one may lead? It counts alone: see `entrance.identified`."""
    if request.method not in {"GET", "HEAD"} or "watch" not in request.query:
        return False
    resource = request.match_info.route.resource
    right = right_of(request.method, resource.canonical) if resource else None
    return right is not None and right.link


def asks_for_link(request: web.Request) -> bool:
    """Is it what a browser asks before it sends a GET with a watch link?"""
    return request.method == "OPTIONS" and request.headers.get(WANTED) == "GET" and "watch" in request.query


def is_allowed(request: web.Request) -> bool:
    """Does the request come from a page of an origin that was named?"""
    return request.headers.get("Origin") in request.app[HUB].settings.cors_origins


@web.middleware
async def answer_preflight(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What a browser asks before it sends another site's request."""
    if asks_for_link(request):
        return web.Response(status=204, headers=FOR_LINKS)
    is_preflight = request.method == "OPTIONS" and WANTED in request.headers
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
    """For `on_response_prepare`, after what hardens every response."""
    if is_linked(request):
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Access-Control-Expose-Headers"] = EXPOSED
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return
    if not request.app[HUB].settings.cors_origins:
        return
    response.headers["Vary"] = ", ".join(filter(None, (response.headers.get("Vary"), "Origin")))
    if is_allowed(request):
        response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
        response.headers["Access-Control-Expose-Headers"] = EXPOSED
