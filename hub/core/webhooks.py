"""Webhooks as they are kept: who wants to hear of which ends, and what has become of telling them."""

import datetime as dt
import enum
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from hub.core.events import State
from hub.core.job import JobState
from hub.core.ports import Project

LARGEST_PAYLOAD = 20_000
"""Bytes; the Standard Webhooks specification advises payloads of under 20 kB."""
MOST_WAITING = 10_000
"""Deliveries that wait for one webhook: 200 MB of the largest. The oldest beyond it are given up."""
KEPT = 100
"""Finished deliveries of each webhook that can be looked at."""
LATEST_MS = 24 * 3600 * 1000
"""No delivery waits longer than this; one that seems to was put off before the clock was set back."""
DISABLED = "The webhook was disabled before this could be delivered."
DROPPED = f"More than {MOST_WAITING} deliveries waited, and this was the oldest."


class Trouble(enum.StrEnum):
    """Why a webhook was disabled."""

    GONE = "gone"
    """The receiver answered 410."""
    FAILING = "failing"
    """Nothing has reached the receiver for days."""
    SECRET_LOST = "secret_lost"  # noqa: S105 - a word for what went wrong
    """The file that its secret was made from is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A receiver of ends. Times are Unix milliseconds; an empty filter lets everything through."""

    id: str
    url: str
    created: int
    name: str = ""
    projects: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    states: tuple[State, ...] = ()
    failing_since: int | None = None
    """The first failure since something reached the receiver, or since nothing was tried for a day."""
    tried_at: int | None = None
    """The newest attempt that was no test."""
    last_success_at: int | None = None
    disabled: Trouble | None = None
    disabled_at: int | None = None

    def wants(self, job: JobState) -> bool:
        """Is this job's end one to tell?"""
        return (
            self.disabled is None
            and job.state.is_end
            and (not self.projects or job.project in self.projects)
            and (not self.kinds or job.kind in self.kinds)
            and (not self.states or job.state in self.states)
        )

    def to_wire(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "url": self.url,
            "created": self.created,
            "name": self.name,
            "projects": list(self.projects),
            "kinds": list(self.kinds),
            "states": [state.value for state in self.states],
            "failing_since": self.failing_since,
            "tried_at": self.tried_at,
            "last_success_at": self.last_success_at,
            "disabled": self.disabled and self.disabled.value,
            "disabled_at": self.disabled_at,
        }

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Self:
        """Raises KeyError or ValueError for anything that `to_wire` did not make."""
        plain = ("id", "url", "created", "name", "failing_since", "last_success_at", "disabled_at")
        return cls(
            **{name: wire[name] for name in plain},
            tried_at=wire.get("tried_at"),
            projects=tuple(wire["projects"]),
            kinds=tuple(wire["kinds"]),
            states=tuple(map(State, wire["states"])),
            disabled=wire["disabled"] and Trouble(wire["disabled"]),
        )


class Delivered(enum.StrEnum):
    """Where a delivery is."""

    WAITING = "waiting"
    DONE = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message for one receiver, and how far it has come. Times are Unix milliseconds."""

    id: str
    """The message's identifier, the same at each attempt: by it the receiver knows what it has had already."""
    webhook: str
    created: int
    payload: str
    """JSON, sent and signed as it is."""
    job: str | None = None
    """None for a test."""
    state: Delivered = Delivered.WAITING
    attempts: int = 0
    next_at: int | None = None
    """Not before this; None when it is over."""
    last_at: int | None = None
    status: int | None = None
    """What the receiver answered last; None: it did not."""
    error: str | None = None
    """What was wrong the last time."""
    took_ms: int | None = None

    def to_wire(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in DELIVERY_FIELDS} | {"state": self.state.value}


DELIVERY_FIELDS = (
    "id", "webhook", "created", "job", "state", "attempts", "next_at", "last_at", "status", "error", "took_ms",
)  # fmt: skip
"""All but the payload."""


def delivery(webhook: Webhook, job: JobState, text: str) -> Delivery:
    """The message that tells `webhook` of the end of `job`: the very same each time it is made. `text` is its payload.

    Publishers choose their jobs' ids and may use one again once its project is gone; the number of an end is its own.
    """
    at = job.ended or job.created
    told = hashlib.sha256(f"{webhook.id}:{job.project}:{job.seq}:{job.id}".encode()).hexdigest()[:32]
    return Delivery(id=f"msg_{told}", webhook=webhook.id, created=at, payload=text, job=job.id, next_at=at)


EMPTY: tuple[tuple[str, Any], ...] = (
    ("result", None), ("detail", {}), ("params", {}), ("error", None), ("message", ""), ("stages", []),
)  # fmt: skip
"""What is left out of a payload that is too large, in this order, and what is there instead."""


def payload(job: JobState, project: Project) -> str:
    """What is told of an end: `{type, timestamp, data}` as the Standard Webhooks specification has it.

    What makes it too large is left out, and named in `data.left_out`.
    """
    at, state = job.ended or job.created, job.to_wire()
    data: dict[str, Any] = {"job": state, "project": project.to_wire()}
    left_out: list[str] = []
    text = envelope(f"job.{job.state.value}", at, data)
    for name, empty in EMPTY:
        if len(text.encode()) <= LARGEST_PAYLOAD:
            break
        left_out.append(name)
        state[name] = empty
        text = envelope(f"job.{job.state.value}", at, {**data, "left_out": left_out})
    return text


def envelope(type_: str, at: int, data: Mapping[str, Any]) -> str:
    moment = dt.datetime.fromtimestamp(at / 1000, dt.UTC).isoformat(timespec="milliseconds")
    told = {"type": type_, "timestamp": moment.replace("+00:00", "Z"), "data": data}
    return json.dumps(told, separators=(",", ":"))
