"""One operation of the API: what its route takes and answers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.core.tokens import Role
from hub.web.bodies import PAGE_LIMIT, PAGE_MAX
from hub.web.door.rights import Right, right_of
from hub.web.openapi.shapes import TEXT, Schema, whole

JSON, SSE, NDJSON, CSV, HTML = "application/json", "text/event-stream", "application/x-ndjson", "text/csv", "text/html"
ANY = "*"
"""Among the codes of errors: any other."""
ALWAYS: Mapping[int, str] = {
    429: "throttled",
    431: "head_too_large",
    500: "internal",
    503: "unavailable journal_unavailable",
}
"""The errors that any operation may answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """Of a query, or a header. `several`: it may be given more than once, or with commas."""

    name: str
    schema: Schema
    note: str
    is_needed: bool = False
    several: bool = False
    example: Any = None


def asked(name: str, schema: Schema, note: str, **more: Any) -> Parameter:
    return Parameter(name=name, schema=schema, note=note, **more)


LIMIT = asked("limit", whole(1, PAGE_MAX, usual=PAGE_LIMIT), "How many items a page has.")
CURSOR = asked("cursor", TEXT, "Where the page begins: the `next` of the one before.")
PAGES = (LIMIT, CURSOR)
KEY = asked(
    "Idempotency-Key", {**TEXT, "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
    "The same request again under the same key starts nothing twice.",
)  # fmt: skip
ETAG = asked("If-None-Match", TEXT, "The `ETag` of what is known already: 304 while it is the same.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`bodies`: a schema by media type; nothing: an answer without a body."""

    note: str
    bodies: Mapping[str, Schema] = field(default_factory=dict)
    headers: tuple[str, ...] = ()


def told(note: str, schema: Schema, *headers: str) -> Answer:
    """An answer in JSON."""
    return Answer(note=note, bodies={JSON: schema}, headers=headers)


GONE = Answer(note="It is gone.")
UNCHANGED = Answer(note="It is as the client has it.", headers=("ETag",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    method: str
    path: str
    title: str
    note: str = ""
    query: tuple[Parameter, ...] = ()
    headers: tuple[Parameter, ...] = ()
    body: Schema | None = None
    is_body_needed: bool = True
    example: Any = None
    """Of the body."""
    answers: Mapping[int, Answer]
    errors: Mapping[int, str] = field(default_factory=dict)
    """By status, the codes besides those that any such operation may answer, with spaces between."""
    is_lenient: bool = False
    """Query parameters that are not known are passed over, for clients of other systems."""

    @property
    def id(self) -> str:
        words = re.findall(r"\w+", self.path.removeprefix("/api/v1"))
        return "-".join([self.method.lower(), *words]).replace("_", "-")

    @property
    def right(self) -> Right | None:
        """Who may; None: nobody."""
        return right_of(self.method, self.path)

    @property
    def role(self) -> Role | None:
        """None: open to everybody."""
        return self.right.role if self.right is not None else Role.ADMIN

    def codes(self) -> dict[int, list[str]]:
        """Every error that it may answer, by status."""
        found: dict[int, list[str]] = {400: ["bad_request"], 403: ["unknown_host", "foreign_origin"]}
        if self.method == "GET":  # with an upgrade that nobody may have
            found[400].append("websocket_version")
        if self.role is not None:
            found[401] = ["unauthorised"]
            found[429] = ["too_many_guesses"]
            found[403].append("forbidden")
        if "{" in self.path:
            found[404] = ["not_found"]
        if self.body is not None:
            found[400].append("not_json")
            found |= {408: ["request_timeout"], 413: ["too_large"], 503: ["too_many_bodies"]}
        for status, codes in (*ALWAYS.items(), *self.errors.items()):
            found[status] = list(dict.fromkeys([*found.get(status, ()), *codes.split()]))
        return dict(sorted(found.items()))
