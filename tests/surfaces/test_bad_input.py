"""What the surfaces say to what is missing, wrong, or forbidden: the status and the words of their descriptions."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.hubs import Running, running
from tests.surfaces.reader import all_heard

WRONG = [7, True, [], {}, "x\n", "\0", "x" * 5000]


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    (tmp_path / "open").mkdir()
    async with running(tmp_path / "data", roots=(str(tmp_path / "open"),), spare_children=1) as hub:
        yield hub


@pytest.fixture(autouse=True)
async def starts_nothing(hub: Running) -> AsyncIterator[None]:
    yield
    assert (await hub.call("GET", "/api/v1/jobs"))[1]["total"] == 0
    assert not hub.hub.tracker.outlets()


async def refused(hub: Running, method: str, path: str, body: Any = None) -> tuple[int, str]:
    status, said, _ = await hub.call(method, path, body)
    return status, said["error"]["message"]


async def one_error(hub: Running, method: str, path: str, body: Any = None) -> tuple[str | None, dict[str, Any]]:
    data = json.dumps(body).encode() if body is not None else None
    async with hub.session.request(method, hub.url + path, data=data) as response:
        (one,) = await all_heard(response)
    async with hub.session.request(method, hub.url + path, data=data, headers={"Last-Event-ID": one.id}) as response:
        assert response.status == 204
    return one.event, one.data


# -- A ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "/api"])
async def test_a_clone_without_a_url_is_a_bad_request(hub: Running, prefix: str) -> None:
    path = f"{prefix}/repos/clone-progress"
    assert (await refused(hub, "GET", path))[0] == 400
    assert (await refused(hub, "GET", f"{path}?url="))[0] == 400
    for body in ({}, {"url": ""}, {"url": None}, [], "x", b"{", b"", b"\xff"):
        assert (await refused(hub, "POST", path, body))[0] == 400
        assert (await refused(hub, "POST", f"{prefix}/repos/clone", body))[0] == 400


@pytest.mark.parametrize(
    ("query", "event"), [("", "clone_error"), ("&error_event=error", "error"), ("&error_event=odd", "clone_error")]
)
async def test_whatever_else_is_wrong_with_a_clone_is_one_event(hub: Running, query: str, event: str) -> None:
    for url in ("nonsense", "ftp://example.org/x", "file:///etc", "http://10.0.0.1/x.git", "https://user@/x", "-x"):
        said, data = await one_error(hub, "GET", f"/repos/clone-progress?url={url}{query}")
        assert (said, data["type"], set(data) <= {"type", "message", "help_steps", "can_retry_with_credentials"}) == (
            event, "error", True,
        )  # fmt: skip
        assert data["message"]


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_posted_clones_wrong_fields_are_one_event(hub: Running, wrong: Any) -> None:
    url = "https://example.org/x.git"
    if wrong:
        assert (await one_error(hub, "POST", "/repos/clone-progress", {"url": wrong}))[0] == "clone_error"
    for credentials in (wrong, {"token": wrong}, {"odd": "x"}):
        if credentials not in ([], {}, {"token": WRONG[-1]}):  # the first two are none, and tokens may be long
            body = {"url": url, "credentials": credentials}
            assert (await one_error(hub, "POST", "/repos/clone-progress", body))[0] == "clone_error"
            assert (await refused(hub, "POST", "/repos/clone", body))[0] == 400


async def test_repositories_are_added_where_they_are_and_allowed(hub: Running, tmp_path: Path) -> None:
    inside, outside = tmp_path / "open", tmp_path / "elsewhere"
    outside.mkdir()
    (inside / "plain").mkdir()
    (inside / "link").symlink_to(outside)
    assert await refused(hub, "POST", "/repos", {"path": f"{inside}/none"}) == (
        400, f"Path does not exist: {inside}/none",
    )  # fmt: skip
    assert await refused(hub, "POST", "/repos", {"path": f"{inside}/plain"}) == (
        400, f"Not a git repository: {inside}/plain",
    )  # fmt: skip
    for body in ({}, [], {"path": ""}, *({"path": wrong} for wrong in WRONG), {"path": "relative"}):
        assert (await refused(hub, "POST", "/repos", body))[0] == 400
    for path in (outside, inside / "link", inside / "plain" / ".." / ".." / "elsewhere", "/etc"):
        assert (await refused(hub, "POST", "/repos", {"path": str(path)}))[0] in {400, 403}
        assert (await refused(hub, "POST", "/repos/scan", {"directories": [str(path)]}))[0] in {400, 403}
    repo = inside / "repo"
    (repo / ".git").mkdir(parents=True)
    for wrong in WRONG:
        if wrong:
            assert (await refused(hub, "POST", "/repos", {"path": str(repo), "name": wrong}))[0] == 400
    assert (await hub.call("POST", "/repos", {"path": str(repo)}))[0] == 201
    again = await refused(hub, "POST", "/repos", {"path": str(repo)})
    assert again == (400, f"Repository already exists: {repo}")


@pytest.mark.parametrize(
    "body",
    [
        {}, [], {"directories": None}, {"directories": "/"}, {"directories": [7]}, {"directories": ["relative"]},
        {"directories": [], "depth": -1}, {"directories": [], "depth": 11}, {"directories": [], "depth": True},
        {"directories": [], "depth": "2"}, {"directories": [], "depth": 1.5},
    ],
)  # fmt: skip
async def test_a_scan_takes_folders_and_a_depth(hub: Running, body: Any) -> None:
    assert (await refused(hub, "POST", "/repos/scan", body))[0] == 400


@pytest.mark.parametrize("id_", ["none", "all", "x%2Fy", "%00", "x" * 5000])
async def test_what_is_no_repository_is_not_found(hub: Running, id_: str) -> None:
    assert (await hub.call("POST", "/api/v1/sync"))[0] == 202  # so that there is a project `all`
    (job,) = (await hub.call("GET", "/api/v1/jobs"))[1]["items"]
    async with hub.session.get(f"{hub.url}/api/sync/git/progress") as response:
        await all_heard(response)
    status, said, _ = await hub.call("DELETE", f"/repos/{id_}")
    assert status == 404
    if id_ == "none":
        assert said["error"]["message"] == "Repository not found: none"
    assert (await hub.call("GET", f"/api/v1/jobs/{job['id']}"))[0] == 200
    await hub.hub.journal.delete_project("all")


# -- B ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [9, 3601, -1, 0, 10.5, "60", None, True, [], 10**30])
async def test_an_interval_is_whole_seconds_within_bounds(hub: Running, seconds: Any) -> None:
    before = (await hub.call("GET", "/api/status"))[1]
    assert (await refused(hub, "PUT", "/api/settings/git-sync-interval", {"intervalSecs": seconds}))[0] == 400
    assert (await hub.call("GET", "/api/status"))[1] == before


# -- C ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [{}, {"project_path": ""}, {"project_path": None}, [], b"{", b"", b"\xff", "x"])
async def test_an_index_without_a_path_says_so_on_the_stream(hub: Running, body: Any) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with hub.session.post(f"{hub.url}/mcp/index/stream", data=raw) as response:
        (one,) = await all_heard(response)
    assert (one.data["type"], one.data["stage"]) == ("error", "error")
    if isinstance(body, dict):
        assert one.data["message"] == "Missing project_path"


async def test_a_path_that_may_not_be_indexed_is_an_error_on_the_stream(hub: Running, tmp_path: Path) -> None:
    (tmp_path / "open" / "link").symlink_to("/etc")
    (tmp_path / "open" / "file").write_text("x")
    paths = ["/etc", f"{tmp_path}/open/link", f"{tmp_path}/open/../data", f"{tmp_path}/open/none", "relative"]
    paths += [f"{tmp_path}/open/file", *WRONG]
    for path in paths:
        event, data = await one_error(hub, "POST", "/mcp/index/stream", {"project_path": path})
        assert (event, data["type"], data["stage"]) == (None, "error", "error")
        assert data["message"].startswith("Error: ") or path in (7, [], {})
        assert list(data) == ["type", "stage", "current", "total", "message", "timestamp_ms"]
    for flag in ("yes", 1, [1]):
        body = {"project_path": f"{tmp_path}/open", "force_reindex": flag}
        assert (await one_error(hub, "POST", "/mcp/index/stream", body))[1]["type"] == "error"
    for path in ("", "?project_path=", "?project_path=relative"):
        assert (await refused(hub, "DELETE", f"/mcp/index/stream{path}"))[0] == 400
    assert (await refused(hub, "DELETE", f"/mcp/index/stream?project_path={tmp_path}/open"))[0] == 404


# -- D ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), [("GET", "progress"), ("GET", "progress/stream"), ("POST", "snapshot")])
async def test_a_project_that_was_never_known_has_no_snapshots(hub: Running, method: str, path: str) -> None:
    assert (await refused(hub, method, f"/api/v1/projects/none/{path}"))[0] == 404


# -- E ----------------------------------------------------------------------------------------------------------------


async def test_an_ingest_says_what_is_wrong_before_it_begins(hub: Running, tmp_path: Path) -> None:
    sources = "Supported sources: github, gitlab, bitbucket, local"
    for source in ("svn", "GITHUB", "x"):
        asked = f"/api/v1/ingest/{source}?stream=true"
        assert await refused(hub, "POST", asked, {"repository": "a/b"}) == (400, f"Invalid source: {source}. {sources}")
    for body in ({}, {"repository": ""}, {"repository": None}, [], b"", b"{", *({"repository": w} for w in WRONG)):
        assert (await refused(hub, "POST", "/api/v1/ingest/github", body))[0] == 400
    for name in ("branch", "token", "incremental"):
        for wrong in ([], {}, 7, "x\n", "\0"):
            if wrong:
                body = {"repository": "a/b", name: wrong}
                assert (await refused(hub, "POST", "/api/v1/ingest/github", body))[0] == 400
    for path in ("/etc", f"{tmp_path}/data", f"{tmp_path}/open/none", "relative", "../x"):
        assert (await refused(hub, "POST", "/api/v1/ingest/local", {"repository": path}))[0] in {400, 403}
    assert (await refused(hub, "POST", "/api/v1/ingest/github?stream=odd", {"repository": "a/b"}))[0] == 400
    assert (await refused(hub, "GET", "/api/v1/ingest/none/stream"))[0] == 404


# -- all --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/repos/clone-progress"), ("HEAD", "/repos/clone-progress?url=x"), ("GET", "/repos/clone"),
        ("GET", "/api/sync/git"), ("POST", "/api/sync/git/progress"), ("HEAD", "/api/sync/git/progress"),
        ("POST", "/api/settings/git-sync-interval"), ("GET", "/mcp/index/stream"), ("PUT", "/mcp/index/stream"),
        ("POST", "/api/v1/projects/x/progress"), ("GET", "/api/v1/projects/x/snapshot"),
        ("GET", "/api/v1/ingest/github"), ("POST", "/api/v1/ingest/x/stream"), ("HEAD", "/api/v1/ingest/x/stream"),
    ],
)  # fmt: skip
async def test_another_method_is_not_allowed(hub: Running, method: str, path: str) -> None:
    async with hub.session.request(method, hub.url + path) as response:
        assert response.status == 405


async def test_watching_an_idle_sync_holds_nothing_when_left(hub: Running) -> None:
    async def watch() -> None:
        async with hub.session.get(f"{hub.url}/api/sync/git/progress") as response:
            await response.content.read()

    watching = [asyncio.create_task(watch()) for _ in range(5)]
    async with asyncio.timeout(10):
        while len(hub.hub.tracker.outlets()) < 5:
            await asyncio.sleep(0.01)
        for one in watching:
            one.cancel()
        while hub.hub.tracker.outlets():
            await asyncio.sleep(0.01)


async def test_no_work_is_started_for_a_stream_that_has_no_room(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    async with running(tmp_path / "full", roots=(str(tmp_path),), max_watchers=0) as full:
        for method, path, body in (
            ("GET", f"/repos/clone-progress?url=file://{folder}", None),
            ("POST", "/mcp/index/stream", {"project_path": str(folder)}),
            ("POST", "/api/v1/ingest/local", {"repository": str(folder)}),
        ):
            status, said, headers = await full.call(method, path, body)
            assert (status, said["error"]["code"]) == (503, "too_many_watchers")
            assert int(headers["Retry-After"]) > 0
        assert (await full.call("GET", "/api/v1/jobs"))[1]["total"] == 0
