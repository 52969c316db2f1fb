"""The far ends: connections whose peer takes as many bytes as the test says, under the hub's own transports."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from unittest import mock

from aiohttp import HttpVersion10, HttpVersion11, web
from aiohttp.test_utils import make_mocked_request

from hub.core.errors import HubError
from hub.transports import sse, ws
from hub.transports.ask import Ask
from hub.transports.poll import serve_poll
from hub.transports.stream import Delivery
from tests.core.machines.decoders import EventStream, Frames, Placed

PAUSE_BYTES, RESUME_BYTES = 3000, 1000
MASK = b"\x01\x02\x03\x04"


class Pipe:
    """An asyncio transport as the hub uses it. Bytes wait in it while the peer is stalled."""

    def __init__(self) -> None:
        self.protocol: asyncio.Protocol | None = None
        self.is_stalled = False
        self.is_lost = False
        """Nothing passes any more, and the hub has been told."""
        self.waiting = bytearray()
        self.arrived = bytearray()
        self.written = 0
        self.marks: list[tuple[int, Any]] = []
        """What the test wants to remember of a place in the stream, by the count of bytes before it."""
        self.before_write: Callable[[Pipe, bytes], None] = lambda pipe, data: None
        self.soon: Callable[..., Any] = lambda call, *args: call(*args)
        """The loop's `call_soon`: what comes from outside comes in a turn of its own."""
        self.has_eof = False
        self._is_closing = False
        self._is_paused = False
        self._is_reading = True
        self._unread: list[bytes] = []

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def write(self, data: bytes) -> None:
        assert data, "an empty write says nothing"
        assert not self.has_eof, "nothing follows the end"
        if self._is_closing:
            return
        self.before_write(self, data)
        self.written += len(data)
        (self.waiting if self.is_stalled else self.arrived).extend(data)
        if len(self.waiting) > PAUSE_BYTES and not self._is_paused and self.protocol is not None:
            self._is_paused = True
            self.protocol.pause_writing()

    def get_write_buffer_size(self) -> int:
        return len(self.waiting)

    def is_closing(self) -> bool:
        return self._is_closing

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.has_eof = True
        self._end_when_empty()

    def close(self) -> None:
        """What waits is still sent."""
        self._is_closing = True
        self._end_when_empty()

    def abort(self) -> None:
        """Whatever the peer has not taken is lost. Also what a peer's leaving looks like."""
        self._is_closing = True
        self.waiting.clear()
        self._end_when_empty()

    def pause_reading(self) -> None:
        self._is_reading = False

    def resume_reading(self) -> None:
        self._is_reading = True
        self._read()

    def is_reading(self) -> bool:
        return self._is_reading

    # -- what the peer does -------------------------------------------------------------------------------------------

    def take(self, count: int | None = None) -> None:
        """Have the peer take `count` bytes of what waits, or all of it and read on from then."""
        if count is None:
            self.is_stalled = False
            count = len(self.waiting)
        self.arrived += self.waiting[:count]
        del self.waiting[:count]
        if self._is_paused and len(self.waiting) <= RESUME_BYTES and self.protocol is not None:
            self._is_paused = False
            self.soon(self.protocol.resume_writing)
        if self._is_closing or self.has_eof:
            self._end_when_empty()

    def say(self, data: bytes) -> None:
        self._unread.append(data)
        self.soon(self._read)

    def _read(self) -> None:
        while self._is_reading and self._unread and self.protocol is not None and not self.is_lost:
            self.protocol.data_received(self._unread.pop(0))

    def _end_when_empty(self) -> None:
        """The last byte is through: the peer closes its side, too."""
        if not self.waiting and not self.is_lost:
            self.is_lost = self._is_closing = True
            if self.protocol is not None:
                self.soon(self.protocol.connection_lost, None)


class Peer:
    """One connection and the task that begins to serve it."""

    def __init__(self, delivery: Delivery, ask: Ask) -> None:
        self.delivery = delivery
        self.ask = ask
        self.pipe = Pipe()
        self.task: asyncio.Task[None] | None = None
        self.refusal: HubError | None = None
        """What the request was answered with instead of a stream."""

    @property
    def is_over(self) -> bool:
        answered = self.task is not None and self.task.done() and self.pipe.protocol is None
        return answered or self.pipe.is_lost

    def read(self) -> list[Placed]:
        """Whole messages that have arrived."""
        return []

    async def serve(self) -> None:
        try:
            await self._serve()
        except HubError as exc:
            self.refusal = exc

    async def _serve(self) -> None:
        raise NotImplementedError

    def _arrived(self) -> bytes:
        data, self.pipe.arrived = bytes(self.pipe.arrived), bytearray()
        return data


