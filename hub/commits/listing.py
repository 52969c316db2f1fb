"""What the API shows of commits, links and sessions: pages, newest first, with times in Unix milliseconds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hub.commits.correlation import AFTER_END, BEFORE_START, COMMIT_ACTION, DURING_SESSION, OTHER_AUTHOR
from hub.commits.database import SQL, Database
from hub.commits.reader import FARTHEST_S
from hub.commits.records import SEPARATOR
from hub.core.cursors import number, unknown_cursor
from hub.core.ports import Page

SHOWN_FILES = 100
"""Of a commit in a list; `files_total` says how many there were."""
LAST = 2**62
Item = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitFilter:
    since: int | None = None
    """Unix milliseconds, of the author's time, as `until`; both inclusive."""
    until: int | None = None
    author: str | None = None
    """A part of a name or address, without regard to (ASCII) case."""
    path: str | None = None
    """A file, or a folder with all in it."""
    text: str | None = None
    """A part of the subject, or the beginning of an id."""
    linked: bool | None = None
    gone: bool = False
    """Those that no branch leads to any more, instead of the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFilter:
    tier: int | None = None
    session: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    commits: int = 0
    links: int = 0
    sessions: int = 0
    synced: int | None = None
    """When the last sync of the project ended; None: never."""

    def to_wire(self) -> Item:
        return {"commits": self.commits, "links": self.links, "sessions": self.sessions, "synced": self.synced}


class Listing:
    """Every method raises CommitsUnavailable, and those with a cursor BadRequest for one that no page gave out."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def commits(self, project: str, wanted: CommitFilter, limit: int, cursor: str | None) -> Page[Item]:
        at, number = _position(cursor, 2) or (LAST, LAST)
        values = {
            "gone": int(wanted.gone),
            "since": -FARTHEST_S if wanted.since is None else -(-wanted.since // 1000),
            "until": FARTHEST_S if wanted.until is None else wanted.until // 1000,
            "author": _like(wanted.author),
            "path": None if wanted.path is None else f"{SEPARATOR}{wanted.path.strip('/')}/",
            "text": _like(wanted.text),
            "prefix": _prefix(wanted.text),
            "linked": None if wanted.linked is None else int(wanted.linked),
            "at": at,
            "number": number,
        }
        return self._page("commits", project, values, limit, _commit, lambda row: (row[5], row[0]))

    def links(self, project: str, wanted: LinkFilter, limit: int, cursor: str | None) -> Page[Item]:
        at, number, link = _position(cursor, 3) or (LAST, LAST, LAST)
        values = {"tier": wanted.tier, "session": wanted.session, "at": at, "number": number, "link": link}
        return self._page("links", project, values, limit, _link, lambda row: (row[6], row[0], row[1]))

    def near_misses(self, project: str, wanted: LinkFilter, limit: int, cursor: str | None) -> Page[Item]:
        """Commits that have no link, each with the session that it missed by the least."""
        at, number = _position(cursor, 2) or (LAST, LAST)
        values = {"session": wanted.session, "at": at, "number": number}
        return self._page("near_misses", project, values, limit, _near_miss, lambda row: (row[5], row[0]))

    def sessions(self, project: str | None, limit: int, cursor: str | None) -> Page[Item]:
        start, id_ = _session_position(cursor) or (LAST, "")
        values = {"project": project, "start": start, "id": id_}
        return self._page("sessions", project, values, limit, self._session(), lambda row: (row[4], row[0]))

    def counts(self, project: str) -> Counts:
        with self._database.reading() as db:
            row = db.execute(SQL["repository_of_project"], (project,)).fetchone()
            if row is None:
                return Counts()
            commits, links, sessions = db.execute(SQL["counts"], {"repository": row[0]}).fetchone()
        return Counts(commits=commits, links=links, sessions=sessions, synced=row[1])

    def _session(self) -> Callable[[Any], Item]:
        with self._database.reading() as db:
            projects = {repository: project for project, repository in db.execute(SQL["projects"])}
        return lambda row: _session(row, projects.get(row[6]))

    def _page(
        self,
        name: str,
        project: str | None,
        values: Mapping[str, Any],
        limit: int,
        show: Callable[[Any], Item],
        position: Callable[[Any], tuple[Any, ...]],
    ) -> Page[Item]:
        with self._database.reading() as db:
            found = db.execute(SQL["repository_of_project"], (project,)).fetchone()
            values = {**values, "repository": found[0] if found else None, "limit": limit + 1}
            rows = db.execute(SQL[f"list_{name}"], values).fetchall()
            total = db.execute(SQL[f"total_{name}"], values).fetchone()[0]
        following = "-".join(map(str, position(rows[limit - 1]))) if len(rows) > limit else None
        return Page(items=tuple(show(row) for row in rows[:limit]), total=total, next=following)


def _commit(row: Any) -> Item:
    _, id_, parents, name, email, authored, committed, subject, files_total, files, gone, links = row
    return {
        "id": id_.lower(),
        "at": authored * 1000,
        "committed": committed * 1000,
        "author": {"name": name, "email": email},
        "subject": subject,
        "parents": parents,
        "files": files.strip("/").split(SEPARATOR)[:SHOWN_FILES] if files else [],
        "files_total": files_total,
        "gone": bool(gone),
        "links": links,
    }


def _link(row: Any) -> Item:
    _, link, id_, subject, name, email, authored, gone, session, tier, first, last, margin, action = row
    evidence: Item = {
        "rule": COMMIT_ACTION if tier == 1 else DURING_SESSION,
        "window": [first * 1000, last * 1000],
        "margin_s": margin,
    }
    if action is not None:
        evidence |= {"action": action * 1000, "after_action_s": authored - action}
    return {
        "id": str(link),
        "session": session,
        "commit": _brief(id_, subject, name, email, authored, gone),
        "tier": tier,
        "evidence": evidence,
    }


def _near_miss(row: Any) -> Item:
    number, id_, subject, name, email, authored, gone, session, off, why = row
    return {
        "id": str(number),
        "session": session,
        "commit": _brief(id_, subject, name, email, authored, gone),
        "off_s": off,
        "why": why,
        "message": _WORDS[why].format(off=off),
    }


_WORDS = {
    BEFORE_START: "{off} s before the session began",
    AFTER_END: "{off} s after the session ended",
    OTHER_AUTHOR: "right at a commit action of the session, but by another author",
}


def _brief(id_: str, subject: str, name: str, email: str, authored: int, gone: int) -> Item:
    return {
        "id": id_.lower(), "at": authored * 1000, "subject": subject, "author": {"name": name, "email": email},
        "gone": bool(gone),
    }  # fmt: skip


def _session(row: Any, found: str | None) -> Item:
    id_, project, path, author, start, end, _, events, actions, links = row
    return {
        "id": id_,
        "project": project or found,
        "path": path,
        "author": author,
        "start": start,
        "end": end,
        "events": events,
        "commit_actions": actions,
        "links": links,
    }


def _like(text: str | None) -> str | None:
    if text is None:
        return None
    escaped = text.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    return f"%{escaped}%"


def _prefix(text: str | None) -> str:
    """A pattern for ids that begin so; one that fits none where this is no beginning of an id."""
    return f"{text}%" if text and set(text.lower()) <= set("0123456789abcdef") else ""


def _position(cursor: str | None, parts: int) -> tuple[int, ...] | None:
    if cursor is None:
        return None
    # The first may be negative: a date before 1970.
    first, *rest = [number(part) for part in cursor.removeprefix("-").split("-")]
    if len(rest) != parts - 1:
        raise unknown_cursor()
    sign = -1 if cursor.startswith("-") else 1
    return (sign * first, *rest)


def _session_position(cursor: str | None) -> tuple[int, str] | None:
    if cursor is None:
        return None
    sign = -1 if cursor.startswith("-") else 1
    start, dash, id_ = cursor.removeprefix("-").partition("-")
    if not dash:
        raise unknown_cursor()
    return sign * number(start), id_
