"""The application: routes, middlewares and the page, over an assembled hub."""

import asyncio

from aiohttp import web

from hub.assets import static_dir
from hub.web.assembly import Hub, drain
from hub.web.errors import Handler, tell_errors
from hub.web.guard import SAFE_METHODS, guard
from hub.web.keys import HUB
from hub.web.page import ASSETS, harden, load
from hub.web.routes import ROUTES


@web.middleware
async def finish_changes(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A client that leaves ends its streams, but never leaves a change half made."""
    if request.method in SAFE_METHODS:
        return await handler(request)
    return await asyncio.shield(asyncio.ensure_future(handler(request)))


def create_app(hub: Hub) -> web.Application:
    app = web.Application(middlewares=[tell_errors, guard, finish_changes], client_max_size=hub.settings.max_body_bytes)
    app[HUB] = hub
    app[ASSETS] = load(static_dir())
    app.add_routes(ROUTES)
    app.on_response_prepare.append(harden)
    app.on_shutdown.append(_drain)
    return app


async def _drain(app: web.Application) -> None:
    await drain(app[HUB])
