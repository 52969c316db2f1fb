"""The process that streams a snapshot's contents: `python -m hub.snapshots.stream_process`.

On standard input it is told one object: `{location, snapshot, path?, start?, end?, top?, prefix?}`. On standard output
it first says a line of JSON, `{"ok": true}` or an error as the API tells it, and then gives the bytes: of one file, or
of all of them as `.tar.zst`. It writes no faster than it is read, and ends with whoever reads. Its exit code is 0 only
when all of it was written.
"""

import json
import os
import sys
from collections.abc import Iterator
from typing import Any

from hub.core.errors import HubError
from hub.snapshots import manifest, snapshot
from hub.snapshots.backend import Location, ObjectStore
from hub.snapshots.contents import Contents
from hub.snapshots.entries import Entry
from hub.snapshots.store import Store
from hub.snapshots.tarball import compressed, tar

MOST_BYTES = 1024**3
"""Of memory."""


def main() -> int:
    asked = json.loads(sys.stdin.buffer.readline())
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    _limit_memory()
    try:
        parts = _parts(asked)
        first = next(parts, b"")  # so that what fails at once is told as an error, and not as a broken download
    except HubError as exc:
        _write(out, json.dumps({**exc.to_wire(), "kind": type(exc).__name__}).encode() + b"\n")
        return 1
    try:
        _write(out, b'{"ok":true}\n')
        _write(out, first)
        for part in parts:
            _write(out, part)
    except HubError as exc:
        print(exc.message, file=sys.stderr, flush=True)  # noqa: T201 - the hub logs it
        return 1
    except BrokenPipeError:  # whoever asked has left
        return 1
    return 0


def _parts(asked: dict[str, Any]) -> Iterator[bytes]:
    """Raises NoSnapshot, NoSuchFile, Damaged, and the store's errors."""
    store = Store(ObjectStore(Location(**asked["location"])))
    root = manifest.read_root(store, snapshot.read(store, asked["snapshot"]).root)
    contents = Contents(store)

    def segment(ref: manifest.SegmentRef) -> list[Entry]:
        return manifest.read_segment(store, ref)

    if "path" in asked:
        entry = manifest.find(segment, root, bytes.fromhex(asked["path"]))
        return contents.stream(entry, asked["start"], asked["end"])
    place = bytes.fromhex(asked.get("prefix", ""))
    found = manifest.self_contained(segment, root, manifest.under(segment, root, place), place)
    return compressed(tar(found, contents, asked.get("top", "").encode()))


def _write(out: Any, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[out.write(view) :]


def _limit_memory() -> None:
    if sys.platform == "linux":
        import resource  # noqa: PLC0415 - not there on every platform

        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        most = MOST_BYTES if hard == resource.RLIM_INFINITY else min(hard, MOST_BYTES)
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


if __name__ == "__main__":
    # Not sys.exit: a thread may hang in a store that answers no more, and the interpreter would wait for it.
    code = main()
    sys.stderr.flush()
    os._exit(code)
