"""Signing in with a browser: one token, then a cookie that only the hub's own pages can use."""

import json
import logging
from collections.abc import AsyncIterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hub.access.guesses import FREE
from tests.hubs import Running, running
from tests.keys import bearer, guarded, key, made

SESSION = "/api/v1/session"
EVIL = "https://evil.example"


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    async with guarded(tmp_path / "data", trusted_proxies=("127.0.0.1",), allowed_hosts=("hub.example",)) as hub:
        yield hub


async def signed_in(hub: Running, token: str, **headers: str) -> tuple[str, str, SimpleCookie]:
    """The cookie's name and value, and the whole of it."""
    status, _, answered = await hub.call("POST", SESSION, {"token": token}, headers=headers)
    assert status == 200
    cookies = SimpleCookie(answered["Set-Cookie"])
    name = next(iter(cookies))
    return name, cookies[name].value, cookies


def own(hub: Running, cookie: tuple[str, str, Any], **more: str) -> dict[str, str]:
    """Headers as a browser sends them for the hub's own page."""
    return {"Cookie": f"{cookie[0]}={cookie[1]}", "Sec-Fetch-Site": "same-origin", "Origin": hub.url, **more}


async def test_a_page_can_ask_whether_one_must_sign_in(hub: Running, tmp_path: Path) -> None:
    status, body, headers = await hub.call("GET", SESSION)
    assert (status, body) == (200, {"needed": True, "signed_in": False, "roles": []})
    assert headers["Cache-Control"] == "no-store"
    async with running(tmp_path / "open") as free:
        _, body, _ = await free.call("GET", SESSION)
        assert body == {"needed": False, "signed_in": False, "roles": ["watch", "run", "publish", "admin"]}


async def test_a_token_becomes_a_cookie_that_no_script_reads_and_no_other_site_sends(hub: Running) -> None:
    token = await key(hub, "run", name="ann")
    cookie = await signed_in(hub, token)
    morsel = cookie[2][cookie[0]]
    assert morsel["httponly"]
    assert morsel["samesite"] == "Strict"
    assert (morsel["path"], morsel["domain"], morsel["secure"]) == ("/", "", "")
    assert token not in json.dumps([cookie[0], cookie[1]])
    _, body, _ = await hub.call("GET", SESSION, headers=own(hub, cookie))
    assert (body["signed_in"], body["name"], body["roles"]) == (True, "ann", ["watch", "run"])
    assert body["expires"] > hub.hub.clock.now_ms()
    assert (await hub.call("GET", "/api/v1/jobs", headers=own(hub, cookie)))[0] == 200
    assert (await hub.call("POST", "/api/v1/projects", {"id": "x"}, headers=own(hub, cookie)))[0] == 201


async def test_under_https_the_cookie_is_secure_and_the_hosts_own(hub: Running) -> None:
    token = await key(hub, "watch")
    proxied = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7", "X-Forwarded-Host": "hub.example"}
    cookie = await signed_in(hub, token, **proxied)
    assert cookie[0].startswith("__Host-")
    assert cookie[2][cookie[0]]["secure"]
    theirs = {**own(hub, cookie), **proxied, "Origin": "https://hub.example"}
    assert (await hub.call("GET", "/api/v1/jobs", headers=theirs))[0] == 200
    prefixed = await signed_in(hub, token, **proxied, **{"X-Forwarded-Prefix": "/hub"})
    assert prefixed[0].startswith("__Secure-")
    assert prefixed[2][prefixed[0]]["path"] == "/hub/"


async def test_signing_out_ends_the_cookie_for_whoever_has_a_copy(hub: Running) -> None:
    cookie = await signed_in(hub, await key(hub, "watch"))
    status, _, headers = await hub.call("DELETE", SESSION, headers=own(hub, cookie))
    assert status == 204
    assert SimpleCookie(headers["Set-Cookie"])[cookie[0]]["max-age"] == "0"
    assert (await hub.call("GET", "/api/v1/jobs", headers=own(hub, cookie)))[0] == 401
    assert (await hub.call("DELETE", SESSION, headers=own(hub, cookie)))[0] == 204, "twice is as good as once"


async def test_a_revoked_token_takes_its_cookies_with_it(hub: Running) -> None:
    token, text = await made(hub, "watch")
    cookie = await signed_in(hub, text)
    admin = bearer(await key(hub, "admin"))
    assert (await hub.call("DELETE", f"/api/v1/tokens/{token.id}", headers=admin))[0] == 204
    assert (await hub.call("GET", "/api/v1/jobs", headers=own(hub, cookie)))[0] == 401
    assert (await hub.call("GET", "/api/v1/jobs", headers=bearer(text)))[0] == 401
    assert (await hub.call("POST", SESSION, {"token": text}))[0] == 401


