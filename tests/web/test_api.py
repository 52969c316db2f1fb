"""The API as its callers meet it: shapes, statuses, and every kind of bad input told clearly."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pygit2
import pytest

from hub.core.events import State
from hub.web.assembly import FolderTaken
from tests.conftest import until
from tests.fakes import job_body, log_body
from tests.hubs import Running, running

PROJECTS = "/api/v1/projects"


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path / "data", roots=(str(tmp_path / "open"),), max_running_jobs=1) as made:
        yield made


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A small real repository inside the allowed root."""
    path = tmp_path / "open" / "small.git"
    repo = pygit2.init_repository(path, bare=True, initial_head="main")
    tree = repo.TreeBuilder()
    tree.insert("README", repo.create_blob(b"hello\n"), pygit2.enums.FileMode.BLOB)
    who = pygit2.Signature("A", "a@example.org", 1, 0)
    repo.create_commit("refs/heads/main", who, who, "first", tree.write(), [])
    repo.free()
    return path


@pytest.fixture
async def silent_server() -> AsyncIterator[str]:
    """A URL whose server accepts and never says a word: a clone of it stays in its first stage."""
    writers = []
    server = await asyncio.start_server(lambda reader, writer: writers.append(writer), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/repo.git"
    server.close()
    for writer in writers:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def start(hub: Running, url: str, params: dict[str, Any] | None = None, **kwargs: Any) -> tuple[str, Any]:
    _, project, _ = await hub.call("POST", PROJECTS, {"url": url})
    body = {"kind": "clone", "params": params or {}}
    _, job, _ = await hub.call("POST", f"{PROJECTS}/{project['id']}/jobs", body, **kwargs)
    return project["id"], job


async def ended(hub: Running, job: str) -> Any:
    async def state() -> Any:
        return (await hub.call("GET", f"/api/v1/jobs/{job}"))[1]

    seen = await state()
    async with asyncio.timeout(20):
        while seen["state"] not in {"succeeded", "failed", "cancelled", "interrupted"}:
            await asyncio.sleep(0.02)
            seen = await state()
    return seen


async def test_a_project_is_made_once_for_a_url(hub: Running) -> None:
    url = "https://example.org/team/My-Repo.git"
    status, first, headers = await hub.call("POST", PROJECTS, {"url": url})
    assert (status, first["id"], first["name"], first["url"]) == (201, "my-repo", "My-Repo", url)
    assert headers["Location"] == f"{PROJECTS}/my-repo"
    status, again, _ = await hub.call("POST", PROJECTS, {"url": url + "/", "name": "other"})
    assert (status, again["id"]) == (200, "my-repo")
    _, other, _ = await hub.call("POST", PROJECTS, {"url": "https://example.org/else/my-repo"})
    assert other["id"] == "my-repo-2"
    _, listing, _ = await hub.call("GET", f"{PROJECTS}?limit=1")
    assert (listing["total"], [item["id"] for item in listing["items"]]) == (2, ["my-repo"])
    _, rest, _ = await hub.call("GET", f"{PROJECTS}?limit=1&cursor={listing['next']}")
    assert ([item["id"] for item in rest["items"]], "next" in rest) == (["my-repo-2"], False)


async def test_the_same_project_twice_at_once_is_one(hub: Running) -> None:
    answers = await asyncio.gather(*[hub.call("POST", PROJECTS, {"url": "https://example.org/r"}) for _ in range(10)])
    assert sorted(status for status, _, _ in answers) == [200] * 9 + [201]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{not json", 400, "not_json"),
        (b"\xff\xfe", 400, "not_json"),
        (b"[]", 400, "not_json"),
        (b"[" * 100_000, 400, "not_json"),
        (b'{"url": NaN}', 400, "not_json"),
        (b" " * (10 * 1024 * 1024), 413, "too_large"),
        ({}, 400, "bad_request"),
        ({"url": "https://a.org/r", "path": "/x"}, 400, "bad_request"),
        ({"url": 5}, 400, "bad_request"),
        ({"url": "https://a.org/r", "colour": "red"}, 400, "bad_request"),
        ({"url": "https://a.org/r", "id": "../up"}, 400, "bad_request"),
        ({"url": "https://a.org/r", "id": "Upper"}, 400, "bad_request"),
        ({"url": "https://a.org/r", "name": "\ud800"}, 400, "bad_request"),
        ({"url": "not a url"}, 400, "url_refused"),
        ({"url": "gopher://a.org/r"}, 400, "url_refused"),
        ({"url": "ext::sh -c touch% /tmp/owned"}, 400, "url_refused"),
        ({"url": "--upload-pack=touch /tmp/owned"}, 400, "url_refused"),
        ({"url": "https://a.org/r%0d%0aX: y"}, 400, "url_refused"),
        ({"url": "https://10.0.0.1/r"}, 400, "url_refused"),
        ({"url": "https://[::ffff:10.0.0.1]/r"}, 400, "url_refused"),
        ({"url": "https://167772161/r"}, 400, "url_refused"),
        ({"url": "https://user:secret@a.org/r"}, 400, "credentials_in_url"),
        ({"url": "file:///etc"}, 400, "url_refused"),
        ({"path": "/etc"}, 400, "url_refused"),
    ],
)
async def test_bad_projects_are_refused_with_a_reason(hub: Running, body: Any, status: int, code: str) -> None:
    got, answer, _ = await hub.call("POST", PROJECTS, body)
    assert (got, answer["error"]["code"]) == (status, code)
    assert "Traceback" not in answer["error"]["message"]
    assert (await hub.call("GET", PROJECTS))[1]["total"] == 0


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/projects/nobody", 404),
        ("GET", "/api/v1/projects/nobody/events", 404),
        ("GET", "/api/v1/projects/nobody/history", 404),
        ("POST", "/api/v1/projects/nobody/jobs", 404),
        ("DELETE", "/api/v1/projects/nobody", 404),
        ("GET", "/api/v1/jobs/nobody", 404),
        ("POST", "/api/v1/jobs/nobody/cancel", 404),
        ("POST", "/api/v1/jobs/nobody/retry", 404),
        ("GET", "/api/v1/nothing", 404),
        ("PUT", "/api/v1/projects", 405),
        ("GET", "/api/v1/jobs?state=bored", 400),
        ("GET", "/api/v1/jobs?limit=0", 400),
        ("GET", "/api/v1/jobs?limit=many", 400),
        ("GET", "/static/../pyproject.toml", 404),
        ("GET", "/static/%2e%2e/pyproject.toml", 404),
    ],
)
async def test_wrong_addresses_are_json_errors(hub: Running, method: str, path: str, status: int) -> None:
    got, body, _ = await hub.call(method, path)
    assert got == status
    assert set(body["error"]) >= {"code", "message"}


