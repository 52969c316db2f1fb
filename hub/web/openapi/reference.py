"""The document as a page to be read: plain HTML, made from the tables on the server."""

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from types import ModuleType
from typing import Any
from urllib.parse import urlencode

from hub.web.html import Markup, el
from hub.web.openapi.document import FAMILIES, INTRODUCTION, PLACES, REASONS, document
from hub.web.openapi.fields import field_table, link, mentioned, prose
from hub.web.openapi.operation import SSE, Operation, Parameter
from hub.web.openapi.shapes import Schema

HUB = "http://127.0.0.1:8470"


def as_html() -> bytes:
    whole = document()
    page = el(
        "html",
        el(
            "head",
            el("meta", charset="utf-8"),
            el("meta", name="viewport", content="width=device-width, initial-scale=1"),
            el("meta", name="color-scheme", content="light dark"),
            el("title", "The API of Progress Hub"),
            el("link", rel="icon", href="data:,"),
            el("link", rel="stylesheet", href="static/docs/docs.css"),
        ),
        el("body", el("a", "To the content", href="#content", class_="skip"), _contents(), el("main", *_main(whole),
        id="content")),
        lang="en",
    )  # fmt: skip
    return f"<!doctype html>{page}".encode()


def curl(operation: Operation) -> str:
    """A line that can be tried, with the document's examples."""
    path = operation.path
    for name, (_, _, example) in PLACES.items():
        path = path.replace(f"{{{name}}}", example)
    query = {each.name: each.example for each in operation.query if each.example is not None}
    words = ["curl", "-sN" if _streams(operation) else "-s"]
    if operation.method != ("POST" if operation.example is not None else "GET"):
        words += ["-X", operation.method]
    words.append(shlex.quote(f"{HUB}{path}{'?' if query else ''}{urlencode(query)}"))
    if _streams(operation):
        words += ["-H", shlex.quote(f"Accept: {SSE}")]
    if operation.example is not None:
        words += ["-d", shlex.quote(json.dumps(operation.example))]
    return " ".join(words)


def _streams(operation: Operation) -> bool:
    return 200 in operation.answers and SSE in operation.answers[200].bodies


def _contents() -> Markup:
    parts = [
        el(
            "li",
            el("a", family.TAG, href=f"#{_anchor(family.TAG)}"),
            el("ul", *[el("li", el("a", each.title, href=f"#{each.id}")) for each in _shown(family)]),
        )
        for family in FAMILIES
    ]
    others = [el("li", el("a", "Messages of streams", href="#streams")), el("li", el("a", "Shapes", href="#shapes"))]
    details = el("details", el("summary", "Contents"), el("ol", *parts, *others))
    return el("nav", el("p", el("a", "Progress Hub", href="."), class_="brand"), details, aria_label="Contents")


def _main(whole: Mapping[str, Any]) -> Iterator[Markup]:
    yield el("h1", "The API of Progress Hub")
    yield el(
        "p",
        f"Version {whole['info']['version']}. ",
        el("a", "The same as OpenAPI 3.1", href="api/v1/openapi.json"),
        ".",
    )
    yield from (el("p", prose(part)) for part in INTRODUCTION.split("\n\n"))
    for family in FAMILIES:
        yield el("section", *_family(family), id=_anchor(family.TAG))
    yield el("section", *_streamed(whole["components"]["x-streams"]), id="streams")
    yield el("section", *_shapes(whole["components"]["schemas"]), id="shapes")


def _family(family: ModuleType) -> Iterator[Markup]:
    yield el("h2", family.TAG)
    yield el("p", prose(family.NOTE))
    yield from (el("article", *_operation(each), id=each.id) for each in _shown(family))


def _shown(family: ModuleType) -> Iterable[Operation]:
    """A route that is there under two addresses is shown once."""
    found: tuple[Operation, ...] = family.OPERATIONS
    paths = {(each.method, each.path) for each in found}
    twice = {
        (method, path) for method, path in paths
        if path.startswith("/api/repos") or (method, path.replace("/projects/{project}/schedules/",
        "/schedules/")) in paths - {(method, path)}
    }  # fmt: skip
    return [each for each in found if (each.method, each.path) not in twice]


