"""Refusals: what a connection is told that ends before it has made a request."""

import asyncio
import http
import json
from typing import Any

from hub.core.errors import HubError

LAST_WORDS_S = 1.0
MOST_AT_ONCE = 100
"""Connections that are being told why they end; beyond them none is told."""
RETRY_AFTER_S = 5


class Leaving(asyncio.Protocol):
    """A connection that has been told why it ends. What still comes is dropped: closing over unread bytes resets the
    connection, and the peer might never read why.
    """

    def __init__(self, leaving: set[asyncio.BaseTransport], transport: asyncio.Transport) -> None:
        self._leaving = leaving
        self._transport = transport
        self._timer = asyncio.get_running_loop().call_later(LAST_WORDS_S, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        self._leaving.discard(self._transport)


def body(code: str, message: str, *, retry: bool = False, **detail: Any) -> bytes:
    """An error as the API tells it."""
    error = HubError(message, code=code, **detail)
    wire = error.to_wire()
    if retry:
        wire["error"]["retry"] = True
    return json.dumps(wire).encode()


def answer(status: int, body: bytes) -> bytes:
    """A whole answer in HTTP, after which the connection ends."""
    retry = f"Retry-After: {RETRY_AFTER_S}\r\n" if status != http.HTTPStatus.REQUEST_TIMEOUT else ""
    head = (
        f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}\r\nContent-Type: application/json; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n{retry}Connection: close\r\n\r\n"
    )
    return head.encode() + body
