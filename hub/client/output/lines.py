"""From the bytes that a program writes to the lines that a person would see."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST_BYTES = 8192
"""Of a line, what is kept. The rest of it is dropped, so that a gigabyte without an end costs nothing."""

_END = re.compile(rb"[\r\n]")
_MOVES = re.compile(r"(?:\x1b\[[0-9;]*[ABEFGHdfsu]|\x1b[78]|\x08)+")
"""The cursor goes elsewhere: what follows is another line, on the screen at least."""
_ESCAPES = re.compile(
    r"\x1b(?:"
    r"\[[0-?]*[ -/]*[@-~]"  # CSI: colors, erasing
    r"|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC and its kin: titles, links
    r"|[ -/]*[0-~]"  # the short ones
    r")?"
)
_CONTROLS = dict.fromkeys([*range(9), *range(10, 32), *range(0x7F, 0xA0)])
_BARS = re.compile(r"\x1b\]9;4;[0-4][;0-9]*")
"""The one escape sequence that says how far a program is: kept, in brackets, for the table of formats."""


@dataclass(frozen=True, slots=True)
class Line:
    text: str
    """Without escape sequences and control characters."""
    stays: bool
    """It ended with a line feed. Otherwise the next one is written over it."""
    again: bool = False
    """It was told before, as one that would be written over, and stays after all: it ended with CR LF."""


class Lines:
    """Fed bytes in pieces of any size, gives the same lines."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._returned: str | None = None
        """The line that ended with the last byte, if that was a CR."""
        self._is_torn = False
        """The beginning of the present line was not seen."""

    def feed(self, data: bytes) -> Iterator[Line]:
        """Exhaust it before the next call."""
        if self._is_torn:
            if (first := _END.search(data)) is None:
                return
            data, self._is_torn = data[first.end() :], False
        end = 0
        if b"\n" in data or b"\r" in data:
            for match in _END.finditer(data):
                rest, end = data[end : match.start()], match.end()
                yield from self._ended(rest, is_return=match[0] == b"\r")
        self._keep(data[end:] if end else data)

    def end(self) -> Iterator[Line]:
        """What waits for its end, when none will come."""
        if self._kept:
            yield from self._ended(b"", is_return=False)

    def skip(self) -> bool:
        """Bytes are left out here: neither what is begun nor the end that follows is a whole line.

        False when that is known of the present line already.
        """
        is_new = not self._is_torn
        self._kept.clear()
        self._returned, self._is_torn = None, True
        return is_new

    def pending(self) -> str:
        """The text of the line that has not ended."""
        return _clean(_MOVES.split(self._kept.decode("utf-8", "replace"))[-1])

    def _keep(self, data: bytes) -> None:
        if data:
            self._returned = None
            self._kept += data[: LONGEST_BYTES - len(self._kept)]

    def _ended(self, rest: bytes, *, is_return: bool) -> Iterator[Line]:
        if not rest and not self._kept:
            if not is_return and self._returned is not None:
                text, self._returned = self._returned, None
                yield Line(text, stays=True, again=True)
            return
        self._keep(rest)
        raw = self._kept.decode("utf-8", "replace")
        self._kept.clear()
        *parts, last = _MOVES.split(raw) if "\x1b" in raw or "\x08" in raw else (raw,)
        for part in parts:
            if text := _clean(part):
                yield Line(text, stays=False)
        text = _clean(last)
        self._returned = text if is_return else None
        yield Line(text, stays=not is_return)


def _clean(text: str) -> str:
    if "\x1b" in text:
        bars = "".join(f"[{bar[2:]}]" for bar in _BARS.findall(text)[-1:])
        text = bars + _ESCAPES.sub("", text)
    return text if text.isprintable() else text.translate(_CONTROLS)
