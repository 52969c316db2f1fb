"""Snapshots of folders."""

from hub.web.openapi.jobs import JOB, PROJECT, STARTED
from hub.web.openapi.operation import ETAG, PAGES, UNCHANGED, Answer, Operation, asked, told
from hub.web.openapi.shapes import (
    AT,
    COUNT,
    FLAG,
    TEXT,
    Schema,
    array,
    noted,
    or_null,
    page,
    record,
    ref,
    text,
    words,
)  # fmt: skip
from hub.web.resources.snapshots import TYPES

TAG = "Snapshots"
NOTE = (
    "Folders as they were: listed, compared, downloaded. Taken and restored by jobs of the kinds snapshot and restore."
)

BYTES = {"type": "string", "contentMediaType": "application/octet-stream"}
ENTRY: dict[str, Schema] = {
    "mode": TEXT, "mtime_ns": {"type": "integer"}, "size": COUNT, "sha256": or_null(TEXT), "target": TEXT,
    "hard_link": TEXT,
    "changing": noted(FLAG, "It was written to each time it was read."), "reason": noted(TEXT, "Why it was left out."),
}  # fmt: skip
RAW = noted(TEXT, "In hexadecimal, of a name that is no UTF-8.")
SCHEMAS = {
    "SnapshotTaken": record(
        "One snapshot; one that cannot be read has no more than `id` and `error`.", {"id": TEXT},
        error=record("", {"code": TEXT, "message": TEXT}), created=AT, project=PROJECT, source=TEXT, files=COUNT,
        folders=COUNT, links=COUNT, bytes=COUNT, new_files=COUNT, new_bytes=COUNT, left_out=COUNT, changing=COUNT,
        job=or_null(JOB), damaged_files=COUNT, entries=COUNT, packs=COUNT, stored_bytes=COUNT,
    ) | {"additionalProperties": True},
    "SnapshotPage": page("SnapshotTaken"),
    "Entry": record("", {"path": TEXT, "type": words(TYPES)}, path_bytes=RAW, **ENTRY),
    "EntryPage": page("Entry"),
    "Difference": record(
        "", {"change": words(["added", "removed", "changed"]), "path": TEXT}, path_bytes=RAW,
        before=record("", {"type": TEXT}, **ENTRY), after=record("", {"type": TEXT}, **ENTRY), fields=array(TEXT),
    ),
    "DifferencePage": record(
        "", {"items": array(ref("Difference")), "total": COUNT, "added": COUNT, "removed": COUNT, "changed": COUNT},
        next=TEXT,
    ),
}  # fmt: skip
HERE = "/api/v1/projects/{project}/snapshots"
ONE = f"{HERE}/{{snapshot}}"
WHERE = (
    asked("path", TEXT, "What paths begin with, or the file itself."),
    asked("path_bytes", text(pattern="^([0-9a-fA-F]{2})*$"), "The same in hexadecimal, for a name that is no text."),
)
STORE = {
    404: "no_snapshot", 410: "snapshot_deleted", 500: "damaged", 503: "store_unreachable",
    502: "store_failed store_refused store_full store_lied store_misconfigured",
}  # fmt: skip
LIST = {name: codes for name, codes in STORE.items() if name != 410}
FILES = {**STORE, 404: "no_snapshot no_such_file"}
DOWNLOADED = ("ETag", "Content-Disposition", "Accept-Ranges")

OPERATIONS = (
    Operation(
        method="GET", path=HERE, title="List snapshots", query=PAGES,
        answers={200: told("A page, newest first.", ref("SnapshotPage"))}, errors={**LIST, 400: "unknown_cursor"},
    ),
    Operation(
        method="GET", path=ONE, title="Read a snapshot", errors=STORE,
        answers={200: told("The snapshot, and what it takes in the store.", ref("SnapshotTaken"))},
    ),
    Operation(
        method="DELETE", path=ONE, title="Delete a snapshot, and what only it needs", answers=STARTED,
        errors={**STORE, 409: "already_running project_leaving", 503: "store_unreachable queue_full"},
    ),
    Operation(
        method="GET", path=f"{ONE}/files", title="List what is in a snapshot",
        query=(*PAGES, *WHERE, asked("type", words(TYPES), "Of one type.")),
        answers={200: told("A page, by path.", ref("EntryPage"))}, errors={**STORE, 400: "unknown_cursor"},
    ),
    Operation(
        method="GET", path=f"{ONE}/file", title="Download a file", query=WHERE,
        headers=(ETAG, asked("Range", TEXT, "Part of it."), asked("If-Range", TEXT, "Only of this very `ETag`.")),
        answers={
            200: Answer(note="The file.", bodies={"application/octet-stream": BYTES}, headers=DOWNLOADED),
            206: Answer(note="A part.", bodies={"application/octet-stream": BYTES}, headers=("Content-Range", "ETag")),
            304: UNCHANGED,
        },
        errors={**FILES, 416: "range"},
    ),
    Operation(
        method="GET", path=f"{ONE}/archive", title="Download a snapshot", query=WHERE, headers=(ETAG,),
        answers={
            200: Answer(note="A `.tar.zst`.", bodies={"application/zstd": BYTES}, headers=DOWNLOADED), 304: UNCHANGED,
        },
        errors=FILES,
    ),
    Operation(
        method="GET", path=f"{ONE}/diff/{{other}}", title="Compare two snapshots", query=PAGES,
        answers={200: told("What the other has differently.", ref("DifferencePage"))},
        errors={**STORE, 400: "unknown_cursor"},
    ),
)  # fmt: skip
