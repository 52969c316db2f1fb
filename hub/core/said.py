"""What a program outside the hub says of its jobs, in terms that can be trusted: `publication` checks and makes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.core.events import Failure, Stage, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One thing."""

    job: str
    kind: str
    key: str | None
    """The same key again is the same event."""
    fingerprint: str
    """Of everything in the event; empty without a key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidJob(Said):
    state: State
    params: Mapping[str, Any] | None
    """None: nothing new was said of them."""
    result: Mapping[str, Any] | None
    error: Failure | None
    stages: tuple[Stage, ...]
    silence_s: float | None
    """The publisher promises to say something at least this often; None: nothing new was said of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidStage(Said):
    stage: str
    title: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidLog(Said):
    level: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidProgress(Said):
    stage: str | None
    """None: the present one."""
    current: float
    total: float | None
    """None: not known. Of nothing, nothing can be said either."""
    unit: str
    message: str
    detail: Mapping[str, Any]
