"""SQL in files, and the transactions it runs in: what every SQLite file of the hub needs."""

import contextlib
import functools
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any


class Connection(sqlite3.Connection):
    """Takes a sequence for `?1`, `?2` and so on, too: since Python 3.12 those count as names, and want a mapping."""

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        return super().execute(sql, _named(parameters) if _is_numbered(sql) else parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        return super().executemany(sql, map(_named, parameters) if _is_numbered(sql) else parameters)


@functools.lru_cache(maxsize=512)
def _is_numbered(sql: str) -> bool:
    return re.search(r"\?\d", sql) is not None


def _named(values: Iterable[Any]) -> Mapping[str, Any]:
    return {str(number): value for number, value in enumerate(values, 1)}


def statements(path: Path) -> Mapping[str, str]:
    """Of a `.sql` file, by the name in the `-- name:` line above each."""
    parts = re.split(r"^-- name: (\w+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {name: statement.strip().removesuffix(";") for name, statement in zip(parts[1::2], parts[2::2], strict=True)}


@functools.cache
def migrations(folder: Path) -> list[tuple[int, str]]:
    """Number and script of each migration, in order."""
    paths = sorted(folder.glob("*.sql"))
    return [(int(path.name.split("_")[0]), path.read_text(encoding="utf-8")) for path in paths]


@contextlib.contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All of it, or nothing."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def migrate(db: sqlite3.Connection, folder: Path) -> bool:
    """Bring the file up to the newest migration; False for a file that a newer program has written."""
    scripts = migrations(folder)
    newest = scripts[-1][0]
    if _version(db) < newest:
        with transaction(db):  # whoever comes second finds it done
            for number, script in scripts:
                if number > _version(db):
                    for statement in script.split(";\n"):
                        db.execute(statement)
                    db.execute(f"PRAGMA user_version={number}")
    return _version(db) == newest


def is_newer(path: Path, folder: Path) -> bool:
    """Was the file, if there is one, written by a newer program? It is only read. Raises sqlite3.Error."""
    if not path.is_file():
        return False
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
        return _version(db) > migrations(folder)[-1][0]


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])
