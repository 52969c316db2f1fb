"""One watcher's socket as an `Outlet`: bytes go straight to the kernel as long as it takes them."""

import asyncio
import os
import random
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any

from aiohttp import web

from hub.core.errors import EndReason
from hub.core.messages import Bye, Message, cursor_after
from hub.core.ports import Encoding

COME_BACK_MS = 1000
"""Spread of the return of watchers that were let go one by one."""
NO_FD = -1


class SocketOutlet:
    """Writes to the socket itself while nothing waits in its transport, which keeps what the kernel does not take.

    A transport's own `write` costs about as much again as the system call beneath it, once for every delivery.
    """

    __slots__ = ("_encoding", "_ended", "_fd", "_on_end", "_transport", "_written")

    def __init__(self, transport: asyncio.Transport, encoding: Encoding, on_end: Callable[[EndReason], None]) -> None:
        """`on_end` is called once, when the hub ends the stream and has said `bye`."""
        self._transport = transport
        self._fd = plain_fd(transport)
        self._encoding = encoding
        self._on_end = on_end
        self._ended = False
        self._written = 0

    def offer(self, data: bytes, high_water_bytes: int) -> bool:
        transport = self._transport
        if self._ended or transport.is_closing():
            return True
        waiting = transport.get_write_buffer_size()
        if waiting > high_water_bytes:
            return False
        self._written += len(data)
        sent = 0
        if not waiting and self._fd != NO_FD:
            try:
                sent = os.write(self._fd, data)
            except OSError:  # full, or gone: the transport finds out which, and acts on it
                sent = 0
        if sent < len(data):
            transport.write(memoryview(data)[sent:])  # not a copy: many stalled watchers keep the same bytes
        return True

    def write(self, data: bytes) -> None:
        self.offer(data, sys.maxsize)

    def send(self, messages: Sequence[Message], epoch: str) -> None:
        """Write messages of this stream alone."""
        encoded = (self._encoding.encode(message, cursor_after(message, epoch)) for message in messages)
        if pieces := [piece for piece in encoded if piece]:
            self.write(self._encoding.frame(pieces))

    def backlog(self) -> int:
        return 0 if self._transport.is_closing() else self._transport.get_write_buffer_size()

    def taken(self) -> int:
        return self._written - self.backlog()

    def end(self, reason: EndReason, reconnect_ms: int = 0) -> None:
        if self._ended:
            return
        if reason.come_back and not reconnect_ms:
            reconnect_ms = random.randint(0, COME_BACK_MS)  # noqa: S311 - spreads load, keeps no secret
        if reason is not EndReason.DONE:
            bye = Bye(reason=reason.word, retry=reason.come_back, reconnect_ms=reconnect_ms)
            self.send([bye], "")
        self._ended = True
        self._on_end(reason)

    def mute(self) -> None:
        """Write nothing more, and end nothing: it is over, in the transport's own way."""
        self._ended = True

    async def drained(self, high_water_bytes: int) -> None:
        """Wait until the peer has taken enough for a next page. Raises ConnectionError when it is gone."""
        while not self._ended and self.backlog() > high_water_bytes:  # noqa: ASYNC110 - no event tells it
            await asyncio.sleep(0.02)
        if self._ended or self._transport.is_closing():
            raise ConnectionResetError("the watcher is gone")


def half_close(transport: asyncio.Transport) -> None:
    """Say that nothing more will come. What TLS lies over knows no half-closed connections, and is closed."""
    try:
        if transport.can_write_eof():
            transport.write_eof()
        else:
            transport.close()
    except OSError:  # the peer was faster, and the loop has not noticed yet; the other watchers are not to suffer
        transport.abort()


def plain_fd(transport: asyncio.Transport) -> int:
    """The descriptor that takes the stream's own bytes; NO_FD where something (TLS) lies between."""
    sock = transport.get_extra_info("socket")
    if sock is None or transport.get_extra_info("sslcontext") is not None:
        return NO_FD
    return int(sock.fileno())


def prepare_socket(request: web.Request, send_buffer_bytes: int, heartbeat_s: float) -> asyncio.Transport:
    """Bound what a dead or stalled peer can cost. Raises ConnectionError when it is gone already."""
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the watcher is gone")
    sock: Any = transport.get_extra_info("socket")
    if sock is not None and sock.family in {socket.AF_INET, socket.AF_INET6}:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)
        notice_the_dead(sock, heartbeat_s)
    return transport


def notice_the_dead(sock: Any, heartbeat_s: float) -> None:
    """Have the kernel end the connection of a peer that vanished within 2.5 heartbeats.

    Its time runs from the first byte that is not acknowledged, which on a quiet stream is the next heartbeat's. A
    connection on which nothing is sent is asked by keep-alive probes. Accepted connections inherit all of this.
    """
    probe_s = max(1, int(heartbeat_s / 2))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_USER_TIMEOUT", int(heartbeat_s * 1500)),
        ("TCP_KEEPIDLE", max(1, int(heartbeat_s))),
        ("TCP_KEEPINTVL", probe_s),
        ("TCP_KEEPCNT", 3),
    ):
        if hasattr(socket, name):  # not every system has every one
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
