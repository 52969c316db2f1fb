"""Jobs of a program on a real hub: what it says arrives, in order and once, whatever happens in between."""

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from hub.client import Client, JobCancelled, Pace, Stage, State
from hub.client.outbox import Outbox
from hub.core.events import BODIES
from tests.conftest import until
from tests.hubs import Running, running
from tests.processes import HubProcess
from tests.transports.relay import Relay

QUICK = Pace(shortest_s=0.01, longest_s=0.1)


@pytest.fixture
async def hub(tmp_path) -> AsyncIterator[Running]:
    async with running(tmp_path) as hub:
        yield hub


@pytest.fixture
async def client(hub) -> AsyncIterator[Client]:
    async with Client(hub.url, pace=QUICK) as client:
        yield client


async def told(client: Client, job: str) -> list[dict]:
    """Everything that the hub keeps of a job, oldest first."""
    state = await client.state(job)
    items, cursor = [], ""
    async with aiohttp.ClientSession() as session:
        while cursor is not None:
            url = f"{client.url}/api/v1/projects/{state.project}/history"
            async with session.get(url, params={"limit": "500", **({"cursor": cursor} if cursor else {})}) as answer:
                page = await answer.json()
            items += [item for item in page["items"] if item["job"] == job]
            cursor = page.get("next")
    return items[::-1]


class SlowOutbox(Outbox):
    """Whoever said something goes on only long after the hub has acknowledged it."""

    def say(self, event):
        super().say(event)
        time.sleep(0.5)

    def end(self, event):
        said = super().end(event)
        time.sleep(0.5)
        return said


async def test_an_end_acknowledged_before_its_thread_goes_on_is_the_end_of_the_one_job(hub, client):
    def work():
        job = client.job("train", project="x", silence_s=1).begin()
        job.outbox = SlowOutbox()
        job.update(3, total=5)
        job.end(State.SUCCEEDED)
        return job, job.flush(5)

    job, is_told = await asyncio.to_thread(work)
    assert is_told
    await asyncio.sleep(1.5)  # signs of life would come meanwhile
    jobs = (await hub.call("GET", "/api/v1/jobs"))[1]["items"]
    assert [(each["id"], each["state"]) for each in jobs] == [(job.id, "succeeded")]


async def test_a_block_is_a_job_with_its_stages_counts_log_and_result(client):
    stages = ["load", Stage("fit", "Fitting", 3)]
    async with client.job("train", project="x", params={"lr": 0.1}, stages=stages) as job:
        job.stage("load", total=10, unit="files")
        for n in range(11):
            job.update(n)
        job.stage("fit", total=200)
        job.log("half way", "warning")
        job.update(150, message="nearly", detail={"loss": 0.25})
        job.result = {"loss": 0.1}
    state = await client.state(job.id)
    assert (state.state, state.percent, dict(state.result)) == (State.SUCCEEDED, 100.0, {"loss": 0.1})
    assert [(stage.title, stage.state, stage.current, stage.total) for stage in state.stages] == [
        ("load", "done", 10, 10),
        ("Fitting", "done", 150, 200),
    ]
    assert (state.params, state.progress.message, state.progress.detail) == ({"lr": 0.1}, "nearly", {"loss": 0.25})
    logs = [(item["level"], item["message"]) for item in await told(client, job.id) if item["type"] == "log"]
    assert logs == [("warning", "half way")]


async def test_an_exception_fails_the_job_with_its_text_and_goes_on(client):
    with pytest.raises(ValueError, match="bad loss"):
        async with client.job("train", project="x") as job:
            raise ValueError("bad loss")
    state = await client.state(job.id)
    assert (state.state, state.error.code, state.error.message) == (State.FAILED, "ValueError", "ValueError: bad loss")
    (log,) = [item for item in await told(client, job.id) if item["type"] == "log"]
    assert 'raise ValueError("bad loss")' in log["message"]


@pytest.mark.parametrize("exception", [KeyboardInterrupt, asyncio.CancelledError])
async def test_an_interrupted_block_is_a_cancelled_job(client, exception):
    with pytest.raises(exception):
        async with client.job("train", project="x") as job:
            raise exception
    assert (await client.state(job.id)).state is State.CANCELLED


@pytest.mark.parametrize(("code", "state"), [(0, State.SUCCEEDED), (None, State.SUCCEEDED), (3, State.FAILED)])
async def test_a_program_that_exits_inside_of_a_block_ends_the_job_as_its_code_says(client, code, state):
    with pytest.raises(SystemExit):
        async with client.job("train", project="x") as job:
            raise SystemExit(code)
    assert (await client.state(job.id)).state is state


