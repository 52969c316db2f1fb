"""The streams: every message of them, the one resource with three transports, and the journal behind."""

from typing import Any

from hub.core.errors import EndReason, LostReason
from hub.core.events import BODIES
from hub.transports.ask import MAX_WAIT_S
from hub.transports.ws import CLOSE_CODES, ID_LENGTH
from hub.web.openapi.jobs import (
    COUNTS,
    EXPORTS,
    FORMAT,
    JOB,
    KIND,
    LEVEL,
    LIMITS,
    ORDER,
    PROJECT,
    SECONDS,
    SINCE,
    STAGE,
    STATE,
    UNTIL,
)  # fmt: skip
from hub.web.openapi.operation import ETAG, JSON, PAGES, SSE, UNCHANGED, Answer, Operation, asked
from hub.web.openapi.shapes import (
    ANYTHING,
    AT,
    COUNT,
    FLAG,
    NUMBER,
    TEXT,
    Schema,
    any_of,
    array,
    is_,
    keyed,
    noted,
    number,
    or_null,
    page,
    record,
    ref,
    stream_of,
    text,
    whole,
    words,
)  # fmt: skip

TAG = "Watching"
NOTE = (
    "One resource, three transports: a WebSocket for who asks for an upgrade, server-sent events for "
    "`Accept: text/event-stream`, else JSON that may be waited for. The cursor is the same everywhere. `seq` must be "
    "one more than the last number (an event's `seq`, a `merged`'s `upto`, or the end of the snapshot's `cursor`). "
    "Less: drop it. More: come back with the last cursor."
)
CURSOR = text(pattern="^[0-9a-f]{8}-[0-9]{1,18}$", note="A place in a project's numbering: the epoch, and a number.")
HEARD = or_null(PROJECT)


def _event(type_: str, note: str, fields: dict[str, Schema], **maybe: Schema) -> Schema:
    common = {"type": is_(type_), "project": PROJECT, "seq": whole(1, 2**63), "at": AT, "job": JOB, "kind": KIND}
    return record(note, {**common, **fields}, **maybe)


def _control(type_: str, note: str, fields: dict[str, Schema], **maybe: Schema) -> Schema:
    return record(note, {"type": is_(type_), **fields}, **maybe)


