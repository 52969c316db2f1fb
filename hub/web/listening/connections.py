"""Connections: how many are open, from where, and how long each may take over its part.

aiohttp waits for a request's head, and for its answer to be taken, as long as the other side likes. Here a connection
that dawdles is ended, and one too many is told so and closed, before it costs a request.
"""

import asyncio
import collections
import enum
import http
import logging
import resource
from collections.abc import Callable
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from hub.settings import Settings
from hub.transports.outlet import half_close
from hub.web.listening import refusals

log = logging.getLogger(__name__)

FULL = "too_many_connections"
SPARE_DESCRIPTORS = 64
"""For everything but connections: the journal, the log, jobs' pipes and files that are read."""

MOST_KEPT_FREE = 16
"""Of the connections, for the machine itself and its proxies: a service manager must not take a flood for a hub that
has died."""


class Phase(enum.Enum):
    IDLE = enum.auto()
    """Nothing has come since the last answer, or at all."""
    HEAD = enum.auto()
    """Something has come, but no whole head."""
    BUSY = enum.auto()
    """A request is being answered."""


class Caller(web.RequestHandler):
    """aiohttp's connection, which is counted and has deadlines. A stream that takes it over leaves here."""

    __slots__ = ("_connections", "_phase", "_timer", "greeting", "share", "unsent", "wire")

    def __init__(self, server: web.Server, connections: "Connections", **options: Any) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **options)
        self._connections = connections
        self._phase = Phase.IDLE
        self._timer: asyncio.TimerHandle | None = None
        self.greeting: str | None = None
        """Under which name its handshake of TLS is counted, while it lasts."""
        self.share = ""
        """Under which name it is counted; empty: it is not."""
        self.unsent = 0
        """Bytes that the peer had not taken when it was last looked; see `Connections.sweep`."""
        self.wire: asyncio.Transport | None = None
        """Kept when aiohttp has let go of it already: closing waits for a peer that takes nothing."""

    def connection_made(self, transport: Any) -> None:  # uvloop's are no asyncio.Transport by class
        self.end_greeting()
        self.share = self._connections.share_of(transport)
        self.wire = transport
        if (refusal := self._connections.add(self)) is None:
            super().connection_made(transport)
        else:
            self._connections.turn_away(transport, *refusal)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._to(Phase.BUSY)
        self._connections.drop(self)
        self.wire = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._phase is Phase.IDLE and data:
            self._to(Phase.HEAD)
        super().data_received(data)

    def end_greeting(self) -> None:
        """Its handshake is over; twice is as good as once."""
        if self.greeting is not None:
            self._connections.greeted(self.greeting)
            self.greeting = None

    def began(self) -> None:
        """A request's head is whole. Told by the application, which is the first to have it."""
        if self.wire is not None:
            self._to(Phase.BUSY)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            if self.wire is not None and request.content.is_eof():  # else aiohttp reads what is left, and closes
                self._to(Phase.IDLE)

    def log_exception(self, *args: Any, **kwargs: Any) -> None:
        """A body that cannot be decoded is no mistake of ours: its sender was told so, and the connection ends."""
        if not isinstance(kwargs.get("exc_info"), web.RequestPayloadError):
            super().log_exception(*args, **kwargs)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What aiohttp itself tells of, such as a head that cannot be read, in the form of all other errors."""
        if status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:  # a mistake of ours, with its traceback in the log
            super().handle_error(request, status, exc, message)
            code, text = "internal", "Something went wrong in the hub. Its log has the details."
        else:
            code, text = "bad_request", _plain(message)
            log.debug("%s", text, extra={"action": "request_unreadable"})
        if request.writer.output_size > 0:
            raise ConnectionError("The answer has begun, and an error cannot be told any more.")
        if isinstance(exc, LineTooLong) or "too many headers" in text.lower():
            status, code = http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "head_too_large"
            text = f"A request's head may have lines of {self.max_line_size} bytes, and {self.max_headers} headers."
        answer = web.json_response({"error": {"code": code, "message": text}}, status=status)
        answer.force_close()
        return answer

    def _to(self, phase: Phase) -> None:
        if phase is self._phase:
            return
        self._phase = phase
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if phase is Phase.HEAD:
            head_s = self._connections.head_s
            self._timer = asyncio.get_running_loop().call_later(head_s, self._give_up)
        self._connections.note(self, is_idle=phase is Phase.IDLE)

    def _give_up(self) -> None:
        """The head takes too long."""
        transport, self._timer = self.wire, None
        if transport is None or transport.is_closing():
            return
        text = f"The head of a request has to be there within {self._connections.head_s:g} s."
        self._connections.count("slow_head")
        told = refusals.body("request_timeout", text, setting="request_head_s", limit=self._connections.head_s)
        self.transport = None  # or aiohttp would close it before it has been told why
        self.connection_lost(None)
        self._connections.turn_away(transport, 408, told)


class Connections:
    """All connections that aiohttp has, and the rules for them. Streams are counted by the tracker."""

    def __init__(self, settings: Settings, streams: Callable[[], int], share: Callable[[str], str]) -> None:
        """`streams` tells how many were taken over; `share` under which name an address is counted, if it is."""
        self.head_s = settings.request_head_s
        self.slow_s = settings.too_slow_s
        self._most = most_connections(settings)
        self._kept_free = min(MOST_KEPT_FREE, self._most // 10)
        self._most_of_address = settings.max_connections_address
        self._streams = streams
        self.share = share
        self._callers: dict[Caller, None] = {}
        self._idle: dict[Caller, None] = {}
        """Longest idle first."""
        self._of_share: collections.Counter[str] = collections.Counter()
        self._leaving: set[asyncio.BaseTransport] = set()
        self._greeting = 0
        """In a handshake of TLS."""
        self.counts: collections.Counter[str] = collections.Counter()
        """Connections that were ended early, by why."""

    def share_of(self, transport: asyncio.BaseTransport) -> str:
        peer = transport.get_extra_info("peername")
        return self.share(str(peer[0]) if isinstance(peer, tuple) else "")

    def __len__(self) -> int:
        return len(self._callers) + len(self._leaving) + self._greeting + self._streams()

    def count(self, word: str) -> None:
        self.counts[word] += 1

    def add(self, caller: Caller) -> tuple[int, bytes] | None:
        """Take it in, or return the status and body with which it is to be turned away."""
        if (refusal := self._refusal(caller.share)) is not None:
            return refusal
        self._callers[caller] = None
        self._idle[caller] = None
        self._of_share[caller.share] += 1
        return None

    def greet(self, share: str) -> bool:
        """Count a connection whose handshake of TLS begins, until `greeted`; False where there is no room for it."""
        if self._refusal(share) is not None:
            return False
        self._greeting += 1
        self._of_share[share] += 1
        return True

    def greeted(self, share: str) -> None:
        self._greeting -= 1
        self._leave(share)

    def _refusal(self, share: str) -> tuple[int, bytes] | None:
        most = self._most_of_address
        if share and most and self._of_share[share] >= most:
            self.count("refused_address")
            text = f"{most} connections are open from your address, as many as it may have."
            return 429, refusals.body(FULL, text, retry=True, setting="max_connections_address", limit=most)
        most = self._most - self._kept_free if share else self._most
        if len(self) >= most and not self._make_room():
            self.count("refused")
            text = f"The hub has {most} connections open, as many as it takes."
            return 503, refusals.body(FULL, text, retry=True, setting="max_connections", limit=self._most)
        return None

    def drop(self, caller: Caller) -> None:
        """Twice is as good as once."""
        self._idle.pop(caller, None)
        if self._callers.pop(caller, self) is None:
            self._leave(caller.share)

    def note(self, caller: Caller, *, is_idle: bool) -> None:
        self._idle.pop(caller, None)
        if is_idle and caller in self._callers:
            self._idle[caller] = None

    def turn_away(self, transport: asyncio.Transport, status: int, body: bytes) -> None:
        """Say so, and hear no more; under a flood say nothing."""
        if len(self._leaving) >= refusals.MOST_AT_ONCE:
            transport.abort()
            return
        self._leaving.add(transport)
        transport.set_protocol(refusals.Leaving(self._leaving, transport))
        transport.write(refusals.answer(status, body))
        half_close(transport)

    def sweep(self) -> None:
        """End connections whose peer has taken nothing of what waits for it since the last sweep."""
        for caller in list(self._callers):
            transport = caller.wire
            if transport is None:
                continue
            unsent = transport.get_write_buffer_size()
            if unsent and unsent == caller.unsent:
                self.count("slow_reader")
                transport.abort()
            caller.unsent = unsent

    def _leave(self, share: str) -> None:
        self._of_share[share] -= 1
        if not self._of_share[share]:
            del self._of_share[share]

    def _make_room(self) -> bool:
        """Give up the connection that has been idle for longest."""
        caller = next(iter(self._idle), None)
        if caller is None:
            return False
        self.count("idle")
        transport = caller.wire
        self.drop(caller)
        if transport is not None:
            transport.abort()  # its last answer may not have been taken, and closing would wait for that
        return True


async def keep_sweeping(connections: Connections) -> None:
    """Until cancelled."""
    while True:
        await asyncio.sleep(connections.slow_s)
        connections.sweep()


def most_connections(settings: Settings) -> int:
    """As the settings say, but for what the system has no descriptors for."""
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if descriptors == resource.RLIM_INFINITY:
        return settings.max_connections
    room = max(descriptors - SPARE_DESCRIPTORS - 8 * settings.max_running_jobs, descriptors // 4)
    if room < settings.max_connections:
        text = "the system allows %d open files, so at most %d connections are taken"
        log.info(text, descriptors, room, extra={"action": "few_descriptors"})
    return min(settings.max_connections, room)


def _plain(message: str | None) -> str:
    """Without the bad bytes that aiohttp draws below its sentence."""
    return (message or "The request is not HTTP.").partition("\n")[0].rstrip(":")
