"""Raw bytes of one HTTP answer in, whole messages out: a watcher that can be cut at any byte.

A client of its own, so that nothing of the hub's code, or of a library's buffering, decides what "received" means.
"""

import functools
import json
from dataclasses import dataclass, field
from typing import Any

STREAMS = ("ws", "sse", "sse-1.0")
TRANSPORTS = (*STREAMS, "poll")


def request(transport: str, path: str, host: str = "127.0.0.1", headers: dict[str, str] | None = None) -> bytes:
    """The bytes that ask for `path`; `sse-1.0` is SSE to a client that knows no chunks."""
    version = "1.0" if transport == "sse-1.0" else "1.1"
    fields = {"Host": host} | (headers or {})
    if transport == "ws":
        fields |= {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
        fields |= {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    elif transport == "poll":
        fields |= {"Accept": "application/json", "Connection": "close"}
    else:
        fields |= {"Accept": "text/event-stream"}
    lines = [f"GET {path} HTTP/{version}", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode()


@functools.lru_cache(maxsize=4096)
def _read(payload: bytes) -> dict[str, Any]:
    """A thousand watchers get the same bytes; reading them once leaves the machine to the hub."""
    message: dict[str, Any] = json.loads(payload)
    return message


@dataclass(slots=True)
class Wire:
    """What has come so far on one connection."""

    transport: str
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    close_code: int | None = None
    _raw: bytearray = field(default_factory=bytearray)
    _body: bytearray = field(default_factory=bytearray)
    _chunk_left: int = 0
    """Of the present chunk, with the line's end after it; 0 between chunks."""

    def feed(self, data: bytes) -> list[tuple[dict[str, Any], str | None]]:
        """The messages that are whole now, each with its SSE `id`."""
        self._raw += data
        if not self.status and not self._read_head():
            return []
        if self.transport == "ws":
            return self._frames()
        if self.headers.get("transfer-encoding") == "chunked":
            self._dechunk()
        else:
            self._body += self._raw
            self._raw.clear()
        return self._answer() if self.transport == "poll" else self._events()

    def _read_head(self) -> bool:
        head, end, rest = self._raw.partition(b"\r\n\r\n")
        if not end:
            return False
        first, *lines = head.decode().split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self._raw = rest
        return True

    def _frames(self) -> list[tuple[dict[str, Any], str | None]]:
        found: list[tuple[dict[str, Any], str | None]] = []
        while len(self._raw) >= 2:
            size, start = self._raw[1], 2
            if size >= 126:
                start = 4 if size == 126 else 10
                if len(self._raw) < start:
                    break
                size = int.from_bytes(self._raw[2:start])
            if len(self._raw) < start + size:
                break
            opcode, payload = self._raw[0] & 0x0F, bytes(self._raw[start : start + size])
            del self._raw[: start + size]
            if opcode == 0x1:
                found.append((_read(payload), None))
            elif opcode == 0x8:
                self.close_code = int.from_bytes(payload[:2])
        return found

    def _dechunk(self) -> None:
        while self._raw:
            if self._chunk_left > 2:
                piece = self._raw[: self._chunk_left - 2]
                self._body += piece
                del self._raw[: len(piece)]
                self._chunk_left -= len(piece)
            elif self._chunk_left:
                taken = min(self._chunk_left, len(self._raw))
                del self._raw[:taken]
                self._chunk_left -= taken
            else:
                line, end, rest = self._raw.partition(b"\r\n")
                if not end:
                    return
                self._raw, self._chunk_left = rest, int(line, 16) + 2

    def _events(self) -> list[tuple[dict[str, Any], str | None]]:
        *blocks, self._body = self._body.split(b"\n\n")
        found: list[tuple[dict[str, Any], str | None]] = []
        for block in blocks:
            lines = bytes(block).split(b"\n")
            event_id = next((line[4:].decode() for line in lines if line.startswith(b"id: ")), None)
            found += [(_read(line[6:]), event_id) for line in lines if line.startswith(b"data: ")]
        return found

    def _answer(self) -> list[tuple[dict[str, Any], str | None]]:
        """The whole JSON answer as if it were one message, or nothing."""
        size = self.headers.get("content-length")
        if size is None or not self._body or len(self._body) < int(size):
            return []
        answer = json.loads(self._body)
        self._body.clear()
        return [(answer, None)]
