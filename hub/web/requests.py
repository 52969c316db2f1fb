"""Each request has an id, is counted, and is logged once if the operator wants that."""

import collections
import contextvars
import itertools
import logging
import re
import time

from aiohttp import web

from hub.core import ids
from hub.web.door.peers import client_address
from hub.web.errors import Handler
from hub.web.keys import HUB

log = logging.getLogger(__name__)

HEADER = "X-Request-ID"
GIVEN = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""An id that a proxy has given is kept, unless it could pass for something else in a log."""
METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS", "PUT"})
OTHER = "other"
LEFT = 499
"""The client went before it was answered; nginx's number for it."""
REQUEST_ID: contextvars.ContextVar[str] = contextvars.ContextVar("request", default="")
"""Of the request at hand; empty outside of any."""


class Requests:
    def __init__(self) -> None:
        self.counts: collections.Counter[tuple[str, str]] = collections.Counter()
        """By method and class of status, such as `2xx`."""
        self._prefix = ids.token()[:8]
        self._numbers = itertools.count(1)

    def name(self, given: str) -> str:
        return given if GIVEN.fullmatch(given) else f"{self._prefix}-{next(self._numbers)}"

    def count(self, method: str, status: int) -> None:
        self.counts[method if method in METHODS else OTHER, f"{status // 100}xx"] += 1


REQUESTS = web.AppKey("REQUESTS", Requests)
ID = web.RequestKey("ID", str)


@web.middleware
async def account(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The outermost: what it sees is what the client gets."""
    requests = request.app[REQUESTS]
    name = request[ID] = requests.name(request.headers.get(HEADER, ""))
    token = REQUEST_ID.set(name)
    began, status = time.perf_counter(), LEFT
    try:
        response = await handler(request)
        status = response.status
    except web.HTTPException as exc:
        status = exc.status
        raise
    else:
        return response
    finally:
        requests.count(request.method, status)
        if request.app[HUB].settings.access_log:
            _log(request, status, time.perf_counter() - began)
        REQUEST_ID.reset(token)


def _log(request: web.Request, status: int, took_s: float) -> None:
    """Of a stream: when it has begun. Never the query, which may hold a token."""
    extra = {
        "action": "request",
        "method": request.method,
        "path": request.path,
        "status": status,
        "took_ms": round(took_s * 1000, 1),
        "client": client_address(request),
    }
    log.info("%s %s %d", request.method, request.path, status, extra=extra)


async def tell_id(request: web.Request, response: web.StreamResponse) -> None:
    if name := request.get(ID):
        response.headers.setdefault(HEADER, name)
