"""Schedules, and webhooks: jobs that start by themselves, and ends that are told."""

from hub.core.schedules import Outcome
from hub.core.webhooks import Delivered, Trouble
from hub.web.openapi.jobs import ENDS, JOB, KIND, PARAMS, PROJECT, STARTED
from hub.web.openapi.operation import GONE, PAGES, Operation, told
from hub.web.openapi.shapes import (
    ANYTHING,
    AT,
    COUNT,
    FLAG,
    TEXT,
    Schema,
    array,
    noted,
    number,
    or_null,
    page,
    record,
    ref,
    taken,
    text,
    whole,
    words,
)  # fmt: skip
from hub.web.resources.schedules import CHANGES, LONGEST_S
from hub.web.resources.webhooks import FIELDS, MOST_VALUES

TAG = "Schedules and webhooks"
NOTE = "Jobs that come back by the calendar or every so many seconds, and other programs that are told of ends."

EVERY = number(0.001, LONGEST_S, "Seconds from one turn to the next.")
CHANGE: dict[str, Schema] = {
    "params": or_null(PARAMS), "every_s": or_null(EVERY),
    "cron": or_null(text(200, pattern=r"\S", note="The five fields of cron, read in `timezone`.")),
    "timezone": or_null(text(64, pattern=r"\S")), "name": or_null(text(200, pattern=r"\S")),
    "retry": or_null(ref("RetryPolicy")),
    "is_paused": or_null(FLAG),
}  # fmt: skip
assert frozenset(CHANGE) == CHANGES
NAMES = array(text(64, least=1, pattern=r"\S"), least=1, most=MOST_VALUES)
HOOK: dict[str, Schema] = {
    "url": text(2048, pattern=r"\S", note="https; plain http to networks in `allow_networks` alone."),
    "name": or_null(text(200, pattern=r"\S")), "projects": or_null(NAMES), "kinds": or_null(NAMES),
    "states": or_null(array(words(ENDS), least=1, most=MOST_VALUES)),
}  # fmt: skip
assert frozenset(HOOK) == FIELDS

SCHEMAS = {
    "Schedule": record(
        "", {
            "id": TEXT, "project": PROJECT, "kind": KIND, "created": AT, "params": ANYTHING, "name": TEXT,
            "every_s": or_null(EVERY), "cron": or_null(TEXT), "timezone": TEXT, "retry": or_null(ANYTHING),
            "is_paused": FLAG, "next_at": or_null(AT), "last_at": or_null(AT), "last_job": or_null(JOB),
            "last_outcome": or_null(words([each.value for each in Outcome])),
            "last_error": or_null(record("", {"code": TEXT, "message": TEXT})),
            "started": COUNT, "skipped": COUNT, "refused": COUNT, "last_state": or_null(ref("State")),
            "next_runs": noted(array(AT), "The next three turns."),
        },
    ),
    "SchedulePage": page("Schedule"),
    "Webhook": record(
        "", {
            "id": TEXT, "url": TEXT, "created": AT, "name": TEXT, "projects": array(TEXT), "kinds": array(TEXT),
            "states": array(words(ENDS)), "failing_since": or_null(AT), "tried_at": or_null(AT),
            "last_success_at": or_null(AT), "disabled": or_null(words([each.value for each in Trouble])),
            "disabled_at": or_null(AT), "state": words(["enabled", "failing", "disabled"]), "trouble": or_null(TEXT),
        },
        secret=noted(TEXT, "Shown once: with it what is sent is signed (Standard Webhooks)."),
    ),
    "WebhookPage": page("Webhook"),
    "Delivery": record(
        "", {
            "id": TEXT, "webhook": TEXT, "created": AT, "job": or_null(JOB),
            "state": words([each.value for each in Delivered]), "attempts": COUNT, "next_at": or_null(AT),
            "last_at": or_null(AT), "status": or_null(whole(100, 999)), "error": or_null(TEXT),
            "took_ms": or_null(COUNT),
        },
    ),
    "DeliveryPage": page("Delivery"),
}  # fmt: skip
WRONG_SCHEDULE = (
    "bad_params url_refused unknown_kind no_origin unknown_source other_repository secrets_not_kept not_spanning"
)
PLACES = ("/api/v1/schedules/{schedule}", "/api/v1/projects/{project}/schedules/{schedule}")
HOOKS = "/api/v1/webhooks"
ONE = f"{HOOKS}/{{webhook}}"

