"""Manifests: all entries of a snapshot in the order of their paths, cut into segments.

Where a segment ends is decided by the path of its last entry alone. So two snapshots of nearly the same folder share
all segments but those in which something has changed: a change of one file costs one segment, and a comparison of two
snapshots reads nothing that they share.
"""

import bisect
import dataclasses
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import zstandard

from hub.snapshots.entries import Entry, PackTable, from_line, shown, to_line
from hub.snapshots.errors import Damaged, NoSuchFile
from hub.snapshots.store import TREES, Store, digest

ENDS_AT = 0x1FF
"""One path in 512 ends a segment."""
MOST_ENTRIES = 4096
MOST_BYTES = 4 * 1024 * 1024
"""Of a segment as JSON; a single file in very many pieces may be more."""
LARGEST = 1024**3
LEVEL = 3
_encoded = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRef:
    first: bytes
    """The path of its first entry."""
    name: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """What a snapshot consists of."""

    segments: Sequence[SegmentRef]
    packs: Sequence[tuple[str, int]]
    """Name and size of every pack that an entry names."""

    def segment_of(self, path: bytes) -> int:
        """The segment that `path` is in, if it is in any."""
        return max(0, bisect.bisect_right([segment.first for segment in self.segments], path) - 1)


class SegmentWriter:
    """Takes entries in order, gives segments to `put(name, bytes)`."""

    def __init__(self, put: Callable[[str, bytes], None]) -> None:
        self._put = put
        self._packs = PackTable()
        self._lines: list[str] = []
        self._bytes = 0
        self._first = b""
        self.refs: list[SegmentRef] = []
        self.packs: set[str] = set()

    def add(self, entry: Entry) -> None:
        if not self._lines:
            self._first = entry.path
        line = _encoded(to_line(entry, self._packs))
        self._lines.append(line)
        self._bytes += len(line)
        is_full = len(self._lines) >= MOST_ENTRIES or self._bytes >= MOST_BYTES
        if is_full or zlib.crc32(entry.path) & ENDS_AT == 0:
            self.flush()

    def flush(self) -> None:
        if not self._lines:
            return
        head = json.dumps({"packs": self._packs.names}, separators=(",", ":"))
        data = _squeezed("\n".join([head, *self._lines]))
        name = digest(data)
        self._put(name, data)
        self.refs.append(SegmentRef(first=self._first, name=name, count=len(self._lines)))
        self.packs.update(self._packs.names)
        self._packs, self._lines, self._bytes = PackTable(), [], 0


def root_bytes(root: Root) -> bytes:
    return _squeezed(
        json.dumps(
            {
                "segments": [[segment.first.hex(), segment.name, segment.count] for segment in root.segments],
                "packs": [list(pack) for pack in sorted(root.packs)],
            },
            separators=(",", ":"),
        )
    )


def read_root(store: Store, name: str) -> Root:
    """Raises Damaged, ObjectMissing and the store's errors."""
    found = _parsed(_stretched(store.named(TREES, name), name), name)
    try:
        return Root(
            segments=[
                SegmentRef(first=bytes.fromhex(first), name=name, count=count)
                for first, name, count in found["segments"]
            ],
            packs=[(name, size) for name, size in found["packs"]],
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise Damaged(f"{TREES}{name} is no list of segments.") from exc


def read_segment(store: Store, ref: SegmentRef) -> list[Entry]:
    """Raises Damaged, ObjectMissing and the store's errors."""
    return parse_segment(store.named(TREES, ref.name), ref.name)


def parse_segment(data: bytes, name: str) -> list[Entry]:
    head, *lines = _stretched(data, name).split("\n")
    try:
        packs = PackTable(_parsed(head, name)["packs"])
    except (KeyError, TypeError) as exc:
        raise Damaged(f"{TREES}{name} is no segment of a manifest.") from exc
    return [from_line(_parsed(line, name), packs) for line in lines]


def entries(
    read: Callable[[SegmentRef], Sequence[Entry]], root: Root, *, prefix: bytes = b"", after: bytes | None = None
) -> Iterator[Entry]:
    """Those whose path begins with `prefix`, in order, from the one after `after`; segment by segment."""
    start = max(prefix, after or b"")
    for ref in root.segments[root.segment_of(start) :]:
        if ref.first[: len(prefix)] > prefix:
            return
        for entry in read(ref):
            if entry.path.startswith(prefix) and (after is None or entry.path > after):
                yield entry


def under(read: Callable[[SegmentRef], Sequence[Entry]], root: Root, place: bytes) -> Iterator[Entry]:
    """The entry at `place`, and those below it; all of them for an empty one."""
    below = place + b"/"
    for entry in entries(read, root, prefix=place):
        if not place or entry.path == place or entry.path.startswith(below):
            yield entry


def backwards(read: Callable[[SegmentRef], Sequence[Entry]], root: Root, place: bytes) -> Iterator[Entry]:
    """What `under` gives, last first: what is in a folder before the folder."""
    below, after = place + b"/", place + b"0"  # which comes next to a slash
    for number in range(root.segment_of(after) if place else len(root.segments) - 1, -1, -1):
        for entry in reversed(read(root.segments[number])):
            if not place or entry.path == place or entry.path.startswith(below):
                yield entry
        if root.segments[number].first < place:
            return


def self_contained(
    read: Callable[[SegmentRef], Sequence[Entry]], root: Root, found: Iterable[Entry], place: bytes
) -> Iterator[Entry]:
    """Entries of `under` with no further name of a file whose first name is not among them: the first of those has the
    content in its stead. Raises NoSuchFile.
    """
    first_of: dict[bytes, bytes] = {}
    below = place + b"/"
    for entry in found:
        away = entry.hard_link
        if away is None or not place or away == place or away.startswith(below):
            yield entry
        elif away in first_of:
            yield dataclasses.replace(entry, hard_link=first_of[away])
        else:
            first_of[away] = entry.path
            yield dataclasses.replace(find(read, root, away), path=entry.path)


def find(read: Callable[[SegmentRef], Sequence[Entry]], root: Root, path: bytes) -> Entry:
    """Raises NoSuchFile."""
    if root.segments:
        for entry in read(root.segments[root.segment_of(path)]):
            if entry.path == path:
                return entry
    raise NoSuchFile(f"There is no {shown(path)} in the snapshot.")


def count(root: Root) -> int:
    return sum(segment.count for segment in root.segments)


def _squeezed(text: str) -> bytes:
    return zstandard.ZstdCompressor(level=LEVEL).compress(text.encode())


def _stretched(data: bytes, name: str) -> str:
    try:
        if zstandard.frame_content_size(data) > LARGEST:
            raise Damaged(f"{TREES}{name} is larger than any manifest.")
        return zstandard.ZstdDecompressor().decompress(data).decode()
    except (zstandard.ZstdError, UnicodeDecodeError) as exc:
        raise Damaged(f"{TREES}{name} cannot be decompressed.") from exc


def _parsed(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as exc:
        raise Damaged(f"{TREES}{name} is not JSON.") from exc