async def test_a_stream_of_an_unknown_project_is_a_plain_404(hub: Running) -> None:
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    headers["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ=="
    assert (await hub.call("GET", f"{PROJECTS}/nobody/events", headers=headers))[0] == 404
    assert (await hub.call("GET", f"{PROJECTS}/nobody/events", headers={"Accept": "text/event-stream"}))[0] == 404


async def test_a_clone_runs_to_its_end_and_is_remembered(hub: Running, repository: Path) -> None:
    project, job = await start(hub, repository.as_uri())
    assert (job["state"] in {"queued", "running"}, job["percent"]) == (True, 0.0)
    state = await ended(hub, job["id"])
    assert (state["state"], state["percent"], state["error"]) == ("succeeded", 100.0, None)
    assert [stage["state"] for stage in state["stages"]] == ["done"] * 4
    assert (Path(state["result"]["path"]) / "README").read_text() == "hello\n"
    _, history, _ = await hub.call("GET", f"{PROJECTS}/{project}/history?job={job['id']}&type=job")
    assert [event["state"] for event in history["items"]] == ["succeeded", "running", "queued"]
    _, listing, _ = await hub.call("GET", f"/api/v1/jobs?project={project}&kind=clone&state=succeeded")
    assert [item["id"] for item in listing["items"]] == [job["id"]]
    _, object_, _ = await hub.call("GET", f"{PROJECTS}/{project}")
    assert object_["job"]["state"] == "succeeded"


async def test_the_same_kind_twice_is_a_conflict_with_the_way_to_the_first(hub: Running, silent_server: str) -> None:
    project, job = await start(hub, silent_server)
    status, body, _ = await hub.call("POST", f"{PROJECTS}/{project}/jobs", {"kind": "clone"})
    assert (status, body["error"]["code"]) == (409, "already_running")
    assert body["error"]["detail"] == {"job": job["id"], "href": f"/api/v1/jobs/{job['id']}"}
    assert (await hub.call("DELETE", f"{PROJECTS}/{project}"))[0] == 409


async def test_an_idempotency_key_gives_the_same_job(hub: Running, silent_server: str) -> None:
    _, project, _ = await hub.call("POST", PROJECTS, {"url": silent_server})
    path, headers = f"{PROJECTS}/{project['id']}/jobs", {"Idempotency-Key": "k1"}
    body = {"kind": "clone", "params": {"depth": 1}}
    answers = await asyncio.gather(*[hub.call("POST", path, body, headers=headers) for _ in range(8)])
    assert {status for status, _, _ in answers} == {202}
    assert len({job["id"] for _, job, _ in answers}) == 1
    status, other, _ = await hub.call("POST", path, {"kind": "clone"}, headers=headers)
    assert (status, other["error"]["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "bad_request"),
        ({"kind": "bake"}, "unknown_kind"),
        ({"kind": "clone", "params": []}, "bad_request"),
        ({"kind": "clone", "params": {"depth": 0}}, "bad_params"),
        ({"kind": "clone", "params": {"depth": "1; rm -rf /"}}, "bad_params"),
        ({"kind": "clone", "params": {"branch": "--upload-pack=x"}}, "bad_params"),
        ({"kind": "clone", "params": {"colour": "red"}}, "bad_params"),
        ({"kind": "clone", "params": {"engine": "svn"}}, "bad_params"),
    ],
)
async def test_bad_jobs_are_refused_before_they_exist(hub: Running, body: Any, code: str) -> None:
    await hub.make_project()
    status, answer, _ = await hub.call("POST", f"{PROJECTS}/p/jobs", body)
    assert (status, answer["error"]["code"]) == (400, code)
    assert (await hub.call("GET", "/api/v1/jobs"))[1]["total"] == 0


async def test_waiting_jobs_know_their_place_and_can_be_cancelled(hub: Running, silent_server: str) -> None:
    jobs = [(await start(hub, f"{silent_server}/{n}"))[1] for n in range(3)]
    assert [job["state"] for job in jobs] == ["running", "queued", "queued"]
    assert [job["queue"] for job in jobs[1:]] == [1, 2]
    status, cancelled, _ = await hub.call("POST", f"/api/v1/jobs/{jobs[1]['id']}/cancel")
    assert (status, cancelled["state"]) == (202, "cancelled")
    _, last, _ = await hub.call("GET", f"/api/v1/jobs/{jobs[2]['id']}")
    assert last["queue"] == 1
    status, refused, _ = await hub.call("POST", f"/api/v1/jobs/{jobs[1]['id']}/cancel")
    assert (status, refused["error"]["code"]) == (409, "job_ended")


async def test_cancel_is_real_within_two_seconds(hub: Running, silent_server: str, tmp_path: Path) -> None:
    _, job = await start(hub, silent_server)
    run = await until(lambda: hub.hub.engine.turns.runs.get(job["id"]))
    pid = await until(lambda: run.child_pid)
    await until(lambda: hub.hub.tracker.job(job["project"], job["id"]).stage == "connect")
    asked = asyncio.get_running_loop().time()
    status, state, _ = await hub.call("POST", f"/api/v1/jobs/{job['id']}/cancel")
    assert (status, state["state"] in {"cancelling", "cancelled"}) == (202, True)
    assert (await ended(hub, job["id"]))["state"] == "cancelled"
    assert asyncio.get_running_loop().time() - asked < 2.0
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert list((tmp_path / "data" / "work").iterdir()) == []


async def test_a_run_that_cannot_be_cleaned_as_usual_still_ends_and_is_clean(
    hub: Running, silent_server: str, tmp_path: Path
) -> None:
    (tmp_path / "in the way").touch()
    hub.hub.engine._trash = tmp_path / "in the way"
    _, job = await start(hub, silent_server)
    await until(lambda: hub.hub.tracker.job(job["project"], job["id"]).stage == "connect")
    await hub.call("POST", f"/api/v1/jobs/{job['id']}/cancel")
    assert (await ended(hub, job["id"]))["state"] == "cancelled"
    assert list((tmp_path / "data" / "work").iterdir()) == []


async def test_retry_makes_a_new_job_of_the_old_ones_parameters(hub: Running, silent_server: str) -> None:
    _, job = await start(hub, silent_server, {"depth": 3, "token": "hunter2hunter2"})
    status, body, _ = await hub.call("POST", f"/api/v1/jobs/{job['id']}/retry")
    assert (status, body["error"]["code"]) == (409, "not_ended")
    await hub.call("POST", f"/api/v1/jobs/{job['id']}/cancel")
    await ended(hub, job["id"])
    status, again, headers = await hub.call("POST", f"/api/v1/jobs/{job['id']}/retry", {"params": {"depth": 1}})
    assert status == 202
    assert headers["Location"] == f"/api/v1/jobs/{again['id']}"
    assert (again["attempt"], again["retry_of"], again["params"]) == (2, job["id"], {"depth": 1})


async def test_a_secret_is_in_no_answer_and_no_file(hub: Running, silent_server: str, tmp_path: Path) -> None:
    secret = "correct-horse-battery"
    _, job = await start(hub, silent_server, {"username": "me", "password": secret})
    assert secret not in json.dumps(job)
    assert job["params"]["username"] == "me"
    await hub.call("POST", f"/api/v1/jobs/{job['id']}/cancel")
    await ended(hub, job["id"])
    await hub.settle()
    for path in (tmp_path / "data").rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path


async def test_a_killed_child_is_a_failed_job_with_a_cause(hub: Running, silent_server: str) -> None:
    _, job = await start(hub, silent_server)
    run = await until(lambda: hub.hub.engine.turns.runs.get(job["id"]))
    await until(lambda: run.child_pid)
    run._child.kill()
    state = await ended(hub, job["id"])
    assert (state["state"], state["error"]["code"], state["error"]["retry"]) == ("failed", "crashed", True)
    assert "SIGKILL" in state["error"]["message"]
    assert (await hub.call("GET", "/healthz"))[0] == 200


async def test_a_restart_shows_everything_as_it_was(tmp_path: Path, silent_server: str, repository: Path) -> None:
    folder, roots = tmp_path / "data", (str(tmp_path / "open"),)
    async with running(folder, roots=roots, max_running_jobs=1) as hub:
        _, done = await start(hub, repository.as_uri())
        before = await ended(hub, done["id"])
        project, job = await start(hub, silent_server)
        waiting = (await start(hub, silent_server + "/2"))[1]
        secret = (await start(hub, silent_server + "/3", {"token": "hunter2hunter2"}))[1]
        epoch = hub.hub.tracker.epoch
        _, seen, _ = await hub.call("GET", f"{PROJECTS}/{project}/events")
    async with running(folder, roots=roots, max_running_jobs=1) as hub:
        assert hub.hub.tracker.epoch == epoch
        _, after, _ = await hub.call("GET", f"/api/v1/jobs/{done['id']}")
        assert {k: v for k, v in after.items() if k != "watchers"} == {
            k: v for k, v in before.items() if k != "watchers"
        }
        _, state, _ = await hub.call("GET", f"/api/v1/jobs/{job['id']}")
        assert (state["state"], state["error"]["code"], state["error"]["retry"]) == ("interrupted", "interrupted", True)
        _, news, _ = await hub.call("GET", f"{PROJECTS}/{project}/events?since={seen['cursor']}")
        assert news["events"][-1]["state"] == "interrupted"
        assert (await hub.call("GET", f"/api/v1/jobs/{waiting['id']}"))[1]["state"] in {"queued", "running"}
        # Its token was in memory only, so it cannot go on by itself.
        assert (await hub.call("GET", f"/api/v1/jobs/{secret['id']}"))[1]["state"] == "interrupted"


async def test_create_start_and_delete_at_once_end_in_one_truth(hub: Running, silent_server: str) -> None:
    for _ in range(5):
        calls = []
        for n in range(6):
            calls += [
                hub.call("POST", PROJECTS, {"url": f"{silent_server}/{n % 2}", "id": f"r{n % 2}"}),
                hub.call("POST", f"{PROJECTS}/r{n % 2}/jobs", {"kind": "clone"}),
                hub.call("DELETE", f"{PROJECTS}/r{n % 2}"),
                hub.call("GET", f"{PROJECTS}/r{n % 2}"),
            ]
        answers = await asyncio.gather(*calls)
        assert {status for status, _, _ in answers} <= {200, 201, 202, 204, 404, 409}
        accepted = {body["id"] for status, body, _ in answers if status == 202}
        for job in accepted:  # what was accepted is there, whatever else happened
            assert (await hub.call("GET", f"/api/v1/jobs/{job}"))[0] == 200
            await hub.call("POST", f"/api/v1/jobs/{job}/cancel")
            await ended(hub, job)
        kept = {opened.project.id for opened in await hub.hub.journal.projects()}
        assert kept == {item["id"] for item in (await hub.call("GET", PROJECTS))[1]["items"]}


async def test_a_key_of_a_deleted_project_starts_anew(hub: Running, silent_server: str) -> None:
    jobs = []
    for _ in range(2):
        project, job = await start(hub, silent_server, headers={"Idempotency-Key": "same"})
        jobs.append(job["id"])
        await hub.call("POST", f"/api/v1/jobs/{job['id']}/cancel")
        await ended(hub, job["id"])
        assert (await hub.call("DELETE", f"{PROJECTS}/{project}"))[0] == 204
    assert len(set(jobs)) == 2


async def test_head_of_a_stream_is_a_finite_answer(hub: Running) -> None:
    await hub.make_project()
    headers = {"Accept": "text/event-stream"}
    async with asyncio.timeout(2), hub.session.head(f"{hub.url}{PROJECTS}/p/events", headers=headers) as response:
        assert response.status == 200
        assert await response.read() == b""


async def test_a_second_hub_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path):
        with pytest.raises(FolderTaken):
            async with running(tmp_path):
                pass


