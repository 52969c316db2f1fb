"""The manifest of what was read: entries with the places of their contents, in segments, ready for the store."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from hub.core.errors import HubError
from hub.snapshots.catalog import Catalog
from hub.snapshots.entries import FILE, FOLDER, LEFT_OUT, LINK, Entry, Piece
from hub.snapshots.extents import parse
from hub.snapshots.manifest import Root, SegmentWriter, root_bytes
from hub.snapshots.packs import Place
from hub.snapshots.store import PACKS, TREES, digest
from hub.snapshots.tree import Tree
from hub.snapshots.uploading import Uploader

_ROWS = """
SELECT e.path, e.type, e.mode, e.size, e.mtime_ns, e.inode, e.device, e.links, e.changing, e.reason,
  f.size, f.sha, f.extents, p.name, c.frame_at, c.frame_len, c.at, c.length
FROM scan.entries AS e
LEFT JOIN main.files AS f ON f.path = e.path AND e.type = 'file'
LEFT JOIN main.chunks AS c ON c.sha = f.sha AND f.extents IS NULL
LEFT JOIN main.packs AS p ON p.id = c.pack
WHERE e.path > ? ORDER BY e.path LIMIT 2000
"""


@dataclass(slots=True)
class Counts:
    files: int = 0
    folders: int = 0
    links: int = 0
    bytes: int = 0
    left_out: int = 0
    changing: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    root: str
    """The name of the list of segments."""
    counts: Counts
    needed: Mapping[str, int]
    """The key and size of every object that the snapshot names."""


def record(catalog: Catalog, tree: Tree, uploader: Uploader, check: Callable[[], None]) -> Recorded:
    """Write the manifest of the scan that is beside the catalog, and send what of it the store does not have."""
    sure, needed = catalog.trees(), {}

    def put(name: str, data: bytes) -> None:
        needed[TREES + name] = len(data)
        if name not in sure:
            (uploader.spool / name).write_bytes(data)
            uploader.add(TREES, name, len(data))

    def target(path: bytes) -> bytes | None:
        try:
            return tree.target(path)
        except OSError:
            return None

    recorder, writer = Recorder(catalog, target), SegmentWriter(put)
    recorder.write(writer, check)
    sizes = catalog.packs()
    root = Root(segments=writer.refs, packs=[(name, sizes[name]) for name in sorted(writer.packs)])
    data = root_bytes(root)
    name = digest(data)
    put(name, data)
    needed.update((PACKS + name, size) for name, size in root.packs)
    return Recorded(root=name, counts=recorder.counts, needed=needed)


class Recorder:
    def __init__(self, catalog: Catalog, target: Callable[[bytes], bytes | None]) -> None:
        """`catalog` has the scan beside it; `target` reads a link, None when it is gone."""
        self._catalog = catalog
        self._target = target
        self._first_of: dict[tuple[int, int], bytes] = {}
        """Files with several names; there are few."""
        self.counts = Counts()

    def write(self, writer: SegmentWriter, check: Callable[[], None]) -> None:
        for number, row in enumerate(self._rows()):
            if number % 256 == 0:
                check()
            writer.add(self._entry(row))
        writer.flush()

    def _rows(self) -> Iterator[tuple[object, ...]]:
        after = b""
        while page := self._catalog.db.execute(_ROWS, (after,)).fetchall():
            yield from page
            after = page[-1][0]

    def _entry(self, row: tuple[object, ...]) -> Entry:
        path, kind, mode, size, mtime_ns, inode, device, links, changing, reason, *content = row
        assert isinstance(path, bytes)
        assert isinstance(mode, int)
        assert isinstance(mtime_ns, int)
        counts = self.counts
        if kind == LINK:
            target = self._target(path)
            if target is not None:
                counts.links += 1
                return Entry(path=path, type=LINK, mode=mode, mtime_ns=mtime_ns, target=target)
            kind, reason = LEFT_OUT, "vanished"
        if kind == LEFT_OUT:
            counts.left_out += 1
            return Entry(path=path, type=LEFT_OUT, reason=str(reason))
        if kind == FOLDER:
            counts.folders += 1
            return Entry(path=path, type=FOLDER, mode=mode, mtime_ns=mtime_ns)
        counts.files += 1
        assert isinstance(size, int)
        if links != 1:
            first = self._first_of.setdefault((device, inode), path)  # type: ignore[arg-type]
            if first != path:
                return Entry(path=path, type=FILE, mode=mode, mtime_ns=mtime_ns, size=size, hard_link=first)
        counts.bytes += size
        counts.changing += bool(changing)
        sha, pieces = self._pieces(path, size, content)
        return Entry(
            path=path, type=FILE, mode=mode, mtime_ns=mtime_ns, size=size, pieces=pieces, changing=bool(changing),
            sha256=sha.hex() if sha is not None else None,
        )  # fmt: skip

    def _pieces(self, path: bytes, size: int, content: list[object]) -> tuple[bytes | None, list[Piece]]:
        f_size, sha, extents, pack, frame_at, frame_len, at, length = content
        if f_size != size:
            raise HubError(f"{path!r} was read as another file than it was seen as.")
        assert sha is None or isinstance(sha, bytes)
        if isinstance(pack, str) and length == size:
            place = Place(pack=pack, frame_at=frame_at, frame_len=frame_len, at=at, length=length)  # type: ignore[arg-type]
            return sha, [Piece(length=size, sha=sha.hex() if sha else None, place=place)]
        return sha, [self._piece(one.length, one.sha) for one in parse(sha, extents, size)]  # type: ignore[arg-type]

    def _piece(self, length: int, sha: bytes | None) -> Piece:
        if sha is None:
            return Piece(length=length)
        place = self._catalog.place(sha)
        if place is not None and place.length != length:
            raise sqlite3.DatabaseError("the catalog contradicts itself")
        if place is None:
            raise HubError(f"The chunk {sha.hex()} was stored nowhere.")
        return Piece(length=length, sha=sha.hex(), place=place)
