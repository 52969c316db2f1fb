"""Which documents hold what a plan requires, out of the posting lists."""

import sqlite3

import numpy as np
from numpy.typing import NDArray

from hub.index import segments
from hub.index.errors import IndexBroken
from hub.index.plans import All
from hub.index.postings import BUCKETS, Bucket, bucket_of, low_of
from hub.index.segments import Segment

MOST_LISTS = 10
"""Of the trigrams that must all be there, so many with the shortest lists are looked at: the rest hardly narrow it."""

Mask = NDArray[np.bool_]


def documents(database: sqlite3.Connection, plan: All, next_doc: int) -> Mask:
    """By number of document: may it match? Raises IndexBroken, sqlite3.DatabaseError."""
    if plan.is_everything:  # also what is too short to hold a trigram, and so may be in no segment
        return np.ones(next_doc + 1, bool)
    found = np.zeros(next_doc + 1, bool)
    try:
        for segment in segments.all_of(database):
            lookup = _Lookup(database, segment)
            found[segment.low : segment.high + 1] |= lookup.all_of(plan)
    except (ValueError, IndexError) as exc:  # what numpy makes of lists that are none
        raise IndexBroken from exc
    return found


class _Lookup:
    """In one segment."""

    def __init__(self, database: sqlite3.Connection, segment: Segment) -> None:
        self._database = database
        self._segment = segment
        self._buckets: dict[int, Bucket | None] = {}

    def all_of(self, plan: All) -> Mask:
        size = self._segment.high - self._segment.low + 1
        lists = []
        for code in plan.trigrams:
            bucket = self._bucket(bucket_of(code))
            span = bucket.find(low_of(code)) if bucket else None
            if bucket is None or span is None:
                return np.zeros(size, bool)
            lists.append((span[1] - span[0], span, bucket))
        mask = np.ones(size, bool)
        for _, span, bucket in sorted(lists, key=lambda one: one[0])[:MOST_LISTS]:
            one = np.zeros(size, bool)
            one[bucket.docs(*span)] = True
            mask &= one
        for choice in plan.plans:
            if not mask.any():
                break
            either = np.zeros(size, bool)
            for branch in choice.plans:
                either |= self.all_of(branch)
            mask &= either
        return mask

    def _bucket(self, number: int) -> Bucket | None:
        if number not in self._buckets:
            id_ = self._segment.id * BUCKETS + number
            row = self._database.execute("SELECT data FROM postings WHERE id = ?", (id_,)).fetchone()
            self._buckets[number] = Bucket(row[0]) if row else None
        return self._buckets[number]