def _operation(each: Operation) -> Iterator[Markup]:
    yield el("h3", el("a", each.title, href=f"#{each.id}"))
    yield el(
        "p", el("b", each.method, class_=f"method {each.method.lower()}"), " ", el("code", each.path), class_="route"
    )
    yield el("p", prose(f"{each.note} {_role(each)}".strip()))
    if rows := list(_parameters(each)):
        yield _table(("Parameter", "What"), rows)
    if each.body is not None and each.body.get("properties"):
        yield el("h4", "Body" if each.is_body_needed else "Body, which may be left out")
        yield field_table(each.body)
    yield el("pre", el("code", curl(each)), tabindex="0", aria_label="Example")
    yield _table(("Answer", "What"), [*_answers(each), *_errors(each)])


def _role(each: Operation) -> str:
    return "Open to everybody." if each.role is None else f"Needs the role `{each.role.value}`."


def _parameters(each: Operation) -> Iterator[Markup]:
    for part in each.path.split("/"):
        if part.startswith("{"):
            schema, note, _ = PLACES[part[1:-1]]
            yield _row(part[1:-1], "path", mentioned(schema, note))
    for where, found in (("query", each.query), ("header", each.headers)):
        yield from (_row(one.name, where, _described(one)) for one in found)


def _described(one: Parameter) -> Markup:
    note = one.note + (" May be given more than once, or with commas." if one.several else "")
    schema: Schema = one.schema["items"] if one.several else one.schema
    return mentioned(schema, note + (" Needed." if one.is_needed else ""))


def _answers(each: Operation) -> Iterator[Markup]:
    for status, answer in sorted(each.answers.items()):
        what = [el("p", prose(answer.note))]
        if answer.bodies:
            shapes = [Markup.of(", ").join(_body(media, schema) for media, schema in answer.bodies.items())]
            what.append(el("p", Markup("".join(shapes)), class_="soft"))
        if answer.headers:
            what.append(el("p", f"Headers: {', '.join(answer.headers)}", class_="soft"))
        yield el("tr", el("th", str(status), scope="row"), el("td", *what))


def _body(media: str, schema: Schema) -> Markup:
    return Markup(f"{el('code', media)} {link(schema)}")


def _errors(each: Operation) -> Iterator[Markup]:
    for status, codes in each.codes().items():
        if status not in each.answers:
            words = Markup(" ").join(el("code", code) for code in codes)
            yield el(
                "tr", el("th", str(status), scope="row"), el("td", el("p", REASONS[status]), el("p", Markup(words)))
            )


def _streamed(streams: Mapping[str, Any]) -> Iterator[Markup]:
    yield el("h2", "Messages of streams")
    yield el("p", prose(
        "Every message is one JSON object with `type`. `hello` is first on every stream, and `bye` last on one that "
        "the hub ends."
    ))  # fmt: skip
    for name, title in (("says", "What the hub says"), ("hears", "What a WebSocket may ask")):
        yield el("h3", title)
        yield el("p", link(streams["websocket"][name]))
    yield el("h3", "How a WebSocket is closed")
    rows = [
        el("tr", el("th", str(each["code"]), scope="row"), el("td", each["reason"]), el("td", _next(each)))
        for each in streams["websocket"]["closes"]
    ]
    yield _table(("Code", "Reason", "Then"), rows)


def _next(close: Mapping[str, Any]) -> str:
    return "Come back with the cursor." if close["come_back"] else "Stay away."


def _shapes(schemas: Mapping[str, Schema]) -> Iterator[Markup]:
    yield el("h2", "Shapes")
    for name, schema in schemas.items():
        parts = [el("h3", el("a", name, href=f"#shape-{name}"))]
        if note := schema.get("description"):
            parts.append(el("p", prose(note)))
        parts.append(field_table(schema) if schema.get("properties") else el("p", link(schema)))
        for example in schema.get("examples", ()):
            words = json.dumps(example, indent=1, ensure_ascii=False)
            parts.append(el("details", el("summary", "Example"), el("pre", el("code", words), tabindex="0")))
        yield el("article", *parts, id=f"shape-{name}")


def _table(heads: Iterable[str], rows: Iterable[Markup]) -> Markup:
    return el("table", el("thead", el("tr", *[el("th", head, scope="col") for head in heads])), el("tbody", *rows))


def _row(name: str, where: str, what: Markup) -> Markup:
    return el("tr", el("th", el("code", name), scope="row"), el("td", what, el("span", f" ({where})", class_="soft")))


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")
