"""Jobs: their state objects, how they are started and steered, and what is told of them in numbers."""

from hub.core.events import State
from hub.core.publication import LEVELS
from hub.core.retries import LARGEST_FACTOR, LONGEST_S, MOST_ATTEMPTS
from hub.web.openapi.operation import CSV, JSON, KEY, NDJSON, PAGES, Answer, Operation, asked, told
from hub.web.openapi.shapes import (
    ANYTHING,
    AT,
    COUNT,
    FLAG,
    NUMBER,
    TEXT,
    any_of,
    array,
    is_,
    keyed,
    noted,
    number,
    or_null,
    page,
    pair,
    record,
    ref,
    taken,
    text,
    whole,
    words,
)  # fmt: skip
from hub.web.resources.batch import LASTS, MOST_PROJECTS, OUTCOMES

TAG = "Jobs"
NOTE = "A job belongs to a project, runs in a process of its own, and goes on whoever watches or leaves."

STATES = [state.value for state in State]
ENDS = [state.value for state in State if state.is_end]
PROJECT = text(64, note="A project's id.")
JOB = noted(TEXT, "A job's id.")
KIND = noted(TEXT, "What the job does: one of `/kinds`, or a publisher's own word.")
STAGE = noted(TEXT, "A stage's name.")
COUNTS = {
    "current": noted(NUMBER, "What is done, in `unit`."),
    "total": or_null(noted(NUMBER, "What there is to do; null while nobody knows.")),
    "unit": TEXT,
}
SECONDS = or_null(pair(NUMBER, "Seconds, low and high."))
RETRY_FIELDS = {
    "attempts": whole(1, MOST_ATTEMPTS, "Tries in all."),
    "backoff_s": number(0, LONGEST_S, "Wait before the second try."),
    "factor": number(1, LARGEST_FACTOR, "Each further wait is so many times the one before it."),
    "max_backoff_s": number(0, LONGEST_S, "Longest wait; no less than `backoff_s`."),
}
PARAMS = noted(ANYTHING, "The job's parameters, as its kind has them; secrets among them are never told again.")
JOB_EXAMPLE = {
    "id": "run-7", "project": "training", "kind": "train", "state": "running", "seq": 17, "params": {"lr": 0.1},
    "stages": [
        {"stage": "fit", "title": "Fit", "weight": 9.0, "state": "running", "started": 1790000000000, "ended": None,
         "current": 30, "total": 100, "unit": "epochs", "held_ms": 0},
    ],
    "stage": "fit", "step": 1, "steps": 1, "percent": 30.0, "current": 30, "total": 100, "unit": "epochs",
    "rate": 1.5, "eta_s": [40.1, 55.0], "stalled_s": None, "usual_s": None, "message": "epoch 30", "detail": {},
    "error": None, "result": None, "queue": None, "created": 1790000000000, "started": 1790000000000, "ended": None,
    "held_at": None, "held_ms": 0, "attempt": 1, "retry_of": None, "resumed": False, "resumable": False,
    "scheduled_by": None, "retry": None, "starts_at": None, "silence_s": 60.0, "watchers": 2,
}  # fmt: skip

