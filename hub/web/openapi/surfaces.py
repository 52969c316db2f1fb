"""The compatible APIs of five other systems: their routes, bodies and events as those systems have them."""

import dataclasses

from hub.surfaces.clone import COUNTERS, CREDENTIALS, DEEPEST_SCAN
from hub.surfaces.ingest import BOOLEANS
from hub.surfaces.snapshot import STEPS
from hub.surfaces.sync import CORRELATING, DONE, LONGEST_S, SCANNING, SHORTEST_S
from hub.web.openapi.jobs import FULL, JOB, OF_KIND
from hub.web.openapi.operation import GONE, SSE, Answer, Operation, Parameter, asked, told
from hub.web.openapi.shapes import (
    ANYTHING,
    COUNT,
    FLAG,
    TEXT,
    Schema,
    array,
    is_,
    noted,
    number,
    or_null,
    record,
    ref,
    stream_of,
    text,
    whole,
    words,
)  # fmt: skip

TAG = "Clients of other systems"
NOTE = (
    "Clients made for five other systems talk to the hub unchanged. Fields and parameters that are not known are "
    "passed over, as those systems do. Who comes back with `Last-Event-ID` gets the present state and what follows; "
    "204 means that there is nothing to come back for."
)

LONG = text(4096)
REPO: dict[str, Schema] = dict.fromkeys(("id", "path", "name", "created_at", "updated_at"), TEXT)
STEP_NAMES = ("idle", "waiting", "browsing", "compressing", "uploading", "completed", "failed")
STEP: dict[str, Schema] = {
    "projectId": TEXT, "step": words(STEP_NAMES), "stepNumber": whole(0, STEPS), "totalSteps": whole(STEPS, STEPS),
    "progress": number(0, 100), "fileCount": COUNT, "totalSize": COUNT, "totalSizeText": TEXT, "message": TEXT,
    "timestamp": TEXT,
}  # fmt: skip
INGEST: dict[str, Schema] = {
    "stage": words(["Cloning", "Parsing", "Indexing", "Complete", "Failed"]), "message": TEXT,
    "percentage": number(0, 100), "timestamp": TEXT,
}  # fmt: skip
SCHEMAS = {
    "Repo": record("", REPO),
    "CloneProgress": record("", {"type": is_("progress"), **dict.fromkeys(COUNTERS, COUNT)}),
    "CloneComplete": record("`event: complete`", {"type": is_("complete"), "repo": ref("Repo"), "message": TEXT}),
    "CloneError": record(
        "`event: clone_error`, or as `error_event` has it.", {"type": is_("error"), "message": TEXT},
        help_steps=array(TEXT), can_retry_with_credentials=FLAG,
    ),
    "SyncScanning": record("`event: scanning`", {"phase": is_("scanning"), **dict.fromkeys(SCANNING, COUNT)}),
    "SyncCorrelating": record("`event: correlating`", {"phase": is_("correlating"), **dict.fromkeys(CORRELATING,
    COUNT)}),
    "SyncDone": record("`event: done`", {"phase": is_("done"), **dict.fromkeys(DONE, COUNT)}),
    "SyncError": record("`event: error`", {"phase": is_("error"), "message": TEXT}),
    "SyncStatus": record(
        "", {
            "lastIndexedAt": or_null(TEXT), "lastIndexDurationMs": or_null(COUNT), "sessionsIndexed": COUNT,
            "projectsIndexed": COUNT, "lastGitSyncAt": or_null(TEXT), "commitsFound": COUNT, "linksCreated": COUNT,
            "updatedAt": or_null(TEXT), "gitSyncIntervalSecs": COUNT,
        },
    ),
    "IndexEvent": record(
        "", {
            "type": words(["progress", "complete", "error"]), "stage": TEXT, "current": COUNT, "total": COUNT,
            "message": TEXT, "timestamp_ms": COUNT,
        },
    ),
    "SnapshotStep": record("", STEP, snapshotUrl=TEXT, error=TEXT),
    "SnapshotStarted": record("", {"jobId": JOB, **STEP}, snapshotUrl=TEXT, error=TEXT),
    "IngestEvent": record("`event: progress`", INGEST, metadata=ANYTHING),
    "IngestStarted": record("", {"jobId": JOB, **INGEST}, metadata=ANYTHING),
}  # fmt: skip
BACK = (asked("Last-Event-ID", TEXT, "Who comes back starts nothing."),)
STAY = Answer(note="There is nothing to come back for.")
URL = asked("url", TEXT, "The repository's URL.", is_needed=True, example="https://example.org/repo.git")
ERROR_EVENT = asked("error_event", TEXT, "`error`: the name of the event that tells of a failure.")
FULL_HOUSE = {503: "too_many_watchers"}
CREDENTIAL = or_null(record("", **dict.fromkeys(CREDENTIALS, or_null(TEXT))) | {"additionalProperties": False})
PREFIXES = ("", "/api")


