"""JSON as the standard has it (RFC 8259), and no more of it than Python would take."""

import json
import math
from typing import Any


def value(text: str | bytes) -> Any:
    """The value that a text is. Raises RecursionError and ValueError, also for NaN and Infinity: no JSON.

    A number too large for a float, such as 1e999, would come out as the latter, and is refused too.
    """
    if isinstance(text, bytes):
        text = text.decode(json.detect_encoding(text), "surrogatepass")  # as json.loads does
    return DECODER.decode(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is too large a number")
    return value


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not a JSON number")


DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)
