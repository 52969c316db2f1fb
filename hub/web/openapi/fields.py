"""Schemas in words, for the page."""

import re
from typing import Any

from hub.web.html import Markup, el
from hub.web.openapi.shapes import Schema

NAMES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "object",
}
REF = "#/components/schemas/"


def prose(text: str) -> Markup:
    """Text in which `words` in backticks are code."""
    parts = re.split(r"`([^`]+)`", text)
    return Markup("".join(el("code", part) if place % 2 else Markup.of(part) for place, part in enumerate(parts)))


def link(schema: Schema) -> Markup:
    """What a schema takes, in a few words, with links to the shapes that have names."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(REF)
        return el("a", name, href=f"#shape-{name}")
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return Markup(" or ".join(link(each) for each in schema[word]))
    if "const" in schema:
        return el("code", str(schema["const"]))
    if "enum" in schema:
        return Markup(", ".join(el("code", "null" if each is None else str(each)) for each in schema["enum"]))
    kinds = schema.get("type", "anything")
    found = [kinds] if isinstance(kinds, str) else kinds
    return Markup(" or ".join(_kind(kind, schema) for kind in found))


def mentioned(schema: Schema, note: str) -> Markup:
    """A schema with what there is to say of it."""
    said = " ".join(dict.fromkeys(part for part in (note, schema.get("description", "")) if part))
    parts = [prose(said), Markup(" ") if said else "", el("span", link(schema), _usual(schema), class_="soft")]
    return Markup("".join(Markup.of(part) for part in parts))


def field_table(schema: Schema) -> Markup:
    needed = schema.get("required", ())
    rows = [
        el(
            "tr",
            el("th", el("code", name), Markup("") if name in needed else el("span", " if any", class_="soft"),
            scope="row"),
            el("td", mentioned(each, ""), *_inside(each)),
        )
        for name, each in schema["properties"].items()
    ]  # fmt: skip
    head = el("tr", el("th", "Field", scope="col"), el("th", "What", scope="col"))
    return el("table", el("thead", head), el("tbody", *rows))


def _inside(schema: Schema) -> list[Markup]:
    """Of an object without a name of its own, or a list of such."""
    for each in (schema, schema.get("items", {}), *schema.get("anyOf", ())):
        if each.get("properties"):
            return [field_table(each)]
    return []


def _kind(kind: str, schema: Schema) -> Markup:
    if kind == "array":
        return Markup(f"list of {link(schema['items'])}")
    if kind == "object" and isinstance(of := schema.get("additionalProperties"), dict):
        return Markup(f"object of {link(of)}")
    return Markup.of(NAMES.get(kind, kind) + _bounds(kind, schema))


def _bounds(kind: str, schema: Schema) -> str:
    least, most = schema.get("minimum", schema.get("minLength")), schema.get("maximum", schema.get("maxLength"))
    if kind == "null" or (least is None and most is None):
        return ""
    unit = " characters" if kind == "string" else ""
    if most is None:
        return f", {least:,} or more{unit}" if least else ""
    return f", {least:,} to {most:,}{unit}" if least is not None else f", at most {most:,}{unit}"


def _usual(schema: Schema) -> str:
    usual: Any = schema.get("default")
    return f"; {usual} if not given" if usual is not None else ""
