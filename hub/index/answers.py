"""What every way of searching has: the answer under way, the projects it is about, and who goes first."""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hub.core.errors import HubError
from hub.index import globs
from hub.index.requests import Cursor, Place, Query
from hub.index.shelf import Volume

Mask = NDArray[np.bool_]


class TimeUp(Exception):
    """The search has had its time. Raised from a signal's handler, so anywhere."""


@dataclass(kw_only=True)
class Answer:
    items: list[dict[str, Any]] = field(default_factory=list)
    total: int = 0
    exact: bool = True
    """Is `total` all there is? Otherwise there is more, but nobody has counted it."""
    complete: bool = True
    """False: the time was up before everything that belongs on this page was looked at."""
    narrowed: bool = True
    """False: the query holds no three letters in a row that must be there, so that every file has to be read."""
    last: Cursor | None = None
    """What was looked at last."""
    goes_on: bool = False
    """Is there, or may there be, a next page?"""
    indexed: int = 0
    of: int = 0
    changed: int = 0
    """Files among those looked at that are not any more as they were indexed: their text is as it is now, and their
    symbols are as they were."""
    skipped: list[dict[str, str]] = field(default_factory=list)
    """Files that took all the time there is by themselves; the next page passes over them."""
    problems: list[dict[str, str]] = field(default_factory=list)
    """Projects that could not be searched, and why."""

    def to_wire(self) -> dict[str, Any]:
        wire: dict[str, Any] = {
            "items": self.items, "total": self.total, "total_exact": self.exact, "complete": self.complete,
            "narrowed": self.narrowed, "coverage": {"indexed": self.indexed, "of": self.of}, "changed": self.changed,
        }  # fmt: skip
        if self.goes_on and self.last is not None:
            wire["next"] = self.last.text()
        if self.skipped:
            wire["skipped"] = self.skipped
        if self.problems:
            wire["problems"] = self.problems
        return wire


@dataclass(kw_only=True)
class Opened:
    """A project under search."""

    number: int
    """Among all that are searched, as cursors count."""
    volume: Volume
    database: sqlite3.Connection
    is_broken: bool = False
    """Its index could not be read to the end, which `problems` tell."""
    is_reopened: bool = False
    """Its source was opened again for this search, since something was not there."""


Hits = Iterator[tuple[int, Opened, str, Any]]
"""Tier, project, key within both, and what makes the item: None when the file does not match after all."""


def tell_problem(answer: Answer, place: Place, exc: Exception) -> None:
    code, message = (exc.narrow_code, exc.message) if isinstance(exc, HubError) else ("index_broken", str(exc))
    if not any(problem["project"] == place.id for problem in answer.problems):
        answer.problems.append({"project": place.id, "code": code, "message": message})


@contextlib.contextmanager
def guarded(answer: Answer, one: Opened) -> Iterator[None]:
    """Should the project's index turn out to be broken: tell so, and go on with the others."""
    try:
        yield
    except (HubError, sqlite3.Error) as exc:
        tell_problem(answer, one.volume.place, exc)
        one.is_broken = True


def is_past(query: Query, tier: int, one: Opened) -> bool:
    """Were all of this tier and project on earlier pages?"""
    after = query.after
    return after is not None and (tier, one.number) < (after.tier, after.project)


def begins(query: Query, tier: int, one: Opened) -> str | None:
    """The key after which to go on in this tier and project; None: from the first."""
    after = query.after
    return after.key if after is not None and (tier, one.number) == (after.tier, after.project) else None


def path_key(volume: Volume, file: int) -> str:
    """Orders as the paths' bytes do, which is how files are in order."""
    return volume.raw_paths[file].decode("latin-1")


def filtered(volume: Volume, query: Query) -> Mask:
    """Files that pass the language and path filters."""
    mask = np.ones(len(volume.paths), bool)
    if query.langs:
        places = [place for place, name in enumerate(volume.lang_names) if name in query.langs]
        mask &= np.isin(volume.langs, places)
    if query.paths:
        known = volume.masks.get(query.paths)
        if known is None:
            passes = globs.matcher(query.paths)
            known = np.fromiter((passes(path) for path in volume.paths), bool, len(volume.paths))
            if len(volume.masks) >= 32:
                volume.masks.clear()
            volume.masks[query.paths] = known
        mask &= known
    return mask


def file_item(one: Opened, file: int) -> dict[str, Any]:
    volume = one.volume
    path = volume.paths[file]
    return {
        "id": f"{volume.place.id}:{path}",
        "project": volume.place.id,
        "path": path,
        "lang": volume.lang_names[int(volume.langs[file])] or None,
    }
