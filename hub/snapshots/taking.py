"""Taking a snapshot: opening, waiting, browsing, compressing, uploading, verifying.

What a run that was killed has done is found again: packs in the store by asking it, packs that were finished but not
yet uploaded in the spool, and files that were read in the catalog.
"""

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hub.core.report import Report
from hub.snapshots import knowing, lease, publishing, quiet
from hub.snapshots.browsing import browse
from hub.snapshots.catalog import Catalog
from hub.snapshots.compressing import Compressed, compress
from hub.snapshots.counted import Counted
from hub.snapshots.entries import shown
from hub.snapshots.errors import SourceGone
from hub.snapshots.file_reader import Means
from hub.snapshots.knowing import Known
from hub.snapshots.recording import Recorded, record
from hub.snapshots.scan import Scan
from hub.snapshots.snapshot import Snapshot
from hub.snapshots.store import PACKS, TREES, Store
from hub.snapshots.tree import Tree
from hub.snapshots.uploading import Uploader

CATALOG = "catalog.sqlite3"
STAGES = ("opening", "waiting", "browsing", "compressing", "uploading", "verifying")
_ENTRIES = "entries"
"""Noted in the catalog: how many the last snapshot had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    folder: Path
    project: str
    source: str
    """What the folder is, for people."""
    job: str | None = None
    quiet_s: float = 0.0
    longest_wait_s: float = 0.0
    full: bool = False
    """Read every file, however little it seems to have changed."""
    dry_run: bool = False
    """Find out what would be uploaded."""
    skip: Callable[[bytes], bool] = field(default=lambda path: False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Folders of this machine."""

    work: Path
    """The run's own; what is in it may be of an earlier run that was cut short."""
    state: Path
    """Of the project: catalog and lock."""


