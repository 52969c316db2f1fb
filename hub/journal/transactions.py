"""The one connection that writes: a thread of its own, a transaction for each piece of work, one hop for each."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from hub.core.errors import JournalUnavailable
from hub.journal import damage
from hub.sql import Connection, transaction

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

CLOSED = "The journal is closed."


class Transactions:
    """Raises JournalUnavailable where SQLite cannot; the same work may then be tried again.

    A commit is what every told event waits for. Statement by statement, each with its own way to the thread and back,
    it took five times as long.
    """

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None
        self._db: sqlite3.Connection | None = None
        self._path = Path()
        self._file = (0, 0)

    async def open(self, path: Path, prepare: Work[None], busy_timeout_s: float) -> None:
        """`prepare` is run first, outside of a transaction."""

        def connect() -> None:
            damage.make(path)
            damage.check_log(path)
            self._db = sqlite3.connect(
                path, isolation_level=None, timeout=busy_timeout_s, check_same_thread=False, factory=Connection
            )
            self._path, self._file = path, _identity(path)
            prepare(self._db)

        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        await self._hop(connect)

    async def close(self) -> None:
        def disconnect() -> None:
            if self._db is not None:
                self._db.close()
                self._db = None

        if self._thread is not None:
            await self._hop(disconnect)
            self._thread.shutdown(wait=False)
            self._thread = None

    async def run(self, work: Work[T]) -> T:
        """Run `work` as one transaction. A caller that is cancelled leaves it to finish by itself."""
        return await asyncio.shield(asyncio.ensure_future(self._hop(lambda: self._transact(work))))

    async def pragma(self, statement: str) -> None:
        """Run a statement outside of a transaction."""
        await self._hop(lambda: self._connected().execute(statement))

    async def _hop(self, call: Callable[[], T]) -> T:
        if self._thread is None:
            raise JournalUnavailable(CLOSED)
        with translated():
            return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _connected(self) -> sqlite3.Connection:
        if self._db is None:
            raise JournalUnavailable(CLOSED)
        return self._db

    def _transact(self, work: Work[T]) -> T:
        db = self._connected()
        if _identity(self._path) != self._file:  # SQLite would go on, into a file that nobody finds again
            raise JournalUnavailable(f"The journal {self._path} was moved or removed while the hub runs: put it back.")
        with transaction(db):
            return work(db)


def _identity(path: Path) -> tuple[int, int]:
    """Which file is at `path`; (0, 0) for none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_dev, found.st_ino


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """SQLite's errors as the journal's own: a full disk, a lock or a lost file is a state, not a crash."""
    try:
        yield
    except (sqlite3.Error, OSError) as exc:
        if damage.is_damage(exc):
            raise damage.damaged("of this hub", str(exc)) from exc
        raise JournalUnavailable(f"The journal cannot be used just now: {exc}") from exc
