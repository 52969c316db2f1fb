"""Questions of the API to a store, answered with JSON: lists in pages, and only as much of manifests as that takes."""

import base64
import binascii
import collections
import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Generic, TypeVar

from hub.core.cursors import unknown_cursor
from hub.snapshots import manifest, pruning, snapshot
from hub.snapshots.catalog import Catalog
from hub.snapshots.comparison import differences
from hub.snapshots.contents import whole
from hub.snapshots.entries import Entry, to_wire
from hub.snapshots.errors import Damaged, NoSnapshot, SnapshotGone
from hub.snapshots.manifest import Root, SegmentRef
from hub.snapshots.snapshot import Snapshot
from hub.snapshots.store import Store
from hub.snapshots.taking import CATALOG
from hub.snapshots.verification import HURT

K = TypeVar("K")
V = TypeVar("V")

KEPT_SNAPSHOTS, KEPT_ROOTS, KEPT_SEGMENTS, KEPT_COUNTS = 2000, 16, 64, 64
AT_ONCE = 8


class Reader:
    """Of one project's store; from any thread. What never changes is kept, for pages follow each other."""

    def __init__(self, store: Store, state: Path) -> None:
        self._store = store
        self._state = state
        self._snapshots = _Kept[str, Snapshot](KEPT_SNAPSHOTS)
        self._roots = _Kept[str, Root](KEPT_ROOTS)
        self._segments = _Kept[str, Sequence[Entry]](KEPT_SEGMENTS)
        self._counts = _Kept[tuple[str, str], Mapping[str, int]](KEPT_COUNTS)

    def list(self, limit: int, cursor: str | None) -> dict[str, Any]:
        """A page of snapshots, newest first; one that cannot be read is there with `error`."""
        ids = snapshot.ids(self._store)[::-1]
        if cursor is not None and not snapshot.ID.fullmatch(cursor):
            raise unknown_cursor()
        rest = [id_ for id_ in ids if cursor is None or id_ < cursor]
        page = rest[:limit]
        hurt = self._hurt()
        with ThreadPoolExecutor(AT_ONCE, "snapshots-list") as threads:
            found = [wire for wire in threads.map(lambda id_: self._listed(id_, hurt), page) if wire is not None]
        answer: dict[str, Any] = {"items": found, "total": len(ids)}
        return answer | ({"next": page[-1]} if len(rest) > limit else {})

    def show(self, id_: str) -> dict[str, Any]:
        """One snapshot. Raises NoSnapshot, SnapshotGone, Damaged."""
        made = self.snapshot(id_)
        root = self.root(made)
        stored = sum(size for _, size in root.packs)
        wire = made.to_wire() | {"entries": manifest.count(root), "packs": len(root.packs), "stored_bytes": stored}
        hurt = self._hurt().get(id_)
        return wire if hurt is None else wire | {"damaged_files": hurt if hurt >= 0 else made.files}

    def files(self, id_: str, prefix: bytes, kind: str | None, limit: int, cursor: str | None) -> dict[str, Any]:
        """A page of the manifest, in the order of paths."""
        root = self.root(self.snapshot(id_))
        found: list[Entry] = []
        for entry in manifest.entries(self.segment, root, prefix=prefix, after=_path_of(cursor)):
            if kind is None or entry.type == kind:
                found.append(entry)
                if len(found) > limit:
                    break
        answer: dict[str, Any] = {"items": [to_wire(entry) for entry in found[:limit]]}
        answer["total"] = self._total(id_, root, prefix, kind)
        return answer | ({"next": _cursor_of(found[limit - 1].path)} if len(found) > limit else {})

    def exists(self, id_: str) -> None:
        """Raises NoSnapshot, SnapshotGone. One that cannot be read is there, too."""
        with contextlib.suppress(Damaged):
            self.snapshot(id_)

    def file(self, id_: str, path: bytes) -> Entry:
        """A file's entry, that of its first name if it has several. Raises NoSuchFile."""
        root = self.root(self.snapshot(id_))
        entry = manifest.find(self.segment, root, path)
        return whole(entry if entry.hard_link is None else manifest.find(self.segment, root, entry.hard_link))

    def diff(self, one: str, other: str, limit: int, cursor: str | None) -> dict[str, Any]:
        """A page of what `other` has differently from `one`, and how much there is in all."""
        before, after = self.root(self.snapshot(one)), self.root(self.snapshot(other))
        found = []
        for difference in differences(self.segment, before, after, _path_of(cursor)):
            found.append(difference)
            if len(found) > limit:
                break
        counts = self._counted(one, other, before, after)
        answer: dict[str, Any] = {
            "items": [difference.to_wire() for difference in found[:limit]],
            "total": sum(counts.values()),
            **counts,
        }
        return answer | ({"next": _cursor_of(found[limit - 1].path)} if len(found) > limit else {})

    # -- parts --------------------------------------------------------------------------------------------------------

    def snapshot(self, id_: str) -> Snapshot:
        """As the store has it now: what is kept counts only while it is there.

        Raises NoSnapshot, SnapshotGone, Damaged.
        """
        if snapshot.ID.fullmatch(id_):
            if self._store.head(snapshot.key(id_)) is not None:
                return self._snapshots.get(id_, lambda: snapshot.read(self._store, id_))
            if id_ in self._noted(pruning.GONE):
                raise SnapshotGone(f"The snapshot {id_} was deleted.")
        raise NoSnapshot(f"There is no snapshot {id_!r}.")

    def root(self, made: Snapshot) -> Root:
        return self._roots.get(made.root, lambda: manifest.read_root(self._store, made.root))

    def segment(self, ref: SegmentRef) -> Sequence[Entry]:
        return self._segments.get(ref.name, lambda: manifest.read_segment(self._store, ref))

    def _listed(self, id_: str, hurt: Mapping[str, int]) -> dict[str, Any] | None:
        try:
            made = self._snapshots.get(id_, lambda: snapshot.read(self._store, id_))
        except NoSnapshot:  # removed since the listing
            return None
        except Damaged as exc:
            return {"id": id_, "error": {"code": exc.narrow_code, "message": exc.message}}
        wire = made.to_wire()
        return wire | {"damaged_files": hurt[id_] if hurt[id_] >= 0 else made.files} if id_ in hurt else wire

    def _hurt(self) -> dict[str, int]:
        """How many files of snapshots the last check found damaged; -1: all that there is."""
        return {id_: int(value) for id_, value in self._noted(HURT).items()}

    def _noted(self, prefix: str) -> dict[str, str]:
        if not (self._state / CATALOG).exists():  # which asking does not make
            return {}
        with Catalog(self._state / CATALOG) as catalog:
            return {name.removeprefix(prefix): value for name, value in catalog.meta(prefix)}

    def _total(self, id_: str, root: Root, prefix: bytes, kind: str | None) -> int:
        if not prefix and kind is None:
            return manifest.count(root)

        def counted() -> Mapping[str, int]:
            found = manifest.entries(self.segment, root, prefix=prefix)
            return {"all": sum(kind is None or entry.type == kind for entry in found)}

        return self._counts.get((id_, f"{prefix.hex()}/{kind}"), counted)["all"]

    def _counted(self, one: str, other: str, before: Root, after: Root) -> Mapping[str, int]:
        def counted() -> Mapping[str, int]:
            found = collections.Counter(one.change for one in differences(self.segment, before, after))
            return {change: found[change] for change in ("added", "removed", "changed")}

        return self._counts.get((one, other), counted)


class _Kept(Generic[K, V]):
    """The `most` that were asked for last."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._items: collections.OrderedDict[K, V] = collections.OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K, make: Callable[[], V]) -> V:
        with self._lock:
            if key in self._items:
                self._items.move_to_end(key)
                return self._items[key]
        made = make()
        with self._lock:
            self._items[key] = made
            while len(self._items) > self._most:
                self._items.popitem(last=False)
        return made


def _cursor_of(path: bytes) -> str:
    return base64.urlsafe_b64encode(path).decode().rstrip("=")


def _path_of(cursor: str | None) -> bytes | None:
    if cursor is None:
        return None
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as exc:
        raise unknown_cursor() from exc
