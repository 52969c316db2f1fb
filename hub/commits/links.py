"""Links as they are made: new commits against all sessions, sessions that are new or have grown against all commits.

What is stored afterwards depends on the commits and the sessions alone, not on the order in which they came.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hub.commits.correlation import AFTER_S, BEFORE_S, NEAR_S, Link, Made, Span, correlate, reach
from hub.commits.database import SQL, Database

SPANS = 200
"""Sessions, neighbours in time, that are read at once."""
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
            row = db.execute(SQL["correlated"], (repository,)).fetchone()
            upto = row[0] if row else newest  # a repository that was forgotten meanwhile has no sessions
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
        created = 0
        held: list[_Stored] = []
        links: list[_Row] = []
        misses: list[_Row] = []
        for one in spans:  # one by one: each may have very many
            check()
            outcome = correlate(self._made(repository, one.span, above), [one.span])
            held.append(one)
            links += [(*_link_row(link), one.told) for link in outcome.links]
            misses += [(miss.session, miss.commit, miss.off_s, miss.why, one.told) for miss in outcome.near_misses]
            if len(links) + len(misses) >= BATCH:
                created += self._store(held, links, misses, check)
                held, links, misses = [], [], []
        return created + self._store(held, links, misses, check)

    def _made(self, repository: int, span: Span, above: int) -> list[Made]:
        found: list[Made] = []
        with self._database.reading() as db:
            for first, last in reach(span):
                rows = db.execute(SQL["made"], (repository, first, last, above))
                found += [Made(number=row[0], at=row[1], author_name=row[2], author_email=row[3]) for row in rows]
        return found

    def _store(
        self, held: Sequence["_Stored"], links: Sequence["_Row"], misses: Sequence["_Row"], check: Callable[[], None]
    ) -> int:
        """Store what was found of the sessions `held`, which settles them; returns how many links are new."""
        created = 0
        for start in range(0, len(links), BATCH):
            check()
            with self._database.writing() as db:
                created += _add_links(db, links[start : start + BATCH])
        stale = [one for one in held if one.is_stale]
        with self._database.writing() as db:
            db.executemany(SQL["renew_near_misses"], [(one.span.id,) for one in stale])
            db.executemany(SQL["put_near_miss"], misses)
            db.executemany(SQL["settle_session"], [(one.span.id, one.told) for one in stale])
        return created


_Row = tuple[Any, ...]
"""What a statement takes; the last value is how often the session had been told when it was read."""


@dataclass(frozen=True, slots=True)
class _Stored:
    span: Span
    told: int
    """One that grows while it is looked at stays stale."""
    is_stale: bool


def _stored(db: sqlite3.Connection, row: tuple[str, int, int, str | None, int, int]) -> _Stored:
    id_, start, end, author, told, settled = row
    actions = tuple(dict.fromkeys(at // 1000 for (at,) in db.execute(SQL["actions"], (id_,))))
    span = Span(id=id_, first=start // 1000, last=end // 1000, actions=actions, author=author)
    return _Stored(span, told, is_stale=settled < told)


def _link_row(link: Link) -> _Row:
    return (link.session, link.commit, link.tier, link.rank, link.first, link.last, link.margin_s, link.action)


def _add_links(db: sqlite3.Connection, rows: Sequence[_Row]) -> int:
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
