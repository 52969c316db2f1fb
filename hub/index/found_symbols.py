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

    def to_wire(self) -> dict[str, Any]:
        return {
            "name": self.name, "kind": self.kind, "line": self.line, "end_line": self.end_line,
            "parent": self.parent or None,
        }  # fmt: skip


def by_document(
    database: sqlite3.Connection, volume: Volume, pattern: Pattern, docs: "NDArray[np.int64] | None"
) -> dict[int, list[Definition]]:
    """Matching definitions of each document: of `docs` where given, else of all that have any, the best names first."""
    found: dict[int, list[Definition]] = {}
    if docs is not None:
        rows: Iterator[Any] = _rows(database, "s.doc", docs.tolist())
        rows = (row for row in rows if pattern.in_name(row[1]) is not None)
    else:
        names = [number for rank in ranked(database, volume, pattern) for number in rank]
        rows = _rows(database, "s.name", names[:_MOST_NAMES])
    for (doc, *definition), _ in zip(rows, range(_MOST_DEFINITIONS), strict=False):
        found.setdefault(doc, []).append(_definition(definition))
    for definitions in found.values():
        definitions.sort(key=lambda one: (not pattern.is_whole(one.name), one.line))
    return found


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
    """Definitions of these names in the wanted files, each with a key that grows: by name, path and line."""
    for number in names:
        rows = sorted(
            (volume.paths[file], row[3], row[4], file, row)
            for row in _rows(database, "s.name", [number])
            for file in volume.files_of.get(row[0], ())
            if wanted[file]
        )
        for path, line, _, file, row in rows:
            definition = _definition(row[1:])
            yield f"{len(definition.name):04}{definition.name}\n{path}\n{line:09}", file, definition


def _rows(database: sqlite3.Connection, column: str, keys: Sequence[int]) -> Iterator[Any]:
    for at in range(0, len(keys), _AT_ONCE):
        part = keys[at : at + _AT_ONCE]
        marks = ",".join("?" * len(part))
        yield from database.execute(
            "SELECT s.doc, n.name, s.kind, s.line, s.end_line, p.name FROM symbols s JOIN names n ON n.id = s.name"  # noqa: S608 - the column is ours
            f" LEFT JOIN names p ON p.id = s.parent WHERE {column} IN ({marks})",
            part,
        )


def _definition(row: Sequence[Any]) -> Definition:
    name, kind, line, end_line, parent = row
    return Definition(name, KINDS[kind], line, end_line, parent or "")
