"""Packs: what is new in a snapshot, as zstd frames of some MB together, with an index of them at the end.

    frame frame frame ... index (a zstd frame of JSON), its length (8 bytes), MAGIC

A frame holds one piece of a large file, or the whole of many small ones: together they shrink as they would in a
tarball, and to read one of them is to read one frame. The index makes a pack speak for itself, should nothing else that
knows its contents be left.
"""

import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import zstandard

from hub.snapshots.errors import Damaged
from hub.snapshots.hands import Hands, awaited
from hub.snapshots.store import PACKS, Store

CHUNK_BYTES = 2 * 1024 * 1024
"""Of a large file, a piece: what one changed byte costs. Pieces are of a fixed size. Cutting by content would also find
what has moved within a file, but a rolling hash in Python does some 6 MB/s, where zstd does 110 on one core (measured
on generated text)."""
FRAME_BYTES = CHUNK_BYTES
"""Of small files together, before compression."""
PACK_BYTES = 16 * 1024 * 1024
LEVEL = 3
MOST_THREADS = 8
"""One thread hands on what was read, at some 600 MB/s at most; zstd does 110 of them on one core. More threads would
wait, each with two frames and a compressor in memory."""
THREADS = min(MOST_THREADS, max(2, os.cpu_count() or 1))
TAIL_BYTES = 64 * 1024
"""Read from a pack's end in the hope that it holds the index."""
MAGIC = b"HUBPACK1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a chunk is."""

    pack: str
    frame_at: int
    frame_len: int
    at: int
    """In the frame, once it is decompressed."""
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A finished pack: `chunks` are the digest and place of each that it holds."""

    name: str
    size: int
    chunks: Sequence[tuple[bytes, Place]]


class Packer:
    """Takes chunks, gives packs. The chunks are compressed in threads; everything else happens in the caller's."""

    def __init__(
        self, folder: Path | None, on_pack: Callable[[Pack, Path | None], None], check: Callable[[], None]
    ) -> None:
        """`folder` takes the finished packs; None: they are only counted. Raises what `on_pack` and `check` raise."""
        self._folder = folder
        self._on_pack = on_pack
        self._check = check
        self._hands = Hands(THREADS, "compress")
        self._small: list[tuple[bytes, bytes]] = []
        self._small_bytes = 0
        self._frames: deque[tuple[Future[bytes], list[tuple[bytes, int]]]] = deque()
        self._pack = _Draft(folder)
        self.pending: set[bytes] = set()
        """Digests of what no finished pack holds yet."""

    def add(self, sha: bytes, data: bytes) -> None:
        self.pending.add(sha)
        if len(data) * 4 > FRAME_BYTES:
            self._submit([(sha, data)])
            return
        self._small.append((sha, data))
        self._small_bytes += len(data)
        if self._small_bytes >= FRAME_BYTES:
            self._submit_small()

    def finish(self) -> None:
        """Give the last pack."""
        self._submit_small()
        while self._frames:
            self._write()
        self._close_pack()
        self._hands.close()

    def _submit_small(self) -> None:
        if self._small:
            self._submit(self._small)
            self._small, self._small_bytes = [], 0

    def _submit(self, parts: list[tuple[bytes, bytes]]) -> None:
        data = [part for _, part in parts]
        held = [(sha, len(part)) for sha, part in parts]
        self._frames.append((self._hands.submit(lambda: _compressed(data)), held))
        while len(self._frames) > 2 * THREADS:
            self._write()

    def _write(self) -> None:
        future, held = self._frames.popleft()
        self._pack.write(awaited(future, self._check), held)
        if self._pack.size >= PACK_BYTES:
            self._close_pack()

    def _close_pack(self) -> None:
        draft, self._pack = self._pack, _Draft(self._folder)
        if draft.size:
            pack, path = draft.finished()
            self._on_pack(pack, path)
            if self._folder is not None:  # who only counts has no catalog that would know them from here on
                self.pending.difference_update(sha for sha, _ in pack.chunks)


