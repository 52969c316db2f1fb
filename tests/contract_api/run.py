"""schemathesis over the hub's document: what it found, in a form that can be read."""

import collections
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure
from schemathesis.engine import events, from_schema

from hub.web.openapi.document import document

CANNOT_BE_SAID: Mapping[str, str] = {
    r"^/api/v1/projects$": r"^Give a url|^A repository needs|^Invalid source|reserved|is not the name|no folder",
    r"/publish$": r"must have a weight|have the same name|belongs to|is not JSON|may be \d+ levels|detail may have|"
                  r"printable characters|run by the hub alone",
    r"/schedules": r"^Give every_s or cron|^When\?|^every_s must|^cron: |^timezone|time zone|^There is no (field|kind)|"
                   r"of one project|controls",
    r"/snapshots/[^/]+/file$": r"^path is missing",
    r"/(jobs|retry|sync|schedules.*)$": r"^retry\.max_backoff_s must be|control characters",
    r"/links$": r"^A near miss has no tier",
    r"^/api/v1/sessions$": r"ends before it starts|control characters|holds",
    r"/(jobs|history)$": r"^(since|until) must be a time|takes up to|^limit must be|^An export|must be a text of up to",
    r"/(commits|links|search)": r"must be a text of|control",
    r"/webhooks": r"control characters|must be https|^The URL|^url",
    r"^/api/v1/tokens$": r"^admin is of the hub as a whole",
    r"/events$": r"^A job is watched on its own project's events",
    r"^/(api/)?repos|^/mcp": r"is missing|must be a text|must be an object of",
    r"^/api/v1/ingest": r"is missing|must be a text|must be true or false|^Invalid source",
    r"badge.svg": r"^label",
}  # fmt: skip
"""By path: refusals of what a JSON Schema lets through, since it is about two fields at once, about what was said
earlier, or about a language of its own. Codes other than `bad_request` explain themselves."""

REFUSALS = ["400", "401", "403", "404", "405", "409", "410", "413", "422", "429", "431", "502", "503"]
TOLD_ON_THE_STREAM = ("/repos/clone-progress", "/api/repos/clone-progress", "/mcp/index/stream")
"""Those systems tell of what is wrong with a body in a stream of one event."""


@schemathesis.check
def refused_for_a_reason(ctx: Any, response: Any, case: Any) -> None:
    """What the schema lets through is taken, or refused with a code or a sentence that a schema cannot hold."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code != 400:
        return
    error = response.json()["error"]
    if error["code"] != "bad_request":
        return
    path = case.operation.path
    if not any(re.search(where, path) and re.search(what, error["message"]) for where, what in CANNOT_BE_SAID.items()):
        raise Failure(
            operation=case.operation.label, title="Refused what the document allows", message=error["message"]
        )


@dataclass(slots=True)
class Found:
    cases: int = 0
    checks: int = 0
    by_operation: collections.Counter[str] = field(default_factory=collections.Counter)
    failures: dict[str, str] = field(default_factory=dict)
    """The first of each sort."""

    def take(self, recorder: Any) -> None:
        self.cases += len(recorder.cases)
        for id_, checks in recorder.checks.items():
            node, interaction = recorder.cases[id_].value, recorder.interactions.get(id_)
            self.by_operation[node.operation.label] += 1
            for check in checks:
                self.checks += 1
                if check.failure_info is not None:
                    self._fail(node.operation.label, check, interaction)

    def _fail(self, label: str, check: Any, interaction: Any) -> None:
        failure = check.failure_info.failure
        status = interaction.response.status_code if interaction and interaction.response else None
        name = f"{label} {check.name} {status}: {failure.title}"
        if name not in self.failures:
            request, response = interaction.request, interaction.response
            self.failures[name] = "\n".join(
                [
                    failure.message[:500], f"{request.method} {request.uri[:500]}",
                    f"{ {name: value for name, value in request.headers.items() if name.lower() not in DULL} }",
                    str(request.body)[:500], str(response.content)[:500] if response else "no answer",
                ]
            )  # fmt: skip


DULL = {"user-agent", "accept-encoding", "connection", "content-length", "host", "x-schemathesis-testcaseid"}


def conform(url: str, token: str, config: Mapping[str, Any], paths: str = "") -> Found:
    """Every check that schemathesis has, over the operations whose paths `paths` finds. Blocks."""
    full = SchemathesisConfig.from_dict(
        {
            "base-url": url, "request-timeout": 10, "continue-on-failure": True, "max-stream-events": 1,
            "headers": {"Authorization": f"Bearer {token}"},
            "checks": {
                # 503 is an honest answer: `Retry-After` says when to come back. 502: a store that is none of ours.
                "not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", "502", "503"]},
                # `refused_for_a_reason` looks at what is answered 400; 410, 413, 416 and 422 speak for themselves.
                "positive_data_acceptance": {
                    "expected-statuses": ["2xx", "3xx", "400", "401", "403", "404", "409", "410", "413", "416", "422",
                                          "429", "431", "502", "503"],
                },
                "negative_data_rejection": {
                    "expected-statuses": REFUSALS,
                },
            },
            "operations": [
                {
                    "include-name": f"POST {path}",
                    "checks": {"negative_data_rejection": {"expected-statuses": ["200", "204", *REFUSALS]}},
                }
                for path in TOLD_ON_THE_STREAM
            ],
            **config,
        }
    )  # fmt: skip
    schema = schemathesis.openapi.from_dict(document(), config=full)
    if paths:
        schema = schema.include(path_regex=paths)
    found = Found()
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            found.take(event.recorder)
        elif isinstance(event, events.FatalError):
            raise event.exception
        elif isinstance(event, events.NonFatalError):
            found.failures[f"{event.label}: {type(event.value).__name__}"] = str(event.value)[:1000]
    return found
