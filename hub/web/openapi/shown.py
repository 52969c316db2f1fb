"""What shows a job elsewhere: a badge, and pages without JavaScript."""

from hub.web.openapi.operation import ETAG, HTML, UNCHANGED, Answer, Operation, asked
from hub.web.openapi.shapes import TEXT, text
from hub.web.resources.badge import LONGEST_LABEL

TAG = "Showing a job elsewhere"
NOTE = "A picture for READMEs, and pages that refresh themselves where no script runs."

SCHEMAS: dict[str, dict[str, object]] = {}
SVG = "image/svg+xml"
OPERATIONS = (
    Operation(
        method="GET", path="/status", title="What goes on, as a page", is_lenient=True,
        answers={200: Answer(note="A page.", bodies={HTML: TEXT})},
    ),
    Operation(
        method="GET", path="/j/{job}", title="A job as a page", is_lenient=True,
        answers={
            200: Answer(note="A page.", bodies={HTML: TEXT}),
            404: Answer(note="There is no such job, as a page.", bodies={HTML: TEXT}),
        },
    ),
    Operation(
        method="GET", path="/j/{job}/badge.svg", title="A job as a picture", is_lenient=True, headers=(ETAG,),
        query=(asked("label", text(LONGEST_LABEL), "Instead of the job's kind."),),
        answers={
            200: Answer(note="The picture.", bodies={SVG: TEXT}, headers=("ETag",)),
            304: UNCHANGED, 404: Answer(note="A picture that says so.", bodies={SVG: TEXT}, headers=("ETag",)),
        },
    ),
)  # fmt: skip
