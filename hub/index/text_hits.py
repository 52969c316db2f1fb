"""Files whose text matches: those that define what is looked for first, then those that are called so."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hub.core.errors import HubError
from hub.index import candidates, found_symbols, texts
from hub.index.answers import Answer, Hits, Opened, begins, file_item, filtered, is_past, path_key, tell_problem
from hub.index.errors import SourceGone
from hub.index.found_symbols import Definition
from hub.index.patterns import Found, Pattern
from hub.index.requests import Query
from hub.index.shelf import Volume
from hub.index.snippets import snippet

TIERS = ("definition", "definition part", "file name", "path", "text")
"""Why a file is where it stands in the order; the text has to match in every one."""
_FEW = 300
"""So few candidates of a regex have their definitions looked at."""


def text_hits(answer: Answer, opened: Sequence[Opened], pattern: Pattern, query: Query) -> Hits:
    answer.narrowed = not pattern.plan.is_everything
    tiers = [(one, _tiers(one, pattern, query)) for one in opened]
    for tier in range(len(TIERS)):
        for one, of_files in tiers:
            if is_past(query, tier, one):
                continue
            after = begins(query, tier, one)
            for file in np.flatnonzero(of_files == tier).tolist():
                key = path_key(one.volume, file)
                if after is None or key > after:
                    yield tier, one, key, _TextItem(answer, one, file, tier, pattern, query)


def _tiers(one: Opened, pattern: Pattern, query: Query) -> NDArray[np.int8]:
    """Of each file, its place in TIERS; -1 where it cannot match or is filtered out."""
    volume = one.volume
    wanted = filtered(volume, query) & volume.is_indexed
    documents = candidates.documents(one.database, pattern.plan, volume.next_doc)
    wanted &= documents[volume.docs]
    out = np.where(wanted, len(TIERS) - 1, -1).astype(np.int8)
    if not wanted.any():
        return out
    if not pattern.is_regex:
        _rank_by_path(out, volume, pattern.query)
    few = np.unique(volume.docs[wanted]) if pattern.is_regex else None
    if few is None or len(few) <= _FEW:
        one.definitions = found_symbols.by_document(one.database, volume, pattern, few)
    for doc, definitions in one.definitions.items():
        tier = 0 if any(pattern.is_whole(definition.name) for definition in definitions) else 1
        for file in volume.files_of.get(doc, ()):
            if out[file] >= 0:
                out[file] = tier
    return out


def _rank_by_path(out: NDArray[np.int8], volume: Volume, query: str) -> None:
    """Files whose names, then whose paths, speak of what is looked for."""
    joined, starts = volume.lower_paths
    needle = query.strip().lower().encode(errors="replace")
    if len(needle) < 2 or b"\n" in needle:
        return
    at = joined.find(needle)
    while at >= 0:
        file = int(np.searchsorted(starts, at, "right")) - 1
        if out[file] >= 0:
            end = joined.find(b"\n", at)
            out[file] = min(out[file], 2 if joined.rfind(b"/", at, end) < 0 else 3)
        at = joined.find(needle, at + 1)


@dataclass(slots=True)
class _TextItem:
    """Makes the item of a file; None when its text does not match after all."""

    answer: Answer
    one: Opened
    file: int
    tier: int
    pattern: Pattern
    query: Query

    def __call__(self) -> dict[str, Any] | None:
        volume = self.one.volume
        text = self._text()
        if text is None:
            return None
        doc = int(volume.docs[self.file])
        definitions = self.one.definitions.get(doc, [])
        found = self.pattern.find(text, max(self.query.lines, 200 if definitions else 0))
        if not found.count:
            return None
        item = file_item(self.one, self.file) | {
            "type": "text",
            "match": TIERS[self.tier],
            "matches": found.count,
            "lines": [snippet(line) for line in _chosen(found, definitions, self.query.lines)],
        }
        if definitions:
            item["symbols"] = [definition.to_wire() for definition in definitions[: self.query.lines]]
        return item

    def _text(self) -> bytes | None:
        volume, doc = self.one.volume, int(self.one.volume.docs[self.file])
        row = self.one.database.execute("SELECT oid, encoding FROM docs WHERE id = ?", (doc,)).fetchone()
        if row is None:
            return None
        try:
            try:
                data = volume.source.read(row[0], volume.raw_paths[self.file])
            except SourceGone:
                volume.forget_source()
                data = volume.source.read(row[0], volume.raw_paths[self.file])
        except HubError as exc:
            tell_problem(self.answer, volume.place, exc)
            self.answer.complete = False
            return None
        return None if data is None else texts.read_as(row[1], data)


def _chosen(found: Found, definitions: Sequence[Definition], most: int) -> list[Any]:
    """The lines to show: those that define what is looked for before the others, then in their order."""
    defining = {definition.line for definition in definitions}
    ranked = sorted(found.lines, key=lambda line: (line.number not in defining, line.number))[:most]
    return sorted(ranked, key=lambda line: line.number)
