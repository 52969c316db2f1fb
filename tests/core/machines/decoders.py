"""Strict readers of what the hub writes on each transport: anything a peer could stumble over is a failure here.

Each is fed the bytes as they arrive, cut anywhere, and gives the whole messages among them.
"""

import json
from typing import Any, NoReturn

Message = dict[str, Any]
Placed = tuple[int, Message]
"""A message and the count of bytes up to its end (on a chunked stream: to the end of its chunk)."""


def _no_constant(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is not JSON")


def read_json(data: bytes) -> Any:
    return json.loads(data.decode("utf-8"), parse_constant=_no_constant)


class Frames:
    """A server's WebSocket frames (RFC 6455, 5.2)."""

    def __init__(self) -> None:
        self._buffer = b""
        self._fed = 0
        self.close: tuple[int, str] | None = None

    def feed(self, data: bytes) -> list[Placed]:
        self._buffer += data
        self._fed += len(data)
        found = []
        while (message := self._next()) is not None:
            found.append((self._fed - len(self._buffer), message))
        return found

    def _next(self) -> Message | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        assert self.close is None, "nothing follows a close frame"
        assert not buffer[1] & 0x80, "a server masks nothing"
        size, start = buffer[1] & 0x7F, 2
        if size >= 126:
            wide = 2 if size == 126 else 8
            if len(buffer) < 2 + wide:
                return None
            size, start = int.from_bytes(buffer[2 : 2 + wide]), 2 + wide
            assert size >= (126 if wide == 2 else 1 << 16), "a length is in its shortest form"
        if len(buffer) < start + size:
            return None
        payload, self._buffer = buffer[start : start + size], buffer[start + size :]
        if buffer[0] == 0x88:
            self.close = (int.from_bytes(payload[:2]), payload[2:].decode())
            return None
        assert buffer[0] == 0x81, "whole text frames only"
        message = read_json(payload)
        assert isinstance(message, dict)
        return message


class Chunks:
    """A chunked body (RFC 9112, 7.1)."""

    def __init__(self) -> None:
        self._buffer = b""
        self._fed = 0
        self.is_over = False

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Whole chunks, each with the count of bytes up to its end."""
        self._buffer += data
        self._fed += len(data)
        found = []
        while (chunk := self._next()) is not None:
            found.append((self._fed - len(self._buffer), chunk))
        return found

    def _next(self) -> bytes | None:
        head, line, rest = self._buffer.partition(b"\r\n")
        if not line:
            assert len(head) < 10, "a chunk begins with its size"
            return None
        assert not self.is_over, "nothing follows the last chunk"
        assert head == b"%x" % int(head, 16)
        size = int(head, 16)
        if len(rest) < size + 2:
            return None
        assert rest[size : size + 2] == b"\r\n"
        self._buffer = rest[size + 2 :]
        if not size:
            self.is_over = True
            assert not self._buffer
            return None
        return rest[:size]


class EventStream:
    """The HTML standard's event stream (9.2.6), as far as the hub uses it; `chunked` for HTTP/1.1."""

    def __init__(self, *, chunked: bool) -> None:
        self._chunks = Chunks() if chunked else None
        self._fed = 0
        self._buffer = b""
        self._has_begun = False

    @property
    def is_over(self) -> bool:
        """The body has its end. (Over HTTP/1.0 that is the connection's.)"""
        return self._chunks is not None and self._chunks.is_over

    def feed(self, data: bytes) -> list[Placed]:
        """Messages, each with `_id` where its event has one."""
        found = []
        for end, body in self._chunks.feed(data) if self._chunks else self._plain(data):
            *blocks, self._buffer = (self._buffer + body).split(b"\n\n")
            found += [(end, self._read(block)) for block in blocks]
        return found

    def _plain(self, data: bytes) -> list[tuple[int, bytes]]:
        """Event by event, so that each has its own place."""
        pieces = [piece + b"\n\n" for piece in data.split(b"\n\n")]
        pieces[-1] = pieces[-1][:-2]
        found = []
        for piece in pieces:
            self._fed += len(piece)
            found.append((self._fed, piece))
        return found

    def _read(self, block: bytes) -> Message:
        fields: dict[bytes, bytes] = {}
        # A stream may begin with an empty line: it ends what an earlier connection left unfinished.
        for line in (block if self._has_begun else block.removeprefix(b"\n")).split(b"\n"):
            name, colon, value = line.partition(b": ")
            assert colon, line
            assert name in {b"id", b"data", b"retry"}, line
            assert name not in fields, "one line a field"
            assert not value.startswith(b" ")
            assert b"\r" not in value
            fields[name] = value
        self._has_begun = True
        message = read_json(fields[b"data"])
        assert isinstance(message, dict)
        assert list(fields)[-1] in {b"id", b"data"}, "an id stands behind its data"
        assert (b"retry" in fields) == (message["type"] == "hello")
        moves = message["type"] in {"job", "stage", "log", "progress", "merged", "snapshot"}
        assert (b"id" in fields) == moves, "an id where the cursor moves, and nowhere else"
        if moves:
            message["_id"] = fields[b"id"].decode("ascii")
        return message