def _stream(*events: str, headers: tuple[str, ...] = ()) -> dict[int, Answer]:
    note = f"A stream of {', '.join(f'`{event}`' for event in events)}."
    return {200: Answer(note=note, bodies={SSE: stream_of(*map(ref, events))}, headers=headers), 204: STAY}


def _clone(prefix: str) -> tuple[Operation, ...]:
    by_url = {"url": noted(LONG, "The repository's URL.")}
    stream = _stream("CloneProgress", "CloneComplete", "CloneError")
    repos = f"{prefix}/repos"
    return (
        Operation(
            method="GET", path=f"{repos}/clone-progress", title="Clone, or watch the clone of a URL",
            query=(URL, ERROR_EVENT), headers=BACK, answers=stream, errors=FULL_HOUSE,
        ),
        Operation(
            method="POST", path=f"{repos}/clone-progress", title="Clone with credentials", query=(ERROR_EVENT,),
            headers=BACK,
            body=record("", by_url, credentials=CREDENTIAL), example={"url": "https://example.org/repo.git"},
            answers=stream, errors=FULL_HOUSE,
        ),
        Operation(
            method="POST", path=f"{repos}/clone", title="Clone, and wait for the end", headers=(),
            body=record("", by_url, credentials=CREDENTIAL), example={"url": "https://example.org/repo.git"},
            answers={200: told("It is cloned.", record("", {"repo": ref("Repo"), "message": TEXT}))},
            errors={400: f"{OF_KIND} credentials_in_url *", 409: "destination_taken already_running project_leaving",
            503: FULL},
        ),
        Operation(
            method="GET", path=repos, title="List repositories", answers={200: told("All.", array(ref("Repo")))},
        ),
        Operation(
            method="POST", path=repos, title="Take in a repository that is on this machine",
            body=record("", {"path": text(4096, least=1)}, name=or_null(LONG)), example={"path": "/srv/git/repo.git"},
            answers={201: told("The repository.", ref("Repo"))},
            errors={400: "url_refused no_such_folder not_git exists credentials_in_url"},
        ),
        Operation(
            method="DELETE", path=f"{repos}/{{id}}", title="Forget a repository", answers={204: GONE},
            errors={409: "project_busy project_leaving conflict", 503: "commits_unavailable"},
        ),
        Operation(
            method="POST", path=f"{repos}/scan", title="Look for repositories in folders",
            body=record("", {"directories": array(TEXT)}, depth=whole(0, DEEPEST_SCAN)),
            example={"directories": ["/srv/git"], "depth": 1},
            answers={200: told("What was found.", record("", {"found": array(record("", {"path": TEXT,
            "name": TEXT}))}))},
            errors={400: "url_refused no_such_folder credentials_in_url"},
        ),
    )  # fmt: skip


