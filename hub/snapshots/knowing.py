"""What the store has, compared with what the catalog says: the store is right."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hub.core.report import Report
from hub.snapshots import snapshot
from hub.snapshots.catalog import Catalog
from hub.snapshots.errors import Damaged, NoSnapshot
from hub.snapshots.manifest import read_root
from hub.snapshots.packs import MAGIC, Pack, parse_index, read_index
from hub.snapshots.store import PACKS, TREES, Store
from hub.snapshots.uploading import left_in

BAD = "bad:"
"""In front of the key of an object that a check has found damaged; its value is the reason."""


def held(store: Store) -> dict[str, int]:
    """Every pack and tree in the store, with its size."""
    return {one.key: one.size for folder in (PACKS, TREES) for one in store.list(folder)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What there is when a run begins."""

    there: dict[str, int]
    """Keys and sizes in the store, without those that are `bad`."""
    bad: set[str]
    """Keys of objects that a check has found damaged."""
    spooled: Sequence[Path]
    """Finished packs that an earlier run of this work has left."""


def learn(catalog: Catalog, store: Store, spool: Path, watch: Report) -> Known:
    """Ask the store what it has, and bring the catalog to that. Raises the store's errors."""
    there = held(store)
    spooled = left_in(spool, watch.check)
    bad = settle(catalog, store, there, spooled, watch)
    for key in bad:
        there.pop(key, None)
    return Known(there=there, bad=bad, spooled=spooled)


def settle(
    catalog: Catalog,
    store: Store,
    there: Mapping[str, int],
    spooled: Iterable[Path],
    watch: Report,
) -> set[str]:
    """Bring the catalog's packs and trees to what is in the store, or in the spool on its way there.

    A pack is trusted that was read back, or that a snapshot names; any other is read. Objects that a check found
    damaged are not trusted: what they held is stored again. Returns the keys of those.
    """
    bad = {name.removeprefix(BAD) for name, _ in catalog.meta(BAD)}
    sizes = {key.removeprefix(PACKS): size for key, size in there.items() if key.startswith(PACKS) and key not in bad}
    files = {path.name: path for path in spooled}
    catalog.drop_packs(
        [name for name, size in catalog.packs().items() if sizes.get(name) != size and name not in files]
    )
    catalog.drop_trees([name for name in catalog.trees() if TREES + name not in there or TREES + name in bad])
    known, stored = catalog.packs(), catalog.packs(stored=True)
    for name, path in files.items():
        if name not in known:
            catalog.add_pack(_of(name, path.read_bytes()), stored=False)
    if unsure := [name for name in sizes if name not in stored and name not in files]:
        named = _named(store, watch.check)
        for number, name in enumerate(unsure):
            watch.progress(number, len(unsure), "packs", "Reading what packs hold")
            try:
                is_named = name in named
                pack = read_index(store, name, sizes[name]) if is_named else _of(name, store.named(PACKS, name))
                catalog.add_pack(pack, stored=True)
            except (Damaged, FileNotFoundError) as exc:
                catalog.drop_packs([name])
                watch.log(f"A pack is not used: {exc}", "warning")
    return bad


def _named(store: Store, check: Callable[[], None]) -> set[str]:
    """The packs that snapshots name. What cannot be read names nothing."""
    found: set[str] = set()
    for id_ in snapshot.ids(store):
        check()
        try:
            found.update(name for name, _ in read_root(store, snapshot.read(store, id_).root).packs)
        except (Damaged, NoSnapshot):
            continue
    return found


def _of(name: str, data: bytes) -> Pack:
    """Raises Damaged."""
    if len(data) < 16 or not data.endswith(MAGIC):
        raise Damaged(f"{PACKS}{name} is no pack.")
    length = int.from_bytes(data[-16:-8], "big")
    return parse_index(name, len(data), data[-16 - length : -16])