# -- other sites ------------------------------------------------------------------------------------------------------

FOREIGN = {
    "a form of another site": {"Origin": EVIL, "Sec-Fetch-Site": "cross-site"},
    "... in a browser that tells less": {"Origin": EVIL},
    "... that hides where it comes from": {"Origin": "null"},
    "a neighbour on another port": {"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site"},
    "a neighbouring host": {"Origin": "http://x.localhost", "Sec-Fetch-Site": "same-site"},
    "one that sends no origin": {"Sec-Fetch-Site": "cross-site"},
    "one that sends nothing at all": {},
    "one that is allowed for tokens": {"Origin": "https://tools.example", "Sec-Fetch-Site": "cross-site"},
}


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN.keys())
async def test_a_cookie_is_no_use_to_pages_of_other_sites(tmp_path: Path, headers: dict[str, str]) -> None:
    async with guarded(tmp_path / "data", cors_origins=("https://tools.example",)) as hub:
        name, value, _ = await signed_in(hub, await key(hub, "admin"))
        told = {"Cookie": f"{name}={value}", **headers}
        before = [project.id for project in hub.hub.catalog.all()]
        for method, path in (
            ("POST", "/api/v1/projects"), ("POST", "/api/v1/jobs/j1/cancel"), ("DELETE", "/api/v1/projects/p"),
            ("POST", "/api/v1/tokens"), ("DELETE", SESSION), ("GET", "/repos/clone-progress?url=https://example.org/x"),
        ):  # fmt: skip
            status, _, answered = await hub.call(method, path, {"id": "x"} if method == "POST" else None, headers=told)
            assert status in {401, 403}, (method, path)
            assert "Access-Control-Allow-Credentials" not in answered
        if headers:
            assert (await hub.call("GET", "/api/v1/jobs", headers=told))[0] == 401
            assert await heard(hub, told) in {"handshake 403", "bye unauthorised, 4500"}
        assert [project.id for project in hub.hub.catalog.all()] == before
        assert (await hub.hub.engine.state("j1")).state == "running"
        assert (await hub.call("GET", "/api/v1/jobs", headers=own(hub, (name, value, None))))[0] == 200


async def heard(hub: Running, headers: dict[str, str]) -> str:
    """What a WebSocket is told first."""
    try:
        async with hub.session.ws_connect(hub.url + "/api/v1/events", headers=headers) as socket:
            told = await socket.receive_json()
            return f"{told['type']} {told.get('reason')}, {(await socket.receive()).data}"
    except aiohttp.WSServerHandshakeError as exc:
        return f"handshake {exc.status}"


async def test_a_page_of_another_site_cannot_sign_anybody_in(hub: Running) -> None:
    token = await key(hub, "watch")
    for headers in ({"Origin": EVIL}, {"Sec-Fetch-Site": "cross-site"}):
        status, _, answered = await hub.call("POST", SESSION, {"token": token}, headers=headers)
        assert status == 403
        assert "Set-Cookie" not in answered


async def test_dns_rebinding_leads_nowhere(hub: Running) -> None:
    cookie = await signed_in(hub, await key(hub, "admin"))
    for name in ("evil.example", "evil.example:80", "127.0.0.1.evil.example"):
        told = {**own(hub, cookie), "Host": name, "Origin": f"http://{name}"}
        status, body, _ = await hub.call("GET", "/api/v1/jobs", headers=told)
        assert (status, body["error"]["code"]) == (403, "unknown_host")
        told = {**own(hub, cookie), "X-Forwarded-Host": name, "Origin": f"http://{name}"}
        assert (await hub.call("GET", "/api/v1/jobs", headers=told))[0] == 403


@pytest.mark.parametrize("host", ["192.0.2.7", "192.0.2.7:8470", "[2001:db8::1]:8470", "hub.example", "localhost:1"])
async def test_an_address_is_nobodys_name_and_is_taken(hub: Running, host: str) -> None:
    status, _, _ = await hub.call("GET", "/api/v1/jobs", headers={**bearer(await key(hub, "watch")), "Host": host})
    assert status == 200


async def test_a_page_of_a_foreign_name_cannot_take_another_by_a_forwarding_header(tmp_path: Path) -> None:
    """After DNS rebinding its requests are of its own origin, and may have any header; its browser comes from here."""
    told = {"X-Forwarded-Host": "localhost", "X-Forwarded-For": "127.0.0.1"}
    async with running(tmp_path, trusted_proxies=("127.0.0.1",), allowed_hosts=("hub.example",)) as hub:
        for host, status in (("evil.example", 403), ("hub.example", 200), ("localhost", 200)):
            answer = await hub.call("GET", "/api/v1/projects", headers={"Host": host, **told})
            assert answer[0] == status, host
        forwarded = {"Host": "evil.example", "Forwarded": "for=127.0.0.1;host=localhost"}
        assert (await hub.call("GET", "/api/v1/projects", headers=forwarded))[0] == 403


