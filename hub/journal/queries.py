"""SQL lives in `.sql` files; this reads them, and the cursors of their pages."""

import re
from collections.abc import Mapping
from pathlib import Path

from hub.core.errors import BadRequest

HERE = Path(__file__).parent


def load(path: Path = HERE / "queries.sql") -> Mapping[str, str]:
    """Statements by the name in the `-- name:` line above each."""
    parts = re.split(r"^-- name: (\w+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {name: statement.strip() for name, statement in zip(parts[1::2], parts[2::2], strict=True)}


def migrations() -> list[tuple[int, str]]:
    """Number and script of each migration, in order."""
    paths = sorted((HERE / "migrations").glob("*.sql"))
    return [(int(path.name.split("_")[0]), path.read_text(encoding="utf-8")) for path in paths]


def number(cursor: str) -> int:
    """The number that a page of a list gave out as its cursor. Raises BadRequest."""
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise BadRequest("That cursor is not one a page of this list gave out.")
    return int(cursor)