async def test_history_pages_by_job_and_type(hub: Running) -> None:
    await hub.make_project()
    await hub.begin()
    hub.publish("p", "j1", *[log_body(str(n)) for n in range(5)])
    hub.publish("p", "j1", job_body(State.SUCCEEDED))
    await hub.settle()
    _, page, _ = await hub.call("GET", f"{PROJECTS}/p/history?type=log&limit=3")
    assert ([item["message"] for item in page["items"]], page["total"]) == (["4", "3", "2"], 5)
    _, rest, _ = await hub.call("GET", f"{PROJECTS}/p/history?type=log&limit=3&cursor={page['next']}")
    assert [item["message"] for item in rest["items"]] == ["1", "0"]
    assert (await hub.call("GET", f"{PROJECTS}/p/history?type=gossip"))[0] == 400
    assert (await hub.call("GET", f"{PROJECTS}/p/history?cursor=%27"))[0] == 400


@pytest.mark.parametrize(
    ("headers", "method", "status"),
    [
        ({"Host": "evil.example"}, "GET", 403),
        ({"Host": "evil.example"}, "POST", 403),
        ({"Origin": "http://evil.example"}, "POST", 403),
        ({"Origin": "null"}, "POST", 403),
        ({"Origin": "http://127.0.0.1:1"}, "POST", 403),
        ({"Origin": "http://evil.example"}, "GET", 200),
        ({"Origin": "{own}"}, "POST", 400),
        ({"Host": "localhost:{port}"}, "GET", 200),
    ],
)
async def test_other_sites_and_other_names_are_refused(
    hub: Running, headers: dict[str, str], method: str, status: int
) -> None:
    port = hub.url.rpartition(":")[2]
    headers = {name: value.format(own=hub.url, port=port) for name, value in headers.items()}
    assert (await hub.call(method, PROJECTS, {} if method == "POST" else None, headers=headers))[0] == status


