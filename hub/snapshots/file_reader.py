"""Files of a scan, read one after the other, and what of them nobody has yet handed on to be stored."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from hub.core.report import Report
from hub.snapshots.catalog import Catalog, Status
from hub.snapshots.entries import shown
from hub.snapshots.packs import CHUNK_BYTES, Packer
from hub.snapshots.reading import Content, NotAFile, read
from hub.snapshots.reading_ahead import Taken
from hub.snapshots.scan import Scan
from hub.snapshots.tree import Tree, reason

MOST_REMEMBERED = 500_000
"""Digests of a run's own chunks in memory, some 50 MB; of further ones the catalog is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    catalog: Catalog
    scan: Scan
    """Beside the catalog."""
    tree: Tree


class FileReader:
    """Reads files, and hands on what of them nobody has yet."""

    def __init__(self, of: Means, packer: Packer, watch: Report, *, keep: bool) -> None:
        """`keep`: note in the catalog what was read."""
        self._of = of
        self._packer = packer
        self._watch = watch
        self._keep = keep
        self._mine: set[bytes] = set()
        self._must_ask = not of.catalog.is_empty
        self._is_new = False
        self.on_piece: Callable[[int], None] = lambda count: None
        """Told how much of the present file was read, if that is a large one."""
        self._so_far = 0
        self.new_files = 0

    def take(self, path: bytes, seen: Status, taken: Taken | None) -> None:
        """`taken`: it was read ahead."""
        self._is_new, self._so_far = False, 0
        began_ns = time.time_ns() if taken is None else taken.began_ns
        try:
            found = self._content(path, taken)
        except OSError as exc:
            self._leave_out(path, reason(exc))
            return
        except NotAFile as exc:
            self._leave_out(path, str(exc))
            return
        now = found.status
        if found.changing:
            self._watch.log(f"{shown(path)} is being written to: it is taken as it was read", "warning")
        status = (found.size, now.st_mtime_ns, now.st_ino, now.st_ctime_ns)
        if found.changing or status != seen:
            self._of.scan.update(path, now, size=found.size, changing=found.changing)
        self.new_files += self._is_new
        if self._keep:
            at_ns = 0 if found.changing else began_ns
            self._of.catalog.keep_file(path, status, read_ns=at_ns, sha=found.sha, extents=found.extents)

    def _content(self, path: bytes, taken: Taken | None) -> Content:
        if taken is None:
            return read(self._of.tree, path, self._sink, self._watch.check)
        if taken.trouble is not None:
            raise taken.trouble
        assert taken.content is not None
        for sha, data in taken.pieces:
            self._sink(sha, data)
        return taken.content

    def _leave_out(self, path: bytes, why: str) -> None:
        self._of.scan.leave_out(path, why)
        self._watch.log(f"{shown(path)} was left out: {why}", "warning")

    def _sink(self, sha: bytes, data: bytes) -> None:
        if len(data) == CHUNK_BYTES:
            self._so_far += len(data)
            self.on_piece(self._so_far)
        if sha in self._mine or (self._must_ask and self._has(sha)):
            return
        self._is_new = True
        if len(self._mine) < MOST_REMEMBERED:
            self._mine.add(sha)
        else:
            self._must_ask = True
        self._packer.add(sha, data)

    def _has(self, sha: bytes) -> bool:
        return sha in self._packer.pending or self._of.catalog.has_chunk(sha)
