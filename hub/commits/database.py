"""The one SQLite file: opened by the hub's threads and by jobs' processes at once, and brought up to its schema."""

import contextlib
import errno
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from hub import sql
from hub.core.errors import HubError, Unavailable

HERE = Path(__file__).parent
SQL = sql.statements(HERE / "queries.sql")
NAME = "commits.sqlite3"
BUSY_TIMEOUT_S = 10.0
"""Transactions are batches of some 20 ms, so this is for a disk that hangs."""
AGAIN_S = 0.01
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class CommitsUnavailable(Unavailable):
    """The hub cannot use its table of commits just now; try again shortly."""

    code = "commits_unavailable"


class CommitsFull(CommitsUnavailable):
    """The disk of the hub's data folder is full; free some space and try again."""

    code = "disk_full"


class RepositoryForgotten(HubError):
    """The project was deleted meanwhile."""

    code = "repository_forgotten"


class CommitsTooNew(HubError):
    """This data folder was written by a newer Progress Hub; start that one, or use another data folder."""

    code = "commits_too_new"


class Database:
    """One connection, shared by the threads of a process. A process may have several, and so may others."""

    def __init__(
        self,
        path: Path,
        *,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
        around: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
    ) -> None:
        """Whatever may lock the file is done inside an `around`. Raises CommitsUnavailable, CommitsTooNew."""
        self._around = around
        self._turn = threading.RLock()
        """Held for as long as a transaction takes; whoever has it knows that none is under way."""
        with translated(), around():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            self._connection = sqlite3.connect(
                path, isolation_level=None, timeout=busy_timeout_s, check_same_thread=False, factory=sql.Connection
            )
            try:
                self._prepare(busy_timeout_s)
            except BaseException:
                self._connection.close()
                raise

    def _prepare(self, busy_timeout_s: float) -> None:
        self._write_ahead(busy_timeout_s)
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute("PRAGMA foreign_keys=ON")
        if not sql.migrate(self._connection, HERE / "migrations"):
            raise CommitsTooNew

    def _write_ahead(self, patience_s: float) -> None:
        deadline = time.monotonic() + patience_s
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError:
                # Where several open a new file at once, SQLite does not wait for its turn by itself.
                if time.monotonic() > deadline:
                    raise
                time.sleep(AGAIN_S)
            else:
                return

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it, or nothing. Keep it short, others wait. Raises CommitsUnavailable."""
        with self._turn, translated(), self._around(), sql.transaction(self._connection):
            yield self._connection

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One state of the file for several queries. Raises CommitsUnavailable."""
        with self._turn, translated(), self._around():
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Let go of the file. The last to do so, in whatever process, leaves no write-ahead log."""
        with self._turn, self._around():
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def refuse_newer(path: Path) -> None:
    """Raise CommitsTooNew for a file that this version could not use; blocks."""
    with translated():
        if sql.is_newer(path, HERE / "migrations"):
            raise CommitsTooNew


@contextlib.contextmanager
def translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.IntegrityError as exc:
        if "FOREIGN KEY" in str(exc):
            raise RepositoryForgotten from exc
        raise CommitsUnavailable(f"The table of commits cannot be used just now: {exc}.") from exc
    except sqlite3.Error as exc:
        if getattr(exc, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            raise CommitsFull from exc
        raise CommitsUnavailable(f"The table of commits cannot be used just now: {exc}.") from exc
    except OSError as exc:
        if exc.errno in FULL:
            raise CommitsFull from exc
        raise CommitsUnavailable(f"The table of commits has no place: {exc}.") from exc
