"""The document says of every route what is so, and nothing of what is not there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from hub.web.door.rights import RIGHTS
from hub.web.openapi.document import FAMILIES, OPERATIONS, document
from hub.web.openapi.operation import ANY
from hub.web.openapi.reference import as_html
from hub.web.routes import ROUTES

HUB = Path(__file__).parents[2] / "hub"
SCHEMAS = document()["components"]["schemas"]


def places() -> set[tuple[str, str]]:
    return {(route.method, re.sub(r":[^}]+}", "}", route.path)) for route in ROUTES}


def test_it_is_openapi() -> None:
    OpenAPIV31SpecValidator(document()).validate()


def test_every_route_is_in_it_and_nothing_else() -> None:
    assert set(OPERATIONS) == places()


def test_every_operation_says_who_may() -> None:
    assert set(OPERATIONS) == set(RIGHTS)
    for (method, path), operation in OPERATIONS.items():
        written = document()["paths"][path][method.lower()]
        roles = {role for each in written["security"] for found in each.values() for role in found}
        assert roles == ({operation.role.value} if operation.role is not None else set())


def test_names_of_operations_are_their_own() -> None:
    names = [operation.id for operation in OPERATIONS.values()]
    assert len(set(names)) == len(names)


def test_what_is_named_is_there_and_what_is_there_is_named() -> None:
    named = set(re.findall(r"#/components/schemas/(\w+)", str(document())))
    assert named == set(SCHEMAS)


def errors() -> Iterator[tuple[str, str]]:
    for (method, path), operation in OPERATIONS.items():
        for codes in operation.codes().values():
            yield from ((code, f"{method} {path}") for code in codes)


def test_every_error_code_is_one_that_the_hub_has() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in HUB.rglob("*.py") if "openapi" not in path.parts)
    unknown = {(code, where) for code, where in errors() if f'"{code}"' not in source}
    assert {code for code, _ in unknown} <= {ANY}, unknown


@pytest.mark.parametrize(
    "operation", [each for each in OPERATIONS.values() if each.example is not None], ids=lambda each: each.id
)
def test_examples_of_bodies_are_right(operation: Any) -> None:
    check(operation.body, operation.example)


@pytest.mark.parametrize("name", [name for name, schema in SCHEMAS.items() if "examples" in schema])
def test_examples_of_shapes_are_right(name: str) -> None:
    for example in SCHEMAS[name]["examples"]:
        check({"$ref": f"#/components/schemas/{name}"}, example)


def check(schema: dict[str, Any], value: Any) -> None:
    whole = {**schema, "components": {"schemas": SCHEMAS}}
    jsonschema_rs.Draft202012Validator(whole).validate(value)


def test_the_page_has_every_operation_and_shape_and_no_dead_link() -> None:
    page = as_html().decode()
    anchors = set(re.findall(r' id="([^"]+)"', page))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= anchors
    assert len(re.findall(r' id="[^"]+"', page)) == len(anchors)
    assert {f"shape-{name}" for name in SCHEMAS} <= anchors
    titles = {operation.title for family in FAMILIES for operation in family.OPERATIONS}
    assert all(f">{title.replace(chr(39), '&#x27;')}</a></h3>" in page for title in titles)
    assert "<script" not in page
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)
    assert "style=" not in page
