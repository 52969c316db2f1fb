"""One kind of job started on many projects: what becomes of each is told."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import hub.web.assembly
from hub.jobs.kinds import KINDS
from hub.web.resources.commits import is_scheduled, take_turn
from tests.conftest import until
from tests.hubs import Running, running
from tests.jobs import odd_kinds
from tests.jobs.engines import _odd_kinds  # noqa: F401 - a fixture


@pytest.fixture
async def works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    monkeypatch.setattr(hub.web.assembly, "KINDS", odd_kinds.KINDS | {"sync": KINDS["sync"]})
    async with running(tmp_path / "data", max_queued_jobs=2) as made:
        for name in ("ant", "bee", "cat"):
            await made.make_project(name)
        yield made


async def start(works: Running, projects: Any, kind: str = "steps", key: str | None = None, **more: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    body = {"kind": kind, "projects": projects, **more}
    status, answer, _ = await works.call("POST", "/api/v1/jobs", body, headers=headers)
    return status, answer


def outcomes(answer: Any) -> dict[str, str]:
    return {item["project"]: item["outcome"] for item in answer["items"]}


async def ended(works: Running) -> None:
    await until(lambda: not works.hub.ledger.live_jobs(), 20.0)
    await works.settle()


async def test_every_project_gets_its_job(works: Running) -> None:
    status, answer = await start(works, "all", params={"count": 1})
    assert status == 202
    assert outcomes(answer) == dict.fromkeys(("ant", "bee", "cat"), "accepted")
    assert (answer["total"], answer["accepted"], answer["refused"]) == (3, 3, 0)
    assert {item["job"]["kind"] for item in answer["items"]} == {"steps"}
    await ended(works)
    listed = (await works.call("GET", "/api/v1/jobs"))[1]
    assert {job["state"] for job in listed["items"]} == {"succeeded"}


async def test_the_reserved_project_is_not_one_of_all(works: Running) -> None:
    status, _, _ = await works.call("POST", "/api/v1/sync", {})
    assert status == 202
    assert "all" not in outcomes((await start(works, "all"))[1])


async def test_what_became_of_each_is_told_in_the_order_of_the_request(works: Running) -> None:
    _, running_ = await start(works, ["bee"], "ticks")
    _, answer = await start(works, ["cat", "nobody", "bee", "ant", "cat"], "ticks")
    assert [(item["project"], item["outcome"]) for item in answer["items"]] == [
        ("cat", "accepted"), ("nobody", "refused"), ("bee", "already_running"), ("ant", "accepted"),
    ]  # fmt: skip
    assert answer["items"][1]["error"]["code"] == "not_found"
    assert answer["items"][2]["job"]["id"] == running_["items"][0]["job"]["id"]
    for item in answer["items"]:
        if "job" in item:
            await works.call("POST", f"/api/v1/jobs/{item['job']['id']}/cancel")
    await ended(works)


async def test_a_queue_that_fills_up_on_the_way_refuses_the_rest(works: Running) -> None:
    for name in ("dog", "eel", "fox"):
        await works.make_project(name)
    _, answer = await start(works, "all", "ticks", key="fill")  # two run, two wait
    assert list(outcomes(answer).values()) == ["accepted"] * 4 + ["refused"] * 2
    refused = answer["items"][-1]
    assert (refused["error"]["code"], refused["error"]["retry"]) == ("queue_full", True)
    for item in answer["items"][:4]:
        await works.call("POST", f"/api/v1/jobs/{item['job']['id']}/cancel")
    await ended(works)
    # The same request again starts what was refused, and nothing twice.
    _, again = await start(works, "all", "ticks", key="fill")
    assert set(outcomes(again).values()) == {"accepted"}
    assert [item["job"]["id"] for item in again["items"][:4]] == [item["job"]["id"] for item in answer["items"][:4]]
    assert again["items"][4]["job"]["state"] in {"queued", "running"}
    for item in again["items"][4:]:
        await works.call("POST", f"/api/v1/jobs/{item['job']['id']}/cancel")
    await ended(works)


async def test_the_same_key_for_another_request_starts_nothing(works: Running) -> None:
    await start(works, ["bee"], key="once")
    await ended(works)
    status, answer = await start(works, ["ant", "bee"], key="once", params={"count": 1})
    assert (status, answer["error"]["code"]) == (422, "idempotency_key_reused")
    assert (await works.call("GET", "/api/v1/jobs?project=ant"))[1]["total"] == 0


async def test_projects_are_chosen_by_their_id_and_by_how_their_newest_job_ended(works: Running) -> None:
    await start(works, ["ant", "bee"], "keeper", params={"then": "fail"})
    await ended(works)
    await start(works, ["bee"], "keeper")
    await ended(works)
    chosen = {}
    for wanted in ({"last": "failed"}, {"last": "succeeded"}, {"last": "never"}, {"match": "[ab]*"}):
        _, answer = await start(works, wanted, "keeper", params={"then": "fail"} if "last" in wanted else {})
        chosen[str(wanted)] = sorted(outcomes(answer))
        await ended(works)
    assert list(chosen.values()) == [["ant"], ["bee"], ["cat"], ["ant", "bee"]]
    _, answer = await start(works, {"match": "z*"})
    assert (answer["items"], answer["total"]) == ([], 0)


async def test_each_job_is_tried_again_by_the_policy_of_the_request(works: Running) -> None:
    policy = {"attempts": 2, "backoff_s": 3600}
    _, answer = await start(works, ["ant", "bee"], "keeper", params={"then": "fail"}, retry=policy)
    assert {item["job"]["retry"]["attempts"] for item in answer["items"]} == {2}
    waiting = await until(lambda: len(jobs := [j for j in works.hub.ledger.live_jobs() if j.starts_at]) == 2 and jobs)
    assert {job.project for job in waiting} == {"ant", "bee"}
    _, again = await start(works, ["ant"], "keeper")
    assert again["items"][0]["outcome"] == "already_running"
    assert again["items"][0]["job"]["starts_at"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"kind": "steps"},
        {"kind": "steps", "projects": []},
        {"kind": "steps", "projects": "ant"},
        {"kind": "steps", "projects": [1]},
        {"kind": "steps", "projects": {}},
        {"kind": "steps", "projects": {"name": "ant"}},
        {"kind": "steps", "projects": {"last": "running"}},
        {"kind": "steps", "projects": {"match": ""}},
        {"kind": "nothing", "projects": "all"},
        {"kind": "steps", "projects": "all", "retry": {"attempts": 100}},
        {"kind": "steps", "projects": "all", "params": 5},
        {"kind": "steps", "projects": "all", "more": 5},
    ],
)
async def test_a_request_that_cannot_be_meant_starts_nothing(works: Running, body: dict[str, Any]) -> None:
    status, answer, _ = await works.call("POST", "/api/v1/jobs", body)
    assert (status, bool(answer["error"]["message"])) == (400, True)
    assert works.hub.ledger.live_jobs() == []


async def test_too_many_projects_are_too_many(works: Running) -> None:
    status, answer = await start(works, [f"p{n}" for n in range(1001)])
    assert (status, answer["error"]["code"]) == (413, "too_large")


async def test_a_filtered_request_that_is_sent_again_has_the_same_answer(works: Running) -> None:
    """The first answer may have been lost on its way, and what it started has changed what fits."""
    await start(works, ["ant", "bee"], "keeper", params={"then": "fail"})
    await ended(works)
    _, first = await start(works, {"last": "failed"}, "keeper", key="again")
    await ended(works)
    _, second = await start(works, {"last": "failed"}, "keeper", key="again")
    assert [item["job"]["id"] for item in second["items"]] == [item["job"]["id"] for item in first["items"]]
    assert outcomes(second) == {"ant": "accepted", "bee": "accepted"}


@pytest.fixture
async def hosts(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path / "data", max_running_jobs=1, spare_children=0) as made:
        for name, host in (("ant", "one.example"), ("bee", "one.example"), ("cat", "two.example")):
            await made.call("POST", "/api/v1/projects", {"id": name, "url": f"https://{host}/{name}.git"})
        await made.call("POST", "/api/v1/projects", {"id": "dog", "url": "git@three.example:dog.git"})
        yield made


async def test_a_token_is_not_told_to_hosts_of_every_kind(hosts: Running) -> None:
    params = {"token": "s3cret-t0ken"}
    for projects in ("all", {"match": "*"}, ["ant", "cat"]):
        status, answer = await start(hosts, projects, "clone", params=params)
        assert (status, answer["error"]["code"]) == (400, "secrets_for_many_hosts")
        assert "https://one.example, https://two.example" in answer["error"]["message"]
        assert "s3cret" not in answer["error"]["message"]
    assert hosts.hub.ledger.live_jobs() == []
    _, answer = await start(hosts, ["ant", "bee", "dog", "nobody"], "clone", params=params)
    assert outcomes(answer) == {"ant": "accepted", "bee": "accepted", "dog": "refused", "nobody": "refused"}
    _, answer = await start(hosts, "all", "ingest")
    assert "refused" not in outcomes(answer).values()
    for job in hosts.hub.ledger.live_jobs():
        await hosts.call("POST", f"/api/v1/jobs/{job.id}/cancel")


# -- syncs of all projects --------------------------------------------------------------------------------------------


@pytest.fixture
async def syncing(tmp_path: Path) -> AsyncIterator[Running]:
    """Where a sync is under way that nobody asked for."""
    (tmp_path / "code").mkdir()
    async with running(tmp_path / "data", roots=(str(tmp_path),), max_running_jobs=1) as made:
        await made.call("POST", "/api/v1/projects", {"id": "p", "path": str(tmp_path / "code")})
        await take_turn(made.hub)
        yield made


def scheduled(works: Running) -> str:
    (job,) = works.hub.engine.project_jobs("all")
    assert is_scheduled(job)
    return job.id


@pytest.mark.parametrize("door", ["projects/all/jobs", "jobs", "sync"])
async def test_a_sync_that_nobody_asked_for_makes_way_at_every_door(syncing: Running, door: str) -> None:
    mine = scheduled(syncing)
    body = {"kind": "sync"} | ({"projects": ["all"]} if door == "jobs" else {})
    status, answer, _ = await syncing.call("POST", f"/api/v1/{door}", {} if door == "sync" else body)
    assert status == 202
    job = answer["items"][0]["job"] if door == "jobs" else answer
    assert (job["id"] != mine, job["params"]) == (True, {})
    await ended(syncing)


async def test_a_retry_of_a_sync_that_nobody_asked_for_is_somebodys(syncing: Running) -> None:
    job = scheduled(syncing)
    await syncing.call("POST", f"/api/v1/jobs/{job}/cancel")
    await ended(syncing)
    await take_turn(syncing.hub)
    other = scheduled(syncing)
    status, answer, _ = await syncing.call("POST", f"/api/v1/jobs/{job}/retry")
    assert (status, answer["params"], answer["retry_of"]) == (202, {}, job)
    assert not is_scheduled(await syncing.hub.engine.state(answer["id"]))
    await ended(syncing)
    assert (await syncing.hub.engine.state(other)).state.is_end


@pytest.mark.parametrize("value", [True, False])
async def test_nobody_can_say_that_nobody_asked(syncing: Running, value: bool) -> None:
    mine = scheduled(syncing)
    params = {"scheduled": value}
    for path, body in (
        ("projects/all/jobs", {"kind": "sync"}),
        ("projects/p/jobs", {"kind": "sync"}),
        ("jobs", {"kind": "sync", "projects": ["all"]}),
        (f"jobs/{mine}/retry", {}),
    ):
        status, answer, _ = await syncing.call("POST", f"/api/v1/{path}", {**body, "params": params})
        assert (status, answer["error"]["code"]) == (400, "bad_params")
    await ended(syncing)
