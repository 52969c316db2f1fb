"""Schedules as they are kept: what is to run, in which rhythm, and what has come of it."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self


class Outcome(enum.StrEnum):
    """What became of a turn."""

    STARTED = "started"
    SKIPPED = "skipped"
    """The job of an earlier turn, or another of its kind, went on still."""
    REFUSED = "refused"
    """The hub could not take the job; `last_error` says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleState:
    """A job that comes back by itself. Times are Unix milliseconds."""

    id: str
    project: str
    kind: str
    created: int
    params: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    every_s: float | None = None
    """Seconds from one turn to the next; None: `cron` says when."""
    cron: str | None = None
    """The five fields of cron, read in `timezone`."""
    timezone: str = "UTC"
    retry: Mapping[str, Any] | None = None
    """When its jobs are tried again, as a request says it; None: by the hub's own policy."""
    is_paused: bool = False
    next_at: int | None = None
    """The turn that is waited for; None while paused."""
    last_at: int | None = None
    """The turn before that."""
    last_job: str | None = None
    """The newest job that it started."""
    last_outcome: Outcome | None = None
    last_error: Mapping[str, Any] | None = None
    """`{code, message}` of a turn that was refused."""
    started: int = 0
    skipped: int = 0
    refused: int = 0
    """How many turns came to which outcome."""

    def to_wire(self) -> dict[str, Any]:
        wire = {name: getattr(self, name) for name in SCHEDULE_FIELDS}
        return wire | {
            "params": dict(self.params),
            "retry": dict(self.retry) if self.retry is not None else None,
            "last_outcome": self.last_outcome and self.last_outcome.value,
        }

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Self:
        """Raises KeyError or ValueError for anything that `to_wire` did not make."""
        outcome = wire["last_outcome"]
        fields = {name: wire[name] for name in SCHEDULE_FIELDS if name != "retry"}
        return cls(**fields | {"last_outcome": outcome and Outcome(outcome), "retry": wire.get("retry")})


SCHEDULE_FIELDS = (
    "id", "project", "kind", "created", "params", "name", "every_s", "cron", "timezone", "retry", "is_paused",
    "next_at", "last_at", "last_job", "last_outcome", "last_error", "started", "skipped", "refused",
)  # fmt: skip
