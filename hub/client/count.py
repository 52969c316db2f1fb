"""How far a job is in its present stage: set from any thread, taken by the one that sends."""

import threading
from collections.abc import Mapping
from typing import Any

from hub.client import values, words
from hub.client.values import LONGEST_TEXT


class Count:
    """Its fields may be set as they are; what has to be seen together is set under `lock`."""

    __slots__ = (
        "changed", "current", "detail", "has_counted", "lock", "message", "said", "stage", "total", "tracked", "unit",
    )  # fmt: skip

    def __init__(self, total: float | None, unit: str) -> None:
        self.current: float = 0
        self.total = total
        self.unit = unit
        self.message = ""
        self.detail: Mapping[str, Any] | None = None
        self.stage: str | None = None
        self.changed = False
        """Has it been set since it was taken?"""
        self.tracked = 0
        """Loops that set `current` and say nothing."""
        self.said: tuple[Any, ...] = () if total is not None else self._now()
        self.has_counted = False
        """Was anything said of the present stage?"""
        self.unlock()

    @property
    def is_moving(self) -> bool:
        """May there be something that was not taken?"""
        return self.changed or self.tracked > 0

    def unlock(self) -> None:
        """In a forked child: whoever held the lock is not here."""
        self.lock = threading.RLock()

    def set(
        self,
        current: float | None,
        total: float | None,
        unit: str | None,
        message: str | None,
        detail: Mapping[str, Any] | None,
    ) -> None:
        """None: as it was."""
        with self.lock:
            self.current = self.current if current is None else current
            self.total = self.total if total is None else total
            self.unit = self.unit if unit is None else unit
            self.message = self.message if message is None else message
            self.detail = self.detail if detail is None else detail

    def enter(self, stage: str, total: float | None, unit: str) -> None:
        """From 0 again."""
        with self.lock:
            self.stage, self.current, self.total, self.unit, self.message = stage, 0, total, unit, ""
            self.said, self.has_counted = self._now(), False

    def take(self, *, is_last: bool = False) -> dict[str, Any] | None:
        """The event that tells what was not taken yet.

        `is_last`: of its stage, and so said again: a hub that was killed since may have forgotten it.
        """
        with self.lock:
            self.changed = False
            now = self._now()
            if now == self.said and not (is_last and self.has_counted):
                return None
            self.said, self.has_counted = now, True
            return self.event()

    def event(self) -> dict[str, Any]:
        """How far it is."""
        current, total, unit, message, detail = self._now()
        event: dict[str, Any] = {"type": "progress", "current": values.number(current) or 0, "unit": words.name(unit)}
        if (whole := values.number(total)) is not None:
            event["total"] = whole
        if message:
            event["message"] = str(message)[:LONGEST_TEXT]
        if self.stage is not None:
            event["stage"] = self.stage
        if detail and (fields := values.json_object(detail)):
            event["detail"] = fields
        return event

    def _now(self) -> tuple[Any, ...]:
        return (self.current, self.total, self.unit, self.message, self.detail)
