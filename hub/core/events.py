"""Events: immutable facts about a project, numbered without holes, each on one of two lanes.

An event's `body` says what happened; `type`, `project`, `seq`, `at`, `job` and `kind` are common to all. On the wire
the two are one flat JSON object (`to_wire`, `from_wire`).
"""

import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from hub.core.retries import Retry


class State(enum.StrEnum):
    """Where a job is. The last four are ends: nothing of the job follows them."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"  # the hub stopped under it

    @property
    def is_end(self) -> bool:
        return self in ENDS


ENDS = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED, State.INTERRUPTED})


class Lane(enum.Enum):
    LOSSLESS = enum.auto()
    """Every one reaches every watcher, and only once it is in the journal."""
    LATEST = enum.auto()
    """Only the newest per job matters; older ones are merged into it, and the stream says how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a job did not succeed, in words its owner can act on."""

    code: str
    message: str
    stage: str | None = None
    hint: str | None = None
    """What to do about it."""
    retry: bool = False
    """May the same job succeed when run again?"""

    def to_wire(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("code", "message", "stage", "hint", "retry")}

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Self:
        return cls(**{name: wire.get(name, None) for name in ("code", "message", "stage", "hint")}, retry=wire["retry"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A named phase of a kind; weights are relative to the other stages of the same plan."""

    name: str
    title: str
    weight: float

    def to_wire(self) -> dict[str, Any]:
        return {"stage": self.name, "title": self.title, "weight": self.weight}

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Self:
        return cls(name=wire["stage"], title=wire["title"], weight=wire["weight"])


