"""A check of the whole store: is every object what its name says, and is all there that snapshots need?"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hub.core.report import Report
from hub.snapshots import knowing, snapshot
from hub.snapshots.catalog import Catalog
from hub.snapshots.contents import Contents
from hub.snapshots.entries import Entry, Piece, shown
from hub.snapshots.errors import Damaged, NoSnapshot, ObjectMissing
from hub.snapshots.manifest import Root, parse_segment, read_root
from hub.snapshots.store import PACKS, SNAPSHOTS, TREES, Store
from hub.snapshots.taking import CATALOG

MOST_FILES = 100
"""Named of each snapshot; the count is of all."""
HURT = "hurt:"
"""In front of a snapshot's id; its value is how many of its files a check found damaged."""


@dataclass(slots=True)
class Hurt:
    """What of one snapshot is lost."""

    files: int = 0
    first: list[str] = field(default_factory=list)
    is_whole: bool = False
    """All of it: nobody knows what it consists of."""

    def add(self, path: bytes) -> None:
        self.files += 1
        if len(self.first) < MOST_FILES:
            self.first.append(shown(path))


class Verification:
    def __init__(self, store: Store, state: Path, watch: Report) -> None:
        self._store = store
        self._state = state
        self._watch = watch
        self.bad: dict[str, str] = {}
        """Objects, and what is wrong with each."""
        self.hurt: dict[str, Hurt] = defaultdict(Hurt)
        self._roots: dict[str, Root] = {}
        self._read = 0
        self._named_roots: set[str] = set()
        self._missing: set[str] = set()
        """Listed, but not there when they were read: removed meanwhile, or lost."""
        self._contents = Contents(store)

    def run(self) -> Mapping[str, Any]:
        """The job's result; Damaged when anything is, after all was checked. Raises the store's errors."""
        watch = self._watch
        watch.stage("listing")
        watch.progress(0, None, "snapshots", "Reading snapshots")
        there = knowing.held(self._store)
        self._read_snapshots()
        watch.stage("checking")
        total = sum(there.values())
        for key in self._store.each(self._check, sorted(there), at_once=2):
            self._read += there[key]
            watch.progress(self._read, total, "bytes", "Reading every object", {"objects": len(there)})
        watch.stage("tracing")
        self._trace(there)
        self._note(there)
        self._set_strays_apart()
        result = {
            "snapshots": len(self._roots), "objects": len(there), "bytes": total, "damaged": len(self.bad),
            "hurt_snapshots": len(self.hurt), "hurt_files": sum(one.files for one in self.hurt.values()),
        }  # fmt: skip
        if self.bad:
            self._tell()
        return result

    def _read_snapshots(self) -> None:
        for held in self._store.list(SNAPSHOTS):
            self._watch.check()
            id_ = held.key.removeprefix(SNAPSHOTS).removesuffix(".json")
            if not snapshot.ID.fullmatch(id_):
                continue
            try:
                made = snapshot.read(self._store, id_)
            except NoSnapshot:  # removed meanwhile
                continue
            except Damaged as exc:
                self.bad[held.key] = exc.message
                self.hurt[id_].is_whole = True
                continue
            self._named_roots.add(TREES + made.root)
            try:
                self._roots[id_] = read_root(self._store, made.root)
            except Damaged as exc:
                if self._store.head(held.key) is not None:
                    self.bad[TREES + made.root] = exc.message
                    self.hurt[id_].is_whole = True

    def _check(self, key: str) -> None:
        folder, _, name = key.partition("/")
        try:
            self._store.named(f"{folder}/", name)
        except ObjectMissing:
            self._missing.add(key)
        except Damaged as exc:
            self.bad[key] = exc.message

    def _trace(self, there: Mapping[str, int]) -> None:
        """Which files of which snapshots are hit, and no others: of a damaged pack, most frames may be sound."""
        for number, (id_, root) in enumerate(sorted(self._roots.items())):
            self._watch.progress(number, len(self._roots), "snapshots", "Following damage to files")
            lacking = {PACKS + name for name, _ in root.packs} | {TREES + one.name for one in root.segments}
            lacking -= there.keys() - self._missing
            if lacking and self._store.head(snapshot.key(id_)) is None:
                continue  # it was removed while this went on, and its objects with it
            for key in lacking:
                self.bad.setdefault(key, f"{key} is not in the store any more.")
            if not self.bad:
                continue
            packs = {name for name, _ in root.packs if PACKS + name in self.bad}
            for segment in root.segments:
                if TREES + segment.name in self.bad:
                    hurt = self.hurt[id_]
                    hurt.files += segment.count
                    hurt.first.append(f"{segment.count} entries from {shown(segment.first)} on")
                elif packs:
                    raw = self._store.named(TREES, segment.name)
                    self._trace_entries(id_, parse_segment(raw, segment.name), packs)

    def _trace_entries(self, id_: str, entries: Iterable[Entry], packs: set[str]) -> None:
        for entry in entries:
            self._watch.check()
            doubtful = [one for one in entry.pieces if one.place is not None and one.place.pack in packs]
            if not all(map(self._reads, doubtful)):
                self.hurt[id_].add(entry.path)

    def _reads(self, piece: Piece) -> bool:
        try:
            self._contents.piece(piece)
        except Damaged:
            return False
        return True

    def _set_strays_apart(self) -> None:
        """What a run that failed has left half done, and no snapshot names, is no damage to anything."""
        needed = {TREES + one.name for root in self._roots.values() for one in root.segments}
        needed |= {PACKS + name for root in self._roots.values() for name, _ in root.packs}
        strays = [key for key in self.bad if key.startswith((PACKS, TREES)) and key not in needed | self._named_roots]
        for key in strays:
            del self.bad[key]
            self._watch.log(f"{key} is damaged, but no snapshot needs it; prune removes it", "warning")

    def _note(self, there: Mapping[str, int]) -> None:
        """Have the next snapshot store again what is damaged, and listings show it."""
        with Catalog(self._state / CATALOG) as catalog:
            for name, _ in [*catalog.meta(knowing.BAD), *catalog.meta(HURT)]:
                catalog.note(name, None)
            for key, why in self.bad.items():
                if key in there:
                    catalog.note(knowing.BAD + key, why)
            for id_, hurt in self.hurt.items():
                catalog.note(HURT + id_, str(-1 if hurt.is_whole else hurt.files))

    def _tell(self) -> None:
        log = self._watch.log
        for key, why in sorted(self.bad.items()):
            log(f"Damaged: {key} ({why})", "error")
        for id_, hurt in sorted(self.hurt.items()):
            if hurt.is_whole:
                log(f"Snapshot {id_} cannot be read at all", "error")
            else:
                log(f"Snapshot {id_}: {hurt.files:,} files are hit: {', '.join(hurt.first[:10])}", "error")
        hits = ", ".join(
            f"{id_} (all of it)" if hurt.is_whole else f"{id_} ({hurt.files} files)"
            for id_, hurt in sorted(self.hurt.items())[:10]
        )
        first = ", ".join(sorted(self.bad)[:5])
        raise Damaged(f"{len(self.bad)} damaged: {first}. Hit: {hits or 'no snapshot'}. Everything else is as it was.")
