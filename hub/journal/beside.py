"""The journal's tokens for another process than the hub, such as a command line, while it runs or not."""

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

from hub import sql
from hub.journal.reading import Reader
from hub.journal.sqlite import HERE, JournalTooNew
from hub.journal.tokens import SqliteTokens
from hub.journal.transactions import Transactions

BUSY_S = 5.0


@contextlib.asynccontextmanager
async def opened_tokens(path: Path) -> AsyncIterator[SqliteTokens]:
    """The tokens of a journal, whether a hub has it open or not. It is made when there is none.

    Raises JournalTooNew, JournalUnavailable.
    """
    transactions, reader = Transactions(), Reader()
    try:
        await transactions.open(path, _prepare, BUSY_S)
        await reader.open(path)
        yield SqliteTokens(transactions, reader)
    finally:
        await reader.close()
        await transactions.close()


def _prepare(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA foreign_keys=ON")
    db.execute("PRAGMA synchronous=FULL")  # what was revoked stays revoked, also after a power failure
    if not sql.migrate(db, HERE / "migrations"):
        raise JournalTooNew
