"""Watch links over HTTP: who makes one, what it opens, to whom, and what it does not."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.hubs import Running, running
from tests.keys import bearer, guarded, key

LINKS = "/api/v1/projects/p/watch-links"
EVENTS = "/api/v1/projects/p/events"
ELSEWHERE = {"Origin": "https://blog.example", "Sec-Fetch-Site": "cross-site"}


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    async with guarded(tmp_path / "data", trusted_proxies=("127.0.0.0/8",), allowed_hosts=("hub.example",)) as hub:
        yield hub


async def linked(hub: Running, **body: object) -> dict[str, str]:
    status, answer, headers = await hub.call("POST", LINKS, body, headers=bearer(await key(hub, "run")))
    assert status == 201
    assert headers["Cache-Control"] == "no-store"
    return dict(answer)


async def test_a_link_says_when_it_ends_and_where_it_leads(hub: Running) -> None:
    made = await linked(hub, ttl_s=60)
    assert 0 < int(made["expires"]) - hub.hub.clock.now_ms() <= 60_000
    assert made["url"] == f"{hub.url}{EVENTS}?watch={made['token']}"
    job = await linked(hub, job="j1")
    assert job["url"] == f"{hub.url}/j/j1?watch={job['token']}"
    for each in (made, job):
        async with hub.session.get(each["url"]) as response:
            assert response.status == 200


async def test_behind_a_proxy_it_leads_through_that(hub: Running) -> None:
    told = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "hub.example", "X-Forwarded-For": "192.0.2.1"}
    headers = {**bearer(await key(hub, "run")), **told, "X-Forwarded-Prefix": "/progress"}
    _, answer, _ = await hub.call("POST", LINKS, {"job": "j1"}, headers=headers)
    assert answer["url"].startswith("https://hub.example/progress/j/j1?watch=")


@pytest.mark.parametrize(
    ("body", "status"),
    [({"ttl_s": 0}, 400), ({"ttl_s": 1e9}, 400), ({"ttl_s": "7d"}, 400), ({"ttl_s": True}, 400), ({"job": "j2"}, 404),
     ({"job": "none"}, 404), ({"other": 1}, 400), ([], 400)],
)  # fmt: skip
async def test_what_cannot_be_linked_to_is_told(hub: Running, body: object, status: int) -> None:
    assert (await hub.call("POST", LINKS, body, headers=bearer(await key(hub, "run"))))[0] == status


async def test_pages_of_all_sites_may_read_what_a_link_opens_and_no_more(hub: Running) -> None:
    link = (await linked(hub))["token"]
    for path in (EVENTS, "/api/v1/jobs/j1", "/j/j1", "/j/j1/badge.svg", "/api/v1/jobs?project=p", "/healthz"):
        url = f"{hub.url}{path}{'&' if '?' in path else '?'}watch={link}"
        async with hub.session.get(url, headers=ELSEWHERE) as response:
            assert response.status == 200, path
            assert response.headers["Access-Control-Allow-Origin"] == "*"
            assert response.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
            assert "Access-Control-Allow-Credentials" not in response.headers
    for path in (
        "/api/v1/projects",
        "/api/v1/projects/q/events",
        "/api/v1/jobs/j2",
        "/api/v1/jobs",
        "/j/j2",
        "/metrics",
    ):
        status, _, headers = await hub.call("GET", f"{path}?watch={link}", headers=ELSEWHERE)
        assert status == (404 if "j2" in path else 403), path
        if path == "/metrics":
            assert "Access-Control-Allow-Origin" not in headers
    asked = {**ELSEWHERE, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "last-event-id"}
    async with hub.session.options(f"{hub.url}{EVENTS}?watch={link}", headers=asked) as response:
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert response.headers["Access-Control-Allow-Methods"] == "GET, HEAD"


async def test_it_opens_a_websocket_from_anywhere_for_its_project_alone(hub: Running) -> None:
    link = (await linked(hub))["token"]
    async with hub.session.ws_connect(f"{hub.url}{EVENTS}?watch={link}", headers=ELSEWHERE) as socket:
        assert (await socket.receive_json())["type"] == "hello"
        await socket.send_json({"op": "subscribe", "id": 1, "project": "q"})
        while "id" not in (told := await socket.receive_json(timeout=10)):
            pass
        assert told["error"]["code"] == "forbidden"


async def test_a_link_to_one_job_shows_nothing_of_the_others(hub: Running) -> None:
    await hub.begin("p", "j3")
    link = (await linked(hub, job="j1"))["token"]
    _, body, _ = await hub.call("GET", f"{EVENTS}?job=j1&watch={link}")
    assert [job["id"] for job in body["snapshot"]["jobs"]] == ["j1"]
    for path in (EVENTS, f"{EVENTS}?job=j3", "/api/v1/jobs/j3", "/api/v1/jobs?project=p"):
        assert (await hub.call("GET", f"{path}{'&' if '?' in path else '?'}watch={link}"))[0] == 403, path


async def test_nothing_but_the_link_counts_beside_it(hub: Running) -> None:
    admin = await key(hub, "admin")
    _, _, answered = await hub.call("POST", "/api/v1/session", {"token": admin})
    cookie = {"Cookie": answered["Set-Cookie"].partition(";")[0], "Sec-Fetch-Site": "same-origin"}
    for headers in (cookie, bearer(admin)):
        assert (await hub.call("GET", f"{EVENTS}?watch=x", headers=headers))[0] == 401
        status, _, answered = await hub.call("GET", "/api/v1/tokens?watch=x", headers=headers)
        assert status == 401
        assert "Access-Control-Allow-Origin" not in answered


async def test_where_nobody_need_sign_in_a_link_opens_no_more_either(tmp_path: Path) -> None:
    async with running(tmp_path / "open") as hub:
        await hub.make_project()
        link = hub.hub.keeper.link("other", None, 60)[0]
        assert (await hub.call("GET", f"{EVENTS}?watch={link}", headers=ELSEWHERE))[0] == 403
        assert (await hub.call("GET", f"{EVENTS}?watch=", headers=ELSEWHERE))[0] == 401
        assert (await hub.call("GET", EVENTS))[0] == 200


async def test_a_link_changes_nothing(hub: Running) -> None:
    link = (await linked(hub))["token"]
    for method, path in (("POST", "/api/v1/jobs/j1/cancel"), ("DELETE", "/api/v1/projects/p"), ("POST", LINKS)):
        assert (await hub.call(method, f"{path}?watch={link}"))[0] == 401
        status, _, _ = await hub.call(method, f"{path}?watch={link}", headers=ELSEWHERE)
        assert status == 403
    assert (await hub.hub.engine.state("j1")).state == "running"
