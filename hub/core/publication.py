"""What a program outside the hub may say of its jobs: checked here, once, whatever way it came. Pure."""

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from hub.core import fields
from hub.core.errors import BadRequest
from hub.core.events import Failure, Stage, State
from hub.core.said import Said, SaidJob, SaidLog, SaidProgress, SaidStage

MAX_EVENTS = 1000
"""In one request."""
PART = 100
"""Read at once: a millisecond."""
RESERVED = frozenset({"clone", "sync", "index", "snapshot", "ingest"})
"""Kinds that only the hub runs."""
JOB = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:~-]{0,127}", re.ASCII)
KIND = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}", re.ASCII)
KEY_LENGTH = 255
NAME_LENGTH = 100
MAX_STAGES = 100
DETAIL_FIELDS = 50
DETAIL_BYTES = 8 * 1024
"""As JSON. Progress is kept in memory a thousandfold."""
OBJECT_BYTES = 64 * 1024
"""Of params and result, as JSON."""
LEVELS = ("debug", "info", "warning", "error")
LEAST_SILENCE_S, MOST_SILENCE_S = 1.0, 7 * 24 * 3600.0
FIELDS: Mapping[str, frozenset[str]] = {
    "job": frozenset({"state", "params", "result", "error", "stages", "silence_s"}),
    "stage": frozenset({"stage", "title"}),
    "log": frozenset({"level", "message"}),
    "progress": frozenset({"stage", "current", "total", "unit", "message", "detail"}),
}
COMMON = frozenset({"job", "kind", "type", "key"})
ALLOWED = {type_: COMMON | own for type_, own in FIELDS.items()}
OURS = frozenset({"seq", "percent", "at", "project", "rate", "eta_s", "stalled_s", "step", "steps"})
"""Fields of events that the hub itself fills in."""
BLAMED = frozenset({State.FAILED, State.CANCELLED, State.INTERRUPTED})

Common = Mapping[str, Any]
SORTED = json.JSONEncoder(sort_keys=True).encode


def read(events: Any, reserved: Collection[str] = RESERVED) -> list[Said]:
    """All of a request's events, in order.

    Raises BadRequest, which names the first event that is wrong and what is wrong with it; `reserved_kind` for a kind
    that is not for publishers.
    """
    return [each for part in parts(events, reserved) for each in part]


def parts(events: Any, reserved: Collection[str] = RESERVED) -> Iterator[list[Said]]:
    """The same, some at a time: between two of them others may have their turn."""
    if not isinstance(events, list) or not events:
        raise BadRequest("events must be a list of at least one event.")
    if len(events) > MAX_EVENTS:
        raise BadRequest(f"One request may hold {MAX_EVENTS} events; send the rest in another.")
    for start in range(0, len(events), PART):
        yield [_placed(event, start + n, reserved) for n, event in enumerate(events[start : start + PART])]


def _placed(event: Any, place: int, reserved: Collection[str]) -> Said:
    try:
        return _read(event, reserved)
    except BadRequest as exc:
        raise BadRequest(f"events[{place}]: {exc.message}", code=exc.narrow_code, event=place) from exc


def _read(event: Any, reserved: Collection[str]) -> Said:
    if not isinstance(event, dict):
        raise BadRequest("an event must be an object.")
    type_ = event.get("type")
    if not isinstance(type_, str) or type_ not in FIELDS:
        raise BadRequest(f"type must be one of {', '.join(FIELDS)}.")
    _check_fields(event, type_)
    kind = fields.matched(event, "kind", KIND, "1 to 64 letters, digits and . _ -, beginning with a letter")
    if kind in reserved:
        raise BadRequest(
            f"Jobs of the kind {kind!r} are run by the hub alone; name yours otherwise.", code="reserved_kind"
        )
    key = fields.text(event, "key", KEY_LENGTH)
    common = {
        "job": fields.matched(
            event, "job", JOB, "1 to 128 letters, digits and . _ : ~ -, beginning with a letter or digit"
        ),
        "kind": kind,
        "key": key,
        "fingerprint": _fingerprint(event) if key is not None else "",
    }
    return READERS[type_](event, common)


def _check_fields(event: Mapping[str, Any], type_: str) -> None:
    if event.keys() <= ALLOWED[type_]:
        return
    name = min(str(name) for name in event if name not in ALLOWED[type_])
    if name in OURS:
        raise BadRequest(f"{name} is the hub's own to tell; leave it out.")
    allowed = ", ".join(sorted(ALLOWED[type_]))
    raise BadRequest(f"a {type_} event has no field {name[:NAME_LENGTH]!r}; it takes {allowed}.")