SCHEMAS = {
    "State": words(STATES, "Where a job is; the last four are ends."),
    "Failure": record(
        "Why a job did not succeed, in words its owner can act on.",
        {
            "code": TEXT, "message": TEXT, "stage": or_null(STAGE), "hint": or_null(noted(TEXT, "What to do.")),
            "retry": noted(FLAG, "May the same job succeed when it is run again?"),
        },
    ),
    "StageState": record(
        "One stage of one job.",
        {
            "stage": STAGE, "title": TEXT, "weight": NUMBER,
            "state": words(["waiting", "running", "done", *ENDS[1:]]),
            "started": or_null(AT), "ended": or_null(AT), "current": or_null(NUMBER), "total": or_null(NUMBER),
            "unit": or_null(TEXT), "held_ms": COUNT,
        },
    ),
    "Retry": record("When the hub tries again by itself.", {"attempt": whole(1, MOST_ATTEMPTS), **RETRY_FIELDS}),
    "RetryPolicy": taken(
        "What is left out is as the hub's settings say.", {"attempts": RETRY_FIELDS["attempts"]},
        **{name: or_null(shape) for name, shape in RETRY_FIELDS.items() if name != "attempts"},
    ),
    "Job": record(
        "A job's state object: everything a page needs to draw it.",
        {
            "id": JOB, "project": PROJECT, "kind": KIND, "state": ref("State"),
            "seq": noted(COUNT, "The newest event that it stands for."),
            "params": PARAMS, "stages": array(ref("StageState")),
            "stage": or_null(noted(TEXT, "The stage it is in, or ended in.")),
            "step": noted(COUNT, "That stage's number, from 1; 0 before the first."), "steps": COUNT,
            "percent": number(0, 100), **COUNTS, "rate": or_null(noted(NUMBER, "Units a second.")),
            "eta_s": noted(SECONDS, "Seconds left, low and high; null rather than a guess."),
            "stalled_s": or_null(noted(NUMBER, "For so long nothing has moved; null while things move.")),
            "usual_s": noted(SECONDS, "What jobs like it take, low and high."),
            "message": TEXT, "detail": noted(ANYTHING, "Counters of its own."),
            "error": or_null(ref("Failure")), "result": or_null(ANYTHING),
            "queue": or_null(whole(1, 2**31, "Its place in the queue; null when it does not wait.")),
            "created": AT, "started": or_null(AT), "ended": or_null(AT),
            "held_at": or_null(noted(AT, "Since when it has been paused, in Unix milliseconds.")), "held_ms": COUNT,
            "attempt": whole(1, 2**31), "retry_of": or_null(JOB), "resumed": FLAG,
            "resumable": noted(FLAG, "It has ended, and its work was kept: a retry can go on with it."),
            "scheduled_by": or_null(noted(TEXT, "The schedule that started it, or the job that it is a retry of.")),
            "retry": or_null(ref("Retry")),
            "starts_at": or_null(noted(AT, "As the next try of `retry_of` it waits until then, in Unix milliseconds.")),
            "silence_s": or_null(noted(NUMBER, "Its publisher is given up after so many seconds without a word.")),
        },
        watchers=noted(COUNT, "How many watch its project."),
    ) | {"examples": [JOB_EXAMPLE]},
    "JobPage": page("Job"),
    "StagePlan": record("A stage that a kind or publisher plans.", {"stage": STAGE, "title": TEXT, "weight": NUMBER}),
    "Kind": record("What can be started.", {"id": TEXT, "title": TEXT, "stages": array(ref("StagePlan"))}),
    "KindPage": page("Kind"),
    "BatchOutcome": record(
        "What became of the start on one project.", {"project": PROJECT, "outcome": words(OUTCOMES)},
        job=ref("Job"), error=ref("ErrorBody"),
    ),
    "Batch": record(
        "An outcome for each project, in their order.",
        {"items": array(ref("BatchOutcome")), "total": COUNT, **dict.fromkeys(OUTCOMES, COUNT)},
    ),
    "Runs": record(
        "What ended jobs say of a project and kind.",
        {
            "project": PROJECT, "kind": KIND, "runs": COUNT, "states": keyed(COUNT), "success_share": number(0, 1),
            "duration_s": or_null(record("", {"count": COUNT, "p50": NUMBER, "p90": NUMBER, "max": NUMBER})),
            "queue_wait_s": or_null(NUMBER),
            "stages": array(record("", {"stage": STAGE, "title": TEXT, "count": COUNT, "p50": NUMBER})),
            "trend": or_null(
                record("", {
                    "recent_s": NUMBER, "before_s": NUMBER, "ratio": or_null(NUMBER),
                    "direction": words(["steady", "slower", "faster"]),
                })
            ),
            "last": record("", {"state": words(ENDS), "ended": AT, "seconds": or_null(NUMBER)}),
        },
    ),
    "Statistics": record(
        "", {"items": array(ref("Runs")), "total": COUNT, "since": AT, "computed_at": AT}
    ),
}  # fmt: skip

SINCE = asked(
    "since", text(40, note="Unix milliseconds, or a date or time of ISO 8601."), "Not before.", example="2026-01-31"
)
UNTIL = asked("until", SINCE.schema, "Not after.")
ORDER = asked("order", words(["asc", "desc"]) | {"default": "desc"}, "asc: oldest first.")
FORMAT = asked("format", words(["json", "ndjson", "csv"]), "Comes before `Accept`. ndjson and csv hold all, at once.")
STATE = asked("state", array(words(STATES)), "The states to show.", several=True)
KINDS = asked("kind", array(text(1000)), "The kinds to show.", several=True)
EXPORTS = {NDJSON: noted(TEXT, "One JSON object a line."), CSV: noted(TEXT, "RFC 4180, with a header.")}
LIMITS = asked("limit", whole(1, 2**53), "How many items; a page has at most 500, an export any number.")
STARTED = {202: told("The job, queued or running.", ref("Job"), "Location")}
STEERED = {202: told("The job as it is now.", ref("Job"), "Location")}
FULL = "queue_full"
OF_KIND = "bad_params unknown_kind url_refused"
NOT_OURS = "conflict job_ended outside_job"
NOTHING = taken("Nothing, or an empty object.")

