"""A machine that is short of something, or wrong about the time: who is affected is told, and the rest goes on."""

import asyncio
import contextlib
import os
import resource
import signal
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hub.core.errors import JournalUnavailable
from hub.core.events import State
from hub.web.upkeep import DAY_MS, Calendar
from tests.bench.kills import killed
from tests.conftest import until
from tests.fakes import FakeClock, job_body, log_body, progress_body
from tests.faults.programs import Caller, calling, faulty
from tests.hubs import Running, running

# -- descriptors ------------------------------------------------------------------------------------------------------


async def test_a_hub_with_few_descriptors_gives_up_the_idle_and_goes_on(tmp_path: Path) -> None:
    limits = {resource.RLIMIT_NOFILE: 160}
    with faulty(tmp_path / "data", limits=limits) as hub:
        host, port = hub.url.removeprefix("http://").split(":")
        async with calling(hub) as call, contextlib.AsyncExitStack() as stack:
            await call("POST", "/api/v1/projects", {"id": "p"})
            assert (await call.log("before"))[0] == 200
            for _ in range(300):
                stack.enter_context(
                    contextlib.closing(await asyncio.to_thread(socket.create_connection, (host, port), 60))
                )
            assert (await call("GET", "/healthz"))[0] == 200
            assert (await call.log("during"))[0] == 200
            descriptors = len(list(Path(f"/proc/{hub.pid}/fd").iterdir()))
            assert descriptors < 150
            await call("POST", "/api/v1/projects", {"url": "http://127.0.0.1:9/x.git", "id": "c"})
            status, job = await call("POST", "/api/v1/projects/c/jobs", {"kind": "clone"})
            assert status == 202, job
            ended = await call.until(f"/api/v1/jobs/{job['id']}", lambda _, body: body["state"] == "failed")
            assert ended["error"]["code"] == "refused", "the job ran, and had what it needed"
            hub.stop()
            hub.start()
            assert await call.lines() == ["before", "during"]
        assert "Traceback" not in hub.log()


async def test_jobs_that_cannot_be_started_fail_with_a_reason_and_may_be_retried(tmp_path: Path) -> None:
    with faulty(tmp_path / "data") as hub:
        async with calling(hub) as call:
            await call("POST", "/api/v1/projects", {"url": "http://127.0.0.1:9/x.git", "id": "c"})
            await call("POST", "/api/v1/projects", {"id": "p"})
            opened = len(list(Path(f"/proc/{hub.pid}/fd").iterdir()))
            hub.limit(resource.RLIMIT_NOFILE, opened + 2)
            status, job = await call("POST", "/api/v1/projects/c/jobs", {"kind": "clone"})
            assert status == 202
            ended = await call.until(f"/api/v1/jobs/{job['id']}", lambda _, body: body["state"] == "failed")
            assert ended["error"]["message"]
            assert ended["error"]["retry"] is True
            assert (await call.log("still here"))[0] == 200
            hub.limit(resource.RLIMIT_NOFILE, 1000)
            status, again = await call("POST", f"/api/v1/jobs/{job['id']}/retry", {})
            assert status == 202, again
            ended = await call.until(f"/api/v1/jobs/{again['id']}", lambda _, body: body["state"] == "failed")
            assert ended["error"]["code"] == "refused"


# -- children ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["killed", "memory"])
async def test_a_child_that_dies_fails_its_job_and_nothing_else(tmp_path: Path, fault: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, faulty(tmp_path / "data") as hub:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x.git"
        async with calling(hub) as call:
            await call("POST", "/api/v1/projects", {"url": url, "id": "c"})
            await call("POST", "/api/v1/projects", {"id": "p"})
            _, job = await call("POST", "/api/v1/projects/c/jobs", {"kind": "clone"})
            path = f"/api/v1/jobs/{job['id']}"
            await call.until(path, lambda _, body: body["state"] == "running")
            child = await until(lambda: children(hub.pid), 20)
            if fault == "killed":
                os.kill(child[0], signal.SIGKILL)
            else:
                resource.prlimit(child[0], resource.RLIMIT_AS, (1 << 20, 1 << 20))
                silent.close()  # now it has something to do, and nothing to do it with
            ended = await call.until(path, lambda _, body: body["state"] == "failed")
            assert ended["error"]["code"] in {"crashed", "killed", "refused", "timeout"}, ended["error"]
            assert ended["error"]["message"]
            assert (await call.log("unmoved"))[0] == 200
            assert not list((tmp_path / "data" / "work").iterdir()), "nothing half made is left"


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


# -- kills ------------------------------------------------------------------------------------------------------------


@pytest.mark.timeout(300)
async def test_ten_kills_under_load_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    found = await killed(tmp_path, 10, seed=1)
    assert found["acknowledged"] > 50


# -- the clock --------------------------------------------------------------------------------------------------------


@pytest.fixture
async def wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Running, list[float]]]:
    """A hub whose wall clock is off by so many days."""
    days, real = [0.0], time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + int(days[0] * DAY_MS * 1e6))
    async with running(tmp_path) as hub:
        await hub.make_project()
        yield hub, days


