"""What is known of code: commits and the sessions they belong to, and the index with its search."""

from hub.commits.correlation import AFTER_END, BEFORE_START, COMMIT_ACTION, DURING_SESSION, OTHER_AUTHOR
from hub.commits.sessions import LATEST_MS, LONGEST_AUTHOR, LONGEST_ID, LONGEST_PATH, LONGEST_TYPE, MOST_EVENTS
from hub.index.guards import REASONS
from hub.index.requests import CASES, KINDS
from hub.web.openapi.jobs import PROJECT, STARTED
from hub.web.openapi.operation import KEY, PAGES, Operation, asked, told
from hub.web.openapi.shapes import (
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
from hub.web.resources.commits import LONGEST_FILTER, MOST_SESSIONS
from hub.web.resources.search import MOST_ITEMS, MOST_LINES

TAG = "Commits and code"
NOTE = "Commits with the sessions of work that made them, and search in text, symbols and paths of indexed projects."

WORDS = text(LONGEST_FILTER, least=1)
BOOLEAN = words(["true", "false", "1", "0"])
TIME = {"type": "number", "minimum": -LATEST_MS, "maximum": LATEST_MS, "description": "Unix milliseconds."}
MOMENT = {**TIME, "type": "integer"}
TEXTLY = r"^[^\x00-\x1f]*\S[^\x00-\x1f]*$"
AUTHOR = record("", {"name": TEXT, "email": TEXT})
BRIEF = record("", {"id": TEXT, "at": AT, "subject": TEXT, "author": AUTHOR, "gone": FLAG})
MARKS = noted(array(pair(COUNT)), "Where the matches are, in characters.")
DEFINITION: dict[str, Schema] = {
    "name": TEXT, "kind": TEXT, "line": COUNT, "end_line": COUNT, "parent": or_null(TEXT),
}  # fmt: skip
FILE: dict[str, Schema] = {"id": TEXT, "project": PROJECT, "path": TEXT, "lang": or_null(TEXT)}
COVERAGE = record("Files that were looked at, of all.", {"indexed": COUNT, "of": COUNT})

SCHEMAS = {
    "Commit": record(
        "", {
            "id": TEXT, "at": noted(AT, "The author's time."), "committed": AT, "author": AUTHOR, "subject": TEXT,
            "parents": COUNT, "files": array(TEXT, note="The first hundred."), "files_total": COUNT,
            "gone": noted(FLAG, "No branch leads to it any more."), "links": COUNT,
        },
    ),
    "CommitPage": page("Commit"),
    "Link": record(
        "A commit and the session that it belongs to, or that it missed by little.",
        {"id": TEXT, "session": TEXT, "commit": BRIEF},
        tier=whole(1, 2, "1: by a commit action, 2: by the session's time."),
        evidence=record(
            "", {
                "rule": words([COMMIT_ACTION, DURING_SESSION]), "window": pair(AT), "margin_s": NUMBER,
            },
            action=AT, after_action_s=NUMBER,
        ),
        off_s=NUMBER, why=words([BEFORE_START, AFTER_END, OTHER_AUTHOR]), message=TEXT,
    ),
    "LinkPage": page("Link"),
    "Session": record(
        "", {
            "id": TEXT, "project": or_null(PROJECT), "path": or_null(TEXT), "author": or_null(TEXT), "start": AT,
            "end": AT, "events": COUNT, "commit_actions": COUNT, "links": COUNT,
        },
    ),
    "SessionPage": page("Session"),
    "SaidSession": taken(
        "", {"id": text(LONGEST_ID, pattern=TEXTLY), "start": TIME, "end": TIME},
        project=or_null(text(64, pattern=TEXTLY)), path=or_null(text(LONGEST_PATH, pattern="^/[^\x00-\x1f]*$")),
        author=or_null(text(LONGEST_AUTHOR, pattern=TEXTLY)),
        events=or_null(array(taken("", {"at": TIME, "type": text(LONGEST_TYPE, pattern=TEXTLY)}), most=MOST_EVENTS)),
    ),
    "Told": record("", {"created": COUNT, "updated": COUNT, "unchanged": COUNT}),
    "TextHit": record(
        "A file in which the text stands.", {
            **FILE, "type": is_("text"), "match": TEXT, "matches": COUNT,
            "lines": array(record("", {"line": COUNT, "text": TEXT, "marks": MARKS}, cut=FLAG, start=COUNT)),
        },
        symbols=array(record("", DEFINITION)), changed=FLAG,
    ),
    "SymbolHit": record("A definition.", {**FILE, **DEFINITION, "type": is_("symbol"), "marks": MARKS}),
    "PathHit": record("A file by its path.", {**FILE, "type": is_("path"), "marks": MARKS}),
    "Found": record(
        "", {
            "items": array(any_of(ref("TextHit"), ref("SymbolHit"), ref("PathHit"))), "total": COUNT,
            "total_exact": FLAG, "complete": noted(FLAG, "There was time to look everywhere."), "narrowed": FLAG,
            "coverage": COVERAGE, "changed": COUNT,
        },
        next=TEXT, skipped=array(record("", {"project": PROJECT, "path": TEXT})),
        problems=array(record("", {"project": PROJECT, "code": TEXT, "message": TEXT})),
        took_ms=NUMBER,
    ),
    "Index": record(
        "", {
            "id": PROJECT, "state": words(["complete", "building"]), "head": or_null(TEXT),
            "source": words(["folder", "git"]), "files": COUNT, "indexed": COUNT, "coverage": COVERAGE, "bytes": COUNT,
            "index_bytes": COUNT, "symbols": COUNT,
            "languages": array(record("", {"lang": or_null(TEXT), "files": COUNT, "bytes": COUNT})),
            "left_out": record(
                "", {
                    "items": array(record("", {
                        "id": TEXT, "reason": words(REASONS), "why": TEXT, "detail": or_null(TEXT),
                        "bytes": or_null(COUNT), "symbols_only": FLAG,
                    })),
                    "total": COUNT, "reasons": keyed(COUNT),
                },
                next=TEXT,
            ),
        },
        took_ms=NUMBER,
    ),
}  # fmt: skip
MOMENTS = (asked("since", MOMENT, "Not before."), asked("until", MOMENT, "Not after."))
LATE = "commits_unavailable"
SEARCHED = {
    400: "bad_query",
    404: "no_index not_found",
    500: "index_broken search_failed",
    503: "search_busy index_unreadable",
}

OPERATIONS = (
    Operation(
        method="GET", path="/api/v1/projects/{project}/commits", title="List commits",
        query=(
            *PAGES, *MOMENTS, asked("author", WORDS, "A part of a name or address."),
            asked("path", WORDS, "A file, or a folder with all in it."),
            asked("text", WORDS, "A part of the subject, or the beginning of an id."),
            asked("linked", BOOLEAN, "With a session, or without."), asked("gone", BOOLEAN,
            "Those no branch leads to."),
        ),
        answers={200: told("A page, newest first.", ref("CommitPage"))}, errors={400: "unknown_cursor", 503: LATE},
    ),
    Operation(
        method="GET", path="/api/v1/projects/{project}/links", title="List links of commits and sessions",
        query=(
            *PAGES, asked("tier", words(["1", "2"]), "By a commit action, or by time."),
            asked("session", WORDS, "Of one session."), asked("near", BOOLEAN,
            "What missed a session by little instead."),
        ),
        answers={200: told("A page, newest first.", ref("LinkPage"))}, errors={400: "unknown_cursor", 503: LATE},
    ),
    Operation(
        method="GET", path="/api/v1/sessions", title="List sessions of work",
        query=(*PAGES, asked("project", TEXT, "Of one project.", example="training")),
        answers={200: told("A page, newest first.", ref("SessionPage"))},
        errors={400: "unknown_cursor", 404: "not_found", 503: LATE},
    ),
    Operation(
        method="POST", path="/api/v1/sessions", title="Tell of sessions of work",
        note="All of the request or none; the next sync links them.",
        body=taken("", {"sessions": array(ref("SaidSession"), most=MOST_SESSIONS)}),
        example={"sessions": [{"id": "s1", "project": "training", "start": 1790000000000, "end": 1790003600000,
                               "events": [{"at": 1790000300000, "type": "commit"}]}]},
        answers={201: told("Some are new.", ref("Told")), 200: told("None is new.", ref("Told"))},
        errors={400: "no_such_project", 409: "session_elsewhere", 503: LATE},
    ),
    Operation(
        method="POST", path="/api/v1/sync", title="Sync commits of all projects, or of some", is_body_needed=False,
        body=taken(
            "", projects=or_null(array(TEXT, least=1, most=1000)), sessions_folder=or_null(text(4096, pattern="^/")),
        ),
        example={"projects": ["training"]}, headers=(KEY,), answers=STARTED,
        errors={
            400: "bad_params url_refused", 404: "not_found", 409: "already_running project_leaving",
            422: "idempotency_key_reused", 503: f"queue_full {LATE}",
        },
    ),
    Operation(
        method="GET", path="/api/v1/search", title="Search in code",
        note="Filters such as `lang:c path:src/**` at the front of `q` count, too; quotes around it switch that off.",
        query=(
            asked("q", text(), "What is looked for.", example="parse_request"),
            asked("kind", words(KINDS), "In what."), asked("case", words(CASES), "smart: a capital makes case matter."),
            asked("regex", BOOLEAN, "`q` is a regular expression."), asked("word", BOOLEAN, "Whole words alone."),
            asked("project", array(TEXT), "Projects to look in.", several=True),
            asked("path", array(TEXT), "Globs; a leading ! excludes.", several=True),
            asked("lang", array(TEXT), "Languages.", several=True),
            asked("limit", whole(1, MOST_ITEMS, usual=20), "Items of a page."),
            asked("lines", whole(1, MOST_LINES, usual=5), "Lines of each file."), PAGES[1],
        ),
        answers={200: told("What was found.", ref("Found"))}, errors={**SEARCHED, 413: "too_large"},
    ),
    Operation(
        method="GET", path="/api/v1/projects/{project}/index", title="What a project's index holds",
        query=(*PAGES, asked("reason", words(REASONS), "Of what is left out, that for one reason.")),
        answers={200: told("Counts, languages, and a page of what is left out.", ref("Index"))}, errors=SEARCHED,
    ),
)  # fmt: skip
