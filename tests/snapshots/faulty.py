"""A store that goes wrong at a chosen request, in a chosen way."""

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from hub.snapshots.backend import Backend, Held
from hub.snapshots.errors import StoreFailed, StoreFull, StoreRefused

T = TypeVar("T")

HOWS = ("fails once", "fails always", "stores half once", "stores half always", "lies once", "lies always",
        "refuses", "is full", "stores and fails", "stores nothing")  # fmt: skip


class Died(BaseException):
    """The machine is off; nothing is asked for any more."""


class Mortal:
    """Over a real backend. Dies at the request of the number `at`, before or after that is served."""

    def __init__(self, real: Backend, at: int, *, after: bool) -> None:
        self._real = real
        self._at = at
        self._after = after
        self._lock = threading.Lock()
        self._requests = 0
        self.is_dead = False

    def _asked(self, serve: Callable[[], T]) -> T:
        with self._lock:
            is_last, self._requests = self._requests == self._at, self._requests + 1
            if self.is_dead or (is_last and not self._after):
                self.is_dead = True
                raise Died
            self.is_dead = is_last
        found = serve()
        if is_last:
            raise Died
        return found

    def put(self, key: str, data: bytes) -> None:
        self._asked(lambda: self._real.put(key, data))

    def get(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        return self._asked(lambda: self._real.get(key, start, end))

    def head(self, key: str) -> Held:
        return self._asked(lambda: self._real.head(key))

    def list(self, prefix: str) -> Iterator[Held]:
        yield from self._asked(lambda: list(self._real.list(prefix)))

    def delete(self, keys: Iterable[str]) -> None:
        self._asked(lambda: self._real.delete(keys))


class Faulty:
    """Over a real backend. `at` is the number of the request that goes wrong; None: none does, and they are counted."""

    def __init__(self, real: Backend, at: int | None = None, how: str = "fails once") -> None:
        self._real = real
        self._at = at
        self._how = how
        self._lock = threading.Lock()
        self.requests: list[str] = []
        self.is_broken = False
        self.key: str | None = None

    def _goes_wrong(self, what: str, key: str) -> bool:
        with self._lock:
            number = len(self.requests)
            self.requests.append(f"{what} {key}")
            if number == self._at:
                self.key = key
                self.is_broken = True
                return True
            # "Always" is about this object, or about everything where the request was for no single one.
            return self.is_broken and self._how.endswith("always") and (self.key == key or what == "list")

    def _trouble(self) -> None:
        if self._how == "refuses":
            raise StoreRefused("The object store refused.")
        if self._how == "is full":
            raise StoreFull("The object store is full.")
        raise StoreFailed("The object store failed.")

    def put(self, key: str, data: bytes) -> None:
        if not self._goes_wrong("put", key):
            self._real.put(key, data)
        elif self._how.startswith("stores half"):
            self._real.put(key, data[: len(data) // 2])
        elif self._how.startswith("lies"):
            self._real.put(key, bytes([data[0] ^ 1]) + data[1:])
        elif self._how == "stores and fails":
            self._real.put(key, data)
            self._trouble()
        elif self._how == "stores nothing":
            pass
        else:
            self._trouble()

    def get(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        if not self._goes_wrong("get", key):
            return self._real.get(key, start, end)
        if self._how.startswith("stores half"):
            found = self._real.get(key, start, end)
            return found[: len(found) // 2]
        if self._how.startswith("lies"):
            found = self._real.get(key, start, end)
            return bytes([found[0] ^ 2]) + found[1:]  # another bit than `put`: two lies shall not make a truth
        self._trouble()
        raise AssertionError

    def head(self, key: str) -> Held:
        if self._goes_wrong("head", key) and "stores" not in self._how and "lies" not in self._how:
            self._trouble()
        return self._real.head(key)

    def list(self, prefix: str) -> Iterator[Held]:
        if self._goes_wrong("list", prefix) and "stores" not in self._how and "lies" not in self._how:
            self._trouble()
        yield from self._real.list(prefix)

    def delete(self, keys: Iterable[str]) -> None:
        keys = list(keys)
        if self._goes_wrong("delete", keys[0]) and "stores" not in self._how and "lies" not in self._how:
            self._trouble()
        self._real.delete(keys)