SCHEDULING = (
    Operation(
        method="POST", path="/api/v1/projects/{project}/schedules", title="Make a schedule",
        note="With `every_s` or `cron`, one of them. The project `all` stands for every project.",
        body=taken("", {"kind": text(64, least=1, pattern=r"\S")}, **CHANGE),
        example={"kind": "index", "cron": "0 3 * * *", "timezone": "Europe/Berlin"},
        answers={201: told("The schedule.", ref("Schedule"), "Location")},
        errors={400: WRONG_SCHEDULE, 409: "too_many_schedules"},
    ),
    *(
        Operation(
            method="GET", path=path, title=title, query=PAGES,
            answers={200: told("A page, oldest first.", ref("SchedulePage"))},
        )
        for path, title in (
            ("/api/v1/projects/{project}/schedules", "List a project's schedules"),
            ("/api/v1/schedules", "List all schedules"),
        )
    ),
    *(
        operation
        for path in PLACES
        for operation in (
            Operation(
                method="GET", path=path, title="Read a schedule", answers={200: told("The schedule.", ref("Schedule"))},
            ),
            Operation(
                method="PATCH", path=path, title="Change a schedule", body=taken("", **CHANGE), is_body_needed=False,
                note="What is given replaces what was; `every_s` and `cron` replace each other.",
                example={"is_paused": True}, answers={200: told("As it is now.", ref("Schedule"))},
                errors={400: WRONG_SCHEDULE},
            ),
            Operation(method="DELETE", path=path, title="Delete a schedule", answers={204: GONE}),
            Operation(
                method="POST", path=f"{path}/run", title="Run a schedule now", body=taken(""), is_body_needed=False,
                answers=STARTED,
                errors={400: WRONG_SCHEDULE, 409: "already_running conflict project_leaving", 503: "queue_full"},
            ),
        )
    ),
)  # fmt: skip
HOOKING = (
    Operation(
        method="POST", path=HOOKS, title="Add a webhook",
        body=taken("", {"url": HOOK["url"]}, **{name: shape for name, shape in HOOK.items() if name != "url"}),
        example={"url": "https://ci.example.org/hook", "states": ["failed", "interrupted"]},
        answers={201: told("The webhook, and its secret.", ref("Webhook"), "Location")},
        errors={
            400: "url_refused credentials_in_url", 404: "not_found", 409: "too_many_webhooks",
            500: "webhook_key_unreadable",
        },
    ),
    Operation(
        method="GET", path=HOOKS, title="List webhooks", query=PAGES,
        answers={200: told("A page, oldest first.", ref("WebhookPage"))},
    ),
    Operation(
        method="GET", path=ONE, title="Read a webhook",
        answers={200: told("The webhook.", ref("Webhook"))},
    ),
    Operation(
        method="PATCH", path=ONE, title="Change a webhook", example={"states": ["failed"]},
        note="What is given replaces what was; null for a filter lets everything through.",
        body=taken("", **{**HOOK, "url": or_null(HOOK["url"])}), is_body_needed=False,
        answers={200: told("As it is now.", ref("Webhook"))},
        errors={400: "url_refused credentials_in_url"},
    ),
    Operation(method="DELETE", path=ONE, title="Delete a webhook", answers={204: GONE}),
    Operation(
        method="POST", path=f"{ONE}/test", title="Send a test to a webhook", body=taken(""),
        is_body_needed=False, answers={200: told("What came of it.", ref("Delivery"))}, errors={409: "conflict"},
    ),
    Operation(
        method="POST", path=f"{ONE}/enable", title="Tell a webhook that was disabled of ends again",
        body=taken(""), is_body_needed=False,
        answers={200: told("The webhook; with a new secret if the old one was lost.", ref("Webhook"))},
        errors={409: "conflict", 500: "webhook_key_unreadable"},
    ),
    Operation(
        method="GET", path=f"{ONE}/deliveries", title="What became of deliveries", query=PAGES,
        answers={200: told("A page, newest first.", ref("DeliveryPage"))}, errors={400: "unknown_cursor"},
    ),
)  # fmt: skip
OPERATIONS = (*SCHEDULING, *HOOKING)
