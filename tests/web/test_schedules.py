"""Schedules over the API, with real jobs."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import hub.web.assembly
import hub.web.resources.schedules
from hub.core.errors import BadRequest
from hub.core.ports import Project
from tests.conftest import until
from tests.hubs import Running, running
from tests.jobs import odd_kinds
from tests.jobs.engines import _odd_kinds  # noqa: F401 - a fixture

PATH = "/api/v1/projects/p/schedules"


@pytest.fixture
async def works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    monkeypatch.setattr(hub.web.assembly, "KINDS", odd_kinds.KINDS)
    monkeypatch.setattr(hub.web.resources.schedules, "KINDS", odd_kinds.KINDS)
    async with running(tmp_path / "data", shortest_schedule_s=0.05, max_schedules=3) as made:
        await made.make_project()
        yield made


@pytest.fixture
async def plain(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path / "data") as made:
        await made.make_project()
        yield made


async def made(hub: Running, path: str = PATH, **body: Any) -> Any:
    status, answer, headers = await hub.call("POST", path, body)
    assert status == 201, answer
    assert headers["Location"] == f"{path}/{answer['id']}"
    return answer


async def test_a_schedule_starts_jobs_that_say_who_started_them(works: Running) -> None:
    schedule = await made(works, kind="steps", params={"count": 1}, every_s=0.1, name="often")
    assert (schedule["name"], schedule["is_paused"], len(schedule["next_runs"])) == ("often", False, 3)
    assert schedule["next_at"] == schedule["next_runs"][0]

    async def ended() -> Any:
        _, jobs, _ = await works.call("GET", "/api/v1/jobs?project=p&state=succeeded")
        return jobs["items"]

    jobs = []
    while len(jobs) < 2:
        jobs = await ended()
    assert {job["scheduled_by"] for job in jobs} == {schedule["id"]}
    status, state, _ = await works.call("GET", f"/api/v1/schedules/{schedule['id']}")
    assert status == 200
    assert state["started"] >= 2
    assert state["last_job"] is not None
    _, events, _ = await works.call("GET", "/api/v1/projects/p/history?type=job&state=succeeded")
    assert events["items"][0]["scheduled_by"] == schedule["id"]


async def test_what_is_still_running_is_skipped_and_counted(works: Running) -> None:
    schedule = await made(works, kind="ticks", every_s=0.1)

    async def skipped() -> Any:
        return (await works.call("GET", f"{PATH}/{schedule['id']}"))[1]

    state = await skipped()
    while state["skipped"] < 2:
        state = await skipped()
    assert (state["started"], state["last_outcome"], state["last_state"]) == (1, "skipped", "running")
    await works.call("DELETE", f"{PATH}/{schedule['id']}")
    await works.call("POST", f"/api/v1/jobs/{state['last_job']}/cancel")


async def test_it_is_listed_changed_paused_run_and_deleted(works: Running) -> None:
    first = await made(works, kind="steps", every_s=3600)
    second = await made(works, kind="steps", cron=" 0  3 * * * ", timezone="Europe/Berlin")
    assert (second["cron"], second["every_s"]) == ("0 3 * * *", None)
    _, page, _ = await works.call("GET", f"{PATH}?limit=1")
    assert ([item["id"] for item in page["items"]], page["total"]) == ([first["id"]], 2)
    _, page, _ = await works.call("GET", f"/api/v1/schedules?cursor={page['next']}")
    assert [item["id"] for item in page["items"]] == [second["id"]]

    one = f"{PATH}/{first['id']}"
    status, changed, _ = await works.call("PATCH", one, {"cron": "*/30 * * * *", "name": "x"})
    assert (status, changed["cron"], changed["every_s"], changed["name"]) == (200, "*/30 * * * *", None, "x")
    status, changed, _ = await works.call("PATCH", one, {"is_paused": True})
    assert (changed["is_paused"], changed["next_at"], changed["next_runs"]) == (True, None, [])
    status, job, headers = await works.call("POST", f"{one}/run")
    assert (status, headers["Location"]) == (202, f"/api/v1/jobs/{job['id']}")
    assert job["scheduled_by"] == first["id"]
    assert (await works.call("DELETE", one))[0] == 204
    assert (await works.call("GET", one))[0] == 404
    await until(lambda: (s := works.hub.tracker.job("p", job["id"])) and s.state.is_end, 20)


async def test_it_outlives_the_hub(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        await hub.make_project()
        kept = await made(hub, kind="clone", cron="0 3 * * *", params={"depth": 1})
    async with running(tmp_path) as hub:
        _, again, _ = await hub.call("GET", f"{PATH}/{kept['id']}")
        assert again == kept


async def test_a_deleted_project_takes_its_schedules_along(works: Running) -> None:
    schedule = await made(works, kind="steps", every_s=3600)
    assert (await works.call("DELETE", "/api/v1/projects/p"))[0] == 204
    assert (await works.call("GET", f"/api/v1/schedules/{schedule['id']}"))[0] == 404
    assert (await works.call("GET", "/api/v1/schedules"))[1]["total"] == 0
    assert await works.hub.journal.schedules.all() == []


async def test_there_are_only_so_many(works: Running) -> None:
    for _ in range(3):
        await made(works, kind="steps", every_s=3600)
    status, answer, _ = await works.call("POST", PATH, {"kind": "steps", "every_s": 3600})
    assert (status, answer["error"]["code"]) == (409, "too_many_schedules")


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ({"every_s": 60}, "bad_request", "kind"),
        ({"kind": "clone"}, "bad_request", "every_s"),
        ({"kind": "dance", "every_s": 60}, "unknown_kind", "clone"),
        ({"kind": "clone", "every_s": 60, "cron": "0 3 * * *"}, "bad_request", "one of them"),
        ({"kind": "clone", "every_s": 59}, "bad_request", "60"),
        ({"kind": "clone", "every_s": True}, "bad_request", "number"),
        ({"kind": "clone", "every_s": "60"}, "bad_request", "number"),
        ({"kind": "clone", "every_s": 1e300}, "bad_request", "cron"),
        ({"kind": "clone", "cron": "0 3 * *"}, "bad_params", "five fields"),
        ({"kind": "clone", "cron": "0 0 30 2 *"}, "bad_params", "cron"),
        ({"kind": "clone", "cron": "0 3 * * *", "timezone": "Mars/Phobos"}, "bad_params", "time zone"),
        ({"kind": "clone", "every_s": 60, "timezone": "../x"}, "bad_params", "time zone"),
        ({"kind": "clone", "every_s": 60, "params": {"depht": 1}}, "bad_params", "depht"),
        ({"kind": "clone", "every_s": 60, "is_paused": 1}, "bad_request", "is_paused"),
        ({"kind": "clone", "every_s": 60, "wenn": 1}, "bad_request", "wenn"),
    ],
)
async def test_what_cannot_be_is_refused_with_the_reason(plain: Running, body: Any, code: str, said: str) -> None:
    status, answer, _ = await plain.call("POST", PATH, body)
    assert (status, answer["error"]["code"]) == (400, code)
    assert said in answer["error"]["message"]
    assert (await plain.call("GET", PATH))[1]["total"] == 0


async def test_turns_that_are_too_close_are_refused_in_cron_too(tmp_path: Path) -> None:
    async with running(tmp_path, shortest_schedule_s=3600) as hub:
        await hub.make_project()
        status, answer, _ = await hub.call("POST", PATH, {"kind": "clone", "cron": "0,30 3 * * *"})
        assert (status, "1800 s apart" in answer["error"]["message"]) == (400, True)


async def test_secrets_are_refused_with_what_to_do_instead_and_kept_nowhere(plain: Running) -> None:
    body = {"kind": "clone", "every_s": 60, "params": {"token": "s3cret-s3cret-s3cret"}}
    status, answer, _ = await plain.call("POST", PATH, body)
    assert (status, answer["error"]["code"]) == (400, "secrets_not_kept")
    assert "token" in answer["error"]["message"]
    assert "progress-hub clone --token-env" in answer["error"]["message"]
    kept = plain.hub.settings.data_path
    assert not [path for path in kept.iterdir() if path.is_file() and b"s3cret-s3cret" in path.read_bytes()]
    schedule = await made(plain, kind="clone", every_s=60)
    status, answer, _ = await plain.call("PATCH", f"{PATH}/{schedule['id']}", {"params": body["params"]})
    assert (status, answer["error"]["code"]) == (400, "secrets_not_kept")


async def test_a_sync_of_all_projects_is_scheduled_in_the_background(plain: Running) -> None:
    everything = "/api/v1/projects/all/schedules"
    schedule = await made(plain, everything, kind="sync", cron="0 4 * * *")
    status, job, _ = await plain.call("POST", f"{everything}/{schedule['id']}/run")
    assert (status, job["project"], job["params"]["scheduled"]) == (202, "all", True)
    assert job["scheduled_by"] == schedule["id"]
    assert (await plain.call("GET", PATH))[1]["total"] == 0
    assert (await plain.call("GET", "/api/v1/schedules"))[1]["total"] == 1
    status, answer, _ = await plain.call("POST", everything, {"kind": "index", "every_s": 60})
    assert (status, answer["error"]["code"]) == (400, "not_spanning")
    await until(lambda: (s := plain.hub.tracker.job("all", job["id"])) and s.state.is_end, 20)


async def test_what_is_not_there_is_not_found(plain: Running) -> None:
    assert (await plain.call("POST", "/api/v1/projects/none/schedules", {"kind": "clone", "every_s": 60}))[0] == 404
    assert (await plain.call("GET", "/api/v1/projects/none/schedules"))[0] == 404
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/run")):
        assert (await plain.call(method, f"/api/v1/schedules/none{path}", {}))[0] == 404
    schedule = await made(plain, kind="clone", every_s=60)
    await plain.make_project("q")
    assert (await plain.call("GET", f"/api/v1/projects/q/schedules/{schedule['id']}"))[0] == 404


async def test_a_turn_of_a_project_that_leaves_is_no_trouble(plain: Running) -> None:
    """Its schedule is put for the last time while the project goes."""
    schedule = await made(plain, kind="clone", every_s=60)
    state = plain.hub.journal.schedules
    (kept,) = await state.all()
    assert kept.id == schedule["id"]
    await plain.hub.journal.delete_project("p")
    await state.put(kept)
    assert await state.all() == []
    await plain.hub.journal.add_project(Project(id="p", name="p", created=1))


async def test_a_schedule_says_when_its_jobs_are_tried_again(works: Running) -> None:
    schedule = await made(works, kind="steps", every_s=3600, retry={"attempts": 3, "backoff_s": 5})
    assert schedule["retry"] == {"attempts": 3, "backoff_s": 5}
    one = f"{PATH}/{schedule['id']}"
    _, job, _ = await works.call("POST", f"{one}/run")
    assert (job["retry"]["attempts"], job["retry"]["backoff_s"]) == (3, 5)
    for bad in ({"attempts": 0}, {"attempts": 2, "wait": 1}, 3):
        status, answer, _ = await works.call("PATCH", one, {"retry": bad})
        assert (status, answer["error"]["code"]) == (400, "bad_request")
    status, changed, _ = await works.call("PATCH", one, {"retry": None})
    assert (status, changed["retry"], changed["next_at"]) == (200, None, schedule["next_at"])
    await until(lambda: (s := works.hub.tracker.job("p", job["id"])) and s.state.is_end, 20)


async def test_the_same_turn_again_is_the_same_job(works: Running) -> None:
    """As after a crash between the job and the note of its turn."""
    schedule = await made(works, kind="steps", every_s=3600)
    state = works.hub.schedules.get(schedule["id"])
    first = await hub.web.resources.schedules.submit(works.hub, state, "§ turn")
    await until(lambda: (s := works.hub.tracker.job("p", first.id)) and s.state.is_end, 20)
    again = await hub.web.resources.schedules.submit(works.hub, state, "§ turn")
    assert (again.id, again.scheduled_by) == (first.id, schedule["id"])


async def test_the_sync_interval_is_set_at_run_time_and_survives_a_restart(tmp_path: Path) -> None:
    interval, set_interval = hub.web.resources.schedules.sync_interval_s, hub.web.resources.schedules.set_sync_interval
    async with running(tmp_path, sync_interval_s=7200.0) as made_:
        assert await interval(made_.hub) == 7200
        await set_interval(made_.hub, 600)
        assert await interval(made_.hub) == 600
        _, page, _ = await made_.call("GET", "/api/v1/schedules")
        assert [(each["project"], each["kind"], each["every_s"]) for each in page["items"]] == [("all", "sync", 600)]
    async with running(tmp_path, sync_interval_s=7200.0) as made_:
        assert await interval(made_.hub) == 600
        await set_interval(made_.hub, 10)
        for wrong in (9.9, -1, 1e9, float("nan")):
            with pytest.raises(BadRequest):
                await set_interval(made_.hub, wrong)
        await set_interval(made_.hub, 0)
        assert await interval(made_.hub) == 0
    async with running(tmp_path, sync_interval_s=7200.0) as made_:
        assert await interval(made_.hub) == 0
        one = f"/api/v1/schedules/{hub.web.resources.schedules.SYNC_INTERVAL}"
        await made_.call("PATCH", one, {"is_paused": False, "cron": "0 * * * *"})
        assert await interval(made_.hub) == 3600
        await set_interval(made_.hub, 30)
        assert await interval(made_.hub) == 30
        assert (await made_.call("DELETE", one))[0] == 204
        assert await interval(made_.hub) == 7200


async def test_the_settings_own_turns_stand_back_for_an_interval_of_run_time(tmp_path: Path) -> None:
    async with running(tmp_path, sync_interval_s=0.05) as made_:
        await hub.web.resources.schedules.set_sync_interval(made_.hub, 3600)
        await made_.make_project()
        for _ in range(3):
            await hub.web.resources.schedules.take_background_turn(made_.hub)
        _, page, _ = await made_.call("GET", "/api/v1/jobs?kind=sync")
        assert page["total"] == 0
