"""A snapshot as a tarball: PAX, so that no name, time or size is too much for it."""

import os
import tarfile
from collections.abc import Iterable, Iterator

import zstandard

from hub.snapshots.contents import Contents
from hub.snapshots.entries import FILE, FOLDER, LINK, Entry, shown
from hub.snapshots.errors import Damaged
from hub.snapshots.packs import THREADS

BLOCK = 512
LEVEL = 3
OUT_BYTES = 256 * 1024
SPARSE_FROM = 16 * 1024 * 1024
"""Bytes of holes from which on a file is written as a sparse one, which GNU tar, bsdtar and Python read; smaller holes
are written as zeros, which everything reads."""


def compressed(parts: Iterable[bytes]) -> Iterator[bytes]:
    """A `.zst` of them, in pieces of some 256 KiB, with no more than a few MiB in memory."""
    worker = zstandard.ZstdCompressor(level=LEVEL, threads=THREADS).compressobj()
    waiting, size = [], 0
    for part in parts:
        if data := worker.compress(part):
            waiting.append(data)
            size += len(data)
            if size >= OUT_BYTES:
                yield b"".join(waiting)
                waiting, size = [], 0
    waiting.append(worker.flush())
    yield b"".join(waiting)


def tar(entries: Iterable[Entry], contents: Contents, top: bytes = b"") -> Iterator[bytes]:
    """`top` is the folder that everything is in. Raises Damaged, ObjectMissing, and the store's errors."""
    above = top + b"/" if top else b""
    links: set[bytes | None] = set()
    for entry in entries:
        if entry.type not in {FILE, FOLDER, LINK}:
            continue
        _refuse_behind_link(entry, links)
        if entry.type == LINK:
            links.add(entry.path)
        info = _info(entry, above)
        if info.type == tarfile.REGTYPE:
            yield from _file(entry, info, contents)
        else:
            yield _head(info)
    yield bytes(2 * BLOCK)


def _refuse_behind_link(entry: Entry, links: set[bytes | None]) -> None:
    """No folder holds such an entry, but a manifest in other hands might: many a tar would write through the link.

    Raises Damaged.
    """
    for path in (entry.path, entry.hard_link or b""):
        above = path.rpartition(b"/")[0]
        while above:
            if above in links:
                raise Damaged(f"The manifest has something behind the link {shown(above)}.")
            above = above.rpartition(b"/")[0]
    if not links.isdisjoint({entry.path, entry.hard_link}):
        raise Damaged(f"The manifest has {shown(entry.path)} twice, or as a further name of a link.")


def _info(entry: Entry, above: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(os.fsdecode(above + entry.path))
    info.mode = entry.mode
    info.mtime = entry.mtime_ns // 1_000_000_000
    if entry.mtime_ns % 1_000_000_000 or not 0 <= info.mtime < 8**11:
        sign, absolute = ("-", -entry.mtime_ns) if entry.mtime_ns < 0 else ("", entry.mtime_ns)
        info.pax_headers = {"mtime": f"{sign}{absolute // 1_000_000_000}.{absolute % 1_000_000_000:09d}"}
    if entry.type == FOLDER:
        info.type = tarfile.DIRTYPE
    elif entry.type == LINK:
        info.type = tarfile.SYMTYPE
        info.linkname = os.fsdecode(entry.target or b"")
    elif entry.hard_link is not None:
        info.type = tarfile.LNKTYPE
        info.linkname = os.fsdecode(above + entry.hard_link)
    else:
        info.size = entry.size
    return info


def _head(info: tarfile.TarInfo) -> bytes:
    info.mtime = max(info.mtime, 0)  # the extended header has it
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _file(entry: Entry, info: tarfile.TarInfo, contents: Contents) -> Iterator[bytes]:
    if sum(piece.length for piece in entry.pieces if piece.place is None) >= SPARSE_FROM:
        yield from _sparse(entry, info, contents)
        return
    yield _head(info)
    yield from contents.stream(entry)
    yield _padding(entry.size)


def _sparse(entry: Entry, info: tarfile.TarInfo, contents: Contents) -> Iterator[bytes]:
    """GNU's sparse format 1.0: the data alone, after a map of where it belongs."""
    rows, at = [], 0
    for piece in entry.pieces:
        if piece.place is not None:
            rows.append((at, piece.length))
        at += piece.length
    rows = _joined(rows)
    if not rows or sum(rows[-1]) < entry.size:
        rows.append((entry.size, 0))
    text = "".join(f"{number}\n" for number in [len(rows), *(number for row in rows for number in row)]).encode()
    text += _padding(len(text))
    info.pax_headers = {
        **info.pax_headers,
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": info.name,
        "GNU.sparse.realsize": str(entry.size),
    }
    above, _, name = info.name.rpartition("/")
    info.name = f"{above}/GNUSparseFile.0/{name}".lstrip("/")
    info.size = len(text) + sum(length for _, length in rows)
    yield _head(info)
    yield text
    for piece in entry.pieces:
        if piece.place is not None:
            yield contents.piece(piece)
    yield _padding(info.size)


def _joined(rows: list[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for at, length in rows:
        if found and sum(found[-1]) == at:
            found[-1] = (found[-1][0], found[-1][1] + length)
        else:
            found.append((at, length))
    return found


def _padding(size: int) -> bytes:
    return bytes(-size % BLOCK)
