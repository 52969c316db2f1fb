"""What lists and exports are narrowed by, read from a query once."""

import datetime as dt
from collections.abc import Mapping
from typing import TypeVar

from aiohttp import web

from hub.core.errors import BadRequest
from hub.core.events import BODIES, State
from hub.core.ports import EventFilter, JobFilter

LEVELS = ("debug", "info", "warning", "error")
LONGEST = 1000
LONGEST_MOMENT = 40
MOST_VALUES = 50
LATEST_MS = 253_402_300_799_999
"""The end of the year 9999."""

T = TypeVar("T")


def event_filter(request: web.Request, project: str) -> EventFilter:
    """`?job=&type=&level=&state=&since=&until=&text=&order=`. Raises BadRequest."""
    query = request.query
    return EventFilter(
        project=project,
        job=words(query, "job"),
        types=_of(several(request, "type"), "type", BODIES),
        levels=_of(several(request, "level"), "level", LEVELS),
        states=states(request),
        since=moment(query, "since"),
        until=moment(query, "until"),
        text=words(query, "text") or "",
        oldest_first=is_oldest_first(query),
    )


def job_filter(request: web.Request) -> JobFilter:
    """`?project=&kind=&state=&since=&until=&order=`; the times are of creation. Raises BadRequest."""
    query = request.query
    return JobFilter(
        project=words(query, "project"),
        kinds=several(request, "kind"),
        states=states(request),
        since=moment(query, "since"),
        until=moment(query, "until"),
        oldest_first=is_oldest_first(query),
    )


def several(request: web.Request, name: str) -> tuple[str, ...]:
    """A parameter that may be given more than once, or with commas; each value once. Raises BadRequest."""
    given = [part.strip() for text in request.query.getall(name, []) for part in text.split(",")]
    found = tuple(dict.fromkeys(part for part in given if part))
    if len(found) > MOST_VALUES or any(len(part) > LONGEST or not part.isprintable() for part in found):
        raise BadRequest(f"{name} takes up to {MOST_VALUES} values of up to {LONGEST} characters.")
    return found


def states(request: web.Request) -> tuple[State, ...]:
    return tuple(map(State, _of(several(request, "state"), "state", [state.value for state in State])))


def is_oldest_first(query: Mapping[str, str]) -> bool:
    order = query.get("order", "desc")
    if order not in {"asc", "desc"}:
        raise BadRequest("order must be asc (oldest first) or desc (newest first).")
    return order == "asc"


def moment(query: Mapping[str, str], name: str) -> int | None:
    """Unix milliseconds, or a date or time of ISO 8601, which is UTC unless it says otherwise. Raises BadRequest."""
    text = query.get(name)
    if not text:
        return None
    try:
        at = -1 if len(text) > LONGEST_MOMENT else int(text) if text.lstrip("-").isdigit() else _read(text)
    except (ValueError, OverflowError):
        at = -1
    if not 0 <= at <= LATEST_MS:
        raise BadRequest(f"{name} must be a time in Unix milliseconds, or such as 2026-01-31 or 2026-01-31T18:00:00Z.")
    return at


def words(query: Mapping[str, str], name: str) -> str | None:
    """A text without control characters; None where it is empty, too. Raises BadRequest."""
    text = query.get(name) or None
    if text is not None and not (len(text) <= LONGEST and text.isprintable()):
        raise BadRequest(f"{name} must be a text of up to {LONGEST} characters.")
    return text


def _read(text: str) -> int:
    day, separator, rest = text.partition("T")
    read = dt.datetime.fromisoformat(day + separator + rest.replace(" ", "+"))  # a `+` in a query is a space
    return round((read if read.tzinfo else read.replace(tzinfo=dt.UTC)).timestamp() * 1000)


def _of(found: tuple[str, ...], name: str, known: "Mapping[str, T] | tuple[str, ...] | list[str]") -> tuple[str, ...]:
    for value in found:
        if value not in known:
            raise BadRequest(f"{name} must be one of: {', '.join(known)}.")
    return found
