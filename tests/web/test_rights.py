"""Who may do what: every route has its row, and each kind of visitor gets just as far as that says."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from hub.web.door.rights import RIGHTS, right_of
from hub.web.routes import ROUTES
from tests.hubs import Running
from tests.keys import bearer, guarded, key

API = "/api/v1"
TABLE = [(route.method, re.sub(r"{(\w+):[^}]*}", r"{\1}", route.path)) for route in ROUTES]

# What the table is held against: written anew, by what the roles are for.
OPEN = {
    ("GET", "/"), ("GET", "/static/{path}"), ("GET", "/docs"), ("GET", f"{API}/openapi.json"), ("GET", "/healthz"),
    ("GET", f"{API}/session"), ("POST", f"{API}/session"), ("DELETE", f"{API}/session"),
}  # fmt: skip
ADMIN = re.compile(rf"{API}/(webhooks|tokens)\b|/api/settings/")
PUBLISH = ("POST", f"{API}/projects/{{project}}/publish")
STARTED_BY_GET = {"/repos/clone-progress", "/api/repos/clone-progress"}
PUBLISHERS = {
    ("GET", API + path)
    for path in ("/projects", "/projects/{project}", "/projects/{project}/events", "/projects/{project}/history",
                 "/jobs", "/jobs/{job}", "/events")
} | {("POST", f"{API}/projects")}  # fmt: skip
LINKED = {
    ("GET", path)
    for path in (f"{API}/projects/{{project}}/events", f"{API}/jobs", f"{API}/jobs/{{job}}", "/j/{job}",
                 "/j/{job}/badge.svg")
}  # fmt: skip
WHOLE = re.compile(
    rf"{API}/(sync|sessions|schedules|webhooks|tokens|ingest/{{source}}$)|/repos|/api/(?!v1/)|/mcp/|/metrics|/readyz"
)
"""What is of the hub as a whole, and not for a token that is for one project."""


def needed(method: str, path: str) -> str:
    if (method, path) in OPEN:
        return "nothing"
    if (method, path) == PUBLISH:
        return "publish"
    if ADMIN.match(path):
        return "admin"
    return "watch" if method == "GET" and path not in STARTED_BY_GET else "run"


def is_whole(method: str, path: str) -> bool:
    if path.startswith(f"{API}/") and not WHOLE.match(path):
        return (method, path) == ("POST", f"{API}/jobs")
    return path == "/status" or bool(WHOLE.match(path))


HAS = {
    "watch": {"watch"},
    "run": {"watch", "run"},
    "publish": {"publish"},
    "admin": {"watch", "run", "publish", "admin"},
}
NARROWED = {f"{API}/{name}" for name in ("jobs", "search", "statistics", "watchers")}
"""By `?project=`."""


def may(visitor: str, method: str, path: str) -> bool:
    role = needed(method, path)
    if role == "nothing":
        return True
    match visitor:
        case "nobody" | "wrong" | "link to q":
            return False
        case "publish":
            return role == "publish" or (method, path) == ("POST", f"{API}/projects")
        case "publish of p":
            return role == "publish" or (method, path) in PUBLISHERS
        case "run of p":
            return role in HAS["run"] and not is_whole(method, path)
        case "watch of q":
            is_of_p = re.search("{(project|job)}", path) or path in NARROWED
            return role == "watch" and not is_whole(method, path) and not is_of_p
        case "link to p":
            return (method, path) in LINKED
    return role in HAS[visitor]


VISITORS = (
    "nobody", "wrong", "watch", "run", "publish", "admin",
    "publish of p", "run of p", "watch of q", "link to p", "link to q",
)  # fmt: skip
NAMES = {
    "project": "p", "job": "j1", "path": "app.js", "snapshot": "s", "other": "o", "schedule": "c", "webhook": "w",
    "token": "t", "id": "p", "source": "github",
}  # fmt: skip


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    assert set(RIGHTS) == set(TABLE)


def test_what_has_no_row_is_for_nobody() -> None:
    assert right_of("GET", "/api/v1/new") is None
    assert right_of("PURGE", "/") is None


@pytest.mark.parametrize("route", TABLE, ids=" ".join)
def test_a_row_asks_for_the_role_that_its_route_is_for(route: tuple[str, str]) -> None:
    role = RIGHTS[route].role
    assert needed(*route) == ("nothing" if role is None else role.value)


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Handlers that were let through to; each does nothing else."""
    found: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        found.append(f"{request.method} {request.path}")
        return web.Response(status=204)

    def stub(route: web.RouteDef) -> web.RouteDef:
        is_own = route.path == f"{API}/projects"  # looks at its visitor itself
        return route if is_own else web.RouteDef(route.method, route.path, handler, route.kwargs)

    monkeypatch.setattr("hub.web.app.ROUTES", (*map(stub, ROUTES), web.get("/api/v1/forgotten", handler)))
    return found


