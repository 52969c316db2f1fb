"""What a WebSocket client sends, as whole messages (RFC 6455, 5): a reader without I/O that is fed and asked."""

import codecs
import enum
from dataclasses import dataclass

from hub.transports.encodings import ws_frame

PROTOCOL_ERROR, INVALID_TEXT, TOO_BIG = 1002, 1007, 1009
LONGEST_CONTROL = 125
LONGEST_REASON = 123
CLOSE_CODES = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})
"""What may stand in a close frame: RFC 6455, 7.4, and the registry it founded."""


class Opcode(enum.IntEnum):
    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA

    @property
    def is_control(self) -> bool:
        return self >= Opcode.CLOSE


OPCODES = {int(opcode): opcode for opcode in Opcode}


class Violation(Exception):
    """The peer does not keep to the protocol; `code` and `reason` are for the close frame that tells it."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Received:
    """One whole message, or one control frame. A text's payload is valid UTF-8."""

    opcode: Opcode
    payload: bytes


def close_frame(code: int | None, reason: str = "") -> bytes:
    """`code` None: a close frame that gives none, in answer to one that gave none."""
    if code is None:
        return ws_frame(b"", Opcode.CLOSE)
    return ws_frame(code.to_bytes(2) + reason.encode()[:LONGEST_REASON], Opcode.CLOSE)


def read_close(payload: bytes) -> int | None:
    """The code in a client's close frame, None where it gives none. Raises Violation."""
    if not payload:
        return None
    code = int.from_bytes(payload[:2])
    if len(payload) == 1 or code not in CLOSE_CODES:
        raise Violation(PROTOCOL_ERROR, "not a close code")
    try:
        payload[2:].decode()
    except UnicodeDecodeError as exc:
        raise Violation(INVALID_TEXT, "a close reason must be UTF-8") from exc
    return code


class _Frame:
    """The frame under way: its head is read, `left` bytes of its payload have not come yet."""

    __slots__ = ("is_last", "left", "mask", "opcode", "payload")

    def __init__(self, opcode: Opcode, is_last: bool, size: int, mask: bytes) -> None:
        self.opcode, self.is_last, self.left, self.mask = opcode, is_last, size, mask
        self.payload = bytearray()
        """A control frame's own; a data frame's goes to the message it is part of."""

    def unmask(self, data: bytes) -> bytes:
        """The next bytes of the payload."""
        size = len(data)
        plain = int.from_bytes(data) ^ int.from_bytes((self.mask * (size // 4 + 1))[:size])
        turn = size % 4
        self.mask = self.mask[turn:] + self.mask[:turn]
        self.left -= size
        return plain.to_bytes(size)


class _Message:
    """The message under way, in one frame or several."""

    __slots__ = ("check", "opcode", "payload", "size")

    def __init__(self, opcode: Opcode) -> None:
        self.opcode = opcode
        self.size = 0
        """As announced by the frames so far."""
        self.payload = bytearray()
        self.check = codecs.getincrementaldecoder("utf-8")() if opcode is Opcode.TEXT else None

    def take(self, data: bytes, *, is_last: bool) -> None:
        """Raises Violation at the first byte that cannot be text, without waiting for the rest."""
        self.payload += data
        if self.check is not None:
            try:
                self.check.decode(data, is_last)
            except UnicodeDecodeError as exc:
                raise Violation(INVALID_TEXT, "a text must be UTF-8") from exc


class FrameReader:
    """`feed` it what came and `read` until None. After a Violation, or a close frame, it is of no more use."""

    __slots__ = ("_buffer", "_frame", "_limit", "_message")

    def __init__(self, limit_bytes: int) -> None:
        """`limit_bytes`: of a message."""
        self._limit = limit_bytes
        self._buffer = b""
        self._frame: _Frame | None = None
        self._message: _Message | None = None

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def read(self) -> Received | None:
        """The next message or control frame; None when more bytes are needed. Raises Violation."""
        while True:
            if self._frame is None:
                self._frame = self._head()
            if self._frame is None:
                return None
            received = self._payload(self._frame)
            if received is not None:
                return received
            if self._frame is not None:
                return None

    def _head(self) -> _Frame | None:
        """The next frame's head, None while it is not whole. What is wrong is told as soon as it can be seen."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        opcode = OPCODES.get(buffer[0] & 0x0F)
        if buffer[0] & 0x70:
            raise Violation(PROTOCOL_ERROR, "reserved bits are set and no extension was agreed on")
        if opcode is None:
            raise Violation(PROTOCOL_ERROR, "there is no such opcode")
        if not buffer[1] & 0x80:
            raise Violation(PROTOCOL_ERROR, "a client's frames must be masked")
        is_last, size = bool(buffer[0] & 0x80), buffer[1] & 0x7F
        if opcode.is_control:
            if not is_last or size > LONGEST_CONTROL:
                raise Violation(PROTOCOL_ERROR, "a control frame is one frame of at most 125 bytes")
        elif (opcode is Opcode.CONTINUATION) != (self._message is not None):
            raise Violation(PROTOCOL_ERROR, "a fragment is out of place")
        start = {126: 4, 127: 10}.get(size, 2)
        if len(buffer) < start:
            return None
        if start > 2:
            size = _long(buffer[2:start])
        self._check_size(opcode, size)
        if len(buffer) < start + 4:
            return None
        self._buffer = buffer[start + 4 :]
        if not opcode.is_control:
            self._message = self._message or _Message(opcode)
            self._message.size += size
        return _Frame(opcode, is_last, size, buffer[start : start + 4])

    def _check_size(self, opcode: Opcode, size: int) -> None:
        before = self._message.size if self._message is not None and not opcode.is_control else 0
        if before + size > self._limit and not opcode.is_control:
            raise Violation(TOO_BIG, f"a message may have {self._limit} bytes (max_frame_bytes)")

    def _payload(self, current: _Frame) -> Received | None:
        """Take what has come of the frame's payload; a message when that completes one."""
        data = current.unmask(self._buffer[: current.left])
        self._buffer = self._buffer[len(data) :]
        is_whole = not current.left
        if is_whole:
            self._frame = None
        if current.opcode.is_control:
            current.payload += data
            return Received(current.opcode, bytes(current.payload)) if is_whole else None
        message = self._message
        assert message is not None
        message.take(data, is_last=is_whole and current.is_last)
        if not (is_whole and current.is_last):
            return None
        self._message = None
        return Received(message.opcode, bytes(message.payload))


def _long(announced: bytes) -> int:
    """A length in two or eight bytes. Raises Violation unless it needs them."""
    size = int.from_bytes(announced)
    if size >= 1 << 63 or size < (126 if len(announced) == 2 else 1 << 16):
        raise Violation(PROTOCOL_ERROR, "a length must be in its shortest form")
    return size
