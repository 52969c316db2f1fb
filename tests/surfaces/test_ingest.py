"""Surface E: an ingest as five stages and one percentage."""

import asyncio
import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import until
from tests.hubs import Running
from tests.surfaces.folders import folder
from tests.surfaces.reader import Heard, all_heard, heard

INGEST = "/api/v1/ingest"
STAGES = ["Cloning", "Parsing", "Indexing", "Complete", "Failed"]


async def ingest(hub: Running, source: str, query: str = "", **body: Any) -> tuple[list[Heard], str]:
    async with hub.session.post(f"{hub.url}{INGEST}/{source}{query}", json=body) as response:
        return await all_heard(response), response.headers["X-Job-Id"]


def check(told: list[Heard], job: str) -> None:
    for one in told:
        assert one.event == "progress"
        assert set(one.data) == {"stage", "message", "percentage", "timestamp", "metadata"}
        assert one.data["metadata"]["jobId"] == job
        assert dt.datetime.fromisoformat(one.data["timestamp"])
    places = [STAGES.index(one.data["stage"]) for one in told]
    assert places == sorted(places)
    percents = [one.data["percentage"] for one in told]
    assert percents == sorted(percents)


async def test_an_ingest_is_told_to_its_end_with_its_figures(hub: Running, tmp_path: Path) -> None:
    told, job = await ingest(hub, "local", "?stream=true", repository=folder(tmp_path / "code", 120))
    check(told, job)
    last = told[-1].data
    assert (last["stage"], last["percentage"]) == ("Complete", 100)
    assert (last["metadata"]["files"], last["metadata"]["symbols"]) == (120, 120)
    assert last["metadata"]["duration"] > 0
    async with hub.session.get(f"{hub.url}{INGEST}/{job}/stream", headers={"Last-Event-ID": told[-1].id}) as response:
        assert response.status == 204
    async with hub.session.get(f"{hub.url}{INGEST}/{job}/stream") as response:
        assert [one.data for one in await all_heard(response)] == [last]


async def test_who_asks_for_json_gets_the_id(hub: Running, tmp_path: Path) -> None:
    path = folder(tmp_path / "code", 3)
    for query, headers in (("?stream=false", {}), ("", {"Accept": "application/json"})):
        status, body, sent = await hub.call(
            "POST", f"{INGEST}/local{query}", {"repository": path}, headers={"Content-Type": "text/plain", **headers}
        )
        assert status == 202
        assert body["jobId"] == sent["X-Job-Id"]
        await until(lambda: not hub.hub.ledger.live_jobs(), 30)
    assert (await hub.call("GET", f"{INGEST}/nothing/stream"))[0] == 404


async def test_the_same_repository_is_joined(hub: Running, tmp_path: Path) -> None:
    path = folder(tmp_path / "code", 3000)
    async with hub.session.post(f"{hub.url}{INGEST}/local", json={"repository": path}) as response:
        first = await anext(heard(response))
        job = response.headers["X-Job-Id"]
    many = await asyncio.gather(*(ingest(hub, "local", repository=path) for _ in range(3)))
    assert first.data["stage"] == "Cloning"
    assert {joined for _, joined in many} == {job}
    assert len({told[-1].id for told, _ in many}) == 1
    assert (await hub.call("GET", "/api/v1/jobs"))[1]["total"] == 1


async def test_a_failure_names_its_stage_and_its_cause(hub: Running, tmp_path: Path) -> None:
    told, job = await ingest(hub, "local", repository=f"file://{tmp_path}/none")
    check(told, job)
    last = told[-1].data
    assert last["stage"] == "Failed"
    assert last["metadata"]["failedStage"] == "Cloning"
    assert last["metadata"]["error"] in last["message"]
    assert "Cloning" in last["message"]


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("svn", {"repository": "a/b"}, "Invalid source: svn. Supported sources: github, gitlab, bitbucket, local"),
        ("github", {}, None),
        ("github", {"repository": ""}, None),
        ("github", {"repository": 5}, None),
        ("github", {"repository": "a/b", "incremental": "yes"}, None),
        ("github?stream=perhaps", {"repository": "a/b"}, None),
        ("github", {"repository": "../../etc"}, None),
        ("local", {"repository": "/etc"}, None),
    ],
)
async def test_bad_input_is_a_bad_request(hub: Running, path: str, body: Any, message: str | None) -> None:
    status, answer, _ = await hub.call("POST", f"{INGEST}/{path}", body)
    assert status == 400, answer
    assert message is None or answer["error"]["message"] == message
    assert (await hub.call("GET", "/api/v1/jobs"))[1]["total"] == 0
