"""An upgraded connection: bytes in, texts out to a listener, pings answered, and an end that the peer can read."""

import asyncio
import enum
from typing import Protocol

from hub.transports.encodings import ws_frame
from hub.transports.frames import FrameReader, Opcode, Received, Violation, close_frame, read_close
from hub.transports.outlet import half_close

SLICE_BYTES = 8 * 1024
"""Read in one turn of the loop. The worst there can be in it, 1,365 empty frames, takes about 2 ms."""
CLOSE_S = 2.0
"""Longest wait for the peer's half of the closing handshake, and for it to stop sending."""


class Listener(Protocol):
    """Who talks over a wire. Nothing here waits."""

    def heard(self, text: str) -> None: ...

    def heard_binary(self) -> None: ...

    def closing(self) -> None:
        """The peer, or a violation of the protocol, ends it; nothing may be written from here on."""

    def gone(self) -> None:
        """The connection is no more. Called once, whatever ended it."""


class Phase(enum.Enum):
    OPEN = enum.auto()
    CLOSING = enum.auto()
    """Our close frame is out; the peer's is waited for."""
    OVER = enum.auto()
    """Both sides have said it. What still comes is read and dropped: closing over unread bytes resets the connection,
    and the peer might never read why."""


class Wire(asyncio.Protocol):
    """A connection that was taken over; what goes out goes past it, straight to the transport.

    A peer that does not take what it is sent is not read from either, so what waits for it stays bounded.
    """

    __slots__ = (
        "_is_full",
        "_is_held",
        "_is_paused",
        "_is_turning",
        "_listener",
        "_phase",
        "_reader",
        "_timer",
        "_transport",
        "_unread",
        "_waiting",
    )  # fmt: skip

    def __init__(self, transport: asyncio.Transport, limit_bytes: int, listener: Listener) -> None:
        """`limit_bytes`: of a message."""
        self._transport = transport
        self._listener = listener
        self._reader = FrameReader(limit_bytes)
        self._phase = Phase.OPEN
        self._unread = b""
        self._waiting: Received | None = None
        """A message that came while held."""
        self._is_held = self._is_full = self._is_paused = self._is_turning = False
        self._timer: asyncio.TimerHandle | None = None

    # -- for the listener ---------------------------------------------------------------------------------------------

    def hold(self) -> None:
        """Hand over no message until `release`; pings and the peer's close are heard, up to the first message."""
        self._is_held = True

    def release(self) -> None:
        self._is_held = False
        self._wake()

    def close(self, code: int, reason: str) -> None:
        """Say so, and wait for the peer to say it too."""
        if self._phase is Phase.OPEN and not self._transport.is_closing():
            self._phase = Phase.CLOSING
            self._say_close(code, reason)
            self._wake()

    # -- for the connection -------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._phase is not Phase.OVER:
            self._unread += data
            if not self._is_turning:
                self._turn()

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._phase = Phase.OVER
        if self._timer is not None:
            self._timer.cancel()
        self._listener.gone()

    # -- inside -------------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        if not self._is_turning:
            self._is_turning = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """Hand over what one slice holds, and leave the rest for later turns: who says much holds up nobody else."""
        self._is_turning = False
        try:
            self._hand_over()
            if self._unread and self._may_read():
                data, self._unread = self._unread[:SLICE_BYTES], self._unread[SLICE_BYTES:]
                self._reader.feed(data)
                self._hand_over()
        except Violation as exc:
            self._finish(exc.code, exc.reason)
        if self._unread and self._may_read():
            self._wake()
        self._pace()

    def _may_read(self) -> bool:
        if self._phase is Phase.OPEN:
            return not self._is_full and self._waiting is None
        return self._phase is Phase.CLOSING

    def _hand_over(self) -> None:
        if self._waiting is not None and not self._is_held and self._phase is Phase.OPEN:
            waiting, self._waiting = self._waiting, None
            self._take(waiting)
        while self._may_read() and (received := self._reader.read()) is not None:
            if received.opcode is Opcode.CLOSE:
                self._finish(read_close(received.payload))
            elif self._phase is Phase.OPEN:
                self._take(received)

    def _take(self, received: Received) -> None:
        match received.opcode:
            case Opcode.TEXT | Opcode.BINARY if self._is_held:
                self._waiting = received
            case Opcode.TEXT:
                self._listener.heard(received.payload.decode())
            case Opcode.BINARY:
                self._listener.heard_binary()
            case Opcode.PING:
                self._transport.write(ws_frame(received.payload, Opcode.PONG))

    def _pace(self) -> None:
        """Read from the peer no more than is being handed over."""
        is_much = len(self._unread) > SLICE_BYTES
        if is_much is not self._is_paused and not self._transport.is_closing():
            self._is_paused = is_much
            if is_much:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def _finish(self, code: int | None, reason: str = "") -> None:
        """Answer the peer's close frame, or tell it what it did wrong, and hear no more."""
        if self._phase is Phase.OPEN:
            self._listener.closing()
            self._say_close(code, reason)
        self._phase = Phase.OVER
        self._unread = b""
        if not self._transport.is_closing():
            half_close(self._transport)

    def _say_close(self, code: int | None, reason: str) -> None:
        self._transport.write(close_frame(code, reason))
        self._timer = asyncio.get_running_loop().call_later(CLOSE_S, self._transport.abort)
