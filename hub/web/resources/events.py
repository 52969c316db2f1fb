"""One resource, three transports: what the request asks for decides."""

from aiohttp import web

from hub.core.errors import NotFound, Unavailable
from hub.transports.ask import Ask
from hub.transports.handshake import wants_websocket
from hub.transports.permit import permit_of
from hub.transports.poll import serve_poll
from hub.transports.sse import HEADERS, serve_sse
from hub.transports.stream import CALLER
from hub.transports.ws import serve_ws
from hub.web.assembly import Hub
from hub.web.keys import HUB


class TooManyWatchers(Unavailable):
    """The hub has as many open streams as it takes; ask the same address for JSON instead."""

    code = "too_many_watchers"


def check_room(hub: Hub, caller: str = "", **instead: str) -> None:
    """`caller`: who is counted for it, if anybody. Raises TooManyWatchers, with what to ask for `instead`."""
    most, most_of_one = hub.settings.max_watchers, hub.settings.max_watchers_address
    if hub.tracker.watcher_count >= most:
        raise TooManyWatchers(**instead, setting="max_watchers", limit=most)
    if caller and most_of_one and hub.tracker.streams_of(caller) >= most_of_one:
        text = f"Your address has {most_of_one} open streams, as many as it may; ask the same address for JSON instead."
        raise TooManyWatchers(text, **instead, setting="max_watchers_address", limit=most_of_one)


async def project_events(request: web.Request) -> web.StreamResponse:
    hub = request.app[HUB]
    project = hub.catalog.get(request.match_info["project"])
    return await serve(request, hub, project.id)


async def all_events(request: web.Request) -> web.StreamResponse:
    return await serve(request, request.app[HUB], None)


async def serve(request: web.Request, hub: Hub, project: str | None) -> web.StreamResponse:
    ask = Ask.read(project, request.query, request.headers.get("Last-Event-ID")).within(permit_of(request))
    if ask.job is not None and project is not None:
        job = await hub.engine.state(ask.job)
        if job.project != project:
            raise NotFound(f"There is no job {ask.job!r}.")  # whether another project has one is not told
    is_socket = request.method == "GET" and wants_websocket(request.headers)
    is_sse = "text/event-stream" in request.headers.get("Accept", "").lower()
    if is_sse and request.method == "HEAD":
        return web.Response(headers=HEADERS)
    if is_socket or is_sse:
        check_room(hub, request.get(CALLER, ""), poll=str(request.rel_url.update_query(wait="20")))
    if is_socket:
        return await serve_ws(request, hub.delivery, ask)
    if is_sse:
        return await serve_sse(request, hub.delivery, ask)
    return await serve_poll(request, hub.delivery, ask)
