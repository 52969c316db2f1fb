"""Server-sent events (HTML standard, 9.2): a stream that passes as a slow download."""

import asyncio
import logging

from aiohttp import HttpVersion11, web

from hub.core.errors import EndReason, HubError, NotFound
from hub.transports.ask import Ask
from hub.transports.encodings import SSE, SSE_PLAIN
from hub.transports.outlet import SocketOutlet, prepare_socket
from hub.transports.replay import has_nothing_left, watched_job
from hub.transports.stream import Delivery, follow

log = logging.getLogger(__name__)

RETRY = b"retry: 2000\n"
"""How long a browser's own EventSource waits before it comes back, in milliseconds.

Said in the first event's block: some clients take a block without data for an event.
"""
HEADERS = {
    # Exactly this: some proxies stop recognising the stream when a charset follows.
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",
    "Vary": "Accept",
}
LAST_BYTES_S = 2.0
"""Longest wait for a peer to take the end of its stream."""


async def serve_sse(request: web.Request, delivery: Delivery, ask: Ask) -> web.StreamResponse:
    """Stream until the watcher leaves, the hub ends it, or a watched `?job=` has ended."""
    tracker, journal = delivery.tracker, delivery.journal
    if await has_nothing_left(tracker, journal, ask.project, ask.cursor, ask.key(SSE, closes=True).view):
        return web.Response(status=204, headers={"Cache-Control": "no-store", "Vary": "Accept"})
    chunked = request.version >= HttpVersion11
    response = web.StreamResponse(headers=HEADERS)
    if chunked:
        response.enable_chunked_encoding()
    else:
        response.force_close()
    await response.prepare(request)
    encoding = SSE if chunked else SSE_PLAIN
    ended: asyncio.Future[EndReason] = asyncio.get_running_loop().create_future()

    def on_end(reason: EndReason) -> None:
        if not ended.done():
            ended.set_result(reason)

    outlet = SocketOutlet(prepare_socket(request, delivery.send_buffer_bytes, delivery.heartbeat_s), encoding, on_end)
    tracker.attach(outlet, "sse")
    try:
        outlet.write(encoding.frame([RETRY + encoding.encode(delivery.hello(), None)]))
        key = ask.key(encoding, closes=True)
        await follow(delivery, outlet, ask.project, ask.cursor, key)
        job = await watched_job(tracker, journal, ask.project, key.view)
        if job is not None and job.state.is_end:  # there is nothing to wait for
            outlet.end(EndReason.DONE)
        await ended
        await close(request, response)
    except ConnectionError:
        pass  # the watcher left: nobody to tell
    except HubError as exc:  # past the head there is no status to answer with
        outlet.end(EndReason.GONE if isinstance(exc, NotFound) else EndReason.RESTARTING)
        await close(request, response)
    except Exception:
        log.exception("an event stream broke", extra={"action": "stream_broke"})
        if request.transport is not None:
            request.transport.abort()
    finally:
        tracker.detach(outlet, ended.result() if ended.done() and not ended.cancelled() else None)
    return response


async def close(request: web.Request, response: web.StreamResponse) -> None:
    """Finish the body; a peer that does not take it loses the connection."""
    try:
        async with asyncio.timeout(LAST_BYTES_S):
            await response.write_eof()
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
