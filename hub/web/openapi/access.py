"""Who may do what: signing in, tokens, and links for watching."""

from hub.core.ids import SLUG
from hub.core.tokens import Role
from hub.web.door.tokens import LONGEST_NAME, LONGEST_S, MOST_PROJECTS
from hub.web.door.watch_links import LONGEST_S as LONGEST_LINK_S
from hub.web.openapi.operation import GONE, PAGES, Operation, asked, told
from hub.web.openapi.shapes import (
    AT,
    FLAG,
    TEXT,
    array,
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

TAG = "Access"
NOTE = (
    "Tokens have roles: watch reads, run also starts and steers, publish publishes, and admin may do anything. A "
    "browser gives its token once and has a cookie from then on; a watch link lets anybody watch one project, or job."
)

ROLES = words([role.value for role in Role])
TOKEN = {
    "id": TEXT, "name": TEXT, "roles": array(ROLES), "projects": noted(array(TEXT), "The only ones; none: all."),
    "created": AT, "expires": or_null(AT), "last_used": or_null(AT), "revoked": or_null(AT),
}  # fmt: skip
SCHEMAS = {
    "SignedIn": record(
        "", {"needed": FLAG, "signed_in": FLAG, "roles": array(ROLES)}, name=TEXT, projects=array(TEXT), expires=AT
    ),
    "Token": record("", TOKEN, token=noted(TEXT, "The token itself, shown once.")),
    "TokenPage": page("Token"),
    "WatchLink": record("", {"token": TEXT, "expires": AT, "url": TEXT}),
}
SESSION, TOKENS = "/api/v1/session", "/api/v1/tokens"
OPERATIONS = (
    Operation(
        method="GET", path=SESSION, title="Must one sign in, and is one?",
        answers={200: told("Never 401.", ref("SignedIn"))},
    ),
    Operation(
        method="POST", path=SESSION, title="Sign in with a browser", example={"token": "..."},
        body=taken("", {"token": text(512, pattern=r"\S")}),
        answers={200: told("The cookie is set.", ref("SignedIn"), "Set-Cookie")},
        errors={401: "unauthorised", 409: "conflict", 429: "too_many_guesses"},
    ),
    Operation(method="DELETE", path=SESSION, title="Sign out", answers={204: GONE}),
    Operation(
        method="GET", path=TOKENS, title="List tokens",
        query=(*PAGES, asked("revoked", words(["true", "1", "false", "0"]), "Those that were revoked, too.")),
        answers={200: told("A page, oldest first.", ref("TokenPage"))}, errors={400: "unknown_cursor"},
    ),
    Operation(
        method="POST", path=TOKENS, title="Make a token", example={"name": "ci", "roles": ["run"], "ttl_s": 86400},
        body=taken(
            "", {"roles": array(ROLES, least=1)}, name=or_null(text(LONGEST_NAME, pattern=r"\S")),
            projects=or_null(array(text(64, pattern=f"^{SLUG.pattern}$"), least=1, most=MOST_PROJECTS)),
            ttl_s=or_null(number(1, LONGEST_S)),
        ),
        answers={201: told("The token; nobody is told it again.", ref("Token"), "Location")},
        errors={409: "conflict"},
    ),
    Operation(method="DELETE", path=f"{TOKENS}/{{token}}", title="Revoke a token", answers={204: GONE}),
    Operation(
        method="POST", path="/api/v1/projects/{project}/watch-links", title="Make a watch link", is_body_needed=False,
        body=taken("", job=or_null(text(255, pattern=r"\S")), ttl_s=or_null(number(1, LONGEST_LINK_S))),
        example={"job": "run-7", "ttl_s": 3600},
        answers={201: told("The link.", ref("WatchLink"))},
    ),
)  # fmt: skip
