"""What two snapshots differ in."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hub.snapshots.entries import Entry, to_wire
from hub.snapshots.manifest import Root, SegmentRef

ADDED, REMOVED, CHANGED = "added", "removed", "changed"
Read = Callable[[SegmentRef], Sequence[Entry]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    path: bytes
    change: str
    before: Entry | None
    after: Entry | None

    def to_wire(self) -> dict[str, Any]:
        wire: dict[str, Any] = {"change": self.change}
        shown = self.after or self.before
        assert shown is not None
        wire["path"] = to_wire(shown)["path"]
        if "path_bytes" in (names := to_wire(shown)):
            wire["path_bytes"] = names["path_bytes"]
        for name, entry in (("before", self.before), ("after", self.after)):
            if entry is not None:
                wire[name] = {key: value for key, value in to_wire(entry).items() if not key.startswith("path")}
        if self.before is not None and self.after is not None:
            wire["fields"] = list(_fields(self.before, self.after))
        return wire


def differences(read: Read, before: Root, after: Root, start: bytes | None = None) -> Iterator[Difference]:
    """In the order of paths, those after `start`. Segments that both have are not read."""
    old, new = _unshared(read, before, after, start), _unshared(read, after, before, start)
    left, right = next(old, None), next(new, None)
    while left is not None or right is not None:
        if right is None or (left is not None and left.path < right.path):
            assert left is not None
            yield Difference(path=left.path, change=REMOVED, before=left, after=None)
            left = next(old, None)
        elif left is None or right.path < left.path:
            yield Difference(path=right.path, change=ADDED, before=None, after=right)
            right = next(new, None)
        else:
            if left.identity != right.identity:
                yield Difference(path=left.path, change=CHANGED, before=left, after=right)
            left, right = next(old, None), next(new, None)


def _unshared(read: Read, one: Root, other: Root, start: bytes | None) -> Iterator[Entry]:
    shared = {segment.name for segment in other.segments}
    segments = one.segments[one.segment_of(start) :] if start is not None else one.segments
    mine = (read(segment) for segment in segments if segment.name not in shared)
    for entry in itertools.chain.from_iterable(mine):
        if start is None or entry.path > start:
            yield entry


def _fields(before: Entry, after: Entry) -> Iterator[str]:
    """What of an entry has changed, in the API's words."""
    if before.type != after.type:
        yield "type"
        return
    content = (before.sha256, before.size, before.sha256 is None and before.pieces_identity) != (
        after.sha256,
        after.size,
        after.sha256 is None and after.pieces_identity,
    )
    for name, is_other in (
        ("content", content or before.target != after.target),
        ("mode", before.mode != after.mode),
        ("mtime", before.mtime_ns != after.mtime_ns),
        ("hard_link", before.hard_link != after.hard_link),
        ("reason", before.reason != after.reason),
    ):
        if is_other:
            yield name
