"""For those who run the hub."""

from aiohttp import web

import hub as package
from hub.core.cursors import number
from hub.jobs.kinds import KINDS
from hub.web.bodies import listing, paging
from hub.web.keys import HUB
from hub.web.readiness import OK, READINESS


async def healthz(request: web.Request) -> web.Response:
    """The process answers. Pages ask this to tell "blocked" from "down", so it does no more."""
    hub = request.app[HUB]
    body = {
        "status": "ok",
        "boot": hub.tracker.boot,
        "version": package.__version__,
        "server_ms": hub.clock.now_ms(),
    }
    return web.json_response(body, headers={"Cache-Control": "no-store"})


async def readyz(request: web.Request) -> web.Response:
    """The hub can do its work; else 503 with the reasons. A balancer sends nothing new here then."""
    parts = await request.app[READINESS].look()
    reasons = [text for text in parts.values() if text != OK]
    body = {"status": "failing" if reasons else OK, "reasons": reasons, **parts}
    return web.json_response(body, status=503 if reasons else 200, headers={"Cache-Control": "no-store"})


async def watchers(request: web.Request) -> web.Response:
    """Who watches what, and how well each keeps up; oldest first. `?project=` narrows it."""
    limit, cursor = paging(request)
    after = number(cursor) if cursor is not None else 0
    rows, total = request.app[HUB].tracker.introspect(request.query.get("project"), after, limit + 1)
    return listing(rows[:limit], total, str(rows[limit - 1]["id"]) if len(rows) > limit else None)


async def kinds(request: web.Request) -> web.Response:
    """What can be started here."""
    items = [
        {"id": kind.name, "title": kind.title, "stages": [stage.to_wire() for stage in kind.stages]}
        for kind in KINDS.values()
    ]
    return web.json_response({"items": items, "total": len(items)})