def _job(event: Mapping[str, Any], common: Common) -> SaidJob:
    try:
        state = State(event.get("state", "running"))
    except ValueError as exc:
        raise BadRequest(f"state must be one of {', '.join(State)}.") from exc
    silence_s = event.get("silence_s")
    if silence_s is not None and not (fields.is_number(silence_s) and LEAST_SILENCE_S <= silence_s <= MOST_SILENCE_S):
        raise BadRequest(f"silence_s must be a number of seconds from {LEAST_SILENCE_S:g} to {MOST_SILENCE_S:g}.")
    result = fields.json_object(event, "result", OBJECT_BYTES)
    if result is not None and not state.is_end:
        raise BadRequest("a result belongs to the end of a job.")
    return SaidJob(
        **common,
        state=state,
        params=fields.json_object(event, "params", OBJECT_BYTES),
        result=result,
        error=_failure(event.get("error"), state),
        stages=_stages(event.get("stages")),
        silence_s=float(silence_s) if silence_s is not None else None,
    )


def _failure(error: Any, state: State) -> Failure | None:
    if error is None:
        if state is State.FAILED:
            return Failure(code="failed", message="The job failed; its publisher did not say why.")
        return None
    if state not in BLAMED:
        raise BadRequest(f"an error belongs to a job that is {', '.join(sorted(BLAMED))}.")
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        raise BadRequest("error must be an object with a message.")
    if unknown := [str(name) for name in error if name not in {"code", "message", "stage", "hint", "retry"}]:
        raise BadRequest(
            f"error has no field {unknown[0][:NAME_LENGTH]!r}; it takes code, message, stage, hint, retry."
        )
    retry = error.get("retry")
    if retry is not None and type(retry) is not bool:
        raise BadRequest("error.retry must be true or false.")
    return Failure(
        code=fields.text(error, "code", NAME_LENGTH) or "failed",
        message=fields.line(error, "message"),
        stage=fields.text(error, "stage", NAME_LENGTH),
        hint=fields.line(error, "hint") or None,
        retry=bool(retry),
    )


def _stages(stages: Any) -> tuple[Stage, ...]:
    if stages is None:
        return ()
    if not isinstance(stages, list) or not all(isinstance(stage, dict) for stage in stages):
        raise BadRequest("stages must be a list of objects.")
    if len(stages) > MAX_STAGES:
        raise BadRequest(f"A job may have {MAX_STAGES} stages.")
    plan = []
    for stage in stages:
        name, weight = fields.text(stage, "stage", NAME_LENGTH), stage.get("weight", 1)
        if name is None or set(stage) - {"stage", "title", "weight"}:
            raise BadRequest("Each of stages takes stage (its name), title and weight.")
        if not (fields.is_number(weight) and 0 <= weight <= fields.LARGEST):
            raise BadRequest("A stage's weight must be a number that is not negative.")
        plan.append(Stage(name=name, title=fields.text(stage, "title", NAME_LENGTH) or name, weight=float(weight)))
    if len({stage.name for stage in plan}) < len(plan):
        raise BadRequest("Two of stages have the same name.")
    if plan and not any(stage.weight for stage in plan):
        raise BadRequest("One of stages must have a weight that is more than 0.")
    return tuple(plan)


def _stage(event: Mapping[str, Any], common: Common) -> SaidStage:
    stage = fields.text(event, "stage", NAME_LENGTH)
    if stage is None:
        raise BadRequest("stage is missing: which stage begins?")
    return SaidStage(**common, stage=stage, title=fields.text(event, "title", NAME_LENGTH))


def _log(event: Mapping[str, Any], common: Common) -> SaidLog:
    level = event.get("level", "info")
    if level not in LEVELS:
        raise BadRequest(f"level must be one of {', '.join(LEVELS)}.")
    if event.get("message") is None:
        raise BadRequest("message is missing: what is to be logged?")
    return SaidLog(**common, level=level, message=fields.line(event, "message"))


def _progress(event: Mapping[str, Any], common: Common) -> SaidProgress:
    current = fields.number(event, "current")
    if current is None:
        raise BadRequest("current is missing: how far is it?")
    detail = fields.json_object(event, "detail", DETAIL_BYTES) or {}
    if len(detail) > DETAIL_FIELDS:
        raise BadRequest(f"detail may have {DETAIL_FIELDS} fields.")
    return SaidProgress(
        **common,
        stage=fields.text(event, "stage", NAME_LENGTH),
        current=current,
        total=fields.number(event, "total") or None,
        unit=fields.text(event, "unit", NAME_LENGTH) or "",
        message=fields.line(event, "message"),
        detail=detail,
    )


READERS: Mapping[str, Callable[[Mapping[str, Any], Common], Said]] = {
    "job": _job, "stage": _stage, "log": _log, "progress": _progress,
}  # fmt: skip


def _fingerprint(event: Mapping[str, Any]) -> str:
    try:
        text = SORTED(event)
    except (TypeError, ValueError, RecursionError) as exc:
        raise BadRequest("the event is not JSON.") from exc
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