async def test_a_cancel_on_the_hub_raises_in_the_job_and_is_confirmed(client):
    async def work() -> None:
        async with client.job("train", project="x", silence_s=5, id="mine") as job:
            while True:
                job.advance()
                await asyncio.sleep(0.01)

    working = asyncio.create_task(work())
    await known(client, "mine")
    await client.cancel("mine")
    with pytest.raises(JobCancelled):
        await asyncio.wait_for(working, 10)
    state = await client.state("mine")
    assert (state.state, state.error) == (State.CANCELLED, None)


async def known(client: Client, job: str) -> None:
    async with asyncio.timeout(10):
        while job not in [state.id for state in await client.jobs()]:
            await asyncio.sleep(0.01)


async def test_a_job_that_does_not_want_to_be_raised_at_can_look(client):
    async with client.job("train", project="x", raises=False) as job:
        await known(client, job.id)
        await client.cancel(job.id)
        job.update(1)
        await until(lambda: job.cancelled)
        job.update(2)
        job.log("cleaning up")
    assert (await client.state(job.id)).state is State.SUCCEEDED


async def test_iterables_are_counted_and_async_ones_too(client):
    async def numbers():
        for n in range(5):
            yield n

    # In a thread: the hub runs on this loop, and leaving a synchronous loop waits for it.
    assert await asyncio.to_thread(lambda: list(client.track([7, 8, 9], "sync-ones", project="x"))) == [7, 8, 9]
    assert [n async for n in client.track(numbers(), "async-ones", project="x", total=5)] == [0, 1, 2, 3, 4]
    states = {state.kind: state for state in await client.jobs(project="x")}
    assert {kind: (state.state, state.progress.current, state.progress.total) for kind, state in states.items()} == {
        "sync-ones": (State.SUCCEEDED, 3, 3),
        "async-ones": (State.SUCCEEDED, 5, 5),
    }


async def test_jobs_nest(client):
    async with client.job("outer", project="x", total=2) as outer:
        for _ in range(2):
            async with client.job("inner", project="x") as inner:
                assert list(inner.track(range(4))) == [0, 1, 2, 3]
            outer.advance()
    kinds = [(state.kind, state.state.value) for state in await client.jobs(project="x")]
    assert sorted(kinds) == [("inner", "succeeded"), ("inner", "succeeded"), ("outer", "succeeded")]


async def test_a_loop_that_is_left_is_a_job_that_says_so(client):
    for n in client.track(range(100), "search", project="x"):
        if n == 41:
            break
    (state,) = await until_async(lambda: client.jobs(project="x", state="cancelled"))
    assert (state.error.code, state.error.message) == ("left", "The loop was left after 41 of 100.")


async def until_async(ask, timeout_s=10.0):
    async with asyncio.timeout(timeout_s):
        while True:
            with contextlib.suppress(Exception):
                if found := await ask():
                    return found
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ({"kind": "clone", "project": "x"}, ValueError),
        ({"kind": "1st", "project": "x"}, ValueError),
        ({"kind": "a b", "project": "x"}, ValueError),
        ({"kind": "train", "project": "x", "id": "a b"}, ValueError),
        ({"kind": "train", "project": "x", "silence_s": 0}, ValueError),
        ({"kind": "train", "project": "My Site"}, ValueError),
        ({"kind": "train"}, TypeError),
        ({"kind": "train", "project": "x", "titel": "y"}, TypeError),
    ],
)
async def test_what_no_hub_would_take_is_refused_at_once(client, words, error):
    with pytest.raises(error):
        client.job(**words)


async def test_odd_values_do_not_cost_the_job_its_end(client):
    class Odd:
        def item(self):
            return 7

    async with client.job("train", project="x", params={"path": object(), 1: float("nan")}) as job:
        job.update(float("nan"), total=float("inf"), unit="a\nb" * 100, message="m\x00" * 3000, detail={"x": object()})
        job.stage("s" * 500 + "\n")
        job.update(Odd(), total=10)
        job.log("l" * 100_000, "shouting")
        job.stage("next")
        job.update(-5, detail={str(n): n for n in range(200)})
        job.result = {"big": "x" * 200_000}
    state = await client.state(job.id)
    assert state.state is State.SUCCEEDED
    assert [(stage.stage[:4], stage.current, stage.total) for stage in state.stages] == [
        ("ssss", 7, 10),
        ("next", 0, None),
    ]


