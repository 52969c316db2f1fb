"""Is an answer one that the document allows? Fields that it does not name count as wrong, too."""

import functools
import gzip
import json
import re
from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from hub.web.openapi.document import OPERATIONS, document
from hub.web.openapi.operation import JSON, Operation


def problem_of(method: str, address: str, status: int, headers: Mapping[str, str], body: bytes) -> str | None:
    """What is wrong with an answer; None for nothing, and for an address that is none."""
    operation = operation_of(method, address)
    if operation is None or method == "OPTIONS" or (method == "HEAD" and status == 405):  # streams have no HEAD
        return None
    written = document()["paths"][operation.path][operation.method.lower()]["responses"].get(str(status))
    if written is None:
        return f"{operation.id} does not say that it may answer {status}"
    if "$ref" in written:
        written = document()["components"]["responses"][written["$ref"].rpartition("/")[2]]
    media = next((value for name, value in headers.items() if name.lower() == "content-type"), "").partition(";")[0]
    content = written.get("content", {})
    if status == 404 and media == JSON and JSON not in content:  # no id holds a brace, so there is no such address
        return None
    named = {name.lower() for name in written.get("headers", {})}
    if missing := named - {name.lower() for name in headers}:
        return f"{operation.id} {status} lacks {sorted(missing)}"
    if method == "HEAD" or status in {101, 204, 304}:
        return None
    if content and media not in content and "*/*" not in content:
        return f"{operation.id} {status} is {media}"
    if media != JSON or not content.get(JSON, {}).get("schema"):
        return None
    is_packed = body[:2] == b"\x1f\x8b"  # no JSON begins so
    try:
        validator(operation.method, operation.path, status).validate(
            json.loads(gzip.decompress(body) if is_packed else body)
        )
    except (jsonschema_rs.ValidationError, ValueError) as exc:
        return f"{operation.id} {status}: {str(exc)[:800]}"
    return None


def operation_of(method: str, address: str) -> Operation | None:
    """The most plainly written path wins, as in the hub."""
    path = address.partition("?")[0].partition("#")[0]
    wanted = "GET" if method == "HEAD" else method
    found = [each for each in OPERATIONS.values() if each.method == wanted and pattern(each.path).fullmatch(path)]
    return min(found, key=lambda each: each.path.count("{"), default=None)


@functools.cache
def pattern(path: str) -> re.Pattern[str]:
    parts = [
        ".+" if part == "{path}" else "[^/]+" if part.startswith("{") else re.escape(part) for part in path.split("/")
    ]
    return re.compile("/".join(parts))


@functools.cache
def validator(method: str, path: str, status: int) -> Any:
    written = document()["paths"][path][method.lower()]["responses"][str(status)]
    if "$ref" in written:
        written = document()["components"]["responses"][written["$ref"].rpartition("/")[2]]
    return of_schema(json.dumps(written["content"][JSON]["schema"]))


@functools.cache
def of_schema(schema: str) -> Any:
    """A validator that knows nothing but what the document names."""
    whole = {**closed(json.loads(schema)), "components": {"schemas": closed(document()["components"]["schemas"])}}
    return jsonschema_rs.Draft202012Validator(whole)


def closed(schema: Any) -> Any:
    """The same, but that objects have no fields besides those that are named."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: closed(each) for name, each in schema.items()}
    if "properties" in found and "type" in found and "additionalProperties" not in found:
        found["additionalProperties"] = False
    return found
