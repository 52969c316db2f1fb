"""What of a data folder goes into a backup, in parts, each in an order in which a copy is sound."""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from hub.backups.databases import SIDECARS

JOURNAL, COMMITS, PROJECTS = "journal.sqlite3", "commits.sqlite3", "projects"
LOCK = "hub.lock"
PASSING = frozenset({LOCK, "work", "kept", "trash"})
"""Of the data folder: what lives as long as a process, or a job's work."""
INDEX, CLONE, SNAPSHOTS, STORE = "index.sqlite3", "repo", "snapshots", "store"
STORE_ORDER = ("snapshots", "trees", "packs")
"""What names others comes before what it names: so nothing named can be missing, whatever is added meanwhile."""
REFS_FIRST = ("HEAD", "packed-refs", "shallow", "refs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Something that is copied whole, or again."""

    path: Path
    """Below the data folder; a database, a file or a folder."""
    is_database: bool = False
    grows: bool = False
    """Only ever added to, but by a prune: what comes while it is copied does no harm."""
    can_be_made: bool = False
    """Out of the rest, by another job."""


def top(data: Path) -> Iterator[Part]:
    """All but the projects, the journal first: so all that it tells of is there, or newer."""
    yield Part(path=Path(JOURNAL), is_database=True)
    for name in names(data):
        if name in PASSING or name in {JOURNAL, PROJECTS} or name.endswith((*SIDECARS, ".new")):
            continue
        yield Part(path=Path(name), is_database=name.endswith(".sqlite3"))


def projects(journal: Path) -> list[str]:
    """Their ids, as a copy of the journal knows them."""
    with closing(sqlite3.connect(f"{journal.absolute().as_uri()}?mode=ro", uri=True)) as db:
        return [row[0] for row in db.execute("SELECT id FROM projects ORDER BY id")]


def home(data: Path, project: str, *, small: bool) -> Iterator[Part]:
    """Of a project. `small`: without what other jobs can make again, the clone and the index."""
    folder = Path(PROJECTS) / project
    for name in names(data / folder):
        made = name in {CLONE, INDEX}
        if name == SNAPSHOTS:
            yield from _snapshots(data, folder / name)
        elif not (small and made) and not name.endswith(SIDECARS) and not name.startswith(f"{INDEX}."):
            yield Part(path=folder / name, is_database=name.endswith(".sqlite3"), can_be_made=made)


def _snapshots(data: Path, folder: Path) -> Iterator[Part]:
    for name in names(data / folder):
        if name.endswith(".sqlite3"):
            yield Part(path=folder / name, is_database=True, can_be_made=True)
    for name in STORE_ORDER:
        if (data / folder / STORE / name).is_dir():
            yield Part(path=folder / STORE / name, grows=True)


def names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def walk(data: Path, part: Path) -> Iterator[tuple[str, os.stat_result]]:
    """All of a part, folders before what is in them, refs before objects. Raises FileNotFoundError for what is gone."""
    status = (data / part).lstat()
    yield str(part), status
    if not stat.S_ISDIR(status.st_mode):
        return
    names = [path.name for path in (data / part).iterdir()]
    for name in sorted(names, key=lambda name: (name not in REFS_FIRST, name)):
        yield from walk(data, part / name)
