"""A project's store: objects named after their bytes, put with certainty that they are there, read with a check."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from hub.core.errors import HubError
from hub.snapshots.backend import Backend, Held
from hub.snapshots.errors import Damaged, ObjectMissing, StoreFailed, StoreLied, StoreUnreachable
from hub.snapshots.hands import LOOK_S, Hands, awaited

T = TypeVar("T")

PAUSES_S = (1.0, 2.0, 4.0)
"""Before the second, third and fourth attempt."""
REQUESTS_AT_ONCE = 8
TRANSIENT = (StoreFailed, StoreUnreachable)
"""What another attempt may cure; a store that refuses, or is full, will do so again."""

PACKS, TREES, SNAPSHOTS, LEASES = "packs/", "trees/", "snapshots/", "leases/"


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Store:
    """Blocking, from any thread. `check` is called while it waits, and ends the waiting by raising."""

    def __init__(
        self,
        backend: Backend,
        *,
        check: Callable[[], None] | None = None,
        tell: Callable[[str], None] = lambda words: None,
        pauses_s: tuple[float, ...] = PAUSES_S,
    ) -> None:
        """Without `check`, requests are made in the calling thread and cannot be left. `tell` hears of retries."""
        self._backend = backend
        self._check = check
        self._tell = tell
        self._pauses_s = pauses_s
        self._hands = Hands(REQUESTS_AT_ONCE, "store") if check is not None else None
        self._lock = threading.Lock()
        self.sent_bytes = 0
        """What was put, however often: what a connection has carried."""

    # -- objects named after their bytes ------------------------------------------------------------------------------

    def put(self, key: str, data: bytes) -> None:
        """Put it and see that it has arrived in its whole size. Raises StoreLied and the backend's errors."""

        def attempt() -> None:
            self._backend.put(key, data)
            size = self._size(key)
            if size != len(data):
                there = "nothing" if size is None else f"{size:,} bytes"
                raise _Unequal(f"The store was given {len(data):,} bytes as {key}, and has {there}.")

        self._tried(attempt, f"put {key}")
        with self._lock:
            self.sent_bytes += len(data)

    def put_confirmed(self, key: str, data: bytes) -> None:
        """`put`, and read it back."""

        def attempt() -> None:
            self._backend.put(key, data)
            try:
                found = self._backend.get(key)
            except FileNotFoundError:
                found = b""
            if found != data:
                raise _Unequal(f"The store gives back other bytes for {key} than it was given.")

        self._tried(attempt, f"put {key}")
        with self._lock:
            self.sent_bytes += len(data)

    def named(self, folder: str, name: str) -> bytes:
        """The object named after its bytes. Raises ObjectMissing, Damaged when they are others, and the backend's
        errors.
        """
        key = folder + name

        def attempt() -> bytes:
            data = self._backend.get(key)
            if digest(data) != name:
                raise _Unequal(f"{key} does not hold what it did.")
            return data

        try:
            return self._tried(attempt, f"get {key}", unequal=Damaged)
        except FileNotFoundError:
            raise ObjectMissing(f"{key} is not in the store any more.") from None

    # -- any object ---------------------------------------------------------------------------------------------------

    def get(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        """Raises FileNotFoundError and the backend's errors."""
        return self._tried(lambda: self._backend.get(key, start, end), f"get {key}")

    def head(self, key: str) -> Held | None:
        """None when it is not there."""
        try:
            return self._tried(lambda: self._backend.head(key), f"head {key}")
        except FileNotFoundError:
            return None

    def list(self, prefix: str) -> list[Held]:
        return self._tried(lambda: list(self._backend.list(prefix)), f"list {prefix}")

    def delete(self, keys: Iterable[str]) -> None:
        """What is not there counts as deleted."""
        for key in keys:
            self._tried(lambda key=key: self._backend.delete([key]), f"delete {key}")  # type: ignore[misc]

    def each(self, work: Callable[[T], None], items: Iterable[T], at_once: int = REQUESTS_AT_ONCE) -> Iterator[T]:
        """`work` on all of them, some at a time; each is yielded when it is done. What one raises ends it."""
        hands = Hands(at_once, "each")
        check = self._check or (lambda: None)
        waiting = []
        try:
            for item in items:
                waiting.append((item, hands.submit(lambda item=item: work(item))))  # type: ignore[misc]
                if len(waiting) >= 2 * at_once:
                    done, future = waiting.pop(0)
                    awaited(future, check)
                    yield done
            for done, future in waiting:
                awaited(future, check)
                yield done
        finally:
            for _, future in waiting:
                future.cancel()
            hands.close()

    # -- inside -------------------------------------------------------------------------------------------------------

    def _size(self, key: str) -> int | None:
        try:
            return self._backend.head(key).size
        except FileNotFoundError:
            return None

    def _tried(self, attempt: Callable[[], T], what: str, unequal: type[HubError] = StoreLied) -> T:
        """The answer of the first attempt that has one."""
        for pause_s in self._pauses_s:
            try:
                return self._made(attempt)
            except (*TRANSIENT, _Unequal) as exc:
                self._tell(f"{what}: {exc} Trying again in {pause_s:g} s.")
            self._pause(pause_s)
        try:
            return self._made(attempt)
        except _Unequal as exc:
            raise unequal(str(exc)) from None

    def _made(self, attempt: Callable[[], T]) -> T:
        if self._hands is None or self._check is None:
            return attempt()
        return awaited(self._hands.submit(attempt), self._check)

    def _pause(self, pause_s: float) -> None:
        until = time.monotonic() + pause_s
        while (left_s := until - time.monotonic()) > 0:
            if self._check is not None:
                self._check()
            time.sleep(min(left_s, LOOK_S))


class _Unequal(Exception):
    """What is there is not what was put."""
