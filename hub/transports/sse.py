"""Server-sent events (HTML standard, 9.2): a stream that passes as a slow download."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Self

from aiohttp import HttpVersion11, web

from hub.core.cohorts import CohortKey
from hub.core.errors import EndReason, HubError
from hub.core.messages import Message
from hub.core.ports import Encoding
from hub.transports.ask import Ask
from hub.transports.encodings import LAST_CHUNK, SSE, SSE_PLAIN, http_chunk
from hub.transports.outlet import SocketOutlet, half_close, prepare_socket
from hub.transports.permit import permit_of
from hub.transports.replay import has_nothing_left, watched_job
from hub.transports.stream import CALLER, Delivery, end_reason, follow
from hub.transports.takeover import take_over

log = logging.getLogger(__name__)

RETRY = b"\nretry: 2000\n"
"""How long a browser's own EventSource waits before it comes back, in milliseconds.

Said in the first event's block: some clients take a block without data for an event. The empty line before it ends
what a connection cut in mid-event has left in a client that forgets to drop it.
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dialect:
    """What is said on event streams of one sort: the hub's own, or another system's."""

    chunked: Encoding
    plain: Encoding
    """The same for HTTP/1.0, which knows no chunks."""
    headers: Mapping[str, str]
    opening: bytes = b""
    """Said first."""
    states: bool = False
    absorbs: bool = False
    """Both: see View."""

    @classmethod
    def of(cls, name: str, encode: Callable[[Message, str | None], bytes], headers: Mapping[str, str]) -> Self:
        """Another system's, made of the states of jobs."""
        chunked, plain = Encoding(name, encode, http_chunk), Encoding(f"{name}-plain", encode)
        return cls(chunked=chunked, plain=plain, headers=headers, states=True)

    def key(self, ask: Ask, encoding: Encoding) -> CohortKey:
        return ask.key(encoding, closes=True, states=self.states, absorbs=self.absorbs)


OWN = Dialect(chunked=SSE, plain=SSE_PLAIN, headers=HEADERS, opening=RETRY)

Find = Callable[[], Awaitable[Ask]]
"""Waits until there is something to watch. Cancelled when the watcher leaves."""


async def serve_sse(
    request: web.Request, delivery: Delivery, ask: Ask | Find, dialect: Dialect = OWN
) -> web.StreamResponse:
    """Send the head, and leave the rest to an EventStream, which outlives the request.

    204 for a cursor at or after the end of a watched `?job=`: the standard's way to say "do not come back".
    """
    if isinstance(ask, Ask):
        view = dialect.key(ask, dialect.chunked).view
        if await has_nothing_left(delivery.tracker, delivery.journal, ask.project, ask.cursor, view):
            return web.Response(status=204, headers={"Cache-Control": "no-store", "Vary": "Accept"})
    response = web.StreamResponse(headers=dialect.headers)
    response.force_close()  # the connection is not aiohttp's any more, so it carries nothing after this answer
    if request.version >= HttpVersion11:
        response.enable_chunked_encoding()
    await response.prepare(request)
    EventStream(request, delivery, dialect).begin(ask)
    return response


class EventStream(asyncio.Protocol):
    """One open stream, from its first event until the watcher leaves, the hub ends it, or its job has ended."""

    __slots__ = (
        "_delivery",
        "_dialect",
        "_encoding",
        "_outlet",
        "_reason",
        "_release",
        "_task",
        "_timer",
        "_transport",
    )

    def __init__(self, request: web.Request, delivery: Delivery, dialect: Dialect) -> None:
        """Takes the connection over. Raises ConnectionError."""
        self._delivery = delivery
        self._dialect = dialect
        self._encoding = dialect.chunked if request.version >= HttpVersion11 else dialect.plain
        self._transport = prepare_socket(request, delivery.send_buffer_bytes, delivery.heartbeat_s)
        self._outlet = SocketOutlet(self._transport, self._encoding, self._on_end)
        self._reason: EndReason | None = None
        self._task: asyncio.Task[None] | None = None
        """The catch-up."""
        self._timer: asyncio.TimerHandle | None = None
        take_over(request, self)
        delivery.tracker.attach(self._outlet, "sse", self._encoding, request.get(CALLER, ""))
        self._release = permit_of(request).hold(self._outlet.end)

    def begin(self, ask: Ask | Find) -> None:
        opening = self._dialect.opening + self._encoding.encode(self._delivery.hello(), None)
        if opening:
            self._outlet.write(self._encoding.frame([opening]))
        if self._delivery.tracker.is_draining:  # it came over a connection that was open already
            self._outlet.end(EndReason.RESTARTING)
            return
        self._task = asyncio.create_task(self._follow(ask))
        self._task.add_done_callback(self._on_followed)

    # -- for the connection -------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Nothing more is to come from this side; what comes is dropped."""

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
        self._release()
        self._delivery.tracker.detach(self._outlet, self._reason)

    # -- inside -------------------------------------------------------------------------------------------------------

    async def _follow(self, wanted: Ask | Find) -> None:
        delivery = self._delivery
        try:
            ask = wanted if isinstance(wanted, Ask) else await wanted()
            key = self._dialect.key(ask, self._encoding)
            await follow(delivery, self._outlet, ask.project, ask.cursor, key)
            job = await watched_job(delivery.tracker, delivery.journal, ask.project, key.view)
        except HubError as exc:  # past the head there is no status to answer with
            self._outlet.end(end_reason(exc))
            return
        if job is not None and job.state.is_end:  # there is nothing to wait for
            self._outlet.end(EndReason.DONE)

    def _on_followed(self, task: asyncio.Task[None]) -> None:
        self._task = None
        exc = None if task.cancelled() else task.exception()
        if exc is not None and not isinstance(exc, ConnectionError):  # a watcher that left: nobody to tell
            log.error("an event stream broke", extra={"action": "stream_broke"}, exc_info=exc)
            self._transport.abort()

    def _on_end(self, reason: EndReason) -> None:
        """Finish the body; a peer that does not take it loses the connection."""
        self._reason = reason
        if self._task is not None:
            self._task.cancel()
        if self._transport.is_closing():
            return
        self._timer = asyncio.get_running_loop().call_later(LAST_BYTES_S, self._transport.abort)
        if self._encoding is self._dialect.chunked:
            self._transport.write(LAST_CHUNK)
        half_close(self._transport)
