"""Surface A: clones as six counters, and the repositories that there are."""

import asyncio
import functools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.surfaces.clone import COUNTERS
from tests.conftest import until
from tests.hubs import Running, running
from tests.jobs.git_server import GitServer
from tests.surfaces.reader import all_heard, heard

pytestmark = pytest.mark.git
STREAM = "/repos/clone-progress"


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path / "data", roots=(str(tmp_path / "open"),), spare_children=1) as hub:
        yield hub


@pytest.mark.parametrize("prefix", ["", "/api"])
async def test_a_clone_is_counters_and_one_end(hub: Running, server: GitServer, prefix: str) -> None:
    url = f"{server.url}/many.git"
    async with hub.session.get(hub.url + prefix + STREAM, params={"url": url}) as response:
        told = await all_heard(response)
    *counted, last = told
    assert counted
    for one in counted:
        assert one.event is None
        assert list(one.data) == ["type", *COUNTERS]
        assert all(type(one.data[name]) is int and one.data[name] >= 0 for name in COUNTERS)
    assert counted[-1].data["received_objects"] == counted[-1].data["total_objects"] > 0
    assert last.event == "complete"
    path = hub.hub.engine.home("many") / "repo"
    repo = last.data["repo"]
    assert set(repo) == {"id", "path", "name", "created_at", "updated_at"}
    assert (repo["id"], repo["path"], repo["name"]) == ("many", str(path), "many")
    assert last.data == {"type": "complete", "repo": repo, "message": f"Cloned to {path}"}
    listed = (await hub.call("GET", "/repos"))[1]
    assert [(one["id"], one["path"]) for one in listed] == [("many", str(path))]
    cut = {"Last-Event-ID": last.id}
    async with hub.session.get(hub.url + STREAM, params={"url": url}, headers=cut) as response:
        assert response.status == 204
    jobs = (await hub.call("GET", "/api/v1/jobs"))[1]
    assert jobs["total"] == 1


async def test_who_comes_back_before_the_end_gets_the_end_and_starts_nothing(hub: Running, server: GitServer) -> None:
    async with hub.session.get(hub.url + STREAM, params={"url": f"{server.url}/many.git"}) as response:
        first = await anext(heard(response))
    await until(functools.partial(has_ended, hub), 30)
    for last_id in (first.id, "nonsense", "0-0", "x-999999"):
        headers = {"Last-Event-ID": last_id}
        async with hub.session.get(
            hub.url + STREAM, params={"url": f"{server.url}/many.git"}, headers=headers
        ) as response:
            assert [one.event for one in await all_heard(response)] == ["complete"]
    assert (await hub.call("GET", "/api/v1/jobs"))[1]["total"] == 1


def has_ended(hub: Running) -> bool:
    return not hub.hub.ledger.live_jobs()


async def test_two_at_once_are_one_clone(hub: Running, server: GitServer) -> None:
    async def stream() -> list[str | None]:
        async with hub.session.get(hub.url + STREAM, params={"url": f"{server.url}/many.git"}) as response:
            return [one.event for one in await all_heard(response)][-1:]

    ends = await asyncio.gather(*(stream() for _ in range(5)))
    assert ends == [["complete"]] * 5
    assert (await hub.call("GET", "/api/v1/jobs"))[1]["total"] == 1
    async with hub.session.get(hub.url + STREAM, params={"url": f"{server.url}/many.git"}) as response:
        (one,) = await all_heard(response)
    path = hub.hub.engine.home("many") / "repo"
    assert one.event == "clone_error"
    assert one.data == {"type": "error", "message": f"Directory already exists: {path}"}


@pytest.mark.parametrize("event", ["clone_error", "error"])
async def test_a_failure_is_one_event_under_the_name_asked_for(hub: Running, server: GitServer, event: str) -> None:
    params = {"url": f"{server.url}/missing.git", "error_event": event}
    async with hub.session.get(hub.url + STREAM, params=params) as response:
        told = await all_heard(response)
    assert [one.event for one in told] == [event]
    assert told[0].data["type"] == "error"
    assert told[0].data["message"]
    assert told[0].data["help_steps"]
    assert told[0].data["can_retry_with_credentials"] is True


