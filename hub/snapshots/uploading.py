"""Packs and trees on their way into the store, while others are still being made."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from hub.snapshots.errors import StoreLied
from hub.snapshots.hands import Hands, awaited
from hub.snapshots.packs import MAGIC
from hub.snapshots.store import Store, digest

UPLOADS_AT_ONCE = 3
SPOOL_BYTES = 512 * 1024 * 1024
"""Finished packs that may wait for a slow store; then the compressing waits, too."""


class Uploader:
    """Each object is read back after it was put, and only then is its file removed."""

    def __init__(
        self,
        store: Store,
        spool: Path,
        there: dict[str, int],
        check: Callable[[], None],
        *,
        spool_bytes: int = SPOOL_BYTES,
    ) -> None:
        """`there` is what the store has already: keys and sizes."""
        self._store = store
        self.spool = spool
        self.there = there
        self._check = check
        self._spool_bytes = spool_bytes
        self._hands = Hands(UPLOADS_AT_ONCE, "upload")
        self._waiting: deque[tuple[Future[int], str, int]] = deque()
        self.on_stored: Callable[[str], None] = lambda key: None
        self.waiting_bytes = 0
        self.total_bytes = 0
        self.done_bytes = 0
        self.sent_bytes = 0
        """What had to be sent, because the store did not have it."""

    def add(self, folder: str, name: str, size: int) -> None:
        """Send the file of that name in the spool. Raises what earlier uploads have raised."""
        self._waiting.append((self._hands.submit(lambda: self._send(folder, name, size)), folder + name, size))
        self.waiting_bytes += size
        self.total_bytes += size
        self._settle(lambda: self._waiting[0][0].done() or self.waiting_bytes > self._spool_bytes)

    def finish(self, tell: Callable[[], None]) -> None:
        """Wait until all is stored; `tell` is called after each."""

        def told() -> bool:
            tell()
            return True

        self._settle(told)

    def close(self) -> None:
        for future, _, _ in self._waiting:
            future.cancel()
        self._hands.close()

    def _settle(self, may: Callable[[], bool]) -> None:
        while self._waiting and may():
            future, key, size = self._waiting.popleft()
            self.sent_bytes += awaited(future, self._check)
            self.there[key] = size
            self.waiting_bytes -= size
            self.done_bytes += size
            self.on_stored(key)

    def _send(self, folder: str, name: str, size: int) -> int:
        """The bytes that it took."""
        path, sent = self.spool / name, 0
        if not (self.there.get(folder + name) == size and self._is_sound(folder, name)):
            data = path.read_bytes()
            self._store.put_confirmed(folder + name, data)
            sent = len(data)
        path.unlink(missing_ok=True)
        return sent

    def _is_sound(self, folder: str, name: str) -> bool:
        """Of an object that an earlier run has put: did all of it arrive?"""
        try:
            return digest(self._store.get(folder + name)) == name
        except (FileNotFoundError, StoreLied):
            return False


def left_in(spool: Path, check: Callable[[], None]) -> list[Path]:
    """The finished packs that an earlier run has left, each proven whole; the rest is removed."""
    spool.mkdir(parents=True, exist_ok=True)
    found = []
    for path in sorted(spool.iterdir()):
        check()
        data = path.read_bytes()
        if data.endswith(MAGIC) and digest(data) == path.name:
            found.append(path)
        else:  # half of one, or a part of a manifest, which this run makes for itself
            path.unlink()
    return found
