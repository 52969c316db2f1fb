"""Everything that is in the folder, counted and noted in order."""

from collections.abc import Callable

from hub.snapshots.counted import Counted
from hub.snapshots.entries import FILE
from hub.snapshots.scan import Scan, kind_of
from hub.snapshots.tree import Tree

TELL_EVERY = 100


def browse(tree: Tree, scan: Scan, watch: Counted, skip: Callable[[bytes], bool], *, expected: int) -> None:
    """`expected` is how many entries somebody has counted before, 0 when nobody has. Raises SourceGone."""
    entries = 0
    watch.progress(0, None, "entries", "Getting folder status...")

    def tell() -> None:
        total = max(entries, expected or round(entries / max(tree.share, 1e-6)))
        watch.progress(entries, total, "entries", "Browsing files in folder...")

    for seen in tree.walk(watch.check, skip):
        scan.add(seen)
        entries += 1
        if seen.status is not None and kind_of(seen.status.st_mode) == FILE:
            watch.files += 1
            watch.bytes += seen.status.st_size
        if entries % TELL_EVERY == 0:
            tell()
    scan.save()
    watch.progress(entries, entries, "entries", "Browsing files in folder...")
    for why, count in list(scan.left_out()[0].items())[:10]:
        watch.log(f"Left out: {count:,} {'entry' if count == 1 else 'entries'} ({why})", "warning")