@pytest.mark.parametrize("url", ["ext::sh", "file:///etc", "http://10.0.0.1/x.git", "-u"])
async def test_what_is_refused_at_once_is_told_on_a_stream_that_is_not_to_come_back(hub: Running, url: str) -> None:
    async with hub.session.get(hub.url + STREAM, params={"url": url}) as response:
        told = await all_heard(response)
    assert [one.event for one in told] == ["clone_error"]
    headers = {"Last-Event-ID": told[0].id}
    async with hub.session.get(hub.url + STREAM, params={"url": url}, headers=headers) as response:
        assert response.status == 204


async def test_without_a_url_it_is_a_bad_request(hub: Running) -> None:
    assert (await hub.call("GET", STREAM))[0] == 400
    assert (await hub.call("POST", STREAM, {}))[0] == 400


async def test_a_page_of_another_site_starts_no_clone(hub: Running, server: GitServer) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        status, body, _ = await hub.call("GET", f"{STREAM}?url={server.url}/many.git", headers=headers)
        assert (status, body["error"]["code"]) == (403, "foreign_origin")
    assert (await hub.call("GET", "/api/v1/jobs"))[1]["total"] == 0


async def test_a_post_clones_with_credentials(hub: Running, server: GitServer) -> None:
    server.behaviour.user = ("git", "s3cret-token")
    body = {"url": f"{server.url}/many.git"}
    async with hub.session.post(hub.url + STREAM, json=body) as response:
        told = await all_heard(response)
    assert told[-1].data["can_retry_with_credentials"] is True
    body["credentials"] = {"username": "git", "password": "s3cret-token"}
    async with hub.session.post(hub.url + STREAM, json=body) as response:
        told = await all_heard(response)
    assert told[-1].event == "complete"
    assert "s3cret-token" not in str(told)


async def test_a_clone_can_be_waited_for(hub: Running, server: GitServer) -> None:
    status, body, _ = await hub.call("POST", "/repos/clone", {"url": f"{server.url}/many.git"})
    path = hub.hub.engine.home("many") / "repo"
    assert status == 200
    assert body == {"repo": body["repo"], "message": f"Cloned to {path}"}
    status, body, _ = await hub.call("POST", "/repos/clone", {"url": f"{server.url}/many.git"})
    assert (status, body["error"]["message"]) == (409, f"Directory already exists: {path}")
    status, body, _ = await hub.call("POST", "/repos/clone", {"url": f"{server.url}/missing.git"})
    assert (status, body["error"]["code"]) == (400, "repository_not_found")


async def test_repositories_are_added_found_and_deleted(hub: Running, tmp_path: Path) -> None:
    for name in ("a", "deep/b", "deep/.hidden/c", "a/inner", "plain"):
        (tmp_path / "open" / name).mkdir(parents=True)
    for name in ("a", "deep/b", "deep/.hidden/c", "a/inner"):
        (tmp_path / "open" / name / ".git").mkdir()
    (tmp_path / "open" / "link").symlink_to(tmp_path)
    base = str(tmp_path / "open")
    status, body, _ = await hub.call("POST", "/repos/scan", {"directories": [base]})
    assert (status, body) == (200, {"found": [
        {"path": f"{base}/a", "name": "a"}, {"path": f"{base}/deep/b", "name": "b"},
    ]})  # fmt: skip
    assert (await hub.call("POST", "/repos/scan", {"directories": [base], "depth": 1}))[1]["found"] == [
        {"path": f"{base}/a", "name": "a"}
    ]
    assert (await hub.call("POST", "/repos/scan", {"directories": [str(tmp_path)]}))[0] == 400
    for path, words in (
        (f"{base}/none", f"Path does not exist: {base}/none"), (f"{base}/plain", f"Not a git repository: {base}/plain"),
    ):  # fmt: skip
        status, body, _ = await hub.call("POST", "/repos", {"path": path})
        assert (status, body["error"]["message"]) == (400, words)
    status, repo, _ = await hub.call("POST", "/repos", {"path": f"{base}/a", "name": "mine"})
    assert (status, repo["name"], repo["path"]) == (201, "mine", f"{base}/a")
    status, body, _ = await hub.call("POST", "/repos", {"path": f"{base}/a"})
    assert (status, body["error"]["message"]) == (400, f"Repository already exists: {base}/a")
    assert (await hub.call("DELETE", f"/repos/{repo['id']}"))[0] == 204
    status, body, _ = await hub.call("DELETE", f"/repos/{repo['id']}")
    assert (status, body["error"]["message"]) == (404, f"Repository not found: {repo['id']}")
    assert (await hub.call("GET", "/repos"))[1] == []
