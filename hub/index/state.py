"""What an index holds, for who asks about the index itself."""

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hub.index.errors import BadQuery
from hub.index.guards import REASONS, SYMBOLS_ONLY
from hub.index.index_file import reading
from hub.index.requests import Cursor, Place

_LEFT_OUT = """
    SELECT f.path AS path, coalesce(f.reason, d.reason) AS reason, coalesce(f.detail, d.detail) AS detail,
    d.bytes AS bytes
    FROM files f LEFT JOIN docs d ON d.id = f.doc
    WHERE (f.reason IS NOT NULL OR d.reason IS NOT NULL)
"""


def state(place: Place, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Counts, languages, and a page of what is left out. `wanted`: limit, cursor, reason. Raises NoIndex, BadQuery."""
    limit, reason = wanted.get("limit") or 50, wanted.get("reason")
    if reason is not None and reason not in REASONS:
        raise BadQuery(f"reason must be one of: {', '.join(REASONS)}.")
    cursor = Cursor.parse(wanted["cursor"]) if wanted.get("cursor") else None
    with reading(Path(place.index)) as database:
        meta = dict(database.execute("SELECT key, value FROM meta"))
        files, looked_at, indexed = database.execute(
            "SELECT count(*), coalesce(sum(f.doc IS NULL OR d.state <> 0), 0), coalesce(sum(d.state = 1), 0)"
            " FROM files f LEFT JOIN docs d ON d.id = f.doc"
        ).fetchone()
        one = database.execute
        return {
            "id": place.id,
            "state": "complete" if meta.get("complete") == 1 else "building",
            "head": meta.get("head"),
            "source": "folder" if json.loads(meta.get("source", "{}")).get("folder") else "git",
            "files": files,
            "indexed": indexed,
            "coverage": {"indexed": looked_at, "of": files},
            "bytes": one("SELECT coalesce(sum(bytes), 0) FROM docs WHERE state = 1").fetchone()[0],
            "index_bytes": Path(place.index).stat().st_size,
            "symbols": one("SELECT count(*) FROM symbols").fetchone()[0],
            "languages": _languages(database),
            "left_out": _left_out(database, limit, cursor, reason),
        }


def _languages(database: sqlite3.Connection) -> list[dict[str, Any]]:
    rows = database.execute(
        "SELECT d.lang, count(*), sum(d.bytes) FROM files f JOIN docs d ON d.id = f.doc WHERE d.state = 1"
        " GROUP BY d.lang ORDER BY sum(d.bytes) DESC, d.lang"
    )
    return [{"lang": lang or None, "files": files, "bytes": size} for lang, files, size in rows]


def _left_out(database: sqlite3.Connection, limit: int, cursor: Cursor | None, reason: str | None) -> dict[str, Any]:
    counts = dict(database.execute(f"SELECT reason, count(*) FROM ({_LEFT_OUT}) GROUP BY reason"))  # noqa: S608 - ours
    after = cursor.key.encode("latin-1", "replace") if cursor else b""
    page = (
        f"SELECT * FROM ({_LEFT_OUT}) WHERE path > :after AND (:reason IS NULL OR reason = :reason)"  # noqa: S608
        " ORDER BY path LIMIT :limit"
    )
    rows = database.execute(page, {"reason": reason, "after": after, "limit": limit + 1}).fetchall()
    items = [
        {
            "id": path.decode(errors="backslashreplace"),
            "reason": why,
            "why": REASONS.get(why, why),
            "detail": detail,
            "bytes": size,
            "symbols_only": why in SYMBOLS_ONLY,
        }
        for path, why, detail, size in rows[:limit]
    ]
    total = counts.get(reason, 0) if reason else sum(counts.values())
    found: dict[str, Any] = {"items": items, "total": total, "reasons": counts}
    if len(rows) > limit:
        last = Cursor(tier=0, project=0, key=rows[limit - 1][0].decode("latin-1"), seen=0)
        found["next"] = last.text()
    return found
