"""Fields of JSON objects that strangers send: each is what it must be, or is refused with a sentence. Pure.

Every function takes the object and the field's name, and raises BadRequest.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from hub.core.errors import BadRequest

TEXT_LENGTH = 2000
JSON_DEPTH = 8
LARGEST = 10**18
CONTAINERS = (dict, list, tuple)
COMPACT = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


def is_number(value: Any) -> bool:
    return type(value) is int or (type(value) is float and math.isfinite(value))


def number(event: Mapping[str, Any], name: str) -> float | None:
    value = event.get(name)
    if value is None:
        return None
    if not (is_number(value) and 0 <= value <= LARGEST):
        raise BadRequest(f"{name} must be a number from 0 to 10^{len(str(LARGEST)) - 1}.")
    return int(value) if value == int(value) else float(value)


def matched(event: Mapping[str, Any], name: str, pattern: re.Pattern[str], words: str) -> str:
    value = event.get(name)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise BadRequest(f"{name} must be {words}.")
    return value


def text(event: Mapping[str, Any], name: str, longest: int) -> str | None:
    """A name or key: printable; None when it is empty."""
    value = event.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        raise BadRequest(f"{name} must be a text of at most {longest} printable characters.")
    return value


def line(event: Mapping[str, Any], name: str) -> str:
    """Free text: cut where it is too long, because what is said matters more than how."""
    value = event.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadRequest(f"{name} must be a text.")
    return value if len(value) <= TEXT_LENGTH else value[: TEXT_LENGTH - 1] + "…"


def json_object(event: Mapping[str, Any], name: str, most_bytes: int) -> dict[str, Any] | None:
    value = event.get(name)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise BadRequest(f"{name} must be an object.")
    if _most_bytes(value, name, JSON_DEPTH) <= most_bytes:  # writing it takes longer than all the rest
        return value
    try:
        size = len(COMPACT(value))
    except (TypeError, ValueError) as exc:
        raise BadRequest(f"{name} is not JSON.") from exc
    if size > most_bytes:
        raise BadRequest(f"{name} may have {most_bytes} bytes as JSON, and has {size}.")
    return value


def _most_bytes(value: Any, name: str, levels: int) -> float:
    """No fewer than `value` has as JSON; infinite for what is not plain. Raises BadRequest for what is too deep."""
    kind: type = type(value)
    if kind is str:
        return 12 * len(value) + 2  # a character beyond the first 65,536 is two escapes
    if kind is int:
        bits: int = value.bit_length()
        return bits / 3 + 2
    if kind is float:
        return 26 if math.isfinite(value) else math.inf
    if value is None or kind is bool:
        return 5
    if kind not in CONTAINERS:
        return math.inf
    if not levels:
        raise BadRequest(f"{name} may be {JSON_DEPTH} levels deep.")
    if kind is dict:
        inside = [
            (12 * len(key) + 4 if type(key) is str else math.inf) + _most_bytes(each, name, levels - 1)
            for key, each in value.items()
        ]
    else:
        inside = [1 + _most_bytes(each, name, levels - 1) for each in value]
    return math.fsum(inside) + 2