# -- guessing ---------------------------------------------------------------------------------------------------------


def wrong(n: int) -> str:
    return f"hub_{n:010x}_{'x' * 43}"


async def test_guessing_is_made_slow_and_locks_nobody_else_out(hub: Running) -> None:
    token = await key(hub, "watch")
    guesser, other = {"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "192.0.2.2"}
    statuses = []
    for n in range(FREE + 3):
        status, body, headers = await hub.call("POST", SESSION, {"token": wrong(n)}, headers=guesser)
        statuses.append(status)
    assert statuses == [401] * (FREE + 1) + [429] * 2
    assert body["error"]["code"] == "too_many_guesses"
    assert int(headers["Retry-After"]) >= 1
    # Not even the right one is looked at there ...
    assert (await hub.call("POST", SESSION, {"token": token}, headers=guesser))[0] == 429
    # ... but everywhere else, whatever is written before the address that the proxy adds.
    assert (await hub.call("POST", SESSION, {"token": token}, headers=other))[0] == 200
    forged = {"X-Forwarded-For": "192.0.2.1, 192.0.2.3"}
    assert (await hub.call("POST", SESSION, {"token": token}, headers=forged))[0] == 200
    hidden = {"X-Forwarded-For": "198.51.100.9, 192.0.2.1"}
    assert (await hub.call("POST", SESSION, {"token": token}, headers=hidden))[0] == 429


async def test_guessing_by_the_header_is_made_slow_too_and_a_right_token_still_works(hub: Running) -> None:
    token = await key(hub, "watch")
    statuses = [(await hub.call("GET", "/api/v1/jobs", headers=bearer(wrong(n))))[0] for n in range(FREE + 3)]
    assert statuses == [401] * (FREE + 1) + [429] * 2
    assert (await hub.call("GET", "/api/v1/jobs", headers=bearer(token)))[0] == 200


async def test_whoever_comes_with_a_token_that_was_revoked_guesses_nothing(hub: Running) -> None:
    token, text = await made(hub, "watch")
    await hub.hub.keeper.revoke(token.id)
    statuses = {(await hub.call("GET", "/api/v1/jobs", headers=bearer(text)))[0] for _ in range(FREE + 5)}
    assert statuses == {401}


@pytest.mark.parametrize("body", [{}, {"token": 1}, {"token": ""}, {"token": "x" * 600}, {"token": "a", "b": 1}, b"no"])
async def test_what_is_no_sign_in_is_told_so(hub: Running, body: Any) -> None:
    status, answer, _ = await hub.call("POST", SESSION, body)
    assert status == 400 or (body == {} and status == 401)
    assert "error" in answer


# -- secrets ----------------------------------------------------------------------------------------------------------


async def test_tokens_cookies_and_links_turn_up_nowhere(
    hub: Running, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    token = await key(hub, "admin", name="ann")
    cookie = await signed_in(hub, token)
    link = hub.hub.keeper.link("p", None, 60)[0]
    secrets = (token, cookie[1], link)
    headers = bearer(token)
    told = {"job": "out", "kind": "train", "type": "log", "level": "info", "message": f"with {' and '.join(secrets)}!"}
    for event in (
        told,
        {"job": "out", "kind": "train", "type": "job", "params": {"t": token, "u": [link]}},
    ):
        assert (await hub.call("POST", "/api/v1/projects/p/publish", {"events": [event]}, headers=headers))[0] == 200
    answers = [
        await hub.call("GET", path, headers=headers)
        for path in (
            f"/api/v1/jobs?access_token={token}", "/api/v1/tokens?revoked=true", "/api/v1/projects/p/history",
            "/api/v1/jobs/out", "/api/v1/watchers", f"/api/v1/events?access_token={token}",
        )
    ]  # fmt: skip
    async with hub.session.get(hub.url + "/api/v1/projects/p/history?format=csv&order=asc", headers=headers) as export:
        answers.append((export.status, await export.text(), {}))
    assert (await hub.call("GET", f"/api/v1/jobs?access_token={wrong(1)}"))[0] == 401
    await hub.settle()
    await hub.hub.keeper.look()
    said = "\n".join(str(body) for _, body, _ in answers if body) + caplog.text
    stored = b"".join(path.read_bytes() for path in (tmp_path / "data").glob("journal.sqlite3*"))
    for each in secrets:
        assert each.encode() not in stored
        assert each not in said
    assert "[redacted]" in said