async def test_a_foreign_page_gets_no_socket(hub: Running) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await hub.session.ws_connect(f"{hub.url}/api/v1/events", headers={"Origin": "http://evil.example"})
    assert refused.value.status == 403


async def test_the_page_comes_with_its_policy_and_is_asked_for_again(hub: Running) -> None:
    async with hub.session.get(hub.url + "/") as response:
        assert response.status == 200
        assert "script-src 'self'" in response.headers["Content-Security-Policy"]
        assert response.headers["Cache-Control"] == "no-cache"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        tag = response.headers["ETag"]
    async with hub.session.get(hub.url + "/", headers={"If-None-Match": tag}) as again:
        assert again.status == 304


async def test_the_page_is_sent_compressed_and_typed(hub: Running) -> None:
    async with hub.session.get(hub.url + "/static/app.js", headers={"Accept-Encoding": "gzip"}) as response:
        assert response.headers["Content-Type"] == "text/javascript; charset=utf-8"
        assert response.headers["Content-Encoding"] == "gzip"
        assert response.headers["Vary"] == "Accept-Encoding"
        packed = await response.text()
    async with hub.session.get(hub.url + "/static/app.js", headers={"Accept-Encoding": "identity"}) as response:
        assert "Content-Encoding" not in response.headers
        assert await response.text() == packed


