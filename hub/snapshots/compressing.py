"""Files that are new or have changed, read, compressed into packs, and handed on to be stored."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from hub.snapshots.counted import Counted
from hub.snapshots.file_reader import FileReader, Means
from hub.snapshots.packs import Pack, Packer
from hub.snapshots.reading_ahead import read_ahead
from hub.snapshots.sizes import size_text
from hub.snapshots.store import PACKS
from hub.snapshots.uploading import Uploader

TELL_EVERY = 50


@dataclass(slots=True)
class Compressed:
    new_files: int = 0
    """Files that had something which nobody has stored yet."""
    unread_files: int = 0
    """Files that are as they were when they were last read."""
    pack_bytes: int = 0


def compress(of: Means, uploader: Uploader | None, watch: Counted, *, full: bool) -> Compressed:
    """Of all files of the scan; `full`: also of those that seem to be unchanged. No `uploader`: only count."""
    found, size = Compressed(), watch.bytes
    message = f"Processing {watch.files:,} files ({size_text(size)} total)..."

    def on_pack(pack: Pack, path: Path | None) -> None:
        found.pack_bytes += pack.size
        if uploader is not None and path is not None:
            of.catalog.save()
            of.catalog.add_pack(pack, stored=False)
            uploader.add(PACKS, pack.name, pack.size)

    packer = Packer(uploader.spool if uploader else None, on_pack, watch.check)
    reader = FileReader(of, packer, watch, keep=uploader is not None)
    done = seen = 0

    def tell(more: int = 0) -> None:
        detail = {"filesDone": seen, "newFiles": reader.new_files}
        watch.progress(min(done + more, size), size, "bytes", message, detail)

    reader.on_piece = tell
    tell()
    files = ((path, status, full or not is_known) for path, status, is_known in of.catalog.compared())
    with contextlib.closing(read_ahead(of.tree, files, watch.check)) as ahead:
        for path, status, is_due, taken in ahead:
            if is_due:
                reader.take(path, status, taken)
            else:
                found.unread_files += 1
            done += status[0]
            seen += 1
            if seen % TELL_EVERY == 0 or status[0] > 1_000_000:
                tell()
    packer.finish()
    of.catalog.save()
    found.new_files, done = reader.new_files, size  # what some have grown or shrunk by is no matter here
    tell()
    return found
