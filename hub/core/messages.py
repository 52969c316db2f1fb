"""What the hub says about a stream itself: unnumbered, each one JSON object with a `type`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from hub.core.events import Event
from hub.core.job import JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """First on every stream."""

    type: ClassVar[str] = "hello"
    epoch: str
    boot: str
    version: str
    server_ms: int
    heartbeat_s: float

    def to_wire(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("type", "epoch", "boot", "version", "server_ms", "heartbeat_s")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything a watcher needs to be right at `cursor`. `project` is None on the feed of all projects."""

    type: ClassVar[str] = "snapshot"
    project: str | None
    cursor: str
    jobs: tuple[Mapping[str, Any], ...]
    """State objects, oldest job first."""
    states: tuple[JobState, ...] = ()
    """The same jobs, for encodings that tell states in another system's words."""

    def to_wire(self) -> dict[str, Any]:
        return {"type": self.type, "project": self.project, "cursor": self.cursor, "jobs": list(self.jobs)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """`count` numbers up to `upto` will not come: newer progress stands for them, or they were not asked for.

    Always sent before the event that follows the gap, and it moves the cursor to `upto`: at any cut between two
    messages the cursor is exact.
    """

    type: ClassVar[str] = "merged"
    project: str
    count: int
    upto: int

    def to_wire(self) -> dict[str, Any]:
        return {"type": self.type, "project": self.project, "count": self.count, "upto": self.upto}


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """The stream lives; `cursors` are where this watcher is, by project, so that a gap shows within one beat."""

    type: ClassVar[str] = "heartbeat"
    server_ms: int
    cursors: Mapping[str, str]

    def to_wire(self) -> dict[str, Any]:
        return {"type": self.type, "server_ms": self.server_ms, "cursors": dict(self.cursors)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """The watcher's cursor cannot be served; a snapshot follows.

    `reason` is a word of LostReason, or `gone`: the project was deleted, and nothing follows.
    """

    type: ClassVar[str] = "reset"
    project: str | None
    reason: str

    def to_wire(self) -> dict[str, Any]:
        return {"type": self.type, "project": self.project, "reason": self.reason}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bye:
    """Last on a stream that the hub ends. `retry`: come back with the cursor, after `reconnect_ms`."""

    type: ClassVar[str] = "bye"
    reason: str
    retry: bool
    reconnect_ms: int = 0

    def to_wire(self) -> dict[str, Any]:
        return {"type": self.type, "reason": self.reason, "retry": self.retry, "reconnect_ms": self.reconnect_ms}


Control = Hello | Snapshot | Merged | Heartbeat | Reset | Bye
Message = Event | Control


def cursor_after(message: Message, epoch: str) -> str | None:
    """Where a watcher is once it has this message; None where the message moves nothing."""
    if isinstance(message, Event):
        return f"{epoch}-{message.seq}"
    if isinstance(message, Merged):
        return f"{epoch}-{message.upto}"
    return message.cursor if isinstance(message, Snapshot) else None


def merged_in(messages: Sequence[Message]) -> int:
    """How many numbers the messages tell as merged."""
    return sum(message.count for message in messages if isinstance(message, Merged))