class WsPeer(Peer):
    """A WebSocket: any number of projects, or the feed."""

    def __init__(self, delivery: Delivery, ask: Ask) -> None:
        super().__init__(delivery, ask)
        self.frames = Frames()
        self.wanted = {ask.project}
        """Topics the client has asked for, the feed as None."""
        self._has_closed = False

    async def _serve(self) -> None:
        request = request_over(self.pipe)
        if self.ask.project is not None:
            self.delivery.tracker.channel(self.ask.project)
        ws.Conversation(request, self.delivery).begin(self.ask)

    def say(self, op: str, ask: Ask, id_: int) -> None:
        frame = {"op": op, "id": id_, "project": ask.project}
        if op == "subscribe":
            frame |= {"since": ask.cursor, "min_interval_ms": ask.cadence_ms, "job": ask.job, "logs": ask.logs}
        self.pipe.say(masked(json.dumps(frame).encode()))

    def read(self) -> list[Placed]:
        found = self.frames.feed(self._arrived())
        if self.frames.close is not None and not self._has_closed:
            self._has_closed = True
            self.pipe.say(masked(self.frames.close[0].to_bytes(2), 0x8))
        return found


def masked(payload: bytes, opcode: int = 0x1) -> bytes:
    """A client's frame."""
    assert len(payload) < 1 << 16
    size = bytes((0x80 | len(payload),)) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2)
    return bytes((0x80 | opcode,)) + size + MASK + bytes(b ^ MASK[n % 4] for n, b in enumerate(payload))


class _Response:
    """aiohttp's StreamResponse as `serve_sse` uses it: the head is left out, the body is the stream's own."""

    status = 200

    def __init__(self, headers: Any = None) -> None: ...

    def enable_chunked_encoding(self) -> None: ...

    def force_close(self) -> None: ...

    async def prepare(self, request: Any) -> None: ...


class SsePeer(Peer):
    """One event stream, over HTTP/1.1 or 1.0."""

    def __init__(self, delivery: Delivery, ask: Ask, *, chunked: bool) -> None:
        super().__init__(delivery, ask)
        self.version = HttpVersion11 if chunked else HttpVersion10
        self.stream = EventStream(chunked=chunked)
        self.status = 0
        """0 while there is no answer."""

    async def _serve(self) -> None:
        request = request_over(self.pipe, version=self.version)
        self.status = (await sse.serve_sse(request, self.delivery, self.ask)).status

    def read(self) -> list[Placed]:
        return self.stream.feed(self._arrived())


class PollPeer(Peer):
    """One request for JSON, answered at once or held open."""

    def __init__(self, delivery: Delivery, ask: Ask, wait_s: float, tag: str | None) -> None:
        super().__init__(delivery, ask)
        self.wait_s = wait_s
        self.tag = tag
        self.response: Any = None

    async def _serve(self) -> None:
        headers = {"If-None-Match": f'"{self.tag}"'} if self.tag else {}
        request = make_mocked_request("GET", f"/events?wait={self.wait_s}", headers)
        self.response = await serve_poll(request, self.delivery, self.ask)


def request_over(pipe: Pipe, **fields: Any) -> Any:
    """As much of a request as the transports look at."""
    plain = {"method": "GET", "version": HttpVersion11, "query": {}, "headers": {}, "can_read_body": False}
    return SimpleNamespace(transport=pipe, get=lambda key, default=None: default, **plain | fields)


def take_over(request: Any, protocol: asyncio.Protocol) -> bytes:
    if request.transport.is_closing():
        raise ConnectionResetError("the watcher is gone")
    request.transport.protocol = protocol
    return b""


@contextlib.contextmanager
def over_pipes() -> Iterator[None]:
    """Have the transports talk to Pipes, without aiohttp."""
    with (
        mock.patch.object(sse, "web", SimpleNamespace(StreamResponse=_Response, Response=web.Response)),
        mock.patch.object(sse, "take_over", take_over),
        mock.patch.object(ws, "take_over", take_over),
    ):
        yield
