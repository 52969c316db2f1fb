"""Fields of request bodies, as systems have them that ignore what they do not know."""

from collections.abc import Mapping
from typing import Any

from hub.core.errors import BadRequest

LONGEST_TEXT = 4096


def text_of(body: Mapping[str, Any], name: str) -> str | None:
    """None where it is missing or empty. Raises BadRequest."""
    value = body.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > LONGEST_TEXT or not value.isprintable():
        raise BadRequest(f"{name} must be a text of at most {LONGEST_TEXT} printable characters.")
    return value


def flag_of(body: Mapping[str, Any], name: str) -> bool:
    """False where it is missing. Raises BadRequest."""
    value = body.get(name) or False
    if type(value) is not bool:
        raise BadRequest(f"{name} must be true or false.")
    return value
