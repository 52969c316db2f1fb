"""Sessions as they are told: checked, merged with what is known of them, and given to their repositories."""

import functools
import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub.commits.correlation import lasts_too_long
from hub.commits.database import SQL, Database
from hub.commits.located import nested_folder
from hub.commits.records import Event, Session
from hub.commits.table import unlink
from hub.core.errors import BadRequest, Conflict

MOST_EVENTS = 10_000
"""Of one session."""
LATEST_MS = 253_402_300_799_999
"""The last millisecond of the year 9999."""
LONGEST_ID, LONGEST_PATH, LONGEST_AUTHOR, LONGEST_TYPE = 200, 4096, 400, 64
FIELDS = frozenset({"id", "project", "path", "author", "start", "end", "events"})
EVENT_FIELDS = frozenset({"at", "type"})
PAGE = 1000


class SessionElsewhere(Conflict):
    """A session of this id is known, and belongs to another project or folder."""

    code = "session_elsewhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What became of sessions that were told."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0


def from_wire(value: Any, place: str) -> Session:
    """A session out of JSON; `place` names it in errors. Raises BadRequest."""
    if not isinstance(value, dict):
        raise BadRequest(f"{place} must be an object.")
    if unknown := sorted(set(value) - FIELDS):
        raise BadRequest(f"{place} has no field {unknown[0]!r}; there are: {', '.join(sorted(FIELDS))}.")
    id_ = _text(value, "id", LONGEST_ID, place)
    if id_ is None:
        raise BadRequest(f"{place}.id is missing.")
    path = _text(value, "path", LONGEST_PATH, place)
    if path is not None and not path.startswith("/"):
        raise BadRequest(f"{place}.path must be absolute.")
    start, end = _time(value, "start", place), _time(value, "end", place)
    if end < start:
        raise BadRequest(f"{place} ends before it starts.")
    return Session(
        id=id_,
        start=start,
        end=end,
        project=_text(value, "project", 64, place),
        path=os.path.normpath(path) if path else None,
        author=_text(value, "author", LONGEST_AUTHOR, place),
        events=_events(value.get("events"), place),
    )


def _events(value: Any, place: str) -> tuple[Event, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MOST_EVENTS:
        raise BadRequest(f"{place}.events must be a list of at most {MOST_EVENTS} events.")
    found = []
    for n, event in enumerate(value):
        here = f"{place}.events[{n}]"
        if not isinstance(event, dict) or set(event) - EVENT_FIELDS:
            raise BadRequest(f"{here} must be an object with at and type.")
        type_ = _text(event, "type", LONGEST_TYPE, here)
        if type_ is None:
            raise BadRequest(f"{here}.type is missing.")
        found.append(Event(at=_time(event, "at", here), type=type_))
    return tuple(found)


def _text(value: Mapping[str, Any], name: str, longest: int, place: str) -> str | None:
    text = value.get(name)
    if text is None:
        return None
    if not isinstance(text, str) or not text.strip() or len(text) > longest:
        raise BadRequest(f"{place}.{name} must be a text of 1 to {longest} characters.")
    if any(ord(char) < 32 or 0xD800 <= ord(char) <= 0xDFFF for char in text):
        raise BadRequest(f"{place}.{name} holds control characters.")
    return text.strip()


def _time(value: Mapping[str, Any], name: str, place: str) -> int:
    time = value.get(name)
    if time is None:
        raise BadRequest(f"{place}.{name} is missing.")
    if isinstance(time, bool) or not isinstance(time, int | float) or not -LATEST_MS <= time <= LATEST_MS:
        raise BadRequest(f"{place}.{name} must be a time in Unix milliseconds.")
    return int(time)


class SessionTable:
    def __init__(self, database: Database) -> None:
        self._database = database

    def tell(self, sessions: Iterable[Session]) -> Told:
        """Keep sessions, all of them or none. One that is known grows: its ends move apart, its events add up, and
        what was not known of it is filled in. Raises SessionElsewhere, BadRequest, CommitsUnavailable.
        """
        counts = {"created": 0, "updated": 0, "unchanged": 0}
        with self._database.writing() as db:
            for session in sessions:
                counts[_put(db, session)] += 1
        return Told(**counts)

    def place(self, is_open: Callable[[Path], bool]) -> int:
        """Find the repositories of sessions that have none yet; returns of how many. Looks only at what is open."""
        with self._database.reading() as db:
            projects = dict(db.execute(SQL["projects"]))
            folders = dict(db.execute(SQL["folders"]))
            repositories = dict(db.execute(SQL["repository_folders"]))
        placed, after = 0, ""
        at = functools.cache(lambda path: _repository_at(path, folders, repositories, is_open))
        while True:
            with self._database.reading() as db:
                page = db.execute(SQL["unplaced_sessions"], (after, PAGE)).fetchall()
            if not page:
                return placed
            after = page[-1][0]
            found: list[tuple[int, str]] = []
            for id_, project, path in page:
                repository = projects.get(project) if project else at(path)
                if repository is not None:
                    found.append((repository, id_))
            with self._database.writing() as db:
                db.executemany(SQL["place_session"], found)
            placed += len(found)


def _put(db: sqlite3.Connection, session: Session) -> str:
    row = db.execute(SQL["session"], (session.id,)).fetchone()
    project, path, author, start, end = row or (None, None, None, session.start, session.end)
    for known, told in ((project, session.project), (path, session.path)):
        if known is not None and told is not None and known != told:
            raise SessionElsewhere(f"The session {session.id!r} is known as one of {known!r}, not {told!r}.")
    merged = (
        session.project or project, session.path or path, session.author or author, min(start, session.start),
        max(end, session.end),
    )  # fmt: skip
    is_changed = row is None or merged != row
    if is_changed:
        db.execute(SQL["put_session"], (session.id, *merged))
        if row is not None and not _only_grew(row, merged):
            unlink(db, session.id)
    before = db.total_changes
    db.executemany(SQL["add_event"], [(session.id, event.type, event.at) for event in session.events])
    if db.total_changes > before:
        is_changed = True
        if db.execute(SQL["count_events"], (session.id,)).fetchone()[0] > MOST_EVENTS:
            raise BadRequest(f"The session {session.id!r} would have more than {MOST_EVENTS} events.")
        db.execute(SQL["touch_session"], (session.id,))
    return "created" if row is None else "updated" if is_changed else "unchanged"


def _only_grew(old: Sequence[Any], new: Sequence[Any]) -> bool:
    """Whatever was linked to the session still is; rows as `session` selects them."""
    return old[:3] == new[:3] and _is_long(old) == _is_long(new)


def _is_long(row: Sequence[Any]) -> bool:
    return lasts_too_long(row[3] // 1000, row[4] // 1000)


def _repository_at(
    path: str, folders: Mapping[str, int], repositories: Mapping[str, int], is_open: Callable[[Path], bool]
) -> int | None:
    """The repository that a path is in, itself perhaps gone from the disk by now."""
    for place in _spellings(Path(path), is_open):
        for folder in (place, *place.parents):
            if str(folder) in folders:
                return folders[str(folder)]
            # A submodule, or any other repository inside this one, is not this one.
            if is_open(folder) and (common := nested_folder(folder)) is not None:
                return repositories.get(str(common))
    return None


def _spellings(path: Path, is_open: Callable[[Path], bool]) -> Sequence[Path]:
    """The path as it was told, and with its symlinks followed."""
    if not is_open(path):
        return (path,)
    try:
        real = path.resolve()
    except (OSError, RuntimeError):
        return (path,)
    return (real, path) if real != path and is_open(real) else (path,)
