"""Which documents hold which trigram, in few bytes, made and read by the thousand with numpy.

A segment is the posting lists of some documents, cut into buckets by the upper bits of the (scrambled) trigram. A
bucket is one value in the database:

    lists                   u32, little-endian
    bytes of the lengths    u32
    lower bits              u16 for each list, ascending
    lengths                 of each list in half-bytes, as numbers below
    lists                   the gaps between documents less one; the first is the document less the segment's lowest

Numbers are written in half-bytes: three bits and a fourth that says "goes on", the lowest bits first. Half-bytes and
not bytes, because most gaps are below eight: of git's own source a list takes 0.08 of the text instead of 0.12.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

BUCKETS = 256
_LOW_BITS = 16
_LOW = (1 << _LOW_BITS) - 1
_HEADER = 8

Ints = NDArray[np.int64]
Nibbles = NDArray[np.uint8]


def bucket_of(code: int) -> int:
    return code >> _LOW_BITS


def low_of(code: int) -> int:
    return code & _LOW


def encode(keys: NDArray[np.uint64]) -> Iterator[tuple[int, bytes]]:
    """Buckets, in order, out of `code << 32 | document less the lowest`, sorted and each once."""
    if not len(keys):
        return
    codes, docs = (keys >> np.uint64(32)).astype(np.int64), (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)
    is_first = np.ones(len(keys), bool)
    is_first[1:] = codes[1:] != codes[:-1]
    gaps = docs.copy()
    gaps[1:] -= np.where(is_first[1:], 0, docs[:-1] + 1)
    starts = np.flatnonzero(is_first)
    body, widths = _written(gaps)
    lengths = np.add.reduceat(widths, starts)
    length_nibbles, length_widths = _written(lengths)
    codes = codes[starts]
    lows = (codes & _LOW).astype("<u2")
    buckets = codes >> _LOW_BITS
    edges = np.flatnonzero(np.diff(buckets, prepend=-1))
    ends = [*edges[1:].tolist(), len(codes)]
    at_body = np.concatenate(([0], np.cumsum(lengths))).tolist()
    at_length = np.concatenate(([0], np.cumsum(length_widths))).tolist()
    for bucket, begin, end in zip(buckets[edges].tolist(), edges.tolist(), ends, strict=True):
        sizes = _packed(length_nibbles[at_length[begin] : at_length[end]])
        lists = _packed(body[at_body[begin] : at_body[end]])
        header = (end - begin).to_bytes(4, "little") + len(sizes).to_bytes(4, "little")
        yield bucket, header + lows[begin:end].tobytes() + sizes + lists


class Bucket:
    """A bucket, for looking up single lists."""

    def __init__(self, data: bytes) -> None:
        count, size = int.from_bytes(data[:4], "little"), int.from_bytes(data[4:_HEADER], "little")
        self._lows = np.frombuffer(data, "<u2", count, _HEADER)
        at = _HEADER + 2 * count
        lengths = _read(_unpacked(np.frombuffer(data, np.uint8, size, at)))[:count]
        self._ends = np.cumsum(lengths)
        self._body = np.frombuffer(data, np.uint8, offset=at + size)

    def find(self, low: int) -> tuple[int, int] | None:
        """Where in the body the list is, in half-bytes; None when there is none."""
        at = int(np.searchsorted(self._lows, low))
        if at == len(self._lows) or self._lows[at] != low:
            return None
        return int(self._ends[at - 1]) if at else 0, int(self._ends[at])

    def docs(self, begin: int, end: int) -> Ints:
        """The documents of the list there, less the segment's lowest."""
        nibbles = _unpacked(self._body[begin // 2 : (end + 1) // 2])[begin % 2 :][: end - begin]
        return np.cumsum(_read(nibbles) + 1) - 1


def merged(rows: Sequence[tuple[bytes, int]], is_kept: NDArray[np.bool_], low: int) -> NDArray[np.uint64]:
    """The keys of the same bucket of many segments, as `encode` takes them, without its upper bits.

    `rows` are buckets with their segments' lowest documents; `is_kept` says of each document whether it is still used,
    and `low` is the lowest of the new segment.
    """
    lows, lengths, bases, bodies, is_real = [], [], [], [], []
    for data, base in rows:
        count, size = int.from_bytes(data[:4], "little"), int.from_bytes(data[4:_HEADER], "little")
        at = _HEADER + 2 * count
        lows.append(np.frombuffer(data, "<u2", count, _HEADER))
        lengths.append(_read(_unpacked(np.frombuffer(data, np.uint8, size, at)))[:count])
        bases.append(np.full(count, base))
        bodies.append(np.frombuffer(data, np.uint8, offset=at + size))
        used = np.ones(2 * len(bodies[-1]), bool)
        used[int(lengths[-1].sum()) :] = False  # half a byte may be left over
        is_real.append(used)
    nibbles = _unpacked(np.concatenate(bodies))[np.concatenate(is_real)]
    ends = np.cumsum(np.concatenate(lengths))
    values = _read(nibbles) + 1
    # Where each value ends, to find how many are in each list.
    counts = np.diff(np.searchsorted(np.flatnonzero(nibbles < 8), ends), prepend=0)
    sums = np.cumsum(values)
    before = np.concatenate(([0], sums))[np.cumsum(counts) - counts]
    docs = sums - np.repeat(before, counts) - 1 + np.repeat(np.concatenate(bases), counts)
    codes = np.repeat(np.concatenate(lows).astype(np.uint64), counts)
    used = is_kept[docs]
    keys: NDArray[np.uint64] = codes[used] << np.uint64(32) | (docs[used] - low).astype(np.uint64)
    keys.sort()
    return keys


def in_bucket(keys: NDArray[np.uint64], bucket: int) -> bytes | None:
    """The bucket made of what `merged` gave; None when nothing is left."""
    return next((data for _, data in encode(keys + np.uint64(bucket << (_LOW_BITS + 32)))), None)


def _written(values: Ints) -> tuple[Nibbles, Ints]:
    """The numbers in half-bytes, and how many each takes."""
    widths = np.ones(len(values), np.int64)
    rest = values >> 3
    while rest.any():
        widths += rest > 0
        rest >>= 3
    at = np.cumsum(widths) - widths
    out = np.zeros(int(widths.sum()), np.uint8)
    for place in range(int(widths.max(initial=0))):
        has = widths > place
        goes_on = (widths[has] > place + 1).astype(np.uint8) << 3
        out[at[has] + place] = (values[has] >> (3 * place) & 7).astype(np.uint8) | goes_on
    return out, widths


def _read(nibbles: Nibbles) -> Ints:
    """The numbers in these half-bytes."""
    ends = np.flatnonzero(nibbles < 8)
    starts = np.concatenate(([0], ends[:-1] + 1)) if len(ends) else ends
    widths = ends - starts + 1
    values = (nibbles[starts] & 7).astype(np.int64)
    for place in range(1, int(widths.max(initial=0))):
        has = np.flatnonzero(widths > place)
        values[has] |= (nibbles[starts[has] + place] & 7).astype(np.int64) << (3 * place)
    return values


def _packed(nibbles: Nibbles) -> bytes:
    if len(nibbles) % 2:
        nibbles = np.append(nibbles, np.uint8(0))
    return bytes((nibbles[0::2] | nibbles[1::2] << 4).tobytes())


def _unpacked(data: Nibbles) -> Nibbles:
    nibbles = np.empty(2 * len(data), np.uint8)
    nibbles[0::2] = data & 15
    nibbles[1::2] = data >> 4
    return nibbles
