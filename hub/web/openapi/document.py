"""The whole document, put together from the tables of its families."""

import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any

import hub
from hub.core.ids import SLUG
from hub.web.openapi import access, code, jobs, projects, rhythms, shown, site, snapshots, streams, surfaces
from hub.web.openapi.operation import ANY, JSON, Answer, Operation, Parameter
from hub.web.openapi.shapes import ANYTHING, FLAG, TEXT, Schema, noted, record, ref, text

FAMILIES = (projects, jobs, streams, rhythms, code, snapshots, access, shown, surfaces, site)
OPERATIONS: Mapping[tuple[str, str], Operation] = {
    (each.method, each.path): each for family in FAMILIES for each in family.OPERATIONS
}
INTRODUCTION = """\
One self-hosted server that runs long repository jobs and shows every watcher the truth about them.

Bodies are JSON whatever their Content-Type says, and hold no fields that are not named here; nor do queries under
`/api/v1`, save for the compatible APIs. Answers may grow fields. Every error is
`{"error": {"code", "message", "detail"?, "retry"?}}`: `code` is for programs, `message` for people, and `retry` says
that the very same request may succeed later, after `Retry-After` seconds. Lists are `{"items", "total", "next"?}`;
`next` is the `cursor` of the page that follows. HEAD is answered wherever GET is, but for streams, and OPTIONS with
`Allow`. Times are Unix milliseconds, sizes bytes, durations seconds, percent 0 to 100."""
COOKIE = "hub_session"
REASONS = {
    400: "The request is wrong; the message says where.",
    401: "Nobody is signed in.",
    403: "Not with these rights, or not from there.",
    404: "There is no such thing.",
    409: "Right request, wrong moment.",
    408: "The body took too long to come.",
    410: "It was there, and is gone.",
    413: "That is more than the hub takes at once.",
    416: "The file ends before.",
    422: "The key was used for another request.",
    426: "Another version of the WebSocket protocol is wanted.",
    429: "Too much at once; `Retry-After` says when to come back.",
    431: "The head of the request is too large.",
    500: "Something broke in the hub; its log has the details.",
    502: "The store of snapshots does not do its part.",
    503: "Not now; `Retry-After` says when to come back.",
}
RETRIED = frozenset({429, 503})
PLACES: Mapping[str, tuple[Schema, str, str]] = {
    "project": (text(64, pattern=f"^{SLUG.pattern}$"), "A project's id; `all` stands for every project.", "training"),
    "job": (text(128, pattern="^[A-Za-z0-9][A-Za-z0-9._:~-]*$"), "A job's id.", "run-7"),
    "schedule": (text(pattern="^[a-z0-9-]+$"), "A schedule's id.", "0199c0de-0000-7000-8000-000000000001"),
    "webhook": (text(pattern="^[a-z0-9-]+$"), "A webhook's id.", "0199c0de-0000-7000-8000-000000000002"),
    "snapshot": (text(pattern="^[0-9A-Za-z.-]+$"), "A snapshot's id.", "20260131T180000.000Z-0a1b2c"),
    "other": (text(pattern="^[0-9A-Za-z.-]+$"), "Another snapshot's id.", "20260201T180000.000Z-3d4e5f"),
    "source": (text(pattern="^[a-z]+$"), "github, gitlab, bitbucket or local.", "github"),
    "id": (text(64, pattern=f"^{SLUG.pattern}$"), "A repository's id.", "training"),
    "path": (text(), "A file's path.", "styles.css"),
    "token": (text(pattern="^[0-9a-z-]+$"), "A token's id.", "0199c0de-0000-7000-8000-000000000003"),
}  # fmt: skip
SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer",
    "description": "A token. `?access_token=` where no header can be set."},
    "cookie": {"type": "apiKey", "in": "cookie", "name": COOKIE,
    "description": "As POST /api/v1/session gave it; its name ends with the hub's own."},
    "link": {"type": "apiKey", "in": "query", "name": "watch",
    "description": "A watch link, for what it is a link to."},
}  # fmt: skip
ERRORS = {
    "ErrorBody": record(
        "", {"code": noted(TEXT, "For programs."), "message": noted(TEXT, "For people.")}, detail=ANYTHING,
        retry=noted(FLAG, "The very same request may succeed later."),
    ),
    "Error": record("", {"error": ref("ErrorBody")}),
}  # fmt: skip
HEADERS: Mapping[str, Schema] = {
    "Retry-After": {"type": "integer", "minimum": 0, "description": "Seconds."},
    "WWW-Authenticate": noted(TEXT, "Bearer."),
}