@pytest.mark.parametrize("jump", [-400.0, -0.5, 0.5, 400.0])
async def test_a_clock_that_jumps_moves_no_number_and_loses_no_event(
    wrong: tuple[Running, list[float]], jump: float
) -> None:
    hub, days = wrong
    await hub.begin()
    hub.publish("p", "j1", progress_body(20), log_body("before"))
    await hub.settle()
    cursor = (await hub.call("GET", "/api/v1/projects/p/events"))[1]["cursor"]
    days[0] = jump
    hub.publish("p", "j1", progress_body(40), log_body("after"), job_body(State.SUCCEEDED))
    await hub.begin(job="j2")
    await hub.settle()
    _, news, _ = await hub.call("GET", f"/api/v1/projects/p/events?since={cursor}")
    first = int(cursor.partition("-")[2])
    told = [event["seq"] for event in news["events"]]
    assert told == sorted(set(told))
    assert told[0] > first
    assert [event["message"] for event in news["events"] if event["type"] == "log"] == ["after"]
    _, ended, _ = await hub.call("GET", "/api/v1/jobs/j1")
    assert (ended["state"], ended["percent"]) == ("succeeded", 100)
    _, page, _ = await hub.call("GET", "/api/v1/projects/p/history?type=log&order=asc")
    assert [event["message"] for event in page["items"]] == ["before", "after"]
    _, jobs, _ = await hub.call("GET", "/api/v1/jobs")
    assert {job["id"] for job in jobs["items"]} == {"j1", "j2"}
    assert (await hub.call("GET", "/api/v1/statistics"))[0] == 200


def test_a_clock_that_has_jumped_is_not_asked_what_is_old_until_it_is_steady() -> None:
    clock = FakeClock()
    skew = [0]

    class Skewed:
        def now_ms(self) -> int:
            return clock.now_ms() + skew[0]

        def monotonic(self) -> float:
            return clock.monotonic()

    calendar = Calendar(Skewed())  # type: ignore[arg-type]
    assert calendar.now_ms() == clock.now_ms()
    skew[0] = DAY_MS // 2  # a machine that slept over night
    assert calendar.now_ms() == clock.now_ms() + skew[0]
    skew[0] = 3000 * DAY_MS
    assert calendar.now_ms() is None
    clock.step(3600)
    assert calendar.now_ms() is None
    skew[0] = 0  # and somebody puts it right
    assert calendar.now_ms() is None
    clock.step(25 * 3600)
    assert calendar.now_ms() == clock.now_ms()


# -- the journal, while somebody watches ------------------------------------------------------------------------------


async def test_a_journal_moved_away_is_told_and_put_back_goes_on(tmp_path: Path) -> None:
    with faulty(tmp_path / "data") as hub:
        async with calling(hub) as call:
            await check_moved(call, tmp_path)
            hub.stop()
            hub.start()
            assert await call.lines() == ["before", "meanwhile", "after"]


async def check_moved(call: Caller, folder: Path) -> None:
    await call("POST", "/api/v1/projects", {"id": "p"})
    assert (await call.log("before"))[0] == 200
    path = folder / "data" / "journal.sqlite3"
    path.rename(folder / "elsewhere")
    status, body = await call.log("meanwhile")
    assert (status, body["error"]["code"]) == (503, JournalUnavailable.code)
    ready: Any = await call.until("/readyz", lambda status, _: status == 503)
    assert "moved or removed" in ready["journal"]
    (folder / "elsewhere").rename(path)
    await call.until("/readyz", lambda status, _: status == 200)
    assert (await call.log("meanwhile", "after"))[1]["outcomes"][0]["outcome"] == "duplicate"