class _Draft:
    """A pack that is being written; a file of it is there once it has any content."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._file: FileIO | None = None
        self._path = folder / "draft" if folder else None
        self._hash = hashlib.sha256()
        self._frames: list[tuple[int, int, list[tuple[bytes, int]]]] = []
        self.size = 0

    def write(self, frame: bytes, held: list[tuple[bytes, int]]) -> None:
        self._frames.append((self.size, len(frame), held))
        self._put(frame)

    def _put(self, data: bytes) -> None:
        if self._path is not None:
            if self._file is None:
                self._file = self._path.open("wb", buffering=0)
            view = memoryview(data)
            while view:
                view = view[self._file.write(view) :]
        self._hash.update(data)
        self.size += len(data)

    def finished(self) -> tuple[Pack, Path | None]:
        frames = [[length, [[sha.hex(), size] for sha, size in held]] for _, length, held in self._frames]
        index = zstandard.ZstdCompressor(level=LEVEL).compress(json.dumps(frames, separators=(",", ":")).encode())
        self._put(index + len(index).to_bytes(8, "big") + MAGIC)
        name, path = self._hash.hexdigest(), None
        if self._file is not None and self._path is not None:
            self._file.close()
            path = self._path.with_name(name)
            self._path.rename(path)
        return Pack(name=name, size=self.size, chunks=list(_chunks(name, self._frames))), path


def _compressed(parts: Sequence[bytes]) -> bytes:
    data = parts[0] if len(parts) == 1 else b"".join(parts)
    return zstandard.ZstdCompressor(level=LEVEL, write_checksum=False).compress(data)


def _chunks(name: str, frames: Sequence[tuple[int, int, list[tuple[bytes, int]]]]) -> Iterator[tuple[bytes, Place]]:
    for frame_at, frame_len, held in frames:
        at = 0
        for sha, length in held:
            yield sha, Place(pack=name, frame_at=frame_at, frame_len=frame_len, at=at, length=length)
            at += length


def read_index(store: Store, name: str, size: int) -> Pack:
    """What a pack in the store holds, by its own index. Raises Damaged, FileNotFoundError and the store's errors."""
    key = PACKS + name
    tail = store.get(key, max(0, size - TAIL_BYTES), size)
    if len(tail) < 16 or tail[-8:] != MAGIC:
        raise Damaged(f"{key} is no pack.")
    length = int.from_bytes(tail[-16:-8], "big")
    if length > size - 16:
        raise Damaged(f"{key} has no index.")
    if length > len(tail) - 16:
        tail = store.get(key, size - 16 - length, size)
    return parse_index(name, size, tail[-16 - length : -16])


def parse_index(name: str, size: int, index: bytes) -> Pack:
    try:
        listed = json.loads(zstandard.ZstdDecompressor().decompress(index))
        frames, at = [], 0
        for length, held in listed:
            frames.append((at, int(length), [(bytes.fromhex(sha), int(count)) for sha, count in held]))
            at += length
    except (zstandard.ZstdError, ValueError, TypeError) as exc:
        raise Damaged(f"{PACKS}{name} has an index that cannot be read.") from exc
    if at + len(index) + 16 != size:
        raise Damaged(f"{PACKS}{name} has an index of other frames than it holds.")
    return Pack(name=name, size=size, chunks=list(_chunks(name, frames)))


def decompressed(frame: bytes, least: int) -> bytes:
    """A frame's contents; `least` is what they must have. Raises Damaged."""
    try:
        if zstandard.frame_content_size(frame) > 2 * FRAME_BYTES:  # which no frame of ours is
            raise Damaged("A frame is larger than any.")
        data = zstandard.ZstdDecompressor().decompress(frame, max_output_size=2 * FRAME_BYTES)
    except zstandard.ZstdError as exc:
        raise Damaged(f"A frame cannot be decompressed: {exc}.") from exc
    if len(data) < least:
        raise Damaged("A frame is shorter than it was.")
    return data
