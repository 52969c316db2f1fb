"""From messages back to a job's state, with the very function that the hub itself uses."""

from collections.abc import Mapping
from typing import Any

from hub.client.errors import NotAHub
from hub.core.events import BODIES, PROGRESS_FIELDS, Event
from hub.core.job import JobState, reduce


def job_state(wire: Mapping[str, Any]) -> JobState:
    """The state object of the API as a `JobState`. Raises NotAHub for anything else."""
    try:
        progress = None
        if wire["stage"] or wire["current"] or wire["total"] is not None:  # a job without stages counts all the same
            progress = {name: wire[name] for name in PROGRESS_FIELDS} | {"stage": wire["stage"] or ""}
        return JobState.from_row({**wire, "progress": progress, "progress_seq": wire["seq"], "progress_at": 0})
    except (KeyError, ValueError, TypeError) as exc:
        raise NotAHub("What came as a job is none; is it a Progress Hub that answers?") from exc


def fold(state: JobState | None, message: Mapping[str, Any], job: str) -> JobState | None:
    """The state of `job` after `message`. Messages about other jobs, or of a type not known here, change nothing."""
    if message["type"] == "snapshot":
        return next((job_state(wire) for wire in message["jobs"] if wire["id"] == job), state)
    if message["type"] in BODIES and message["job"] == job:
        return reduce(state, Event.from_wire(message))
    return state
