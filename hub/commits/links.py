"""Links as they are made: new commits against all sessions, sessions that are new or have grown against all commits.

What is stored afterwards depends on the commits and the sessions alone, not on the order in which they came.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from hub.commits.correlation import AFTER_S, BEFORE_S, NEAR_S, Link, Made, Span, correlate
from hub.commits.database import Database, load

SQL = load("queries.sql")
SPANS = 200
"""Sessions, neighbours in time, that are held against commits at once."""
EARLIEST = -(2**62)
BATCH = 2000
REACH_S = NEAR_S + BEFORE_S + AFTER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """Of a part of the work."""

    sessions: int
    created: int
    """Links that were not there before."""


class LinkTable:
    def __init__(self, database: Database) -> None:
        self._database = database

    def count_sessions(self, repository: int) -> int:
        with self._database.reading() as db:
            return int(db.execute(SQL["count_sessions"], (repository,)).fetchone()[0])

    def link(self, repository: int, check: Callable[[], None]) -> Iterator[Linked]:
        """Correlate the repository's sessions, part by part; a part that was yielded is stored.

        `check` may raise to end this at once. Raises CommitsUnavailable.
        """
        with self._database.reading() as db:
            newest = db.execute(SQL["newest_commit"]).fetchone()[0]
            upto = db.execute(SQL["correlated"], (repository,)).fetchone()[0]
            earliest, latest = db.execute(SQL["new_commits"], (repository, upto)).fetchone()
        # Stale ones first: one that another run settles meanwhile is then still seen against the new commits.
        done: set[str] = set()
        for spans in self._spans("stale_spans", repository):
            check()
            done.update(one.span.id for one in spans)
            yield Linked(sessions=len(spans), created=self._part(repository, spans, EARLIEST, check))
        for page in self._spans("settled_spans", repository):
            check()
            spans = [one for one in page if one.span.id not in done]
            reached = [one for one in spans if earliest is not None and _reaches(one.span, earliest, latest)]
            yield Linked(sessions=len(spans), created=self._part(repository, reached, upto, check) if reached else 0)
        with self._database.writing() as db:
            db.execute(SQL["set_correlated"], (newest, repository))

    def _spans(self, query: str, repository: int) -> Iterator[list["_Stored"]]:
        after = (EARLIEST, "")
        while True:
            with self._database.reading() as db:
                rows = db.execute(SQL[query], (repository, *after, SPANS)).fetchall()
                spans = [_stored(db, row) for row in rows]
            if not rows:
                return
            after = (rows[-1][1], rows[-1][0])
            yield spans

    def _part(self, repository: int, spans: list["_Stored"], above: int, check: Callable[[], None]) -> int:
        """Hold these sessions against the commits with numbers `above` that; returns how many links are new."""
        first = min(_first(one.span) for one in spans) - REACH_S
        last = max(_last(one.span) for one in spans) + REACH_S
        with self._database.reading() as db:
            rows = db.execute(SQL["made"], (repository, first, last, above)).fetchall()
        made = [Made(number=number, at=at, author_name=name, author_email=email) for number, at, name, email in rows]
        check()
        outcome = correlate(made, [one.span for one in spans])
        created = 0
        for start in range(0, len(outcome.links), BATCH):
            check()
            with self._database.writing() as db:
                created += _add_links(db, outcome.links[start : start + BATCH])
        with self._database.writing() as db:
            stale = [one for one in spans if one.stale]
            db.executemany(SQL["drop_near_misses"], [(one.span.id,) for one in stale])
            db.executemany(
                SQL["put_near_miss"],
                [(miss.session, miss.commit, miss.off_s, miss.why) for miss in outcome.near_misses],
            )
            db.executemany(SQL["settle_session"], [(one.span.id, one.stale) for one in stale])
        return created


@dataclass(frozen=True, slots=True)
class _Stored:
    span: Span
    stale: int
    """0, or how often it was told since it was settled: one that grows while it is looked at stays stale."""


def _stored(db: sqlite3.Connection, row: tuple[str, int, int, str | None, int]) -> _Stored:
    id_, start, end, author, stale = row
    actions = tuple(dict.fromkeys(at // 1000 for (at,) in db.execute(SQL["actions"], (id_,))))
    return _Stored(Span(id=id_, first=start // 1000, last=end // 1000, actions=actions, author=author), stale)


def _add_links(db: sqlite3.Connection, links: Sequence[Link]) -> int:
    rows = [
        (link.session, link.commit, link.tier, link.rank, link.first, link.last, link.margin_s, link.action)
        for link in links
    ]
    before = db.total_changes
    db.executemany(SQL["add_link"], rows)
    created = db.total_changes - before
    db.executemany(SQL["improve_link"], rows)
    return created


def _first(span: Span) -> int:
    return min((span.first, *span.actions[:1]))


def _last(span: Span) -> int:
    return max((span.last, *span.actions[-1:]))


def _reaches(span: Span, earliest: int, latest: int) -> bool:
    return _first(span) - REACH_S <= latest and earliest <= _last(span) + REACH_S
