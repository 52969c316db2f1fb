"""The one table from the hub's errors to HTTP, and the middleware that applies it."""

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from hub.core.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    HubError,
    NotFound,
    Throttled,
    TooLarge,
    TooLate,
    Unauthorised,
    Unavailable,
)
from hub.jobs.keys import KeyReused
from hub.snapshots.errors import SnapshotGone, StoreTrouble

log = logging.getLogger(__name__)

STATUSES: tuple[tuple[type[HubError], int], ...] = (
    (KeyReused, 422),  # IETF draft idempotency-key-header, 2.7
    (BadRequest, 400),
    (Unauthorised, 401),
    (Forbidden, 403),
    (SnapshotGone, 410),
    (NotFound, 404),
    (Conflict, 409),
    (TooLate, 408),
    (TooLarge, 413),
    (Throttled, 429),
    (Unavailable, 503),
    (StoreTrouble, 502),
    (HubError, 500),
)
"""First match wins, so children stand above their parents."""
RETRY_AFTER_S = 5
HTTP_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def status_of(error: HubError) -> int:
    return next(status for kind, status in STATUSES if isinstance(error, kind))


def response_of(error: HubError) -> web.Response:
    headers = {"Retry-After": str(error.detail.get("retry_after", RETRY_AFTER_S))} if error.retry else {}
    if isinstance(error, Unauthorised):
        headers["WWW-Authenticate"] = "Bearer"  # RFC 9110, 11.6.1
    return web.json_response(error.to_wire(), status=status_of(error), headers=headers)


@web.middleware
async def tell_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error as JSON; what nobody foresaw is logged with its traceback and told as no more than `internal`."""
    try:
        return await handler(request)
    except HubError as exc:
        return response_of(exc)
    except web.HTTPException as exc:
        if exc.status < 400:
            raise
        message = exc.text if exc.status == 413 else f"{request.method} {request.path}: {exc.reason}"
        error = {"code": HTTP_CODES.get(exc.status, "http"), "message": message or exc.reason}
        headers = {"Allow": exc.headers["Allow"]} if "Allow" in exc.headers else {}
        return web.json_response({"error": error}, status=exc.status, headers=headers)
    except ConnectionError:  # the client left; aiohttp meets the same when it tries to answer, and says nothing of it
        return web.Response()
    except Exception:
        log.exception("a request broke", extra={"action": "request_broke", "path": request.path})
        return response_of(HubError("Something went wrong in the hub. Its log has the details."))
