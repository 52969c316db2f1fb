"""Files whose text matches: those that define what is looked for first, then those that are called so."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hub.index import candidates, found_symbols, texts
from hub.index.answers import (
    Answer,
    Hits,
    Opened,
    begins,
    file_item,
    filtered,
    guarded,
    is_past,
    path_key,
    tell_problem,
)
from hub.index.errors import SourceGone
from hub.index.found_symbols import Definition
from hub.index.patterns import Found, Pattern
from hub.index.requests import Query
from hub.index.shelf import Volume
from hub.index.snippets import snippet
from hub.index.source import blob_id

TIERS = ("definition", "definition part", "file name", "path", "text")
"""Why a file is where it stands in the order; the text has to match in every one."""
_FEW = 300
"""So few candidates of a regex have their definitions looked at before the texts."""
_LINES_LOOKED_AT = 200
"""Of a file, to find the line of a definition among."""


def text_hits(answer: Answer, opened: Sequence[Opened], pattern: Pattern, query: Query) -> Hits:
    answer.narrowed = not pattern.plan.is_everything
    tiers: list[tuple[Opened, NDArray[np.int8]]] = []
    for one in opened:
        with guarded(answer, one):
            tiers.append((one, _tiers(one, pattern, query)))
    for tier in range(len(TIERS)):
        for one, of_files in tiers:
            if is_past(query, tier, one) or one.is_broken:
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
    few = np.unique(volume.docs[wanted]).tolist() if pattern.is_regex else None
    if few is None or len(few) <= _FEW:
        exact, partly = found_symbols.defining(one.database, volume, pattern, few)
        for tier, docs in ((1, partly), (0, exact)):
            files = [file for doc in docs for file in volume.files_of.get(doc, ())]
            out[files] = np.where(out[files] >= 0, tier, -1)
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
        found, definitions, is_changed = Found(0, ()), list[Definition](), False
        with guarded(self.answer, self.one):
            text, is_changed = self._text()
            self.answer.changed += is_changed
            found = Found(0, ()) if text is None else self.pattern.find(text, max(self.query.lines, _LINES_LOOKED_AT))
            if found.count:
                doc = int(self.one.volume.docs[self.file])
                definitions = found_symbols.within(self.one.database, doc, self.pattern)
        if self.one.is_broken:
            self.answer.complete = False
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
        if is_changed:
            item["changed"] = True
        return item

    def _text(self) -> tuple[bytes | None, bool]:
        """None for what is gone; and whether the file is another than was indexed.

        Raises SourceGone, SourceRefused when nothing of the project can be read.
        """
        volume, doc = self.one.volume, int(self.one.volume.docs[self.file])
        row = self.one.database.execute("SELECT oid, encoding FROM docs WHERE id = ?", (doc,)).fetchone()
        if row is None:
            return None, False
        oid, encoding = row
        try:
            data = self._read(oid)
        except _FileGone as exc:
            if not volume.is_folder:  # a repository that lacks a part of its own newest commit
                tell_problem(self.answer, volume.place, exc)
                self.answer.complete = False
            return None, volume.is_folder
        if data is None or not volume.is_folder or blob_id(data) == oid:
            return None if data is None else texts.read_as(encoding, data), data is None
        try:
            return texts.decoded(data)[1], True
        except texts.NoText:
            return None, True

    def _read(self, oid: bytes) -> bytes | None:
        volume, path = self.one.volume, self.one.volume.raw_paths[self.file]
        while True:
            source = volume.source
            try:
                return source.read(oid, path)
            except SourceGone as exc:
                if self.one.is_reopened:
                    raise _FileGone(exc.message) from exc
            self.one.is_reopened = True
            volume.forget_source()  # it may have been replaced


class _FileGone(SourceGone):
    """This file is not there, and others may be."""


def _chosen(found: Found, definitions: Sequence[Definition], most: int) -> list[Any]:
    """The lines to show: those that define what is looked for before the others, then in their order."""
    defining = {definition.line for definition in definitions}
    ranked = sorted(found.lines, key=lambda line: (line.number not in defining, line.number))[:most]
    return sorted(ranked, key=lambda line: line.number)