async def test_health_readiness_and_watchers(hub: Running) -> None:
    _, health, headers = await hub.call("GET", "/healthz")
    assert (health["status"], headers["Cache-Control"]) == ("ok", "no-store")
    assert (await hub.call("GET", "/readyz"))[0] == 200
    await hub.make_project()
    async with hub.session.ws_connect(f"{hub.url}{PROJECTS}/p/events?min_interval_ms=900"):
        await until(lambda: hub.hub.tracker.watchers_of("p"))
        _, rows, _ = await hub.call("GET", "/api/v1/watchers")
        (row,) = rows["items"]
        assert (row["transport"], row["project"], row["min_interval_ms"], row["lag"]) == ("ws", "p", 1000, 0)
        assert row["bytes"] > 0
        waiting = asyncio.create_task(
            hub.call("GET", f"{PROJECTS}/p/events?wait=20&since={hub.hub.tracker.channel('p').position}")
        )
        await until(lambda: hub.hub.tracker.watchers_of("p") == 2)
        first = (await hub.call("GET", "/api/v1/watchers?limit=1"))[1]
        assert (first["items"], first["total"]) == ([row], 2)
        second = (await hub.call("GET", f"/api/v1/watchers?limit=1&cursor={first['next']}"))[1]
        assert (second["items"][0]["transport"], second.get("next")) == ("poll", None)
        assert (await hub.call("GET", "/api/v1/watchers?project=q"))[1] == {"items": [], "total": 0}
        assert (await hub.call("GET", "/api/v1/watchers?cursor=x"))[0] == 400
        hub.publish("p", "j1", job_body())
        await waiting


async def test_a_client_that_knows_no_host_header_is_served_but_a_newer_one_is_told(hub: Running) -> None:
    answers = []
    for version in ("1.0", "1.1"):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(hub.url.rpartition(":")[2]))
        writer.write(f"GET /healthz HTTP/{version}\r\nConnection: close\r\n\r\n".encode())
        answers.append((await reader.readline()).split()[1])
        writer.close()
    assert answers == [b"200", b"400"]
