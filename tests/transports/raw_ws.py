"""A WebSocket client that can do everything wrong: it sends bytes, and reads frames to the very end."""

import asyncio
import itertools
import json
from typing import Any, Self

from tests.hubs import Running

TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 0x1, 0x2, 0x8, 0x9, 0xA, 0x0
MASK = b"\x12\x34\x56\x78"
PATIENCE_S = 10.0
HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = MASK,
    size: int | None = None,
    size_bytes: int | None = None,
) -> bytes:
    """One frame, right or wrong. `size` is what it announces, in `size_bytes` (0, 2 or 8) more bytes."""
    size = len(payload) if size is None else size
    if size_bytes is None:
        size_bytes = 0 if size < 126 else 2 if size < 1 << 16 else 8
    short = {0: size, 2: 126, 8: 127}[size_bytes]
    head = bytes((fin << 7 | rsv << 4 | opcode, (mask is not None) << 7 | short))
    head += size.to_bytes(size_bytes) if size_bytes else b""
    if mask is None:
        return head + payload
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def text(payload: bytes | str, *cuts: int) -> bytes:
    """A text message, in fragments cut at these places."""
    data = payload.encode() if isinstance(payload, str) else payload
    places = [0, *cuts, len(data)]
    pieces = [data[a:b] for a, b in itertools.pairwise(places)]
    last = len(pieces) - 1
    return b"".join(frame(CONTINUATION if at else TEXT, piece, fin=at == last) for at, piece in enumerate(pieces))


def close(code: int | None = None, reason: bytes = b"") -> bytes:
    return frame(CLOSE, b"" if code is None else code.to_bytes(2) + reason)


class Peer:
    """An open connection after its handshake."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.head = b""

    @classmethod
    async def connect(cls, hub: Running, path: str = "/api/v1/projects/p/events", **headers: str) -> Self:
        host, port = hub.url.removeprefix("http://").split(":")
        peer = cls(*await asyncio.open_connection(host, int(port)))
        lines = {"Host": f"{host}:{port}"} | HANDSHAKE | {name.replace("_", "-"): v for name, v in headers.items()}
        words = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
        peer.writer.write(f"GET {path} HTTP/1.1\r\n{words}\r\n".encode())
        peer.head = await asyncio.wait_for(peer.reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
        return peer

    @property
    def status(self) -> int:
        return int(self.head.split()[1])

    def send(self, *data: bytes) -> None:
        self.writer.write(b"".join(data))

    def say(self, request: Any) -> None:
        self.send(text(json.dumps(request)))

    async def receive(self) -> tuple[int, bytes]:
        """The next frame. Raises IncompleteReadError at the end, ConnectionError after a reset."""
        async with asyncio.timeout(PATIENCE_S):
            first, size = await self.reader.readexactly(2)
            assert first & 0xF0 == 0x80, "a server's frames here are whole and plain"
            assert size < 128, "a server does not mask"
            if size > 125:
                size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8))
            return first & 0x0F, await self.reader.readexactly(size)

    async def hear(self, kind: str) -> dict[str, Any]:
        """The next message of this type; others are dropped."""
        while True:
            opcode, payload = await self.receive()
            assert opcode == TEXT, (opcode, payload)
            message = json.loads(payload)
            if message["type"] == kind:
                return message  # type: ignore[no-any-return]

    async def is_heard(self) -> None:
        """Returns once the hub has taken a request and answered it."""
        self.say({"op": "ping", "id": "heard?"})
        while (await self.hear("pong"))["id"] != "heard?":
            pass

    async def is_alive(self) -> None:
        """Returns once a ping has been answered."""
        self.send(frame(PING, b"alive?"))
        assert await self.pong() == b"alive?"

    async def pong(self) -> bytes:
        while True:
            opcode, payload = await self.receive()
            if opcode == PONG:
                return payload
            assert opcode == TEXT, (opcode, payload)

    async def ending(self) -> int | None:
        """The code in the close frame, which is the last thing that comes, and a clean end of the connection after it.

        None for a close frame without a code.
        """
        while True:
            opcode, payload = await self.receive()
            if opcode == CLOSE:
                break
        async with asyncio.timeout(PATIENCE_S):
            assert await self.reader.read() == b"", "nothing follows a close frame"
        payload[2:].decode()
        return int.from_bytes(payload[:2]) if payload else None

    def leave(self) -> None:
        self.writer.transport.abort()


def padded(size: int) -> bytes:
    """A request of exactly `size` bytes, which is its id, too."""
    return json.dumps({"op": "ping", "id": size}).encode().ljust(size)