async def test_an_id_that_is_taken_is_told_and_does_not_stop_the_program(client, caplog):
    async with client.job("train", project="x", id="same"):
        await known(client, "same")
        async with client.job("test", project="x", id="same") as job:
            job.update(1)
    assert "other_kind" in caplog.text
    assert job.error
    assert (await client.state("same")).state is State.SUCCEEDED


async def test_an_id_of_a_job_that_has_ended_is_not_used_again(client, caplog):
    for _ in range(2):
        async with client.job("train", project="x", id="same") as job:
            job.update(1)
    assert "Job same is over on the hub (succeeded), and goes on as" in caplog.text
    assert [state.state for state in await client.jobs()] == [State.SUCCEEDED] * 2
    assert job.id != "same"


async def test_a_hub_that_is_not_there_slows_nothing_and_is_told_when_it_comes(tmp_path, caplog):
    process = await asyncio.to_thread(HubProcess, tmp_path)
    await asyncio.to_thread(process.stop)
    try:
        async with Client(process.url, pace=QUICK, flush_s=0.2) as client:
            began = time.monotonic()
            with caplog.at_level(logging.WARNING, "hub.client"):
                async with client.job("train", project="x") as job:
                    job.stage("one", total=1000)
                    for n in range(1000):
                        job.update(n)
                        if n < 30:
                            job.log(f"line {n}")
            assert time.monotonic() - began < 5
            assert "may be lost" in caplog.text
            await asyncio.to_thread(process.start)
            assert await asyncio.to_thread(job.flush, 20)
            state = await client.state(job.id)
            assert (state.state, state.stages[0].current) == (State.SUCCEEDED, 999)
            logs = [item["message"] for item in await told(client, job.id) if item["type"] == "log"]
            assert logs == [f"line {n}" for n in range(30)]
    finally:
        await asyncio.to_thread(process.close)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_a_hub_that_is_restarted_in_the_middle_loses_and_repeats_nothing(tmp_path, how):
    process = await asyncio.to_thread(HubProcess, tmp_path, "--drain-s", "0.1")
    try:
        async with Client(process.url, pace=QUICK, flush_s=20) as client:
            async with client.job("train", project="x", stages=["a", "b", "c"]) as job:
                for stage in "abc":
                    job.stage(stage, total=50)
                    for n in range(51):
                        job.update(n)
                        if n % 5 == 0:
                            job.log(f"{stage}{n}")
                        await asyncio.sleep(0.002)
                    if stage == "b":
                        stopping = asyncio.create_task(asyncio.to_thread(process.stop, how))
                        while not stopping.done():
                            job.log("while it stops")
                            await asyncio.sleep(0.05)
                        starting = asyncio.create_task(asyncio.to_thread(process.start))
                        await starting
            state = await client.state(job.id)
            assert state.state is State.SUCCEEDED
            assert [(stage.stage, stage.current) for stage in state.stages] == [("a", 50), ("b", 50), ("c", 50)]
            items = await told(client, job.id)
        logs = [item["message"] for item in items if item["type"] == "log" and item["message"] != "while it stops"]
        assert logs == [f"{stage}{n}" for stage in "abc" for n in range(0, 51, 5)]
        assert [item["stage"] for item in items if item["type"] == "stage"] == ["a", "b", "c"]
        seqs = [item["seq"] for item in items if item["type"] in BODIES]
        assert seqs == sorted(set(seqs))
    finally:
        await asyncio.to_thread(process.close)


async def test_a_kill_that_nobody_noticed_costs_no_stage_its_last_count(tmp_path):
    process = await asyncio.to_thread(HubProcess, tmp_path)
    try:
        async with Client(process.url, pace=QUICK, flush_s=20) as client:
            async with client.job("train", project="x") as job:
                job.stage("a", total=50)
                job.update(50)
                await until(lambda: not len(job.outbox) and not job.count.is_moving)
                await asyncio.to_thread(process.stop, signal.SIGKILL)
                await asyncio.to_thread(process.start)
                job.stage("b")
            state = await client.state(job.id)
        assert [(stage.stage, stage.current) for stage in state.stages] == [("a", 50), ("b", None)]
    finally:
        await asyncio.to_thread(process.close)


