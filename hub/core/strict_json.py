"""JSON as the standard has it (RFC 8259), and no more of it than Python would take."""

import json
from typing import Any


def value(text: str | bytes) -> Any:
    """The value that a text is. Raises RecursionError and ValueError, also for NaN and Infinity: no JSON."""
    return json.loads(text, parse_constant=_refuse)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not a JSON number")
