"""Projects: repositories, folders, and what other programs publish into."""

from hub.core.publication import FIELDS, JOB, KIND, MAX_EVENTS, NAME_LENGTH
from hub.web.openapi.jobs import LEVEL, PROJECT, STATES
from hub.web.openapi.operation import GONE, PAGES, Operation, told
from hub.web.openapi.shapes import (
    ANYTHING,
    AT,
    COUNT,
    FLAG,
    TEXT,
    array,
    is_,
    keyed,
    noted,
    number,
    or_null,
    page,
    record,
    ref,
    taken,
    text,
    words,
)  # fmt: skip

TAG = "Projects"
NOTE = "What jobs work on: a repository by its URL, a folder, or a name alone, into which other programs publish."

LINE = text(4096, pattern=r"\S")
NUMBERED = {"type": "number", "minimum": 0, "maximum": 10**18}
NAMED = text(NAME_LENGTH, least=1)
EXAMPLE = {
    "id": "training", "name": "training", "url": None, "path": None, "created": 1790000000000, "job": None,
}  # fmt: skip

COMMON = {
    "job": text(128, pattern=f"^{JOB.pattern}$", note="Ids are unique over all projects."),
    "kind": text(64, pattern=f"^{KIND.pattern}$"),
}
KEYED = or_null(text(255, note="The same key again is the same event."))
SAID = {
    "job": {
        "state": words(STATES), "params": or_null(ANYTHING), "result": or_null(ANYTHING),
        "error": or_null(taken("", {"message": TEXT}, code=or_null(text(100)), stage=or_null(text(100)),
        hint=or_null(TEXT), retry=or_null(FLAG))),
        "stages": or_null(array(taken("", {"stage": NAMED}, title=or_null(text(NAME_LENGTH)), weight=NUMBERED),
        most=100)),
        "silence_s": or_null(number(1, 604_800, "It says something at least this often.")),
    },
    "stage": {"stage": NAMED, "title": or_null(text(NAME_LENGTH))},
    "log": {"level": LEVEL, "message": TEXT},
    "progress": {
        "stage": or_null(text(NAME_LENGTH)), "current": NUMBERED, "total": or_null(NUMBERED),
        "unit": or_null(text(NAME_LENGTH)),
        "message": or_null(TEXT), "detail": or_null(noted(ANYTHING, "At most 50 fields and 8 KiB.")),
    },
}  # fmt: skip
NEEDED = {"job": (), "stage": ("stage",), "log": ("message",), "progress": ("current",)}
assert {name: frozenset(fields) for name, fields in SAID.items()} == FIELDS
SAID_EXAMPLE = {
    "events": [
        {"job": "run-7", "kind": "train", "type": "job", "stages": [{"stage": "fit", "weight": 9}], "silence_s": 60},
        {"job": "run-7", "kind": "train", "type": "progress", "stage": "fit", "current": 30, "total": 100,
        "unit": "epochs"},
        {"job": "run-7", "kind": "train", "type": "job", "state": "succeeded", "result": {"loss": 0.1},
        "key": "the-end"},
    ]
}  # fmt: skip


def _said(type_: str) -> dict[str, object]:
    fields = SAID[type_]
    needed = {**COMMON, "type": is_(type_), **{name: fields[name] for name in NEEDED[type_]}}
    return taken("", needed, key=KEYED, **{name: shape for name, shape in fields.items() if name not in needed})


SCHEMAS = {
    "Project": record(
        "", {
            "id": PROJECT, "name": TEXT, "url": or_null(TEXT), "path": or_null(TEXT), "created": AT,
            "job": or_null(ref("Job")),
        },
        counts=record("Of its commits; in the answer for one project.", {
            "commits": COUNT, "links": COUNT, "sessions": COUNT, "synced": or_null(AT),
        }),
    ) | {"examples": [EXAMPLE]},
    "ProjectPage": page("Project"),
    **{f"Said{type_.capitalize()}": _said(type_) for type_ in SAID},
    "Said": {"oneOf": [ref(f"Said{type_.capitalize()}") for type_ in SAID]},
    "Heard": record(
        "An outcome for each event, in order, and where the jobs that were spoken of are now.",
        {
            "outcomes": array(record(
                "", {"outcome": words(["accepted", "duplicate", "refused"])},
                seq=COUNT, left_out=noted(FLAG, "A log line too many, which is only counted."), code=TEXT, message=TEXT,
            )),
            "jobs": keyed(record(
                "A publisher that finds `cancelling` here stops, and says how its job ended.",
                {"state": ref("State"), "percent": number(0, 100)},
            )),
        },
    ),
}  # fmt: skip
MADE = ("Location",)
OPERATIONS = (
    Operation(
        method="POST", path="/api/v1/projects", title="Make a project, or find it",
        note="By `url`, `path`, `source` with `repository`, or no more than an `id`: one of them.",
        body=taken(
            "", url=or_null(text(2048, pattern=r"\S")), path=or_null(text(2048, pattern=r"\S")),
            source=or_null(text(64, pattern=r"\S")), repository=or_null(text(2048, pattern=r"\S")),
            id=or_null(text(64, pattern="^[a-z0-9][a-z0-9._-]*$")), name=or_null(text(200, pattern=r"\S")),
        ) | {"minProperties": 1},
        example={"id": "training"},
        answers={201: told("It is new.", ref("Project"), *MADE), 200: told("It was there.", ref("Project"), *MADE)},
        errors={
            400: "bad_params url_refused credentials_in_url id_reserved no_such_folder unknown_source",
            409: "id_taken too_many_projects",
        },
    ),
    Operation(
        method="GET", path="/api/v1/projects", title="List projects", query=PAGES,
        answers={200: told("A page, oldest first.", ref("ProjectPage"))}, errors={400: "unknown_cursor"},
    ),
    Operation(
        method="GET", path="/api/v1/projects/{project}", title="Read a project",
        answers={200: told("The project, with counts of its commits.", ref("Project"))},
        errors={503: "commits_unavailable"},
    ),
    Operation(
        method="DELETE", path="/api/v1/projects/{project}", title="Delete a project, its jobs and its files",
        answers={204: GONE},
        errors={409: "project_busy project_leaving conflict", 503: "commits_unavailable"},
    ),
    Operation(
        method="POST", path="/api/v1/projects/{project}/publish", title="Publish progress from outside",
        note=(
            "The first event of a job begins it. Percent, rate and estimate are the hub's to work out. With a `key` in "
            "each event the same request may be sent again until it is answered; it is heard once."
        ),
        body=taken("", {"events": array(ref("Said"), least=1, most=MAX_EVENTS)}), example=SAID_EXAMPLE,
        answers={200: told("All that must not be lost is in the journal.", ref("Heard"))},
        errors={400: "reserved_kind", 409: "project_leaving", 503: "draining throttled too_many_jobs"},
    ),
)  # fmt: skip