@pytest.fixture
async def hub(tmp_path: Path, reached: list[str]) -> AsyncIterator[Running]:
    async with guarded(tmp_path / "data") as hub:
        yield hub


async def credentials(hub: Running, visitor: str) -> tuple[dict[str, str], str]:
    """Headers and query."""
    role, _, project = visitor.partition(" of ")
    if visitor.startswith("link to "):
        return {}, f"watch={hub.hub.keeper.link(visitor[-1], None, 60)[0]}"
    if visitor in {"nobody", "wrong"}:
        return ({} if visitor == "nobody" else bearer("hub_0000000000_" + "x" * 43)), ""
    return bearer(await key(hub, role, projects=[project] if project else [])), ""


@pytest.mark.parametrize("visitor", VISITORS)
async def test_each_visitor_gets_as_far_as_the_role_goes(hub: Running, reached: list[str], visitor: str) -> None:
    headers, query = await credentials(hub, visitor)
    wrong = []
    for method, path in TABLE:
        reached.clear()
        hub.hub.keeper.guesses.was_right("127.0.0.1")
        url = f"{path.format(**NAMES)}?{'project=p&' if path in NARROWED else ''}{query}"
        body = {"id": "p"} if method == "POST" else None
        # Not by `hub.call`, which holds answers against the contract: those of the stubs are none.
        async with hub.session.request(method, hub.url + url, json=body, headers=headers) as response:
            status, answered = response.status, response.headers
            is_let_in = status not in {401, 403, 404}
            answer = None if is_let_in else await response.json()
        if is_let_in != may(visitor, method, path) or (reached and not is_let_in):
            wrong.append((method, path, status, answer))
        elif not is_let_in:
            # A watch link counts for GETs alone; whoever comes with one to anything else has come with nothing.
            is_known = visitor not in {"nobody", "wrong"} and not (query and method != "GET")
            # Whether there is a job of another project is not told either.
            refused = (404, "not_found") if status == 404 and "{job}" in path else (403, "forbidden")
            assert (status, answer["error"]["code"]) == (refused if is_known else (401, "unauthorised"))
            assert is_known or answered["WWW-Authenticate"] == "Bearer"
    assert wrong == []


async def test_a_route_without_a_row_is_closed_to_an_admin_too(hub: Running, reached: list[str]) -> None:
    headers = bearer(await key(hub, "admin"))
    async with hub.session.get(f"{hub.url}{API}/forgotten", headers=headers) as response:
        body = await response.json()
        assert (response.status, body["error"]["code"], reached) == (403, "forbidden", [])


async def test_a_job_of_another_project_is_no_job_to_who_may_see_some_projects(hub: Running) -> None:
    headers = bearer(await key(hub, "run", projects=["p"]))
    for path in (f"{API}/jobs/{{}}", "/j/{}", "/j/{}/badge.svg", f"{API}/ingest/{{}}/stream"):
        answers = []
        for job in ("j2", "j99"):
            async with hub.session.get(hub.url + path.format(job), headers=headers) as response:
                answers.append((response.status, (await response.text()).replace(job, "JOB")))
        assert answers[0] == answers[1]
        assert answers[0][0] == 404
