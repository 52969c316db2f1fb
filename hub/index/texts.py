"""From a file's bytes to UTF-8, which is all that the rest of the index sees."""

import codecs

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""The longer first: the one of UTF-32 begins with the one of UTF-16."""
_CONTROLS = bytes(byte for byte in range(32) if byte not in b"\t\n\v\f\r\x1b\b") + b"\x7f"
_MOST_CONTROLS = 0.01
"""Share of control characters past which bytes in no Unicode encoding are no text: compressed data has a tenth."""


class NoText(Exception):
    """`reason` is one of `guards.REASONS`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def decoded(data: bytes) -> tuple[str, bytes]:
    """The encoding of a file, and its text as UTF-8. Raises NoText.

    What is mostly UTF-8 stays as it is, byte for byte. What is neither that nor UTF-16 or -32 with a mark is taken for
    Windows' Latin where its bytes are defined there, else for ISO Latin 1: of text in another old encoding, at least
    its ASCII is found.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            try:
                return encoding, data.decode(encoding).encode()
            except UnicodeError as exc:
                raise NoText("undecodable") from exc
    if b"\0" in data:
        raise NoText("binary")
    if data.isascii():
        return "utf-8", data
    if _is_mostly_utf8(data):
        return "utf-8", data
    for encoding in ("cp1252", "latin-1"):
        try:
            text = data.decode(encoding)
        except UnicodeError:
            continue
        if len(data) - len(data.translate(None, _CONTROLS)) > _MOST_CONTROLS * len(data):
            break
        return encoding, text.encode()
    raise NoText("undecodable")


def _is_mostly_utf8(data: bytes) -> bool:
    """Also what holds a few bytes of something else, such as a test of encodings: they match nothing."""
    letters = data.decode(errors="replace")
    wrong = letters.count("\ufffd")
    right = sum(not char.isascii() for char in letters) - wrong if wrong else 0
    return not wrong or right > wrong


def read_as(encoding: str, data: bytes) -> bytes:
    """The text of a file whose encoding is known, as UTF-8."""
    return data if encoding == "utf-8" else data.decode(encoding, "replace").encode()
