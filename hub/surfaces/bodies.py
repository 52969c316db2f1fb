"""Fields of request bodies, as systems have them that ignore what they do not know."""

from collections.abc import Mapping
from typing import Any

from hub.core import fields
from hub.core.errors import BadRequest

LONGEST_TEXT = 4096


def text_of(body: Mapping[str, Any], name: str) -> str | None:
    """None where it is missing or empty. Raises BadRequest."""
    return fields.text(body, name, LONGEST_TEXT)


def flag_of(body: Mapping[str, Any], name: str) -> bool:
    """False where it is missing. Raises BadRequest."""
    value = body.get(name)
    if value is not None and type(value) is not bool:
        raise BadRequest(f"{name} must be true or false.")
    return bool(value)
