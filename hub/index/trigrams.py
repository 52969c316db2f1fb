"""The trigrams of a text, as numbers.

A trigram is three bytes of UTF-8 with ASCII letters in lower case, so that one index serves both kinds of case. No
trigram spans a line's end, since no query does. Numbers are scrambled, which spreads the trigrams of a real text evenly
over the buckets that they are stored in.
"""

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint32]

_SPACE = 1 << 24
_SCRAMBLE = 0x9E3779 | 1
"""Odd, hence a permutation of the 24-bit numbers; the fraction of the golden ratio spreads neighbours well."""
_FOLD = bytes(range(65)) + bytes(range(97, 123)) + bytes(range(91, 256))
LOOK_ALIKES = {"\u0130": b"i", "\u0131": b"i", "\u017f": b"s", "\N{KELVIN SIGN}": b"k"}
"""The four letters outside ASCII that match an ASCII letter when case is ignored (documented with `re.IGNORECASE`)."""
_NEWLINE = 10


def folded(text: bytes) -> bytes:
    return text.translate(_FOLD)


class Trigrams:
    """Finds the distinct trigrams of one text after the other: three times as fast as sorting, in 64 MiB of memory."""

    def __init__(self) -> None:
        # np.zeros is calloc: pages that no text's trigrams fall into are never there.
        self._last_seen = np.zeros(_SPACE, np.uint32)
        self._order = np.arange(1 << 16, dtype=np.uint32)

    def of(self, text: bytes) -> Codes:
        """Each of the text's trigrams once, in no order."""
        folded_text = folded(_with_look_alikes(text))
        if len(folded_text) < 3:
            return np.zeros(0, np.uint32)
        units = np.frombuffer(folded_text, np.uint8).astype(np.uint32)
        codes = units[:-2] << np.uint32(16)
        codes |= units[1:-1] << np.uint32(8)
        codes |= units[2:]
        if len(codes) > len(self._order):
            self._order = np.arange(2 * len(codes), dtype=np.uint32)
        order = self._order[: len(codes)]
        # Each place says which of the equal codes wrote it last: that one stays.
        self._last_seen[codes] = order
        codes = codes[self._last_seen[codes] == order]
        spans = (codes & 0xFF == _NEWLINE) | (codes >> 8 & 0xFF == _NEWLINE) | (codes >> 16 == _NEWLINE)
        return scrambled(codes[~spans])


def scrambled(codes: Codes) -> Codes:
    return (codes * np.uint32(_SCRAMBLE)) & np.uint32(_SPACE - 1)


def of_literal(text: bytes) -> set[int]:
    """The scrambled trigrams that every text with `text` in it holds."""
    lower = folded(text)
    return {int.from_bytes(lower[at : at + 3]) * _SCRAMBLE & (_SPACE - 1) for at in range(len(lower) - 2)}


def _with_look_alikes(text: bytes) -> bytes:
    if text.isascii():
        return text
    plain = text
    for letter, ascii_letter in LOOK_ALIKES.items():
        plain = plain.replace(letter.encode(), ascii_letter)
    return text if plain == text else text + b"\n" + plain
