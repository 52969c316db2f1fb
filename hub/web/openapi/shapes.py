"""Shapes of JSON (JSON Schema 2020-12) in few words. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

Schema = dict[str, Any]

FLAG: Schema = {"type": "boolean"}
NUMBER: Schema = {"type": "number"}
TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
COUNT: Schema = {"type": "integer", "minimum": 0}
AT: Schema = {"type": "integer", "description": "Unix milliseconds."}
ANYTHING: Schema = {"type": "object", "description": "Any JSON object.", "additionalProperties": True}


def noted(schema: Schema, note: str) -> Schema:
    return {**schema, "description": note}


def text(most: int | None = None, *, least: int = 0, pattern: str = "", note: str = "") -> Schema:
    bounds = {"minLength": least or None, "maxLength": most, "pattern": pattern or None, "description": note or None}
    return {"type": "string"} | {name: value for name, value in bounds.items() if value is not None}


def whole(least: int, most: int, note: str = "", *, usual: int | None = None) -> Schema:
    schema: Schema = {"type": "integer", "minimum": least, "maximum": most}
    if usual is not None:
        schema["default"] = usual
    return noted(schema, note) if note else schema


def number(least: float, most: float, note: str = "") -> Schema:
    schema: Schema = {"type": "number", "minimum": least, "maximum": most}
    return noted(schema, note) if note else schema


def words(known: Iterable[str], note: str = "") -> Schema:
    schema: Schema = {"type": "string", "enum": list(known)}
    return noted(schema, note) if note else schema


def is_(word: str) -> Schema:
    return {"type": "string", "const": word}


def array(of: Schema, *, least: int = 0, most: int | None = None, note: str = "") -> Schema:
    schema: Schema = {"type": "array", "items": of}
    if least:
        schema["minItems"] = least
    if most is not None:
        schema["maxItems"] = most
    return noted(schema, note) if note else schema


def pair(of: Schema, note: str = "") -> Schema:
    return array(of, least=2, most=2, note=note)


def record(note: str = "", fields: Mapping[str, Schema] | None = None, /, **maybe: Schema) -> Schema:
    """What the hub says: `fields` are always there, `maybe` now and then; newer hubs may say more."""
    schema: Schema = {"type": "object"}
    if note:
        schema["description"] = note
    schema["properties"] = {**(fields or {}), **maybe}
    if fields:
        schema["required"] = list(fields)
    return schema


def taken(note: str = "", needed: Mapping[str, Schema] | None = None, /, **maybe: Schema) -> Schema:
    """What the hub takes, and nothing besides."""
    return record(note, needed, **maybe) | {"additionalProperties": False}


def keyed(of: Schema, note: str = "") -> Schema:
    """An object with names that are not known beforehand."""
    schema: Schema = {"type": "object", "additionalProperties": of}
    return noted(schema, note) if note else schema


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def or_null(schema: Schema) -> Schema:
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    found = {**schema, "type": [schema["type"], "null"]}
    return found | ({"enum": [*schema["enum"], None]} if "enum" in schema else {})


def any_of(*schemas: Schema) -> Schema:
    return {"anyOf": list(schemas)}


def stream_of(*data: Schema, event: str = "") -> Schema:
    """One server-sent event; its `data` is JSON."""
    content = {"type": "string", "contentMediaType": "application/json", "contentSchema": any_of(*data)}
    return record("One event of the stream.", {"data": content}, id=TEXT, event=words(event.split()) if event else TEXT)


def page(of: str) -> Schema:
    """A part of a list."""
    return record("", {"items": array(ref(of)), "total": noted(COUNT, "How many there are on all pages.")}, next=NEXT)


NEXT = noted(TEXT, "The `cursor` of the next page; missing on the last.")