class Taking:
    def __init__(self, wanted: Wanted, store: Store, places: Places, watch: Report) -> None:
        self._wanted = wanted
        self._store = store
        self._places = places
        self._watch = Counted(watch)
        self._read = Compressed()
        self._expected = 0
        """Entries of the folder, if anybody has counted them before."""

    def run(self) -> Mapping[str, Any]:
        """The job's result. Raises SourceGone, the store's errors, and what the watch raises."""
        places, watch = self._places, self._watch
        watch.stage("opening")
        watch.progress(0, None, "", "Opening the store")
        (places.work / "spool").mkdir(parents=True, exist_ok=True)
        scanned = places.work / "scan.sqlite3"
        with Catalog(places.state / CATALOG) as catalog, Scan(scanned) as scan, contextlib.ExitStack() as leases:
            catalog.attach(scanned)
            self._expected = int(dict(catalog.meta(_ENTRIES)).get(_ENTRIES, 0))
            if self._wanted.dry_run:
                known = self._learn(catalog)
                watch.stage("waiting")
                was_quiet = self._wait(self._wanted.longest_wait_s)
                return {**self._dry(catalog, scan, known), "was_quiet": was_quiet, **watch.counts}
            held = self._lease(leases)
            id_, made = publishing.begun(self._store, places.work)
            if made is not None:
                return self._complete_already(made)
            known = self._learn(catalog)
            watch.stage("waiting")
            was_quiet = self._wait(0.0)
            if not was_quiet and self._wanted.longest_wait_s:
                leases.close()  # for a prune to come in between: nothing of this run is counted on yet
                was_quiet = self._wait(self._wanted.longest_wait_s)
                held = self._lease(leases)
                known = self._learn(catalog)
            self._tell_of_unrest(was_quiet)
            return {**self._taken(catalog, scan, known, (id_, held)), "was_quiet": was_quiet, **watch.counts}

    def _dry(self, catalog: Catalog, scan: Scan, known: Known) -> dict[str, Any]:
        with Tree(self._wanted.folder) as tree:
            self._browse(tree, scan)
            self._compress(catalog, scan, tree, None)
        files, size, folders, links = scan.totals()
        self._watch.stage("uploading")
        self._watch.stage("verifying")
        return {
            "dry_run": True, "files": files, "folders": folders, "links": links, "bytes": size,
            "new_files": self._read.new_files, "would_upload_bytes": self._read.pack_bytes, **_left_out(scan),
        }  # fmt: skip

    def _taken(self, catalog: Catalog, scan: Scan, known: Known, of: tuple[str, lease.Lease]) -> dict[str, Any]:
        id_, held = of
        uploader = Uploader(self._store, self._places.work / "spool", known.there, self._watch.check)
        uploader.on_stored = lambda key: _stored(catalog, key, known.bad)
        try:
            for path in known.spooled:
                uploader.add(PACKS, path.name, path.stat().st_size)
            with Tree(self._wanted.folder) as tree:
                self._browse(tree, scan)
                self._compress(catalog, scan, tree, uploader)
                recorded = record(catalog, tree, uploader, self._watch.check)
            self._upload(uploader)
        finally:
            uploader.close()
        made = self._made(id_, recorded, uploader.sent_bytes)
        self._publish(made, recorded, held)
        catalog.keep_only("scan.entries")
        catalog.note(_ENTRIES, str(scan.count()))
        return {**_result(made), "unread_files": self._read.unread_files, **_left_out(scan)}

    # -- stages -------------------------------------------------------------------------------------------------------

    def _lease(self, leases: contextlib.ExitStack) -> lease.Lease:
        """The right to add to the store, which also shows that it can be reached and written."""
        return leases.enter_context(lease.held(self._store, self._places.state, lease.USE, self._watch))

    def _learn(self, catalog: Catalog) -> Known:
        return knowing.learn(catalog, self._store, self._places.work / "spool", self._watch)

    def _wait(self, longest_s: float) -> bool:
        wanted = self._wanted
        waited = quiet.wait(wanted.folder, wanted.quiet_s, longest_s, self._watch, skip=wanted.skip)
        self._expected = waited.entries or self._expected
        return waited.was_quiet

    def _tell_of_unrest(self, was_quiet: bool) -> None:
        wanted = self._wanted
        if not was_quiet:
            self._watch.log(
                f"The folder has not been quiet for {wanted.quiet_s:g} s within {wanted.longest_wait_s:g} s; "
                "it is taken as it is.",
                "warning",
            )

    def _browse(self, tree: Tree, scan: Scan) -> None:
        self._watch.stage("browsing")
        browse(tree, scan, self._watch, self._wanted.skip, expected=self._expected)

    def _compress(self, catalog: Catalog, scan: Scan, tree: Tree, uploader: Uploader | None) -> None:
        watch = self._watch
        watch.stage("compressing")
        self._read = compress(Means(catalog=catalog, scan=scan, tree=tree), uploader, watch, full=self._wanted.full)
        watch.files, watch.bytes, _, _ = scan.totals()
        if not tree.is_there():
            raise SourceGone(f"The folder {tree.root} was removed while it was read.")

    def _upload(self, uploader: Uploader) -> None:
        watch = self._watch
        watch.stage("uploading")

        def tell() -> None:
            done, total = uploader.done_bytes, uploader.total_bytes
            watch.progress(done, total, "bytes", "Uploading snapshot to cloud storage...")

        tell()
        uploader.finish(tell)
        tell()

    def _publish(self, made: Snapshot, recorded: Recorded, held: lease.Lease) -> None:
        watch, total = self._watch, len(recorded.needed)
        watch.stage("verifying")
        watch.progress(0, total, "objects", "Checking what the store has")
        publishing.publish(self._store, made, recorded.needed, held, watch)
        watch.progress(total, total, "objects", "Checking what the store has")

    # -- odds ---------------------------------------------------------------------------------------------------------

    def _made(self, id_: str, recorded: Recorded, sent_bytes: int) -> Snapshot:
        counts, wanted = recorded.counts, self._wanted
        return Snapshot(
            id=id_, created=time.time_ns() // 1_000_000, project=wanted.project, source=wanted.source,
            root=recorded.root, files=counts.files, folders=counts.folders, links=counts.links, bytes=counts.bytes,
            new_files=self._read.new_files, new_bytes=sent_bytes, left_out=counts.left_out, changing=counts.changing,
            job=wanted.job,
        )  # fmt: skip

    def _complete_already(self, made: Snapshot) -> dict[str, Any]:
        """A run was killed after it had written its snapshot, before it could say so."""
        for stage in STAGES[1:]:
            self._watch.stage(stage)
        self._watch.log("The run before this one had finished the snapshot already")
        self._watch.files, self._watch.bytes = made.files, made.bytes
        unknown = {"unread_files": 0, "left_out": made.left_out, "left_out_reasons": {}, "left_out_first": []}
        return {**_result(made), **unknown, **self._watch.counts}


def _stored(catalog: Catalog, key: str, bad: set[str]) -> None:
    if key.startswith(PACKS):
        catalog.mark_stored(key.removeprefix(PACKS))
    else:
        catalog.add_tree(key.removeprefix(TREES))
    if key in bad:
        catalog.note(knowing.BAD + key, None)


def _result(made: Snapshot) -> dict[str, Any]:
    return {
        "snapshot": made.id, "files": made.files, "folders": made.folders, "links": made.links, "bytes": made.bytes,
        "new_files": made.new_files, "uploaded_bytes": made.new_bytes, "changing": made.changing,
    }  # fmt: skip


def _left_out(scan: Scan) -> dict[str, Any]:
    reasons, first = scan.left_out()
    return {
        "left_out": sum(reasons.values()),
        "left_out_reasons": reasons,
        "left_out_first": [{"path": shown(path), "reason": why} for path, why in first],
    }