PROJECT = "/api/v1/projects/{project}"
SYNC = (
    Operation(
        method="POST", path="/api/sync/git", title="Start a sync",
        answers={
            202: told("It has begun.", record("", {"message": TEXT, "status": TEXT})),
            409: told("One runs.", record("", {"error": TEXT, "details": TEXT})),
        },
        errors={503: f"{FULL} commits_unavailable"},
    ),
    Operation(
        method="GET", path="/api/sync/git/progress", title="Watch the sync", headers=BACK,
        answers=_stream("SyncScanning", "SyncCorrelating", "SyncDone", "SyncError"), errors=FULL_HOUSE,
    ),
    Operation(
        method="GET", path="/api/status", title="What was indexed and synced last",
        answers={200: told("Under that system's names.", ref("SyncStatus"))}, errors={503: "commits_unavailable"},
    ),
    Operation(
        method="PUT", path="/api/settings/git-sync-interval", title="How often all projects are synced",
        body=record("", {"intervalSecs": whole(SHORTEST_S, LONGEST_S)}), example={"intervalSecs": 600},
        answers={200: told("As it is now.", ref("SyncStatus"))}, errors={503: "commits_unavailable"},
    ),
)  # fmt: skip
INDEXING = (
    Operation(
        method="POST", path="/mcp/index/stream", title="Index a folder, as the answer to one request",
        is_body_needed=False, headers=BACK,
        body=record("", project_path=LONG, force_reindex=FLAG), example={"project_path": "/srv/code"},
        note="Whatever is wrong with the body is told on the stream.", answers=_stream("IndexEvent"), errors=FULL_HOUSE,
    ),
    Operation(
        method="DELETE", path="/mcp/index/stream", title="Cancel the index of a folder",
        query=(Parameter(name="project_path", schema=TEXT, note="The folder.", is_needed=True, example="/srv/code"),),
        answers={202: told("It stops.", record("", {"project_path": TEXT, "state": TEXT}))},
        errors={400: "url_refused no_such_folder credentials_in_url", 404: "not_found", 409: "conflict job_ended"},
    ),
)  # fmt: skip
STEPPING = (
    Operation(
        method="POST", path=f"{PROJECT}/snapshot", title="Take a snapshot",
        answers={202: told("It has begun, or goes on.", ref("SnapshotStarted"), "Location")},
        errors={400: OF_KIND, 409: "project_leaving", 503: FULL},
    ),
    Operation(
        method="GET", path=f"{PROJECT}/progress", title="How far the snapshot is",
        answers={200: told("One of six steps.", ref("SnapshotStep"))},
    ),
    Operation(
        method="GET", path=f"{PROJECT}/progress/stream", title="Watch the snapshot", headers=BACK,
        answers=_stream("SnapshotStep"), errors=FULL_HOUSE,
    ),
)  # fmt: skip
INGESTING = (
    Operation(
        method="POST", path="/api/v1/ingest/{source}", title="Ingest a repository, or join the ingest of it",
        query=(asked("stream", words(BOOLEANS), "false: answer with the job's id."),), headers=BACK,
        body=record(
            "", {"repository": text(4096, least=1)}, branch=or_null(LONG), token=or_null(LONG),
            incremental=or_null(FLAG)
        ),
        example={"repository": "owner/name"},
        answers={
            **_stream("IngestEvent", headers=("X-Job-Id",)),
            202: told("The job's id.", ref("IngestStarted"), "X-Job-Id", "Location"),
        },
        errors={
            400: f"{OF_KIND} unknown_source other_repository no_origin credentials_in_url no_such_folder",
            409: "project_leaving", 503: f"too_many_watchers {FULL}",
        },
    ),
    Operation(
        method="GET", path="/api/v1/ingest/{job}/stream", title="Watch an ingest", headers=BACK,
        answers=_stream("IngestEvent", headers=("X-Job-Id",)), errors=FULL_HOUSE,
    ),
)  # fmt: skip
OPERATIONS = tuple(
    dataclasses.replace(each, is_lenient=True)
    for each in (*(one for prefix in PREFIXES for one in _clone(prefix)), *SYNC, *INDEXING, *STEPPING, *INGESTING)
)
