"""Removing snapshots, and what only they needed: the snapshot's own object first, packs last."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub.core.report import Report
from hub.snapshots import knowing, lease, retention, snapshot
from hub.snapshots.catalog import Catalog
from hub.snapshots.errors import Damaged, NoSnapshot
from hub.snapshots.manifest import read_root
from hub.snapshots.retention import Policy
from hub.snapshots.sizes import size_text
from hub.snapshots.store import PACKS, TREES, Store
from hub.snapshots.taking import CATALOG

GONE = "gone:"
"""In front of the id of a snapshot that was removed; its value is when."""
DRAFT_AGE_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    snapshots: Sequence[str] = ()
    """To be removed."""
    policy: Policy | None = None
    """Or: those that it does not keep. Neither: only what no snapshot needs goes."""
    dry_run: bool = False


class Pruning:
    def __init__(self, wanted: Wanted, store: Store, state: Path, watch: Report, local: Path | None = None) -> None:
        """`state` is the project's folder of catalog and lock; `local` where a local store's files are."""
        self._wanted = wanted
        self._store = store
        self._state = state
        self._watch = watch
        self._local = local

    def run(self) -> Mapping[str, Any]:
        """The job's result. Raises NoSnapshot, Damaged, StoreBusy, and the store's errors.

        While a snapshot or its manifest cannot be read, nobody knows which packs it needs, so none is removed.
        """
        watch = self._watch
        watch.stage("choosing")
        watch.progress(0, None, "snapshots", "Reading snapshots")
        if self._wanted.dry_run:
            return self._pruned(lambda: None)
        with lease.held(self._store, self._state, lease.SWEEP, watch) as held:
            return self._pruned(held.check)

    def _pruned(self, may: Callable[[], None]) -> dict[str, Any]:
        """`may` raises once another hub may use the store: what it has begun to count on must not be removed."""
        watch, store = self._watch, self._store
        ids = snapshot.ids(store)
        going, reasons = self._chosen(ids)
        watch.stage("marking")
        unused, size = self._unused([id_ for id_ in ids if id_ not in going])
        result: dict[str, Any] = {
            "dry_run": self._wanted.dry_run, "removed": sorted(going), "kept": len(ids) - len(going),
            "keep_reasons": dict(list(reasons.items())[:100]),
            "packs": sum(key.startswith(PACKS) for key in unused), "objects": len(unused), "freed_bytes": size,
        }  # fmt: skip
        watch.stage("sweeping")
        if not self._wanted.dry_run:
            self._sweep(sorted(going), unused, may)
        how = "would be freed" if self._wanted.dry_run else "freed"
        watch.log(f"{len(going)} snapshots and {len(unused):,} objects, {size_text(size)} {how}")
        return result

    def _chosen(self, ids: Sequence[str]) -> tuple[set[str], dict[str, list[str]]]:
        """The ids that go, and why others stay."""
        wanted = self._wanted
        if wanted.snapshots:
            for id_ in wanted.snapshots:
                if id_ not in ids:
                    raise NoSnapshot(f"There is no snapshot {id_!r}.")
            return set(wanted.snapshots), {}
        if wanted.policy is None:
            return set(), {}
        known = []
        for number, id_ in enumerate(ids):
            self._watch.progress(number, len(ids), "snapshots", "Reading snapshots")
            with suppress(Damaged, NoSnapshot):  # one that cannot be read is never chosen
                known.append(snapshot.read(self._store, id_))
        stay = retention.kept(known, wanted.policy)
        return {one.id for one in known if one.id not in stay}, stay

    def _unused(self, staying: Sequence[str]) -> tuple[list[str], int]:
        """Keys of what no snapshot of these needs, trees before packs, and their size."""
        if strange := snapshot.strangers(self._store):
            raise Damaged(f"{strange[0]} may be a snapshot of a newer program, so nothing is removed.")
        needed: set[str] = set()
        for number, id_ in enumerate(staying):
            self._watch.progress(number, len(staying), "snapshots", "Reading manifests")
            try:
                root = read_root(self._store, (made := snapshot.read(self._store, id_)).root)
            except Damaged as exc:
                raise Damaged(
                    f"The snapshot {id_} cannot be read, so nobody knows what it needs, and nothing is removed: {exc} "
                    "Delete it, or repair the store."
                ) from exc
            needed.add(TREES + made.root)
            needed.update(TREES + segment.name for segment in root.segments)
            needed.update(PACKS + name for name, _ in root.packs)
        there = knowing.held(self._store)
        unused = sorted(there.keys() - needed, key=lambda key: (key.startswith(PACKS), key))
        return unused, sum(there[key] for key in unused)

    def _sweep(self, going: Sequence[str], unused: Sequence[str], may: Callable[[], None]) -> None:
        watch, store = self._watch, self._store
        may()

        def remove(key: str) -> None:
            may()
            store.delete([key])

        with Catalog(self._state / CATALOG) as catalog:
            for id_ in going:
                catalog.note(GONE + id_, str(int(time.time() * 1000)))
                remove(snapshot.key(id_))
            # Before they go: should this end half way, nothing is counted on that is not there.
            catalog.drop_packs([key.removeprefix(PACKS) for key in unused if key.startswith(PACKS)])
            catalog.drop_trees([key.removeprefix(TREES) for key in unused if key.startswith(TREES)])
            for key in unused:
                catalog.note(knowing.BAD + key, None)
        done = 0
        for part in (TREES, PACKS):
            keys = [key for key in unused if key.startswith(part)]
            for _ in store.each(remove, keys):
                done += 1
                watch.progress(done, len(unused), "objects", "Removing what nobody needs")
        if self._local is not None:
            _remove_drafts(self._local)


def _remove_drafts(folder: Path) -> None:
    """What killed runs have left half written: a local store writes `name#1` and renames it."""
    for path in folder.rglob("*#*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > DRAFT_AGE_S:
                path.unlink()
