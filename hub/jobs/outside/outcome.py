"""What publishers are answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hub.core.errors import HubError
from hub.core.events import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one event."""

    word: str = "accepted"
    """accepted, duplicate or refused."""
    seq: int | None = None
    """None: it has no number of its own (yet)."""
    left_out: bool = False
    """A line too many, which is only counted."""
    error: HubError | None = None

    def to_wire(self) -> dict[str, Any]:
        wire: dict[str, Any] = {"outcome": self.word}
        if self.seq is not None:
            wire["seq"] = self.seq
        if self.left_out:
            wire["left_out"] = True
        if self.error is not None:
            wire |= {"code": self.error.narrow_code, "message": self.error.message}
        return wire


ACCEPTED = Outcome()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    outcomes: Sequence[Outcome]
    jobs: Mapping[str, tuple[State, float]]
    """State and percent of those that were spoken of."""

    def to_wire(self) -> dict[str, Any]:
        return {
            "outcomes": [outcome.to_wire() for outcome in self.outcomes],
            "jobs": {id_: {"state": state.value, "percent": percent} for id_, (state, percent) in self.jobs.items()},
        }
