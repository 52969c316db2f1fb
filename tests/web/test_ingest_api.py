"""An ingest as its callers meet it: one step from a repository's name to a search, on a real hub and real git."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import until
from tests.hubs import Running, running
from tests.index.samples import commit
from tests.jobs.conftest import needs
from tests.jobs.git_server import GitServer

FILES = {f"src/module_{n}.py": f"def function_{n}():\n    return {n}\n".encode() for n in range(60)}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    needs("git")
    (tmp_path / "served").mkdir()
    commit(tmp_path / "served" / "code.git", FILES)
    with GitServer(tmp_path / "served") as made:
        yield made


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path / "data", roots=(str(tmp_path / "served"),)) as made:
        yield made


async def project(hub: Running, **body: str) -> Any:
    status, made, _ = await hub.call("POST", "/api/v1/projects", body)
    assert status in {200, 201}, made
    return made


async def ended(hub: Running, project: str, kind: str, **params: Any) -> Any:
    status, job, _ = await hub.call("POST", f"/api/v1/projects/{project}/jobs", {"kind": kind, "params": params})
    assert status == 202, job
    await until(lambda: (s := hub.hub.tracker.job(project, job["id"])) and s.state.is_end, 40.0)
    return (await hub.call("GET", f"/api/v1/jobs/{job['id']}"))[1]


async def test_a_later_clone_index_and_search_see_what_an_ingest_made(hub: Running, server: GitServer) -> None:
    made = await project(hub, source="github", repository=f"{server.url}/code.git")
    assert (made["url"], made["id"]) == (f"{server.url}/code.git", "code")
    end = await ended(hub, "code", "ingest", source="github", repository=f"{server.url}/code.git")
    assert (end["state"], end["percent"], end["result"]["files"]) == ("succeeded", 100.0, 60)
    assert [stage["weight"] for stage in end["stages"]] == [1, 15, 4, 4, 1, 40, 26, 9]
    found = (await hub.call("GET", "/api/v1/search?q=function_7&project=code"))[1]
    assert [item["path"] for item in found["items"]][:1] == ["src/module_7.py"]
    assert (await ended(hub, "code", "index"))["result"]["fresh"]
    cloned = (await ended(hub, "code", "clone"))["result"]
    assert (cloned["updated"], cloned["path"]) == (True, end["result"]["path"])
    again = await ended(hub, "code", "ingest")
    assert again["result"]["updated"]
    # Other systems' clients know the shares of an ingest: they are not learned from earlier runs.
    assert [stage["weight"] for stage in again["stages"]] == [1, 15, 4, 4, 1, 40, 26, 9]


async def test_one_percent_over_the_whole_is_told_and_never_falls(hub: Running, server: GitServer) -> None:
    await project(hub, url=f"{server.url}/code.git")
    told: list[float] = []
    hub.hub.ledger._share, share = lambda events: (told.extend(of(events)), share(events)), hub.hub.ledger._share
    await ended(hub, "code", "ingest")
    assert len(told) > 5
    assert all(before <= after for before, after in pairwise(told))
    assert max(told) < 100


def of(events: Any) -> list[float]:
    return [event.body.percent for event in events if event.body.type == "progress"]


async def test_a_project_is_found_however_its_repository_is_written(hub: Running) -> None:
    made = await project(hub, url="https://github.com/owner/name")
    for repository in ("owner/name", "github.com/owner/name", "https://github.com/owner/name.git", "owner/name.git"):
        assert (await project(hub, source="GitHub", repository=repository))["id"] == made["id"]
    other = await project(hub, source="gitlab", repository="group/sub/name")
    assert (other["url"], other["id"]) == ("https://gitlab.com/group/sub/name.git", "name-2")


@pytest.mark.parametrize(
    "body",
    [
        {"source": "github"},
        {"repository": "owner/name"},
        {"source": "sourceforge", "repository": "owner/name"},
        {"source": "github", "repository": "owner"},
        {"source": "github", "repository": "owner/name", "url": "https://github.com/owner/name"},
        {"source": "local", "repository": "/etc"},
        {"source": "github", "repository": "https://10.0.0.1/owner/name"},
    ],
)
async def test_what_names_no_repository_makes_no_project(hub: Running, body: dict[str, str]) -> None:
    status, answer, _ = await hub.call("POST", "/api/v1/projects", body)
    assert (status, bool(answer["error"]["message"])) == (400, True)
    assert (await hub.call("GET", "/api/v1/projects"))[1]["total"] == 0


async def test_an_ingest_of_another_repository_than_the_projects_is_refused(hub: Running) -> None:
    await project(hub, source="github", repository="owner/name")
    body = {"kind": "ingest", "params": {"source": "github", "repository": "owner/other"}}
    status, answer, _ = await hub.call("POST", "/api/v1/projects/name/jobs", body)
    assert (status, answer["error"]["code"]) == (400, "other_repository")


async def test_a_token_opens_a_repository_and_is_never_told(hub: Running, server: GitServer, tmp_path: Path) -> None:
    server.behaviour.user = ("oauth2", "s3cret-t0ken")
    await project(hub, source="gitlab", repository=f"{server.url}/code.git")
    wanted = await ended(hub, "code", "ingest", source="gitlab")
    assert (wanted["error"]["code"], wanted["error"]["stage"]) == ("credentials_wanted", "connect")
    end = await ended(hub, "code", "ingest", source="gitlab", token="s3cret-t0ken")
    assert (end["state"], end["params"]["token"], end["params"]["username"]) == ("succeeded", "[redacted]", "oauth2")
    history = (await hub.call("GET", "/api/v1/projects/code/history?limit=500"))[1]
    assert "s3cret" not in json.dumps([end, history])
    assert not any(b"s3cret" in path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())


async def test_a_local_folder_is_ingested_where_it_is(hub: Running, server: GitServer) -> None:
    folder = str(server.root / "code.git")
    made = await project(hub, source="local", repository=folder)
    assert (made["path"], made["url"]) == (folder, None)
    end = await ended(hub, made["id"], "ingest", source="local", repository=folder)
    assert (end["state"], end["result"]["files"], end["result"]["path"]) == ("succeeded", 60, folder)
    assert (await hub.call("GET", f"/api/v1/search?q=function_7&project={made['id']}"))[1]["items"]


async def test_an_ingest_is_paused_and_goes_on(hub: Running, server: GitServer) -> None:
    server.behaviour.hang = "pack"
    await project(hub, url=f"{server.url}/code.git")
    status, job, _ = await hub.call("POST", "/api/v1/projects/code/jobs", {"kind": "ingest"})
    assert status == 202
    await until(lambda: any(method == "POST" for method, _, _ in server.requests))
    status, paused, _ = await hub.call("POST", f"/api/v1/jobs/{job['id']}/pause")
    assert (status, paused["state"]) == (202, "paused")
    server.behaviour.hang = ""
    await asyncio.sleep(0)
    status, going, _ = await hub.call("POST", f"/api/v1/jobs/{job['id']}/resume")
    assert (status, going["state"]) == (202, "running")
    status, _, _ = await hub.call("POST", f"/api/v1/jobs/{job['id']}/cancel")
    assert status == 202
    await until(lambda: hub.hub.tracker.job("code", job["id"]).state.value == "cancelled", 3.0)


async def test_an_ingest_that_was_killed_in_mid_index_goes_on_from_there(hub: Running, server: GitServer) -> None:
    many = {f"f{n}.c": f"int function_{n}(void)\n{{\n\treturn {n};\n}}\n".encode() * 40 for n in range(1500)}
    commit(server.root / "many.git", many)
    await project(hub, url=f"{server.url}/many.git")
    _, first, _ = await hub.call("POST", "/api/v1/projects/many/jobs", {"kind": "ingest"})
    await until(lambda: (s := hub.hub.tracker.job("many", first["id"])) and s.stage == "parsing", 30.0)
    os.killpg(hub.hub.engine.turns.runs[first["id"]].child_pid, signal.SIGKILL)
    await until(lambda: hub.hub.tracker.job("many", first["id"]).state.is_end, 20.0)
    status, failed, _ = await hub.call("GET", f"/api/v1/jobs/{first['id']}")
    assert (failed["error"]["code"], failed["error"]["stage"], failed["resumable"]) == ("crashed", "parsing", True)
    server.requests.clear()
    status, again, _ = await hub.call("POST", f"/api/v1/jobs/{first['id']}/retry", {"from": "stage"})
    assert (status, again["resumed"]) == (202, True)
    await until(lambda: hub.hub.tracker.job("many", again["id"]).state.is_end, 40.0)
    end = (await hub.call("GET", f"/api/v1/jobs/{again['id']}"))[1]
    assert (end["state"], end["result"]["files"], end["result"]["symbols"]) == ("succeeded", 1500, 60_000)
    states = {stage["stage"]: stage["state"] for stage in end["stages"]}
    assert (states["receiving"], states["checkout"], states["parsing"]) == ("waiting", "waiting", "done")
    assert server.requests == []


async def test_a_failed_ingest_is_tried_again_by_itself_from_the_stage_it_failed_in(
    hub: Running, server: GitServer, tmp_path: Path
) -> None:
    server.behaviour.status = 503
    await project(hub, url=f"{server.url}/code.git")
    policy = {"attempts": 3, "backoff_s": 0.2}
    body = {"kind": "ingest", "retry": policy}
    status, first, _ = await hub.call("POST", "/api/v1/projects/code/jobs", body)
    assert (status, first["retry"]["attempt"], first["retry"]["attempts"]) == (202, 1, 3)
    await until(lambda: hub.hub.tracker.job("code", first["id"]).state.is_end, 20.0)
    server.behaviour.status = None
    jobs = await until(lambda: [job for job in hub.hub.tracker.channel("code").jobs.values() if job.attempt == 2])
    second = jobs[0]
    assert (second.retry_of, second.retry.attempt) == (first["id"], 2)
    await until(lambda: hub.hub.tracker.job("code", second.id).state.is_end, 30.0)
    assert hub.hub.tracker.job("code", second.id).result["files"] == 60


async def test_a_waiting_try_shows_until_when_it_waits_and_can_be_started_now(hub: Running, server: GitServer) -> None:
    server.behaviour.status = 503
    await project(hub, url=f"{server.url}/code.git")
    policy = {"attempts": 2, "backoff_s": 3600}
    _, first, _ = await hub.call("POST", "/api/v1/projects/code/jobs", {"kind": "clone", "retry": policy})
    await until(lambda: hub.hub.tracker.job("code", first["id"]).state.is_end, 20.0)
    listed = (await hub.call("GET", "/api/v1/jobs?project=code&state=queued"))[1]["items"]
    waiting = listed[0]
    assert (waiting["retry_of"], waiting["queue"]) == (first["id"], None)
    assert waiting["starts_at"] > waiting["created"] + 2_600_000
    status, answer, _ = await hub.call("POST", "/api/v1/projects/code/jobs", {"kind": "clone"})
    assert (status, answer["error"]["code"], answer["error"]["detail"]["job"]) == (
        409,
        "already_running",
        waiting["id"],
    )
    server.behaviour.status = None
    status, started, _ = await hub.call("POST", f"/api/v1/jobs/{waiting['id']}/resume")
    assert (status, started["starts_at"]) == (202, None)
    await until(lambda: hub.hub.tracker.job("code", waiting["id"]).state.value == "succeeded", 30.0)


async def test_a_project_with_a_waiting_try_can_be_deleted(hub: Running, server: GitServer) -> None:
    server.behaviour.status = 503
    await project(hub, url=f"{server.url}/code.git")
    policy = {"attempts": 2, "backoff_s": 3600}
    _, first, _ = await hub.call("POST", "/api/v1/projects/code/jobs", {"kind": "clone", "retry": policy})
    await until(lambda: hub.hub.tracker.job("code", first["id"]).state.is_end, 20.0)
    assert (await hub.call("DELETE", "/api/v1/projects/code"))[0] == 204
    assert hub.hub.engine.project_jobs("code") == []


@pytest.mark.parametrize("retry", [5, {"attempts": 0}, {"attempts": 3, "wait": 5}, {"backoff_s": 5}])
async def test_a_policy_that_is_none_is_a_bad_request(hub: Running, retry: Any) -> None:
    await project(hub, source="github", repository="owner/name")
    for path in ("/api/v1/projects/name/jobs",):
        status, answer, _ = await hub.call("POST", path, {"kind": "clone", "retry": retry})
        assert (status, "retry" in answer["error"]["message"]) == (400, True)