@functools.cache
def document() -> dict[str, Any]:
    paths: dict[str, Any] = {}
    errors: dict[str, Any] = {}
    for family in FAMILIES:
        for operation in family.OPERATIONS:
            place = paths.setdefault(operation.path, _place(operation.path))
            place[operation.method.lower()] = _written(operation, family.TAG, errors)
    schemas = dict(ERRORS)
    for family in FAMILIES:
        schemas |= family.SCHEMAS
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Progress Hub", "version": hub.__version__, "description": INTRODUCTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "This hub."}],
        "tags": [{"name": family.TAG, "description": family.NOTE} for family in FAMILIES],
        "paths": paths,
        "components": {
            "schemas": schemas, "responses": dict(sorted(errors.items())), "securitySchemes": SECURITY,
            "x-streams": streams.streams(),
        },
    }  # fmt: skip


@functools.cache
def as_bytes() -> bytes:
    return json.dumps(document(), separators=(",", ":")).encode()


def _place(path: str) -> dict[str, Any]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    found = [
        {"name": name, "in": "path", "required": True, "schema": schema, "description": note, "example": example}
        for name in names
        for schema, note, example in (PLACES[name],)
    ]
    return {"parameters": found} if found else {}


def _written(operation: Operation, tag: str, errors: dict[str, Any]) -> dict[str, Any]:
    """`errors`: the answers that several operations share, which grow."""
    written: dict[str, Any] = {"tags": [tag], "operationId": operation.id, "summary": operation.title}
    if operation.note:
        written["description"] = operation.note
    written["security"] = list(_security(operation))
    parameters = [_parameter(each, "query") for each in operation.query]
    parameters += [_parameter(each, "header") for each in operation.headers]
    if parameters:
        written["parameters"] = parameters
    if operation.body is not None:
        media: dict[str, Any] = {"schema": operation.body}
        if operation.example is not None:
            media["example"] = operation.example
        written["requestBody"] = {"required": operation.is_body_needed, "content": {JSON: media}}
    answers = {str(status): _answer(each) for status, each in operation.answers.items()}
    for status, codes in operation.codes().items():
        if status not in operation.answers:
            answers[str(status)] = _error(status, tuple(codes), errors)
    written["responses"] = dict(sorted(answers.items()))
    return written


def _security(operation: Operation) -> Iterator[dict[str, list[str]]]:
    """The role stands where OAuth has scopes, as OpenAPI 3.1 allows."""
    if operation.role is None:
        return
    yield {"bearer": [operation.role.value]}
    yield {"cookie": [operation.role.value]}
    if operation.right is not None and operation.right.link:
        yield {"link": [operation.role.value]}


def _parameter(each: Parameter, where: str) -> dict[str, Any]:
    found: dict[str, Any] = {"name": each.name, "in": where, "description": each.note, "schema": each.schema}
    if each.is_needed:
        found["required"] = True
    if each.several:
        found |= {"style": "form", "explode": True}
    return found if each.example is None else {**found, "example": each.example}


def _answer(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = {"description": answer.note}
    if answer.headers:
        found["headers"] = {name: {"schema": TEXT} for name in answer.headers}
    if answer.bodies:
        found["content"] = {media: {"schema": schema} if schema else {} for media, schema in answer.bodies.items()}
    return found


def _error(status: int, codes: tuple[str, ...], errors: dict[str, Any]) -> dict[str, Any]:
    name = f"{status}.{'.'.join(codes)}".replace(ANY, "any")
    if name not in errors:
        named = {"properties": {"code": {"enum": list(codes)}}}
        said = {} if ANY in codes else named  # a job's own errors have codes of their own
        schema = {**ref("Error"), "properties": {"error": said}}
        names = [each for each in HEADERS if (each == "Retry-After") == (status in RETRIED)]
        names = names if status in RETRIED or status == 401 else []
        errors[name] = {
            "description": REASONS[status],
            "content": {JSON: {"schema": schema}},
        } | ({"headers": {each: {"schema": HEADERS[each]} for each in names}} if names else {})
    return {"$ref": f"#/components/responses/{name}"}
