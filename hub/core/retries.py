"""Trying again by itself: how often, and after how long. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from hub.core.errors import BadRequest

MOST_ATTEMPTS = 20
LONGEST_S = 86_400.0
"""Of any wait. Work kept for a retry is there for some days."""
LARGEST_FACTOR = 10.0
JITTER = 0.25
"""Share of a wait that chance may take off it, so that what failed together does not come back together."""
FIELDS = ("attempts", "backoff_s", "factor", "max_backoff_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """A job's policy: one that fails, and may succeed when it is run again, is run again by itself."""

    attempts: int
    """Tries in all, the first one too; below 2 there is no other."""
    backoff_s: float = 30.0
    """Before the second try."""
    factor: float = 2.0
    """Each further wait is so many times the one before it,"""
    max_backoff_s: float = 3600.0
    """but never longer than this."""
    attempt: int = 1
    """Which of the tries this job is. Unlike a job's own `attempt` it begins at 1 when somebody asks for a retry."""

    @classmethod
    def asked(cls, value: Any, usual: Self) -> Self:
        """What a request says, with the hub's `usual` policy for what it leaves out. Raises BadRequest."""
        if not isinstance(value, Mapping):
            raise BadRequest('retry must be an object, such as {"attempts": 3, "backoff_s": 30}.')
        if unknown := sorted(set(value) - set(FIELDS)):
            raise BadRequest(f"retry has no field {unknown[0]!r}; there are: {', '.join(FIELDS)}.")
        attempts = value.get("attempts")
        if type(attempts) is not int or not 1 <= attempts <= MOST_ATTEMPTS:
            raise BadRequest(f"retry.attempts, the tries in all, must be a whole number from 1 to {MOST_ATTEMPTS}.")
        backoff_s = _number(value, "backoff_s", 0.0, LONGEST_S, min(usual.backoff_s, LONGEST_S))
        return cls(
            attempts=attempts,
            backoff_s=backoff_s,
            factor=_number(value, "factor", 1.0, LARGEST_FACTOR, usual.factor),
            max_backoff_s=_number(value, "max_backoff_s", backoff_s, LONGEST_S, max(usual.max_backoff_s, backoff_s)),
        )

    @property
    def has_more(self) -> bool:
        return self.attempt < self.attempts

    def next(self) -> Self:
        """The policy as the next try has it."""
        return replace(self, attempt=min(self.attempt + 1, max(self.attempts, self.attempt)))

    def renewed(self) -> Self:
        """As a retry has it that somebody asked for."""
        return replace(self, attempt=1)

    def wait_s(self, chance: float) -> float:
        """Seconds between the end of this try and the next one; `chance` is at least 0 and below 1."""
        growth = self.factor ** min(self.attempt - 1, 100)  # what is more would be no float any longer
        longest = min(self.backoff_s * growth, self.max_backoff_s)
        return longest * (1 - JITTER * chance)

    def to_wire(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("attempt", *FIELDS)}

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Self:
        return cls(**{name: wire[name] for name in ("attempt", *FIELDS)})


def _number(value: Mapping[str, Any], name: str, least: float, most: float, usual: float) -> float:
    found = value.get(name)
    if found is None:
        return usual
    if type(found) not in {int, float} or not least <= found <= most:
        raise BadRequest(f"retry.{name} must be a number from {least:g} to {most:g}.")
    return float(found)
