"""The journal's tokens for another process than the hub, such as a command line, while it runs or not."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

from hub import sql
from hub.journal.damage import JournalDamaged
from hub.journal.reading import Reader
from hub.journal.sqlite import HERE, JournalTooNew
from hub.journal.tokens import SqliteTokens
from hub.journal.transactions import Transactions

BUSY_S = 5.0
LOOKS, LOOK_AGAIN_S = 4, 0.05
"""A log that a hub writes to while it is looked through may seem broken, but not again and again."""


@contextlib.asynccontextmanager
async def opened_tokens(path: Path) -> AsyncIterator[SqliteTokens]:
    """The tokens of a journal, whether a hub has it open or not. It is made when there is none.

    Raises JournalTooNew, JournalUnavailable.
    """
    transactions, reader = await _opened(path), Reader()
    try:
        await reader.open(path)
        yield SqliteTokens(transactions, reader)
    finally:
        await reader.close()
        await transactions.close()


async def _opened(path: Path) -> Transactions:
    for left in reversed(range(LOOKS)):
        transactions = Transactions()
        try:
            await transactions.open(path, _prepare, BUSY_S)
        except BaseException as exc:
            await transactions.close()
            if not isinstance(exc, JournalDamaged) or not left:
                raise
            await asyncio.sleep(LOOK_AGAIN_S)
        else:
            return transactions
    raise AssertionError("the last look returns or raises")


def _prepare(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA foreign_keys=ON")
    db.execute("PRAGMA synchronous=FULL")  # what was revoked stays revoked, also after a power failure
    if not sql.migrate(db, HERE / "migrations"):
        raise JournalTooNew
