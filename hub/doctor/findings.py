"""What a check has found, and what to do about it."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


class Level(enum.StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    id: str
    """Stable, such as `machine.git`."""
    level: Level
    text: str
    advice: str = ""
    """What to do; empty where nothing is to be done."""
    took_ms: float | None = None

    def to_wire(self) -> dict[str, Any]:
        wire: dict[str, Any] = {"id": self.id, "level": self.level.value, "text": self.text}
        if self.advice:
            wire["advice"] = self.advice
        if self.took_ms is not None:
            wire["took_ms"] = round(self.took_ms, 1)
        return wire


def ok(id: str, text: str, took_ms: float | None = None) -> Finding:  # noqa: A002 - the field's name
    return Finding(id=id, level=Level.OK, text=text, took_ms=took_ms)


def warn(id: str, text: str, advice: str = "", took_ms: float | None = None) -> Finding:  # noqa: A002
    return Finding(id=id, level=Level.WARN, text=text, advice=advice, took_ms=took_ms)


def fail(id: str, text: str, advice: str = "", took_ms: float | None = None) -> Finding:  # noqa: A002
    return Finding(id=id, level=Level.FAIL, text=text, advice=advice, took_ms=took_ms)


def worst(findings: Iterable[Finding]) -> Level:
    levels = {finding.level for finding in findings}
    return next((level for level in (Level.FAIL, Level.WARN) if level in levels), Level.OK)
