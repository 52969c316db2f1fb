"""Definitions by their names, and files by their paths."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hub.index import found_symbols
from hub.index.answers import Answer, Hits, Opened, begins, file_item, filtered, guarded, is_past, path_key
from hub.index.found_symbols import Definition
from hub.index.patterns import Pattern
from hub.index.requests import Query


def symbol_hits(answer: Answer, opened: Sequence[Opened], pattern: Pattern, query: Query) -> Hits:
    """Definitions by name: the whole name, how it begins, how a word in it does, any part."""
    ranked: list[tuple[Opened, list[list[int]]]] = []
    for one in opened:
        with guarded(answer, one):
            ranked.append((one, found_symbols.ranked(one.database, one.volume, pattern)))
    for rank in range(found_symbols.RANKS):
        for one, names in ranked:
            if is_past(query, rank, one) or not names[rank] or one.is_broken:
                continue
            after = begins(query, rank, one)
            mask = filtered(one.volume, query)
            with guarded(answer, one):
                for key, file, definition in found_symbols.in_order(one.database, one.volume, names[rank], mask):
                    if after is None or key > after:
                        yield rank, one, key, _SymbolItem(one, file, definition, pattern)


@dataclass(slots=True)
class _SymbolItem:
    one: Opened
    file: int
    definition: Definition
    pattern: Pattern

    def __call__(self) -> dict[str, Any]:
        item = file_item(self.one, self.file)
        mark = self.pattern.in_name(self.definition.name)
        return item | self.definition.to_wire() | {
            "id": f"{item['id']}:{self.definition.line}:{self.definition.name}:{self.definition.place}",
            "type": "symbol",
            "marks": [list(mark)] if mark else [],
        }  # fmt: skip


def path_hits(answer: Answer, opened: Sequence[Opened], pattern: Pattern, query: Query) -> Hits:
    """Files by path, also those that are left out: in the file's name first, then anywhere."""
    for rank in range(2):
        for one in opened:
            if is_past(query, rank, one):
                continue
            after = begins(query, rank, one)
            for file in np.flatnonzero(filtered(one.volume, query)).tolist():
                path, key = one.volume.paths[file], path_key(one.volume, file)
                if after is not None and key <= after:
                    continue
                in_name = pattern.in_name(path.rpartition("/")[2]) is not None
                if in_name is (rank == 0) and pattern.in_name(path) is not None:
                    yield rank, one, key, _PathItem(one, file, pattern)


@dataclass(slots=True)
class _PathItem:
    one: Opened
    file: int
    pattern: Pattern

    def __call__(self) -> dict[str, Any]:
        item = file_item(self.one, self.file)
        path = item["path"]
        name_at = path.rfind("/") + 1
        in_name = self.pattern.in_name(path[name_at:])
        mark = (in_name[0] + name_at, in_name[1] + name_at) if in_name else self.pattern.in_name(path)
        return item | {"type": "path", "marks": [list(mark)] if mark else []}
