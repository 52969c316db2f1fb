"""Posting lists on their way into the index: a segment for each batch, and few large ones in the end."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hub.core.report import Report
from hub.index import postings
from hub.index.postings import BUCKETS
from hub.index.store import Store

_FEW = 16
"""So many segments are left as they are: a query meets them in some milliseconds; merging is a tenth of all work."""
_GROWTH = 2
"""A segment stays alone while it has so many times the documents of all smaller ones together: a hundred small runs
then rewrite the large one seldom, and a query meets few segments."""
_DEAD = 0.3
"""Share of dropped documents past which a segment is written without them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    id: int
    low: int
    high: int
    docs: int


def add(database: sqlite3.Connection, low: int, high: int, docs: int, buckets: Sequence[tuple[int, bytes]]) -> None:
    inserted = database.execute("INSERT INTO segments (low, high, docs) VALUES (?, ?, ?)", (low, high, docs))
    first = (inserted.lastrowid or 0) * BUCKETS
    database.executemany("INSERT INTO postings VALUES (?, ?)", [(first + bucket, data) for bucket, data in buckets])


def all_of(database: sqlite3.Connection) -> list[Segment]:
    rows = database.execute("SELECT id, low, high, docs FROM segments ORDER BY docs DESC, id").fetchall()
    return [Segment(id=id_, low=low, high=high, docs=docs) for id_, low, high, docs in rows]


def merge(store: Store, watch: Report) -> None:
    """Make one segment of those that are small against the rest, or hold much that was dropped."""
    database = store.database
    found = all_of(database)
    live = np.zeros(store.meta("next_doc", 1) + 1, bool)
    live[[doc for (doc,) in database.execute("SELECT id FROM docs WHERE state = 1")]] = True
    files = int(live.sum())
    chosen = _chosen(found, {one.id: int(live[one.low : one.high + 1].sum()) for one in found})
    watch.progress(0, files, "files", "Nothing to merge" if not chosen else f"Merging {len(chosen)} parts of the index")
    if chosen:
        with store.change():
            _merge(database, chosen, live, files, watch)
    watch.progress(files, files, "files", f"{files:,} files are indexed")


def _chosen(found: Sequence[Segment], live: Mapping[int, int]) -> list[Segment]:
    """`found` has the largest first."""
    rotten = [one for one in found if live[one.id] < (1 - _DEAD) * one.docs]
    small: list[Segment] = []
    for at, one in enumerate(found if len(found) > _FEW else ()):
        if one.docs < _GROWTH * sum(other.docs for other in found[at + 1 :]):
            small = list(found[at:])
            break
    chosen = [*small, *(one for one in rotten if one not in small)]
    return chosen if len(chosen) > 1 or rotten else []


def _merge(
    database: sqlite3.Connection, chosen: Sequence[Segment], live: "np.ndarray[Any, np.dtype[np.bool_]]", files: int,
    watch: Report,
) -> None:  # fmt: skip
    low, high = min(one.low for one in chosen), max(one.high for one in chosen)
    docs = _held(chosen, live)
    new = database.execute("INSERT INTO segments (low, high, docs) VALUES (?, ?, ?)", (low, high, docs)).lastrowid or 0
    for bucket in range(BUCKETS):
        rows = [
            (row[0], one.low)
            for one in chosen
            if (
                row := database.execute(
                    "SELECT data FROM postings WHERE id = ?", (one.id * BUCKETS + bucket,)
                ).fetchone()
            )
        ]
        if not rows:
            continue
        data = postings.in_bucket(postings.merged(rows, live, low), bucket)
        if data is not None:
            database.execute("INSERT INTO postings VALUES (?, ?)", (new * BUCKETS + bucket, data))
        watch.progress(files * bucket // BUCKETS, files, "files", f"Merging {len(chosen)} parts of the index")
    for one in chosen:
        database.execute("DELETE FROM postings WHERE id >= ? AND id < ?", (one.id * BUCKETS, (one.id + 1) * BUCKETS))
        database.execute("DELETE FROM segments WHERE id = ?", (one.id,))
    if docs == 0:
        database.execute("DELETE FROM segments WHERE id = ?", (new,))


def _held(chosen: Sequence[Segment], live: "np.ndarray[Any, np.dtype[np.bool_]]") -> int:
    """Live documents of the segments. Their ranges may lie within each other, but no document is in two."""
    return min(sum(one.docs for one in chosen), int(live[min(one.low for one in chosen) :].sum()))