@dataclass(frozen=True, slots=True, kw_only=True)
class JobBody:
    """The job is in a new state. The first of a job carries its `plan`, so a watcher can draw every stage at once."""

    type: ClassVar[str] = "job"
    lane: ClassVar[Lane] = Lane.LOSSLESS

    state: State
    params: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] | None = None
    error: Failure | None = None
    queue: int | None = None
    """Place in the queue, 1 is next; None when not waiting."""
    plan: tuple[Stage, ...] = ()
    usual_s: tuple[float, float] | None = None
    """What the job takes as a rule, in seconds at work, low and high, told with the plan; None: nothing to go by."""
    attempt: int = 1
    retry_of: str | None = None
    resumed: bool = False
    """It goes on with the work that `retry_of` left."""
    resumable: bool = False
    """Told with the end: the job's work was kept, and a retry can go on with it."""
    scheduled_by: str | None = None
    """The schedule that started it, or the job that it is a retry of; None: somebody asked for it."""
    retry: Retry | None = None
    """When the hub tries again by itself; None: it does not."""
    starts_at: int | None = None
    """Unix milliseconds until which a queued job waits, as the next try of one that failed, holding no place."""
    silence_s: float | None = None
    """Of a job that runs outside: its publisher is given up after so many seconds of silence. None: as it was."""

    def to_wire(self) -> dict[str, Any]:
        wire: dict[str, Any] = {"state": self.state.value, "params": dict(self.params), "attempt": self.attempt}
        if self.result is not None:
            wire["result"] = dict(self.result)
        if self.error is not None:
            wire["error"] = self.error.to_wire()
        if self.queue is not None:
            wire["queue"] = self.queue
        if self.plan:
            wire["stages"] = [stage.to_wire() for stage in self.plan]
        if self.usual_s is not None:
            wire["usual_s"] = self.usual_s
        if self.retry_of is not None:
            wire["retry_of"] = self.retry_of
        if self.resumed:
            wire["resumed"] = True
        if self.resumable:
            wire["resumable"] = True
        if self.scheduled_by is not None:
            wire["scheduled_by"] = self.scheduled_by
        if self.retry is not None:
            wire["retry"] = self.retry.to_wire()
        if self.starts_at is not None:
            wire["starts_at"] = self.starts_at
        if self.silence_s is not None:
            wire["silence_s"] = self.silence_s
        return wire

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Self:
        error, retry = wire.get("error"), wire.get("retry")
        return cls(
            state=State(wire["state"]),
            params=wire["params"],
            result=wire.get("result"),
            error=Failure.from_wire(error) if error else None,
            queue=wire.get("queue"),
            plan=tuple(Stage.from_wire(stage) for stage in wire.get("stages", ())),
            usual_s=_pair(wire.get("usual_s")),
            attempt=wire["attempt"],
            retry_of=wire.get("retry_of"),
            resumed=wire.get("resumed", False),
            resumable=wire.get("resumable", False),
            scheduled_by=wire.get("scheduled_by"),
            retry=Retry.from_wire(retry) if retry else None,
            starts_at=wire.get("starts_at"),
            silence_s=wire.get("silence_s"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StageBody:
    """The job has entered a stage: number `step` of `steps`, counted from 1."""

    type: ClassVar[str] = "stage"
    lane: ClassVar[Lane] = Lane.LOSSLESS

    stage: str
    title: str
    step: int
    steps: int
    left: Mapping[str, Any] | None = None
    """`{stage, current, total, unit}` of the stage before: its last progress may have been merged away."""

    def to_wire(self) -> dict[str, Any]:
        wire = {"stage": self.stage, "title": self.title, "step": self.step, "steps": self.steps}
        return wire if self.left is None else {**wire, "left": dict(self.left)}

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Self:
        return cls(**{name: wire[name] for name in ("stage", "title", "step", "steps")}, left=wire.get("left"))


@dataclass(frozen=True, slots=True, kw_only=True)
class LogBody:
    """A line worth keeping; `level` is debug, info, warning or error."""

    type: ClassVar[str] = "log"
    lane: ClassVar[Lane] = Lane.LOSSLESS

    level: str
    message: str
    stage: str | None = None

    def to_wire(self) -> dict[str, Any]:
        return {"level": self.level, "message": self.message, "stage": self.stage}

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Self:
        return cls(**{name: wire[name] for name in ("level", "message", "stage")})


PROGRESS_FIELDS = (
    "stage", "step", "steps", "current", "total", "unit", "percent", "rate", "eta_s", "stalled_s", "message", "detail",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressBody:
    """How far the job is."""

    type: ClassVar[str] = "progress"
    lane: ClassVar[Lane] = Lane.LATEST

    stage: str
    step: int
    steps: int
    current: float
    """Whole, but for what outside publishers count in parts."""
    total: float | None
    """None: not known (yet)."""
    unit: str
    percent: float
    """0 to 99.9 of the whole job; never below an earlier one of the same job."""
    rate: float | None
    """Units a second, smoothed; None until it is worth something."""
    eta_s: tuple[float, float] | None
    """Seconds left, low and high; None rather than a guess."""
    stalled_s: float | None = None
    """For so long nothing has moved, no counter and no word; None while things move. There is no `eta_s` then."""
    message: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)

    def to_wire(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in PROGRESS_FIELDS}

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Self:
        fields = {name: wire[name] for name in PROGRESS_FIELDS if name != "stalled_s"}
        # Hubs before 0.2 knew no `stalled_s`, and their journals are read, too.
        return cls(**(fields | {"eta_s": _pair(fields["eta_s"]), "stalled_s": wire.get("stalled_s")}))


def _pair(wire: Sequence[float] | None) -> tuple[float, float] | None:
    return (wire[0], wire[1]) if wire else None


Body = JobBody | StageBody | LogBody | ProgressBody
BODIES: Mapping[str, type[Body]] = {body.type: body for body in (JobBody, StageBody, LogBody, ProgressBody)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One numbered fact of one project."""

    project: str
    seq: int
    """1, 2, 3 ... within the project and epoch."""
    at: int
    """Unix milliseconds."""
    job: str
    kind: str
    body: Body

    @property
    def is_lossless(self) -> bool:
        return self.body.lane is Lane.LOSSLESS

    @property
    def is_end(self) -> bool:
        return isinstance(self.body, JobBody) and self.body.state in ENDS

    def to_wire(self) -> dict[str, Any]:
        return {
            "type": self.body.type,
            "project": self.project,
            "seq": self.seq,
            "at": self.at,
            "job": self.job,
            "kind": self.kind,
            **self.body.to_wire(),
        }

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Self:
        """Raises KeyError or ValueError for anything that `to_wire` did not make."""
        body = BODIES[wire["type"]].from_wire(wire)
        return cls(**{name: wire[name] for name in ("project", "seq", "at", "job", "kind")}, body=body)


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a project's numbering: everything up to and including `seq` of `epoch` is known."""

    epoch: str
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.seq}"

    @classmethod
    def parse(cls, cursor: str) -> Self | None:
        """None for anything that no hub ever gave out."""
        match = re.fullmatch(r"([0-9a-f]{8})-([0-9]{1,18})", cursor, re.ASCII)
        return cls(match[1], int(match[2])) if match else None
