"""Pause, resume and retry as their callers meet them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import hub.web.assembly
from tests.conftest import until
from tests.hubs import Running, Watch, read_sse, running
from tests.jobs import odd_kinds
from tests.jobs.engines import _odd_kinds  # noqa: F401 - a fixture

ENDS = {"succeeded", "failed", "cancelled", "interrupted"}


@pytest.fixture
async def works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    monkeypatch.setattr(hub.web.assembly, "KINDS", odd_kinds.KINDS)
    async with running(tmp_path / "data") as made:
        await made.make_project()
        yield made


async def start(works: Running, kind: str, **params: Any) -> str:
    status, job, _ = await works.call("POST", "/api/v1/projects/p/jobs", {"kind": kind, "params": params})
    assert status == 202, job
    return job["id"]


async def ask(works: Running, job: str, what: str, body: Any = None) -> tuple[int, Any]:
    status, answer, _ = await works.call("POST", f"/api/v1/jobs/{job}/{what}", body)
    return status, answer


async def state(works: Running, job: str) -> Any:
    return (await works.call("GET", f"/api/v1/jobs/{job}"))[1]


async def ended(works: Running, job: str) -> Any:
    await until(lambda: (s := works.hub.tracker.job("p", job)) and s.state.is_end, 20.0)
    return await state(works, job)


async def test_a_job_is_paused_and_resumed_and_its_watchers_see_it(works: Running) -> None:
    job = await start(works, "ticks")
    await until(lambda: (s := works.hub.tracker.job("p", job)) and s.progress)
    watch, seen = Watch(), []
    async with works.session.get(
        f"{works.url}/api/v1/projects/p/events?job={job}", headers={"Accept": "text/event-stream"}
    ) as stream:
        status, paused = await ask(works, job, "pause")
        assert (status, paused["state"]) == (202, "paused")
        assert paused["held_at"] is not None
        status, resumed = await ask(works, job, "resume")
        assert (status, resumed["state"]) == (202, "running")
        assert (resumed["held_at"], resumed["held_ms"] >= 0) == (None, True)
        await ask(works, job, "cancel")
        async for message in read_sse(stream, watch):
            if message["type"] == "job":
                seen.append(message["state"])
                if message["state"] in ENDS:
                    break
    assert seen == ["paused", "running", "cancelling", "cancelled"]


@pytest.mark.parametrize("what", ["pause", "resume"])
async def test_what_cannot_be_paused_or_resumed_is_refused_with_the_reason(works: Running, what: str) -> None:
    job = await start(works, "ticks")
    await until(lambda: (s := works.hub.tracker.job("p", job)) and s.progress)
    if what == "pause":
        await ask(works, job, "pause")
    status, answer = await ask(works, job, what)
    code = {"pause": "already_paused", "resume": "not_paused"}[what]
    assert (status, answer["error"]["code"]) == (409, code)
    assert answer["error"]["message"]
    await ask(works, job, "cancel")
    await ended(works, job)
    status, answer = await ask(works, job, what)
    assert (status, answer["error"]["code"]) == (409, "job_ended")
    assert (await ask(works, "nobody", what))[0] == 404
    assert (await ask(works, job, what, {"for": 5}))[0] == 400


async def test_a_retry_goes_on_from_the_stage_or_from_the_start(works: Running) -> None:
    job = await start(works, "keeper", then="fail")
    failed = await ended(works, job)
    assert (failed["state"], failed["resumable"], failed["resumed"]) == ("failed", True, False)
    status, again = await ask(works, job, "retry", {"from": "stage"})
    assert (status, again["resumed"], again["retry_of"], again["attempt"]) == (202, True, job, 2)
    assert (await ended(works, again["id"]))["result"]["found"] == f"{job}\n"
    status, answer = await ask(works, job, "retry", {"from": "stage"})
    assert (status, answer["error"]["code"]) == (409, "no_kept_work")
    status, fresh = await ask(works, job, "retry", {"from": "start", "params": {"then": "succeed"}})
    assert (status, fresh["resumed"]) == (202, False)
    assert (await ended(works, fresh["id"]))["result"] == {"resumed": False, "found": None}


@pytest.mark.parametrize("where", ["middle", "", 5, None])
async def test_a_retry_from_nowhere_is_a_bad_request(works: Running, where: object) -> None:
    job = await start(works, "steps")
    await ended(works, job)
    status, answer = await ask(works, job, "retry", {"from": where})
    if where is None:
        assert status == 202  # nothing was said: from the start
    else:
        assert (status, answer["error"]["code"]) == (400, "bad_request")


async def test_a_state_object_says_what_a_job_usually_takes_and_that_it_stands_still(works: Running) -> None:
    await ended(works, await start(works, "steps", count=5, pause_s=0.1))
    job = await start(works, "steps", count=5, pause_s=0.1)
    low, high = (await state(works, job))["usual_s"]
    assert 0 < low < high
    await ended(works, job)
    silent = await start(works, "silent")
    await until(lambda: (s := works.hub.tracker.job("p", silent)) and s.to_wire()["stalled_s"])
    seen = await state(works, silent)
    assert (seen["eta_s"], seen["rate"], seen["stalled_s"] > 0) == (None, None, True)
