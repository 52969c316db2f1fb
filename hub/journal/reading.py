"""A connection that only reads, beside the one that writes: what it sees is whole, and it holds up no commit."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import aiosqlite

from hub import sql
from hub.core.errors import JournalUnavailable
from hub.journal.transactions import translated


def _reversed(statement: str) -> str:
    head, order, tail = statement.rpartition("ORDER BY ")
    return head + order + tail.replace(" DESC", "")


def _slice(statement: str, body: str) -> str:
    """As many of its rows as `body` has bytes for, and one at least."""
    order = statement.rpartition("ORDER BY ")[2].partition(" LIMIT")[0]
    before = f"sum(length({body})) OVER (ORDER BY {order} ROWS UNBOUNDED PRECEDING) - length({body})"
    rows = f"SELECT *, {before} AS before FROM ({statement})"  # noqa: S608 - our own
    return f"SELECT * FROM ({rows}) WHERE before < {SLICE_BYTES} ORDER BY {order}"  # noqa: S608 - our own


SLICE_BYTES = 256 * 1024
"""Of what is read at once by who reads everything: some milliseconds to go through."""
WRITTEN = sql.statements(Path(__file__).parent / "queries.sql")
LISTS = {name: WRITTEN[name] for name in ("history", "jobs")}
LISTS |= {f"oldest_{name}": _reversed(statement) for name, statement in LISTS.items()}
SQL = {
    **WRITTEN,
    **LISTS,
    **{f"slice_{name}": _slice(LISTS[name], "wire" if "history" in name else "row") for name in LISTS},
    **{f"count_{name}": f"SELECT count(*) FROM ({WRITTEN[name]})" for name in ("history", "jobs")},  # noqa: S608 - our own
}
"""By name: what queries.sql holds, and the same lists in the other order, in slices, and counted."""


class Reader:
    """Raises JournalUnavailable where SQLite cannot; `name` is that of a statement in queries.sql."""

    def __init__(self) -> None:
        self._db: aiosqlite.Connection | None = None

    async def open(self, path: Path) -> None:
        uri = f"{path.absolute().as_uri()}?mode=ro"  # noqa: ASYNC240 - it looks at no disk
        with translated():
            self._db = await aiosqlite.connect(uri, uri=True, isolation_level=None, factory=sql.Connection)

    async def close(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            await db.close()

    async def all(self, name: str, *values: Any) -> list[Any]:
        with translated():
            if self._db is None:
                raise JournalUnavailable("The journal is closed.")
            return list(await self._db.execute_fetchall(SQL[name], values))

    async def one(self, name: str, *values: Any) -> Any:
        rows: Iterable[Any] = await self.all(name, *values)
        return next(iter(rows), None)


def dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def listed(values: Iterable[str]) -> str | None:
    """Several values as one parameter, for `json_each`; None for none."""
    found = list(values)
    return dump(found) if found else None
