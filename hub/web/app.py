"""The application: routes, middlewares and the page, over an assembled hub."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator

from aiohttp import web

from hub.assets import static_dir
from hub.jobs.schedules.schedule import Every, Schedule
from hub.surfaces.desk import DESK
from hub.surfaces.index import OPENED, Opened
from hub.transports.wire import CLOSE_S
from hub.web.assembly import Hub, drain
from hub.web.background import Background
from hub.web.contract import keep_to_contract
from hub.web.desk import HubDesk
from hub.web.door import cors
from hub.web.door.entrance import entrance, note_begun
from hub.web.door.guard import SAFE_METHODS, guard
from hub.web.errors import Handler, tell_errors
from hub.web.keys import HUB
from hub.web.listening import limits
from hub.web.listening.limits import CONNECTIONS, RATES, limit
from hub.web.metrics import METRICS, registered, watch_lag
from hub.web.page import ASSETS, harden, load
from hub.web.readiness import READINESS, Readiness
from hub.web.requests import REQUESTS, Requests, account, tell_id
from hub.web.resources import exports, schedules, search, snapshots, statistics
from hub.web.routes import ROUTES


@web.middleware
async def finish_changes(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A client that leaves ends its streams, but never leaves a change half made."""
    if request.method in SAFE_METHODS:
        return await handler(request)
    return await asyncio.shield(asyncio.ensure_future(handler(request)))


def create_app(hub: Hub) -> web.Application:
    middlewares = [
        account,
        tell_errors,
        limit,
        guard,
        cors.answer_preflight,
        entrance,
        keep_to_contract,
        finish_changes,
    ]
    app = web.Application(middlewares=middlewares, client_max_size=hub.settings.max_body_bytes)
    app[HUB] = hub
    app[REQUESTS] = Requests()
    app[READINESS] = Readiness(hub.writer, hub.settings.data_path, hub.settings.min_free_bytes)
    limits.remember(app)
    app[ASSETS] = load(static_dir())
    app.add_routes(ROUTES)
    app[DESK] = HubDesk(hub)
    app[OPENED] = Opened()
    app.on_response_prepare.append(harden)
    app.on_response_prepare.append(tell_id)
    app.on_response_prepare.append(cors.open_to_named)
    app.on_response_prepare.append(note_begun)
    app.on_shutdown.append(_drain)
    app.on_cleanup.append(_see_off)
    app[METRICS] = registered(hub, app[CONNECTIONS], app[RATES], app[REQUESTS], app[READINESS])
    statistics.remember(app)
    exports.remember(app)
    app.cleanup_ctx.append(_lag_watch)
    app.cleanup_ctx.append(limits.sweeping)
    app.cleanup_ctx.append(_schedules)
    app.cleanup_ctx.append(schedules.scheduling)
    app.cleanup_ctx.append(search.searching)
    app.cleanup_ctx.append(snapshots.shelving)
    return app


async def _lag_watch(app: web.Application) -> AsyncIterator[None]:
    async with Background(watch_lag(app[METRICS]), "lag"):
        yield


async def _schedules(app: web.Application) -> AsyncIterator[None]:
    hub = app[HUB]
    turn = functools.partial(schedules.take_background_turn, hub)
    schedule = Schedule("sync", Every(hub.settings.sync_interval_s), turn, hub.clock)
    schedule.begin()
    yield
    await schedule.end()


async def _drain(app: web.Application) -> None:
    app[READINESS].is_draining = True
    await app[HUB].schedules.stop()  # first: a turn that is due now comes after the restart instead
    await drain(app[HUB])


async def _see_off(app: web.Application) -> None:
    """Give the streams that have taken their connections over the time in which they close them."""
    tracker = app[HUB].tracker
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(2 * CLOSE_S):
            while tracker.watcher_count:  # noqa: ASYNC110 - no event tells it
                await asyncio.sleep(0.01)
