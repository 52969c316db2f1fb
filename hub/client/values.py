"""What a program says, as the hub takes it: JSON, and within bounds."""

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from hub.client.words import JobWords, Stage

LARGEST = 10**18
LONGEST_TEXT = 2000
"""Characters of a text; the hub cuts what is longer."""


def stages(given: Iterable[Stage | str]) -> list[dict[str, Any]]:
    return [(stage if isinstance(stage, Stage) else Stage(stage)).to_wire() for stage in given]


def plan(given: JobWords, silence_s: float) -> dict[str, Any]:
    begun: dict[str, Any] = {"silence_s": silence_s}
    if params := given.get("params"):
        begun["params"] = json_object(params) or {"text": repr(params)[:LONGEST_TEXT]}
    if named := given.get("stages"):
        begun["stages"] = stages(named)
    return begun


def number(value: Any) -> float | None:
    """As the hub takes it, whatever kind of number it was; None for what is none."""
    if value is None:
        return None
    try:
        known = value if type(value) in {int, float} else value.item() if hasattr(value, "item") else float(value)
        return min(max(known, 0), LARGEST) if math.isfinite(known) else None
    except (TypeError, ValueError, OverflowError):
        return None


def json_object(value: Mapping[str, Any]) -> dict[str, Any] | None:
    """A copy that is JSON, what is not of it as text; None when nothing helps."""
    try:
        copy = json.loads(json.dumps(value, default=str, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        return None
    return copy if isinstance(copy, dict) else None
