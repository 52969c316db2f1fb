"""Definitions found by their names."""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hub.index.patterns import Pattern
from hub.index.shelf import Volume
from hub.index.symbols import KINDS

RANKS = 4
"""A name that is the query, begins with it, has a word that does, holds it."""
_MOST_NAMES = 3000
"""That are looked up for one query; with more matches the shorter names win."""
_AT_ONCE = 500
_MOST_DEFINITIONS = 20_000


@dataclass(frozen=True, slots=True)
class Definition:
    name: str
    kind: str
    line: int
    end_line: int
    parent: str
    place: int
    """Among the symbols of its document."""

    def to_wire(self) -> dict[str, Any]:
        return {
            "name": self.name, "kind": self.kind, "line": self.line, "end_line": self.end_line,
            "parent": self.parent or None,
        }  # fmt: skip


def defining(
    database: sqlite3.Connection, volume: Volume, pattern: Pattern, docs: "Sequence[int] | None"
) -> tuple[list[int], list[int]]:
    """Documents that define what is looked for, and those that define something with it in its name.

    Of `docs` where given, else of all. Read from the index of names alone, which knows nothing more.
    """
    if docs is None:
        ranks = ranked(database, volume, pattern)
        exact, partly = ranks[0], [number for rank in ranks[1:] for number in rank]
        return _documents(database, exact), _documents(database, partly[: max(0, _MOST_NAMES - len(exact))])
    whole, parts = dict[int, None](), dict[int, None]()
    known: dict[int, tuple[bool, bool]] = {}
    for number, doc in _by_keys(database, "SELECT name, doc FROM symbols WHERE doc IN ({})", docs):
        if number not in known:
            name = volume.name(database, number)
            known[number] = pattern.is_whole(name), pattern.in_name(name) is not None
        if known[number][1]:
            (whole if known[number][0] else parts)[doc] = None
    return list(whole), list(parts)


def _documents(database: sqlite3.Connection, names: Sequence[int]) -> list[int]:
    rows = _by_keys(database, "SELECT doc FROM symbols WHERE name IN ({})", names)
    return list(dict.fromkeys(doc for (doc,), _ in zip(rows, range(_MOST_DEFINITIONS), strict=False)))


def within(database: sqlite3.Connection, doc: int, pattern: Pattern) -> list[Definition]:
    """The matching definitions of a document, the best names first."""
    found = [_definition(row[1:]) for row in _rows(database, "s.doc", [doc]) if pattern.in_name(row[1]) is not None]
    return sorted(found, key=lambda one: (not pattern.is_whole(one.name), one.line))


def ranked(database: sqlite3.Connection, volume: Volume, pattern: Pattern) -> list[list[int]]:
    """The numbers of matching names by rank, short names first."""
    numbers, text, starts = volume.names_in(database)
    found: list[list[tuple[int, str, int]]] = [[] for _ in range(RANKS)]
    for place in _matching(pattern, text, starts):
        begin = int(starts[place])
        end = int(starts[place + 1]) - 1 if place + 1 < len(starts) else len(text) - 1
        name = text[begin:end]
        span = pattern.in_name(name)
        if span is not None:
            found[_rank(name, span)].append((len(name), name, int(numbers[place])))
    return [[number for _, _, number in sorted(rank)][:_MOST_NAMES] for rank in found]


def _matching(pattern: Pattern, text: str, starts: "NDArray[np.int64]") -> Iterator[int]:
    """Places of the names that hold a match, each once."""
    if pattern.sees_lines:
        yield from range(len(starts))
        return
    last = -1
    for at in pattern.in_names(text):
        place = int(np.searchsorted(starts, at, "right")) - 1
        if place != last:
            last = place
            yield place


_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[^A-Za-z0-9])(?=[A-Za-z0-9])")


def _rank(name: str, span: tuple[int, int]) -> int:
    if span == (0, len(name)):
        return 0
    if span[0] == 0:
        return 1
    return 2 if _WORD.match(name, span[0]) else 3


def in_order(
    database: sqlite3.Connection, volume: Volume, names: Sequence[int], wanted: "NDArray[np.bool_]"
) -> Iterator[tuple[str, int, Definition]]:
    """Definitions of these names in the wanted files, each with a key that grows: by name, path, line and place."""
    for number in names:
        found = []
        for doc, *row in _rows(database, "s.name", [number]):
            one = _definition(row)
            begin, end = f"{len(one.name):04}{one.name}\n", f"\n{one.line:09}\n{one.place:09}"
            files = (file for file in volume.files_of.get(doc, ()) if wanted[file])
            found += [(f"{begin}{volume.paths[file]}{end}", file, one) for file in files]
        yield from sorted(found, key=lambda item: item[0])


def _rows(database: sqlite3.Connection, column: str, keys: Sequence[int]) -> Iterator[Any]:
    statement = (  # the column is ours
        "SELECT s.doc, n.name, s.kind, s.line, s.end_line, p.name, s.place FROM symbols s"  # noqa: S608
        f" JOIN names n ON n.id = s.name LEFT JOIN names p ON p.id = s.parent WHERE {column} IN ({{}})"
    )
    return _by_keys(database, statement, keys)


def _by_keys(database: sqlite3.Connection, statement: str, keys: Sequence[int]) -> Iterator[Any]:
    """The rows of a statement with `{}` for the keys, of which it takes some at a time."""
    for at in range(0, len(keys), _AT_ONCE):
        part = keys[at : at + _AT_ONCE]
        yield from database.execute(statement.format(",".join("?" * len(part))), part)


def _definition(row: Sequence[Any]) -> Definition:
    name, kind, line, end_line, parent, place = row
    return Definition(name, KINDS[kind], line, end_line, parent or "", place)
