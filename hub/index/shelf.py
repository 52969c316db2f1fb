"""What a searching process keeps in memory of the indexes it was asked about: paths, documents and names."""

import collections
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hub.index.errors import SourceGone
from hub.index.requests import Place
from hub.index.roots import check_inside
from hub.index.source import FolderSource, GitSource, Source

MOST_FILES = 1_000_000
"""Over all indexes in memory; some 200 bytes each."""


@dataclass(kw_only=True)
class Volume:
    """An index as of one generation. Files are in the order of their paths, and known by their place in it."""

    place: Place
    stamp: tuple[int, int]
    """The file's inode and the index's generation."""
    paths: Sequence[str]
    """Bytes that are no UTF-8 are written as `\\xff`."""
    raw_paths: Sequence[bytes]
    docs: NDArray[np.int64]
    """Of each file, its document; 0 for what is left out."""
    langs: NDArray[np.int16]
    """Of each file, the place of its language in `lang_names`."""
    lang_names: Sequence[str]
    is_indexed: NDArray[np.bool_]
    coverage: tuple[int, int]
    """Files that were looked at, and all that are to be."""
    next_doc: int
    source_spec: Any
    masks: dict[tuple[str, ...], NDArray[np.bool_]] = field(default_factory=dict)
    """Of path filters that were used lately."""
    names: tuple[NDArray[np.int64], str, NDArray[np.int64]] | None = None

    @cached_property
    def lower_paths(self) -> tuple[bytes, NDArray[np.int64]]:
        """All paths in lower case, a line each, and where each begins."""
        lines = [path.lower().encode(errors="replace") for path in self.paths]
        starts = np.cumsum([0, *(len(line) + 1 for line in lines[:-1])]) if lines else np.zeros(0, np.int64)
        return b"\n".join(lines) + b"\n", np.asarray(starts, np.int64)

    @cached_property
    def files_of(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = collections.defaultdict(list)
        for file, doc in enumerate(self.docs.tolist()):
            if doc:
                found[doc].append(file)
        return found

    @property
    def is_folder(self) -> bool:
        """And not a repository: its files may have changed since."""
        return bool(self.source_spec["folder"])

    @cached_property
    def source(self) -> Source:
        """Raises SourceGone, SourceRefused."""
        path = Path(self.place.index).parent / self.source_spec["path"]
        if not path.is_relative_to(Path(self.place.index).parent):
            check_inside(path, self.place.roots)
        if self.is_folder:
            return FolderSource(path)
        return GitSource(path)

    def names_in(self, database: sqlite3.Connection) -> tuple[NDArray[np.int64], str, NDArray[np.int64]]:
        """The numbers of all names of symbols; the names, a line each; and where each begins."""
        if self.names is None:
            rows = database.execute("SELECT id, name FROM names ORDER BY id").fetchall()
            numbers = np.fromiter((row[0] for row in rows), np.int64, len(rows))
            text = "\n".join(row[1].replace("\n", " ") for row in rows) + "\n"
            lengths = np.fromiter((len(row[1]) + 1 for row in rows), np.int64, len(rows))
            self.names = numbers, text, np.cumsum(lengths) - lengths
        return self.names

    def name(self, database: sqlite3.Connection, number: int) -> str:
        """Of a symbol."""
        numbers, text, starts = self.names_in(database)
        begin = int(starts[np.searchsorted(numbers, number)])
        return text[begin : text.index("\n", begin)]

    def forget_source(self) -> None:
        """Open it again when next needed: the repository may have been replaced."""
        self.__dict__.pop("source", None)


class Shelf:
    """The volumes that were used last."""

    def __init__(self) -> None:
        self._volumes: collections.OrderedDict[tuple[str, str], Volume] = collections.OrderedDict()

    def clear(self) -> None:
        self._volumes.clear()

    def volume(self, place: Place, database: sqlite3.Connection) -> Volume:
        """What `database`, the place's index, says now."""
        generation = database.execute("SELECT value FROM meta WHERE key = 'generation'").fetchone()[0]
        stamp = (Path(place.index).stat().st_ino, generation)
        known = self._volumes.pop((place.id, place.index), None)
        if known is None or known.stamp != stamp or known.place != place:
            known = _read(place, stamp, database)
        self._volumes[place.id, place.index] = known
        while len(self._volumes) > 1 and sum(len(one.paths) for one in self._volumes.values()) > MOST_FILES:
            self._volumes.popitem(last=False)
        return known


def _read(place: Place, stamp: tuple[int, int], database: sqlite3.Connection) -> Volume:
    meta = dict(database.execute("SELECT key, value FROM meta"))
    docs = {doc: (lang, state) for doc, lang, state in database.execute("SELECT id, lang, state FROM docs")}
    rows = database.execute("SELECT path, doc, reason FROM files ORDER BY path").fetchall()
    lang_names = sorted({lang or "" for lang, _ in docs.values()} | {""})
    lang_places = {name: place for place, name in enumerate(lang_names)}
    nothing = ("", 2)
    states = [docs.get(doc, nothing) for _, doc, _ in rows]
    if "source" not in meta:
        raise SourceGone("The index does not say yet what it is of.")
    return Volume(
        place=place,
        stamp=stamp,
        paths=[path.decode(errors="backslashreplace") for path, _, _ in rows],
        raw_paths=[path for path, _, _ in rows],
        docs=np.fromiter((doc or 0 for _, doc, _ in rows), np.int64, len(rows)),
        langs=np.fromiter((lang_places[lang or ""] for lang, _ in states), np.int16, len(rows)),
        lang_names=lang_names,
        is_indexed=np.fromiter((state == 1 for _, state in states), bool, len(rows)),
        coverage=(sum(state != 0 for _, state in states), len(rows)),
        next_doc=meta.get("next_doc", 1),
        source_spec=json.loads(meta["source"]),
    )