async def test_a_way_that_eats_answers_makes_nothing_twice(hub):
    budgets = [0, 40, 90, 150, 0, 200, 10, 300, 0, 120] * 3
    async with Relay(hub.url, budgets) as relay, Client(relay.url, pace=QUICK, flush_s=20) as client:
        async with client.job("train", project="x") as job:
            for n in range(20):
                job.stage(f"s{n}")
                job.log(f"line {n}")
                await asyncio.sleep(0.01)
        assert job.told.result(0)
        assert relay.connections > 10
    async with Client(hub.url) as client:
        items = await told(client, job.id)
    assert [item["message"] for item in items if item["type"] == "log"] == [f"line {n}" for n in range(20)]
    assert [item["stage"] for item in items if item["type"] == "stage"] == [f"s{n}" for n in range(20)]
    assert [item["state"] for item in items if item["type"] == "job"] == ["running", "succeeded"]


async def test_a_slow_step_is_no_silence(hub, client):
    async with client.job("train", project="x", silence_s=1) as job:
        time.sleep(4)  # noqa: ASYNC251 - even a loop that is blocked is no dead process
        job.update(1)
    assert (await client.state(job.id)).state is State.SUCCEEDED


async def test_a_job_that_the_hub_took_for_dead_goes_on_as_another(hub, client, caplog):
    async with client.job("train", project="x", silence_s=1, total=10) as job:
        job.stage("one", total=10)
        first = job.id
        await known(client, first)
        job.beat_s = 100.0  # as though the network had been gone
        async with asyncio.timeout(15):
            while (await client.state(first)).state is not State.FAILED:
                await asyncio.sleep(0.05)
        job.beat_s = 0.2
        job.update(7)
        job.log("back")
    assert job.id != first
    assert (await client.state(first)).error.code == "publisher_silent"
    state = await client.state(job.id)
    assert (state.state, state.stages[0].stage, state.progress.current) == (State.SUCCEEDED, "one", 7)
    assert [item["message"] for item in await told(client, job.id) if item["type"] == "log"] == ["back"]


async def test_a_client_that_is_closed_ends_what_is_left_open(hub):
    async with Client(hub.url) as client:
        job = client.job("train", project="x").begin()
    async with Client(hub.url) as client:
        state = await client.state(job.id)
    assert (state.state, state.error.code) == (State.CANCELLED, "left")


async def test_a_server_that_refuses_everything_is_told_and_left_alone(caplog):
    async def refuse(request):
        asked.append(request.path)
        return web.json_response({"error": {"code": "forbidden", "message": "Not you."}}, status=403)

    asked: list[str] = []
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", refuse)
    async with (
        TestServer(app) as server,
        Client(str(server.make_url("")), pace=QUICK, flush_s=0.5) as client,
        client.job("train", project="x") as job,
    ):
        job.update(1)
    assert len(asked) < 5
    assert "Not you." in caplog.text
    assert job.error == "Not you."


async def test_a_busy_hub_is_asked_again(hub):
    answers = [429, 503, 500, 502]

    async def sometimes(request):
        if answers and request.path.endswith("/publish"):
            return web.json_response({"error": {"code": "busy", "message": "Later."}}, status=answers.pop())
        url = hub.url + request.path_qs
        async with hub.session.request(request.method, url, data=await request.read()) as answer:
            return web.Response(status=answer.status, body=await answer.read(), content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", sometimes)
    async with TestServer(app) as server, Client(str(server.make_url("")), pace=QUICK, flush_s=20) as client:
        async with client.job("train", project="x") as job:
            job.update(1)
        assert job.told.result(0)
    assert not answers


async def test_hub_jobs_are_started_listed_watched_and_waited_for(hub, client):
    project = await client.create_project(url="https://127.0.0.1:9/none.git", id="none")
    job = await client.start("clone", project=project["id"])
    assert (job.kind, job.project) == ("clone", "none")
    messages = [message async for message in client.watch(job=job.id)]
    assert messages[-1]["state"] == "failed" or messages[0]["type"] == "snapshot"
    ended = await asyncio.wait_for(client.wait(job.id), 20)
    assert ended.state is State.FAILED
    assert [state.id for state in await client.jobs(project="none", state="failed")] == [job.id]
    again = await client.retry(job.id)
    assert again.retry_of == job.id
    assert (await client.wait(again.id)).state is State.FAILED


async def test_more_jobs_than_a_page_are_listed(client):
    for n in range(7):
        async with client.job("train", project="x", id=f"j{n}"):
            pass
    assert len(await client.jobs(project="x", limit=5)) == 5
    assert len(await client.jobs(project="x")) == 7