START = taken("", {"kind": text(64, least=1, pattern=r"\S")}, params=or_null(PARAMS), retry=or_null(ref("RetryPolicy")))
START_MANY = taken(
    "", {
        "kind": text(64, least=1),
        "projects": any_of(
            array(TEXT, least=1, most=MOST_PROJECTS), is_("all"),
            {**taken("", match=text(least=1, note="A glob on the id."), last=words(LASTS)), "minProperties": 1},
        ),
    },
    params=or_null(PARAMS), retry=or_null(ref("RetryPolicy")),
)  # fmt: skip
RETRIED = taken("", params=or_null(PARAMS), retry=or_null(ref("RetryPolicy")), **{
    "from": or_null(words(["start", "stage"], "stage: go on with the work that the job kept.")),
})  # fmt: skip
LEVEL = words(LEVELS)

OPERATIONS = (
    Operation(
        method="POST", path="/api/v1/projects/{project}/jobs", title="Start a job on a project", body=START,
        note="One job of a kind at a time: another start while one runs is 409, with the running job in `detail`.",
        example={"kind": "index", "params": {"force": True}}, headers=(KEY,), answers=STARTED,
        errors={
            400: f"{OF_KIND} no_origin unknown_source other_repository credentials_in_url",
            409: "already_running project_leaving conflict", 422: "idempotency_key_reused", 503: FULL,
        },
    ),
    Operation(
        method="POST", path="/api/v1/jobs", title="Start a kind of job on many projects", body=START_MANY,
        note="Each project has an outcome of its own; one that is refused keeps none of the others.",
        example={"kind": "index", "projects": {"match": "team-*"}}, headers=(KEY,),
        answers={202: told("What came of it.", ref("Batch"))},
        errors={400: f"{OF_KIND} secrets_for_many_hosts", 422: "idempotency_key_reused", 413: "too_large"},
    ),
    Operation(
        method="GET", path="/api/v1/jobs", title="List or export jobs",
        query=(
            asked("project", text(1000), "Of one project.", example="training"), KINDS, STATE, SINCE, UNTIL, ORDER,
            LIMITS,
            PAGES[1], FORMAT,
        ),
        answers={200: Answer(note="A page, newest first, or all.", bodies={JSON: ref("JobPage"), **EXPORTS})},
        errors={400: "unknown_cursor", 503: "too_many_exports"},
    ),
    Operation(
        method="GET", path="/api/v1/jobs/{job}", title="Read a job", answers={200: told("The job.", ref("Job"))},
    ),
    *(
        Operation(
            method="POST", path=f"/api/v1/jobs/{{job}}/{verb}", title=title, body=NOTHING, is_body_needed=False,
            answers=STEERED, errors=errors,
        )
        for verb, title, errors in (
            ("cancel", "Cancel a job", {409: "conflict job_ended"}),
            ("pause", "Pause a job", {409: f"{NOT_OURS} already_paused job_ending too_many_paused"}),
            ("resume", "Go on with a paused job, or begin the next try now", {409: f"{NOT_OURS} not_paused"}),
        )
    ),
    Operation(
        method="POST", path="/api/v1/jobs/{job}/retry", title="Run a job again that has ended",
        body=RETRIED, is_body_needed=False, example={"from": "stage", "params": {"token": "..."}}, answers=STARTED,
        errors={
            400: f"{OF_KIND} credentials_in_url",
            409: "already_running not_ended outside_job no_kept_work project_leaving",
            503: FULL,
        },
    ),
    Operation(
        method="GET", path="/api/v1/kinds", title="List what can be started",
        answers={200: told("All kinds.", ref("KindPage"))},
    ),
    Operation(
        method="GET", path="/api/v1/statistics", title="How long jobs take, and how often they succeed",
        query=(
            asked("project", text(1000), "Of one project.", example="training"),
            asked("kind", text(1000), "Of one kind."),
            asked("days", {"type": "number", "exclusiveMinimum": 0, "maximum": 3660, "default": 30}, "So far back."),
        ),
        answers={200: told("By project and kind.", ref("Statistics"))}, errors={404: "not_found"},
    ),
)  # fmt: skip
