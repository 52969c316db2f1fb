"""Reading a file for a snapshot: in pieces, without its holes, and again when somebody writes to it meanwhile."""

import errno
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from hub.snapshots.extents import Extent
from hub.snapshots.packs import CHUNK_BYTES
from hub.snapshots.tree import Tree, kind_of

TRIES = 3
BETWEEN_S = (0.05, 0.2)
SPARSE_FROM = 256 * 1024
"""Bytes of a file from which on its holes are looked for; smaller ones are read."""
HASHED_HOLES = 256 * 1024 * 1024
"""A file with more holes than this has no digest of its whole: a terabyte of zeros would take ten minutes."""
_ZEROS = bytes(1024 * 1024)

Sink = Callable[[bytes, bytes], None]
"""Takes a piece: its digest and the bytes."""


class NotAFile(Exception):
    """Something else stands there now; the message says what."""


@dataclass(frozen=True, slots=True)
class Content:
    status: os.stat_result
    sha: bytes | None
    extents: Sequence[Extent]
    changing: bool

    @property
    def size(self) -> int:
        return sum(extent.length for extent in self.extents)


def read(tree: Tree, path: bytes, sink: Sink, check: Callable[[], None]) -> Content:
    """The file's content, given to `sink` piece by piece. Raises OSError, NotAFile, and what the others raise."""
    for attempt in range(TRIES):
        fd = tree.open(path)
        try:
            before = os.fstat(fd)
            if not stat.S_ISREG(before.st_mode):
                raise NotAFile(f"became a {kind_of(before.st_mode)}")
            sha, extents = _content(fd, before, sink, check)
            after = os.fstat(fd)
        finally:
            os.close(fd)
        found = Content(after, sha, extents, changing=False)
        if _same(before, after) and found.size == after.st_size:
            return found
        if attempt < TRIES - 1:
            check()
            time.sleep(BETWEEN_S[attempt])
    return Content(after, sha, extents, changing=True)


def _same(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_size, before.st_mtime_ns, before.st_ctime_ns) == (
        after.st_size,
        after.st_mtime_ns,
        after.st_ctime_ns,
    )


def _content(
    fd: int, status: os.stat_result, sink: Sink, check: Callable[[], None]
) -> tuple[bytes | None, Sequence[Extent]]:
    size = status.st_size
    is_sparse = size >= SPARSE_FROM and status.st_blocks * 512 < size
    if size <= CHUNK_BYTES and not is_sparse:
        data = _read(fd, size, 0)  # whether it has grown, its status says
        if not data:
            return hashlib.sha256().digest(), []
        sha = hashlib.sha256(data).digest()
        sink(sha, data)
        return sha, [Extent(len(data), sha)]
    whole: hashlib._Hash | None = hashlib.sha256()
    extents: list[Extent] = []
    holes = 0
    for at, length, is_data in _map(fd, size) if is_sparse else [(0, size, True)]:
        if not is_data:
            holes += length
            extents.append(Extent(length, None))
            whole = _with_zeros(whole, length) if holes <= HASHED_HOLES else None
            continue
        for piece_at in range(at, at + length, CHUNK_BYTES):
            data = _read(fd, min(CHUNK_BYTES, at + length - piece_at), piece_at)
            if not data:
                break  # it has become shorter
            sha = hashlib.sha256(data).digest()
            if whole is not None:
                whole.update(data)
            sink(sha, data)
            extents.append(Extent(len(data), sha))
            check()
    return whole.digest() if whole is not None else None, extents


def _read(fd: int, length: int, at: int) -> bytes:
    data = os.pread(fd, length, at)
    while 0 < len(data) < length:
        more = os.pread(fd, length - len(data), at + len(data))
        if not more:
            break
        data += more
    return data


def _map(fd: int, size: int) -> Iterator[tuple[int, int, bool]]:
    """Place, length and whether there is data, from one end of the file to the other."""
    at = 0
    while at < size:
        try:
            data_at = min(os.lseek(fd, at, os.SEEK_DATA), size)
        except OSError as exc:
            if exc.errno != errno.ENXIO:  # a file system that knows nothing of holes
                yield at, size - at, True
                return
            data_at = size  # no data after this
        if data_at > at:
            yield at, data_at - at, False
        if data_at >= size:
            return
        end = min(os.lseek(fd, data_at, os.SEEK_HOLE), size)
        yield data_at, end - data_at, True
        at = end


def _with_zeros(whole: "hashlib._Hash | None", length: int) -> "hashlib._Hash | None":
    if whole is not None:
        for at in range(0, length, len(_ZEROS)):
            whole.update(_ZEROS[: min(len(_ZEROS), length - at)])
    return whole