ANSWERED = {"id": {"type": ["string", "integer", "null"], "description": "The request's own."}}
EVENTS = {
    "JobEvent": _event(
        "job", "Lossless: the job is in a new state.", {
            "state": ref("State"), "params": ANYTHING, "attempt": whole(1, 2**31),
        },
        result=ANYTHING, error=ref("Failure"), queue=whole(1, 2**31),
        stages=noted(array(ref("StagePlan")), "The plan, with the first event."), usual_s=SECONDS, retry_of=JOB,
        resumed=FLAG, resumable=FLAG, scheduled_by=TEXT, retry=ref("Retry"), starts_at=AT, silence_s=NUMBER,
    ),
    "StageEvent": _event(
        "stage", "Lossless: the job has entered a stage.", {
            "stage": STAGE, "title": TEXT, "step": COUNT, "steps": COUNT,
        },
        left=record("The final counts of the stage before.", {"stage": STAGE, **COUNTS}),
    ),
    "LogEvent": _event(
        "log", "Lossless: a line worth keeping.", {"level": LEVEL, "message": TEXT, "stage": or_null(STAGE)}
    ),
    "ProgressEvent": _event(
        "progress", "Only the newest matters: older ones are merged into it, and `merged` says how many.", {
            "stage": TEXT, "step": COUNT, "steps": COUNT, **COUNTS, "percent": number(0, 100), "rate": or_null(NUMBER),
            "eta_s": SECONDS, "stalled_s": or_null(NUMBER), "message": TEXT, "detail": ANYTHING,
        },
    ),
}  # fmt: skip
assert len(EVENTS) == len(BODIES)
CONTROLS = {
    "Hello": _control("hello", "First on every stream.", {
        "epoch": TEXT, "boot": TEXT, "version": TEXT, "server_ms": AT, "heartbeat_s": NUMBER,
    }),
    "Snapshot": _control("snapshot", "Everything there is to know at its `cursor`.", {
        "project": HEARD, "cursor": CURSOR, "jobs": array(ref("Job")),
    }),
    "Merged": _control("merged", "`count` numbers up to `upto` will not come.", {
        "project": PROJECT, "count": COUNT, "upto": COUNT,
    }),
    "Heartbeat": _control("heartbeat", "The stream lives.", {"server_ms": AT, "cursors": keyed(CURSOR)}),
    "Reset": _control("reset", "The cursor cannot be served; a snapshot follows, unless the project is `gone`.", {
        "project": HEARD, "reason": words([*(reason.value for reason in LostReason), "gone"]),
    }),
    "Bye": _control("bye", "Last on a stream that the hub ends.", {
        "reason": words([reason.word for reason in EndReason]), "retry": FLAG, "reconnect_ms": COUNT,
    }),
}  # fmt: skip
WS_ONLY = {
    "Subscribed": _control("subscribed", "", {**ANSWERED, "project": HEARD}),
    "Unsubscribed": _control("unsubscribed", "", {**ANSWERED, "project": HEARD}),
    "Pong": _control("pong", "", {**ANSWERED, "server_ms": AT}),
    "Refused": _control("error", "A request that was refused; the connection stays.", {
        **ANSWERED, "error": ref("ErrorBody"),
    }),
}  # fmt: skip
REQUEST_ID: Schema = {"anyOf": [text(ID_LENGTH), {"type": "integer"}, {"type": "null"}]}
REQUESTS = {
    "Subscribe": record("Follow a project, or anew; no project: the feed of all.", {"op": is_("subscribe")},
    id=REQUEST_ID, project=HEARD, since=or_null(TEXT), job=or_null(JOB), logs=FLAG, min_interval_ms=whole(0, 60_000)),
    "Unsubscribe": record("", {"op": is_("unsubscribe")}, id=REQUEST_ID, project=HEARD),
    "Ping": record("", {"op": is_("ping")}, id=REQUEST_ID),
}  # fmt: skip
MESSAGES = {**EVENTS, **CONTROLS}
SCHEMAS = {
    **EVENTS, **CONTROLS, **WS_ONLY, **REQUESTS,
    "Event": any_of(*map(ref, EVENTS)),
    "Message": any_of(*map(ref, MESSAGES)),
    "WebSocketMessage": any_of(*map(ref, {**MESSAGES, **WS_ONLY})),
    "WebSocketRequest": any_of(*map(ref, REQUESTS)),
    "Polled": record(
        "A snapshot, or what came after `since`; `cursor` is what to ask with next.",
        {"cursor": CURSOR, "events": array(ref("Event"))},
        snapshot=ref("Snapshot"), reset=ref("Reset"), merged=noted(COUNT,
        "Numbers that were merged into what is here."),
    ) | {"examples": [{"cursor": "5f0c1a2b-17", "events": []}]},
    "EventPage": page("Event"),
    "Watcher": record(
        "One subscription, or one request that waits.",
        {
            "id": COUNT, "transport": TEXT, "project": HEARD, "job": or_null(JOB), "since": AT,
        },
        connection=COUNT, waits_ms=COUNT, min_interval_ms=COUNT, delivered=COUNT, merged=COUNT, dropped=COUNT,
        waiting=COUNT, bytes=COUNT, backlog_bytes=COUNT, lag=COUNT, slow=FLAG,
    ),
    "WatcherPage": page("Watcher"),
}  # fmt: skip
WATCHED = (
    asked("since", TEXT, "The cursor after which to go on."),
    asked("min_interval_ms", whole(0, 60_000, usual=0), "No more often than this; progress is merged meanwhile."),
    asked("job", TEXT, "One job of the project alone; its stream ends with it.", example="run-7"),
    asked("logs", TEXT, "0 or false: no log lines, of which the feed of all projects has none anyway."),
    asked("wait", number(0, MAX_WAIT_S), "Seconds that JSON may wait for news.", example=0),
)
STREAM_HEADERS = (
    ETAG,
    asked("Last-Event-ID", TEXT, "As a browser's EventSource sends it; comes before `since`."),
)
ANSWERS = {
    200: Answer(
        note="A stream of `Message`s, whose ids are cursors, or one answer.",
        bodies={JSON: ref("Polled"), SSE: stream_of(ref("Message"))},
    ),
    101: Answer(note="A WebSocket: see x-streams in components."),
    204: Answer(note="To an EventSource: the job has ended, do not come back."),
    304: UNCHANGED,
}
WRONG_STREAM = {400: "bad_request", 426: "websocket_version", 503: "too_many_watchers"}
OPERATIONS = (
    Operation(
        method="GET", path="/api/v1/projects/{project}/events", title="Watch a project", query=WATCHED,
        headers=STREAM_HEADERS, answers=ANSWERS, errors=WRONG_STREAM,
    ),
    Operation(
        method="GET", path="/api/v1/events", title="Watch every project",
        query=WATCHED, headers=STREAM_HEADERS,
        note="States, stages and progress, no logs. Whoever comes back gets a snapshot.", answers=ANSWERS,
        errors=WRONG_STREAM,
    ),
    Operation(
        method="GET", path="/api/v1/projects/{project}/history", title="Read or export what was said",
        query=(
            asked("job", text(1000), "Of one job."),
            asked("type", array(words(BODIES)), "The types of events.", several=True),
            asked("level", array(LEVEL), "The levels of log lines.", several=True),
            STATE, SINCE, UNTIL, asked("text", text(1000), "A part of a message."), ORDER, LIMITS, PAGES[1], FORMAT,
        ),
        answers={200: Answer(note="Lossless events, newest first, or all.", bodies={JSON: ref("EventPage"),
        **EXPORTS})},
        errors={400: "unknown_cursor", 503: "too_many_exports"},
    ),
    Operation(
        method="GET", path="/api/v1/watchers", title="Who watches what, and how well each keeps up",
        query=(*PAGES, asked("project", TEXT, "Of one project.")),
        answers={200: Answer(note="A page, oldest first.", bodies={JSON: ref("WatcherPage")})},
        errors={400: "unknown_cursor"},
    ),
)  # fmt: skip


def streams() -> dict[str, Any]:
    """What OpenAPI has no words for, in the way of AsyncAPI: who says what on which channel, and how it ends."""
    closes = [
        {"code": code, "reason": reason.word, "come_back": reason.come_back} for reason, code in CLOSE_CODES.items()
    ]
    return {
        "websocket": {
            "addresses": ["/api/v1/projects/{project}/events", "/api/v1/events"],
            "says": ref("WebSocketMessage"),
            "hears": ref("WebSocketRequest"),
            "closes": closes,
        },
        "sse": {"addresses": ["/api/v1/projects/{project}/events", "/api/v1/events"], "says": ref("Message")},
        "first": ref("Hello"),
        "last": ref("Bye"),
    }
