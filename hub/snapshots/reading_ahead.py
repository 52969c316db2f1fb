"""Small files, read by several threads before it is their turn: most of their time goes by in calls of the system."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field

from hub.snapshots.catalog import Status
from hub.snapshots.hands import Hands, awaited
from hub.snapshots.packs import THREADS
from hub.snapshots.reading import Content, NotAFile, read
from hub.snapshots.tree import Tree

SMALL_BYTES = 512 * 1024
"""Larger files are read by whoever stores them, piece by piece."""
BATCH_FILES, BATCH_BYTES = 32, 1024 * 1024
BATCHES = 2 * THREADS
"""Waiting at most, so that what was read ahead takes some MB of memory."""

Seen = tuple[bytes, Status, bool]
"""A file's path, its status when it was seen, and whether it is to be read."""


@dataclass(slots=True)
class Taken:
    """What came of reading a file."""

    began_ns: int
    content: Content | None = None
    """None: it could not be read."""
    pieces: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Digest and bytes of each; in the order of the file, and with those of attempts that were in vain."""
    trouble: OSError | NotAFile | None = None


def read_ahead(
    tree: Tree, files: Iterable[Seen], check: Callable[[], None]
) -> Generator[tuple[bytes, Status, bool, Taken | None], None, None]:
    """`files` in their order, each small one that is to be read with what is in it."""
    hands, waiting = Hands(THREADS, "read"), deque[tuple[Future[list[Taken | None]] | None, list[Seen]]]()
    try:
        for batch in _batches(files):
            todo = None
            if any(map(_is_due, batch)):
                todo = hands.submit(lambda batch=batch: _read(tree, batch))  # type: ignore[misc]
            waiting.append((todo, batch))
            if len(waiting) >= BATCHES:
                yield from _settled(*waiting.popleft(), check)
        while waiting:
            yield from _settled(*waiting.popleft(), check)
    finally:
        for future, _ in waiting:
            if future is not None:
                future.cancel()
        hands.close()


def _settled(
    future: "Future[list[Taken | None]] | None", batch: list[Seen], check: Callable[[], None]
) -> Iterator[tuple[bytes, Status, bool, Taken | None]]:
    found = [None] * len(batch) if future is None else awaited(future, check)
    for seen, taken in zip(batch, found, strict=True):
        yield *seen, taken


def _batches(files: Iterable[Seen]) -> Iterator[list[Seen]]:
    batch: list[Seen] = []
    size = 0
    for seen in files:
        batch.append(seen)
        size += seen[1][0] if seen[2] else 0
        if len(batch) >= BATCH_FILES or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _is_due(seen: Seen) -> bool:
    return seen[2] and seen[1][0] <= SMALL_BYTES


def _read(tree: Tree, batch: list[Seen]) -> list[Taken | None]:
    with tree.twin() as mine:
        return [_taken(mine, seen[0]) if _is_due(seen) else None for seen in batch]


def _taken(tree: Tree, path: bytes) -> Taken:
    found = Taken(time.time_ns())
    try:
        found.content = read(tree, path, lambda sha, data: found.pieces.append((sha, data)), _nobody)
    except (OSError, NotAFile) as exc:
        found.trouble = exc
    return found


def _nobody() -> None:
    """Whoever waits for the thread looks whether it is to stop."""
