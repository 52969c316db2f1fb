"""How messages become bytes on each transport. Pure."""

import json
from collections.abc import Sequence
from typing import Any

from hub.core.messages import Message
from hub.core.ports import Encoding


def text(value: Any) -> bytes:
    """A JSON value as one line of UTF-8, whatever is in it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def ws_frame(payload: bytes, opcode: int = 0x1) -> bytes:
    """One unmasked, unfragmented frame as a server sends it (RFC 6455, 5.2); text by default."""
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | opcode, size))
    elif size < 1 << 16:
        head = bytes((0x80 | opcode, 126)) + size.to_bytes(2)
    else:
        head = bytes((0x80 | opcode, 127)) + size.to_bytes(8)
    return head + payload


def _ws(message: Message, cursor: str | None) -> bytes:
    return ws_frame(text(message.to_wire()))


def sse_event(message: Message, cursor: str | None) -> bytes:
    """One unnamed event; `id` only where the cursor moves, so that a heartbeat never moves it back.

    `id` comes last: there are clients that take it for theirs as soon as they have read its line, and one that was cut
    off behind it would come back without the event.
    """
    tail = f"id: {cursor}\n".encode() if cursor is not None else b""
    return b"data: %b\n%b\n" % (text(message.to_wire()), tail)


LAST_CHUNK = b"0\r\n\r\n"


def http_chunk(pieces: Sequence[bytes]) -> bytes:
    """Everything as one chunk of a chunked body (RFC 9112, 7.1)."""
    data = b"".join(pieces)
    if not data:  # an empty chunk would be the end of the body
        return b""
    return b"%x\r\n%b\r\n" % (len(data), data)


WS = Encoding("ws", _ws)
SSE = Encoding("sse", sse_event, http_chunk)
SSE_PLAIN = Encoding("sse-plain", sse_event)
"""For HTTP/1.0, which knows no chunks: the body ends where the connection does."""
