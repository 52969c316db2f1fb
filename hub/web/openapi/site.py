"""For those who run the hub, and the page."""

from hub.web.openapi.operation import ETAG, HTML, UNCHANGED, Answer, Operation, told
from hub.web.openapi.shapes import AT, TEXT, Schema, array, noted, record, ref, words

TAG = "Operation"
NOTE = "Is it alive, can it work, what does it do; and the page with its files."

SCHEMAS = {
    "Health": record("", {"status": words(["ok"]), "boot": TEXT, "version": TEXT, "server_ms": AT}),
    "Readiness": record(
        "A part that works says ok, another one why it does not.",
        {"status": words(["ok", "failing"]), "reasons": array(TEXT), "journal": TEXT},
    )
    | {"additionalProperties": TEXT},
}
ANY_FILE: dict[str, Schema] = {"*/*": {}}
OPERATIONS = (
    Operation(
        method="GET",
        path="/healthz",
        title="The process lives",
        is_lenient=True,
        answers={200: told("It does.", ref("Health"))},
    ),
    Operation(
        method="GET",
        path="/readyz",
        title="The hub can do its work",
        is_lenient=True,
        answers={200: told("It can.", ref("Readiness")), 503: told("It cannot now.", ref("Readiness"))},
    ),
    Operation(
        method="GET",
        path="/metrics",
        title="Metrics",
        is_lenient=True,
        answers={
            200: Answer(
                note="Prometheus' text format, or OpenMetrics to who asks for it.",
                bodies={"text/plain": TEXT, "application/openmetrics-text": TEXT},
            )
        },
    ),
    Operation(
        method="GET",
        path="/api/v1/openapi.json",
        title="This document",
        headers=(ETAG,),
        answers={200: told("OpenAPI 3.1.", noted({"type": "object"}, "By the specification."), "ETag"), 304: UNCHANGED},
    ),
    Operation(
        method="GET",
        path="/docs",
        title="This document to be read",
        is_lenient=True,
        headers=(ETAG,),
        answers={200: Answer(note="A page.", bodies={HTML: TEXT}, headers=("ETag",)), 304: UNCHANGED},
    ),
    Operation(
        method="GET",
        path="/",
        title="The page",
        is_lenient=True,
        headers=(ETAG,),
        answers={200: Answer(note="The page.", bodies={HTML: TEXT}, headers=("ETag",)), 304: UNCHANGED},
    ),
    Operation(
        method="GET",
        path="/static/{path}",
        title="The page's files",
        is_lenient=True,
        headers=(ETAG,),
        answers={200: Answer(note="A file.", bodies=ANY_FILE, headers=("ETag",)), 304: UNCHANGED},
    ),
)
