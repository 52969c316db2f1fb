"""A search as it is asked for: checked, and with the filters that were written into the query taken out of it."""

import base64
import binascii
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hub.index.errors import BadQuery
from hub.index.languages import BY_NAME, LANGUAGES

KINDS = ("text", "regex", "symbol", "path")
CASES = ("sensitive", "insensitive", "smart")
"""smart: case matters once the query holds a capital."""
LIMIT, MOST_ITEMS = 20, 200
LINES, MOST_LINES = 5, 1000
MOST_PROJECTS = 1000
_MOST_FILTERS = 20

_FILTER = re.compile(r"\s*(lang|path|case|kind):(?:\"([^\"]*)\"|(\S+))(?:\s+|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A project to search in."""

    id: str
    index: str
    """Path of its index file."""
    roots: tuple[str, ...] = ()
    """Where a project that is a folder may lie; its index says where it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    text: str
    kind: str = "text"
    is_regex: bool = False
    case: str | None = None
    """None: smart for names, sensitive for text."""
    word: bool = False
    langs: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    """Globs; a leading `!` excludes. See `globs.py`."""
    limit: int = LIMIT
    lines: int = LINES
    """Lines of each file."""
    after: "Cursor | None" = None

    @property
    def ignores_case(self) -> bool:
        case = self.case or ("sensitive" if self.kind == "text" else "smart")
        return case == "insensitive" or (case == "smart" and self.text == self.text.lower())


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Where a page ended: the next one has what comes after it."""

    tier: int
    project: int
    """Its place among those that are searched."""
    key: str
    seen: int
    """Items on all pages up to here."""
    id: str = ""
    """The project's, should its place be another one on the next page."""

    def text(self) -> str:
        raw = json.dumps([self.tier, self.project, self.key, self.seen, self.id], separators=(",", ":"))
        return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Raises BadQuery for what no page gave out."""
        try:
            raw = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
            tier, project, key, seen, id_ = raw
        except (binascii.Error, ValueError, TypeError, RecursionError) as exc:
            raise BadQuery("That cursor is not one that a page of a search gave out.") from exc
        numbers = [tier, project, seen]
        are_texts = isinstance(key, str) and isinstance(id_, str)
        if not are_texts or not all(type(one) is int and 0 <= one < 2**53 for one in numbers):
            raise BadQuery("That cursor is not one that a page of a search gave out.")
        return cls(tier=tier, project=project, key=key, seen=seen, id=id_)

    def among(self, places: "Sequence[Place]") -> "Cursor":
        """The same where projects have come or gone since. Where its own has gone, the one that moved up is next."""
        if self.project < len(places) and places[self.project].id == self.id:
            return self
        for number, place in enumerate(places):
            if place.id == self.id:
                return replace(self, project=number)
        return replace(self, key="")


def parse(wanted: Mapping[str, Any]) -> Query:
    """A query out of the API's parameters: q, kind, regex, case, word, lang, path, limit, lines, cursor.

    `lang` and `path` are lists. Filters such as `lang:c path:src/**` at the front of `q` count, too; quotes around all
    of `q` switch that off. Raises BadQuery.
    """
    text = wanted.get("q") or ""
    query = Query(
        text=text,
        kind=wanted.get("kind") or "text",
        is_regex=bool(wanted.get("regex")),
        case=wanted.get("case"),
        word=bool(wanted.get("word")),
        langs=tuple(wanted.get("lang") or ()),
        paths=tuple(wanted.get("path") or ()),
        limit=wanted.get("limit") or LIMIT,
        lines=wanted.get("lines") or LINES,
        after=Cursor.parse(wanted["cursor"]) if wanted.get("cursor") else None,
    )
    query = _unquoted(query) if _is_quoted(text) else _without_filters(query)
    if query.kind == "regex":
        query = replace(query, kind="text", is_regex=True)
    _check(query)
    return replace(query, langs=tuple(_language(name) for name in query.langs))


def _check(query: Query) -> None:
    if query.kind not in KINDS:
        raise BadQuery(f"kind must be one of: {', '.join(KINDS)}.")
    if query.case not in {None, *CASES}:
        raise BadQuery(f"case must be one of: {', '.join(CASES)}.")
    for name, value, most in (("limit", query.limit, MOST_ITEMS), ("lines", query.lines, MOST_LINES)):
        if type(value) is not int or not 1 <= value <= most:
            raise BadQuery(f"{name} must be a whole number from 1 to {most}.")
    for name, values in (("lang", query.langs), ("path", query.paths)):
        if len(values) > _MOST_FILTERS or any(not one or len(one) > 500 for one in values):
            raise BadQuery(f"There are too many {name} filters, or one is empty or too long.")


def _language(name: str) -> str:
    language = BY_NAME.get(name.lower())
    if language is None:
        known = ", ".join(sorted(one.name for one in LANGUAGES))
        raise BadQuery(f"There is no language {name!r}; there are: {known}. Quotes around the query make it text.")
    return language.name


def _is_quoted(text: str) -> bool:
    return len(text) > 2 and text[0] == text[-1] == '"'


def _unquoted(query: Query) -> Query:
    return replace(query, text=query.text[1:-1])


def _without_filters(query: Query) -> Query:
    text, langs, paths = query.text, list(query.langs), list(query.paths)
    while match := _FILTER.match(text):
        name, value = match[1], match[2] if match[2] is not None else match[3]
        text = text[match.end() :]
        if name == "lang":
            langs.append(value)
        elif name == "path":
            paths.append(value)
        elif name == "case":
            query = replace(query, case=value)
        else:
            query = replace(query, kind=value)
    if _is_quoted(text) and text != query.text:
        text = text[1:-1]
    return replace(query, text=text, langs=tuple(langs), paths=tuple(paths))


def places(wanted: Sequence[Mapping[str, Any]]) -> list[Place]:
    """Those of many projects that have an index; one alone as it is. Raises BadQuery."""
    found = [Place(id=one["id"], index=one["index"], roots=tuple(one.get("roots", ()))) for one in wanted]
    if len(found) > 1:
        found = [place for place in found if os.path.isfile(place.index)]  # noqa: PTH113 - ten times as fast
    if len(found) > MOST_PROJECTS:
        raise BadQuery(f"A search is over {MOST_PROJECTS} projects at most; name some of them with `project`.")
    return found
