"""Taking a connection over from aiohttp, which keeps 10 KB for each: a protocol, a task, a request, its headers."""

import asyncio
from typing import Any

from aiohttp import web


class _Rest:
    """Stands in for a payload parser, to be given the bytes that came behind the request's head."""

    def __init__(self) -> None:
        self.data = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.data += data
        return False, b""

    def feed_eof(self) -> None: ...


def take_over(request: web.Request, protocol: asyncio.Protocol) -> bytes:
    """Give the connection to `protocol` for good; returns the bytes that came behind the request's head.

    `connection_made` is not called. To aiohttp the connection is lost, as if the peer had left: the handler is
    cancelled at its next await, or its answer finds nobody; so only what needs no await may follow in it. Whoever
    takes a connection over closes it, also when the server stops. Raises ConnectionError when the peer is gone.
    """
    theirs = request.protocol
    transport = theirs.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError("the watcher is gone")
    rest: Any = _Rest()
    theirs.set_parser(rest)
    transport.set_protocol(protocol)
    transport.resume_reading()  # aiohttp pauses it over a body that nobody reads
    theirs.transport = None  # or it would be closed
    theirs.connection_lost(None)
    return bytes(rest.data)
