"""Publishing over HTTP: what programs elsewhere meet, and what those who watch see of it."""

import asyncio
import contextlib
import http.client
import itertools
import json
import random
import signal
import socket
import urllib.error
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from hub.core.errors import JournalUnavailable
from hub.core.ports import Batch
from hub.journal.memory import MemoryJournal
from hub.web.assembly import drain
from tests.conftest import until
from tests.hubs import Running, Watch, read_sse, running
from tests.jobs.desk import job, line, progress, stage
from tests.processes import HubProcess

URL = "/api/v1/projects/p/publish"
EVENTS = "/api/v1/projects/p/events"
ENDS = {"succeeded", "failed", "cancelled", "interrupted"}


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path / "data") as made:
        await project(made)
        yield made


async def project(hub: Running, id_: str = "p") -> None:
    status, _, _ = await hub.call("POST", "/api/v1/projects", {"id": id_})
    assert status == 201


async def publish(hub: Running, *events: dict[str, Any], url: str = URL) -> Any:
    status, answer, _ = await hub.call("POST", url, {"events": list(events)})
    assert status == 200, answer
    return answer


def words(answer: Any) -> list[str]:
    return [outcome.get("code", outcome["outcome"]) for outcome in answer["outcomes"]]


async def state(hub: Running, id_: str = "j") -> Any:
    return (await hub.call("GET", f"/api/v1/jobs/{id_}"))[1]


@contextlib.asynccontextmanager
async def watched(hub: Running, transport: str, query: str = "") -> AsyncIterator[Watch]:
    """A watcher of the project, which checks every number it is told."""
    watch = Watch()
    async with contextlib.AsyncExitStack() as stack:
        if transport == "ws":
            socket = await stack.enter_async_context(hub.session.ws_connect(hub.url + EVENTS + query))
            task = asyncio.create_task(_follow_ws(socket, watch))
        else:
            request = hub.session.get(hub.url + EVENTS + query, headers={"Accept": "text/event-stream"})
            task = asyncio.create_task(_follow_sse(await stack.enter_async_context(request), watch))
        try:
            await until(lambda: watch.of("snapshot"))
            yield watch
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _follow_ws(socket: aiohttp.ClientWebSocketResponse, watch: Watch) -> None:
    async for message in socket:
        watch.take(message.json())


async def _follow_until(hub: Running, jobs: int, pause_s: float = 0.0) -> Watch:
    """Watch until so many jobs have ended; sent away for being too slow, come back with the cursor."""
    watch = Watch()
    connector = aiohttp.TCPConnector(socket_factory=_narrow if pause_s else None)
    async with aiohttp.ClientSession(connector=connector) as session:
        while True:
            since = f"?since={watch.cursor}" if watch.cursor else ""
            async with session.ws_connect(hub.url + EVENTS + since) as socket:
                async for message in socket:
                    watch.take(message.json())
                    if len(watch.ended) == jobs:
                        return watch
                    if len(watch.messages) % 20 == 0:
                        await asyncio.sleep(pause_s)


def _narrow(address: Any) -> socket.socket:
    made = socket.socket(*address[:3])
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    return made


async def _follow_sse(response: aiohttp.ClientResponse, watch: Watch) -> None:
    async for _ in read_sse(response, watch):
        pass


# -- what watchers see ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["ws", "sse"])
async def test_watchers_see_a_published_job_from_its_first_word_to_its_end(hub: Running, transport: str) -> None:
    async with watched(hub, transport) as watch:
        first = job(stages=[{"stage": "fit", "title": "Fitting"}], params={"lr": 0.1})
        answer = await publish(hub, first, progress(30, stage="fit"), line())
        assert answer["jobs"] == {"j": {"state": "running", "percent": 30.0}}
        assert [outcome["seq"] for outcome in answer["outcomes"]] == [1, 3, 4]
        await publish(hub, job("succeeded", result={"score": 5}))
        await until(lambda: watch.ended)
        seen = [message["type"] for message in watch.messages if "seq" in message]
        assert seen == ["job", "stage", "progress", "log", "job"]
        first, last = watch.of("job")
        assert (first["state"], first["params"], first["stages"][0]["title"]) == ("running", {"lr": 0.1}, "Fitting")
        assert (last["state"], last["result"]) == ("succeeded", {"score": 5})
    shown = await state(hub)
    assert (shown["percent"], shown["silence_s"], shown["kind"]) == (100.0, 3600.0, "train")


async def test_an_answer_means_that_the_journal_has_it(hub: Running) -> None:
    await publish(hub, job(), line("kept"), job("failed", error={"message": "boom"}))
    _, page, _ = await hub.call("GET", "/api/v1/projects/p/history?job=j")
    assert [event["type"] for event in page["items"]] == ["job", "log", "job"]
    assert page["items"][0]["error"]["message"] == "boom"


@pytest.mark.parametrize("transport", ["ws", "sse"])
async def test_a_thousand_updates_a_second_are_twenty_to_who_watches(hub: Running, transport: str) -> None:
    async with watched(hub, transport) as watch:
        began = asyncio.get_running_loop().time()
        for n in range(1000):
            await publish(hub, progress(n + 1, 1000))
        took_s = asyncio.get_running_loop().time() - began
        await until(lambda: watch.of("progress") and watch.of("progress")[-1]["current"] == 1000)
        told = [message["percent"] for message in watch.of("progress")]
        assert told == sorted(told)
        assert len(told) <= took_s * 20 + 3
        await publish(hub, job("succeeded"))
        await until(lambda: watch.ended)


async def test_two_publishers_make_one_job(hub: Running) -> None:
    async with watched(hub, "ws") as watch:

        async def work(name: str) -> None:
            for n in range(50):
                answer = await publish(hub, progress(n, 50), line(f"{name} {n}", key=f"{name} {n}"))
                assert words(answer) == ["accepted", "accepted"]

        await asyncio.gather(work("one"), work("two"))
        answers = await asyncio.gather(publish(hub, job("succeeded")), publish(hub, job("succeeded")))
        assert sorted(words(answer)[0] for answer in answers) == ["accepted", "duplicate"]
        await until(lambda: watch.ended)
        begun = [message for message in watch.of("job") if message["state"] == "running"]
        assert len(begun) == 1
        percents = [message["percent"] for message in watch.of("progress")]
        assert percents == sorted(percents)


async def test_eight_publishers_with_a_hundred_jobs_each_all_come_to_their_end(tmp_path: Path) -> None:
    """For a watcher that keeps up, and for one that is sent away as too slow."""
    async with running(tmp_path, max_outside_jobs_project=800, publish_rate=0) as hub:
        await project(hub)

        async def work(name: int) -> None:
            ids = [f"{name}-{n}" for n in range(100)]
            await publish(hub, *(job(id_=id_) for id_ in ids))
            for done in (10, 50, 90):
                await publish(hub, *(progress(done, id_=id_) for id_ in ids))
            await publish(hub, *(job("succeeded", id_) for id_ in ids))

        watchers = [asyncio.create_task(_follow_until(hub, 800, pause_s)) for pause_s in (0.0, 0.1)]
        await until(lambda: hub.hub.tracker.watcher_count == 2)
        await asyncio.gather(*map(work, range(8)))
        async with asyncio.timeout(60):
            _, slow = await asyncio.gather(*watchers)
        assert len(slow.of("hello")) > 1  # it was sent away
        _, page, _ = await hub.call("GET", "/api/v1/jobs?state=succeeded&limit=1")
        assert page["total"] == 800
        assert hub.hub.ledger.live_jobs() == []


# -- orders -----------------------------------------------------------------------------------------------------------


async def test_a_cancel_reaches_the_publisher_with_its_next_answer(hub: Running) -> None:
    await publish(hub, job(), progress(40))
    status, cancelling, _ = await hub.call("POST", "/api/v1/jobs/j/cancel")
    assert (status, cancelling["state"]) == (202, "cancelling")
    assert (await hub.call("POST", "/api/v1/jobs/j/cancel"))[0] == 202
    answer = await publish(hub, job())
    assert answer["jobs"]["j"]["state"] == "cancelling"
    await publish(hub, job("cancelled"))
    assert (await state(hub))["state"] == "cancelled"
    status, refused, _ = await hub.call("POST", "/api/v1/jobs/j/cancel")
    assert (status, refused["error"]["code"]) == (409, "job_ended")


async def test_a_cancel_that_nobody_hears_ends_by_itself(tmp_path: Path) -> None:
    async with running(tmp_path, outside_cancel_s=0.5) as hub:
        await project(hub)
        await publish(hub, job())
        await hub.call("POST", "/api/v1/jobs/j/cancel")
        await until(lambda: (told := hub.hub.tracker.job("p", "j")) and told.state.is_end)
        ended = await state(hub)
        assert (ended["state"], ended["error"]["code"]) == ("cancelled", "cancel_not_confirmed")


@pytest.mark.parametrize("what", ["pause", "resume"])
async def test_nobody_pauses_from_here_what_runs_elsewhere(hub: Running, what: str) -> None:
    await publish(hub, job())
    status, refused, _ = await hub.call("POST", f"/api/v1/jobs/j/{what}")
    assert (status, refused["error"]["code"]) == (409, "outside_job")


async def test_only_its_publisher_can_run_it_again(hub: Running) -> None:
    await publish(hub, job(), job("failed"))
    for body in (None, {"from": "stage"}):
        status, refused, _ = await hub.call("POST", "/api/v1/jobs/j/retry", body)
        assert (status, refused["error"]["code"]) == (409, "outside_job")
        assert "published" in refused["error"]["message"]


async def test_who_promised_to_speak_and_does_not_is_given_up(hub: Running) -> None:
    await publish(hub, job(silence_s=1))
    await until(lambda: (told := hub.hub.tracker.job("p", "j")) and told.state.is_end)
    ended = await state(hub)
    assert (ended["state"], ended["error"]["code"]) == ("failed", "publisher_silent")
    assert ended["error"]["hint"]
    answer = await publish(hub, progress(5))
    assert words(answer) == ["job_ended"]
    assert answer["jobs"]["j"]["state"] == "failed"


# -- what is refused --------------------------------------------------------------------------------------------------


async def test_nothing_of_a_request_with_a_mistake_is_taken(hub: Running) -> None:
    status, refused, _ = await hub.call("POST", URL, {"events": [job(), progress(-1)]})
    assert (status, refused["error"]["code"]) == (400, "bad_request")
    assert refused["error"]["message"].startswith("events[1]: current must be")
    assert refused["error"]["detail"] == {"event": 1}
    assert (await hub.call("GET", "/api/v1/jobs/j"))[0] == 404


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad_request"),
        (b"[]", "not_json"),
        (b"{", "not_json"),
        (b'{"event": {}}', "bad_request"),
        (b'{"events": {}}', "bad_request"),
        (b'{"events": []}', "bad_request"),
        (b'{"events": [{"job":"j","kind":"k","type":"progress","current":NaN}]}', "not_json"),
        (b'{"events": [{"job":"j","kind":"k","type":"progress","current":1e999}]}', "not_json"),
        (b'{"events": [{"job":"j","kind":"sync","type":"job"}]}', "reserved_kind"),
        (b'{"events": ' + b"[" * 5000, "not_json"),
        (b"\xff\xfe", "not_json"),
    ],
    ids=str,
)
async def test_bad_requests_say_what_is_wrong(hub: Running, body: bytes, code: str) -> None:
    status, refused, _ = await hub.call("POST", URL, body)
    assert (status, refused["error"]["code"]) == (400, code)
    assert refused["error"]["message"]


async def test_a_project_that_is_not_there_is_easily_made(hub: Running) -> None:
    status, refused, _ = await hub.call("POST", "/api/v1/projects/new/publish", {"events": [job()]})
    assert (status, refused["error"]["code"]) == (404, "not_found")
    assert 'POST /api/v1/projects {"id": "new"}' in refused["error"]["message"]
    for expected in (201, 200):
        status, made, headers = await hub.call("POST", "/api/v1/projects", {"id": "new"})
        assert (status, made["id"], made["url"], made["path"]) == (expected, "new", None, None)
        assert headers["Location"] == "/api/v1/projects/new"
    await publish(hub, job(), url="/api/v1/projects/new/publish")
    _, page, _ = await hub.call("GET", "/api/v1/projects")
    assert {each["id"]: each["job"] and each["job"]["id"] for each in page["items"]} == {"p": None, "new": "j"}
    status, refused, _ = await hub.call("POST", "/api/v1/projects/new/jobs", {"kind": "clone"})
    assert (status, refused["error"]["code"]) == (400, "bad_params")
    assert (await hub.call("POST", "/api/v1/projects", {"name": "no id"}))[0] == 400
    assert (await hub.call("POST", "/api/v1/projects", {"id": "No Slug"}))[0] == 400


async def test_too_much_at_once_is_413(hub: Running) -> None:
    status, refused, _ = await hub.call("POST", URL, {"events": [line("x" * 2_000_000)]})
    assert (status, refused["error"]["code"]) == (413, "too_large")


async def test_a_project_that_is_flooded_slows_down_alone(tmp_path: Path) -> None:
    async with running(tmp_path, publish_rate=100) as hub:
        await project(hub)
        await project(hub, "q")
        batch = [progress(n, 1000) for n in range(1000)]
        await publish(hub, *batch)
        status, refused, headers = await hub.call("POST", URL, {"events": batch})
        assert (status, refused["error"]["code"], refused["error"]["retry"]) == (429, "throttled", True)
        assert 1 <= int(headers["Retry-After"]) <= 10
        assert words(await publish(hub, line(id_="other"), url="/api/v1/projects/q/publish")) == ["accepted"]
        await until(lambda: hub.hub.tracker.job("p", "j").progress.current == 999)


async def test_a_hub_that_stops_says_to_come_back(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        await project(hub)
        await publish(hub, job(), progress(1), progress(2))
        await drain(hub.hub)
        status, refused, headers = await hub.call("POST", URL, {"events": [progress(3)]})
        assert (status, refused["error"]["code"], refused["error"]["retry"]) == (503, "draining", True)
        assert int(headers["Retry-After"]) > 0
    async with running(tmp_path) as hub:
        shown = await state(hub)
        assert (shown["state"], shown["current"]) == ("running", 2)
        await publish(hub, progress(3), job("succeeded"))
        assert (await state(hub))["state"] == "succeeded"


class Refusing(MemoryJournal):
    is_full = False

    async def commit(self, batch: Batch) -> None:
        if self.is_full:
            raise JournalUnavailable("disk full")
        await super().commit(batch)


async def test_a_full_disk_refuses_and_loses_nothing(tmp_path: Path) -> None:
    journal = Refusing()
    async with running(tmp_path, journal) as hub:
        await project(hub)
        await publish(hub, job())
        journal.is_full = True
        said = {"events": [line("precious", key="1")]}
        asked = asyncio.create_task(hub.call("POST", URL, said))
        await until(lambda: hub.hub.writer.failing_since is not None)
        status, refused, headers = await hub.call("POST", URL, said)
        assert (status, refused["error"]["code"]) == (503, "journal_unavailable")
        assert "Retry-After" in headers
        assert (await asked)[0] == 503
        journal.is_full = False
        await until(lambda: hub.hub.writer.failing_since is None)
        assert words(await publish(hub, *said["events"])) == ["duplicate"]
        _, page, _ = await hub.call("GET", "/api/v1/projects/p/history?type=log")
        assert page["total"] == 1


async def test_a_project_with_a_live_job_stays_and_one_deleted_meanwhile_is_404(hub: Running) -> None:
    await publish(hub, job())
    status, refused, _ = await hub.call("DELETE", "/api/v1/projects/p")
    assert (status, refused["error"]["code"]) == (409, "project_busy")
    await publish(hub, job("succeeded"))

    async def keep_on(name: int) -> set[int]:
        seen = set()
        for n in itertools.count():
            id_ = f"{name}-{n}"
            said = {"events": [job(id_=id_), line(id_=id_), job("succeeded", id_)]}
            status, answer, _ = await hub.call("POST", URL, said)
            seen.add(status)
            if status == 404:
                return seen
            assert status in {200, 409}, answer
        raise AssertionError

    async def delete() -> None:
        while (await hub.call("DELETE", "/api/v1/projects/p"))[0] == 409:
            await asyncio.sleep(0.001)

    publishers = [asyncio.create_task(keep_on(n)) for n in range(4)]
    await until(lambda: hub.hub.outside.counts["accepted"] > 50)
    await delete()
    async with asyncio.timeout(20):
        assert all(404 in seen for seen in await asyncio.gather(*publishers))
    assert hub.hub.ledger.live_jobs() == []


async def test_other_sites_pages_may_not_publish(hub: Running) -> None:
    headers = {"Origin": "https://evil.example"}
    status, refused, _ = await hub.call("POST", URL, {"events": [job()]}, headers=headers)
    assert (status, refused["error"]["code"]) == (403, "foreign_origin")


# -- kill -9 ----------------------------------------------------------------------------------------------------------


@pytest.mark.timeout(120)
def test_a_publisher_that_repeats_itself_is_heard_once_whenever_the_hub_is_killed(tmp_path: Path) -> None:
    rng = random.Random(7)
    hub = HubProcess(tmp_path, "--spare-children", "0")
    try:
        hub.call("POST", "projects", {"id": "p"})
        hub.call("POST", "projects/p/publish", {"events": [job(stages=[{"stage": "fit"}], silence_s=60, key="begin")]})
        percents = []
        for n in range(16):
            events = [progress(n, 16, stage="fit"), line(f"line {n}", key=f"line {n}")]
            before, after = rng.random() < 0.15, rng.random() < 0.15
            if before:
                kill(hub)
            answer = hub.call("POST", "projects/p/publish", {"events": events})
            if after:
                kill(hub)
                answer = hub.call("POST", "projects/p/publish", {"events": events})
                assert answer["outcomes"][1]["outcome"] == "duplicate"
            percents.append(answer["jobs"]["j"]["percent"])
        end = {"events": [job("succeeded", key="end")]}
        hub.call("POST", "projects/p/publish", end)
        kill(hub)
        assert hub.call("POST", "projects/p/publish", end)["outcomes"][0]["outcome"] == "duplicate"
        assert percents == sorted(percents)
        page = hub.call("GET", "projects/p/history?job=j&limit=500")
        kept = [event.get("message") or event.get("state") or event["type"] for event in reversed(page["items"])]
        assert kept == ["running", "stage", *(f"line {n}" for n in range(16)), "succeeded"]
        assert hub.call("GET", "jobs/j")["percent"] == 100.0
    finally:
        hub.close()


@pytest.mark.timeout(60)
def test_a_request_under_way_when_the_hub_is_killed_is_heard_once(tmp_path: Path) -> None:
    hub = HubProcess(tmp_path, "--spare-children", "0")
    try:
        hub.call("POST", "projects", {"id": "p"})
        for n in range(3):
            batch = {"events": [line(f"{n} {m}", id_=f"j{n}", key=str(m)) for m in range(40)]}
            with contextlib.suppress(urllib.error.URLError, ConnectionError, json.JSONDecodeError):
                send_and_kill(hub, batch)
            hub.start()
            words = {each["outcome"] for each in hub.call("POST", "projects/p/publish", batch)["outcomes"]}
            assert words in ({"accepted"}, {"duplicate"}), "all of a request is kept, or nothing"
        page = hub.call("GET", "projects/p/history?type=log&limit=500")
        assert sorted(event["message"] for event in page["items"]) == sorted(
            f"{n} {m}" for n in range(3) for m in range(40)
        )
    finally:
        hub.close()


def kill(hub: HubProcess) -> None:
    hub.stop(signal.SIGKILL)
    hub.start()


def send_and_kill(hub: HubProcess, batch: Any) -> None:
    where = urlsplit(hub.url)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=10)
    body = json.dumps(batch)
    connection.request("POST", "/api/v1/projects/p/publish", body)
    hub.stop(signal.SIGKILL)
    connection.getresponse().read()


# -- at once ----------------------------------------------------------------------------------------------------------


async def test_the_same_request_twice_at_once_is_heard_once(hub: Running) -> None:
    batch = [job(key="a"), stage("s", key="b"), progress(5, key="c"), line(key="d")]
    first, second = await asyncio.gather(publish(hub, *batch), publish(hub, *batch))
    assert {words(first)[0], words(second)[0]} == {"accepted", "duplicate"}
    assert [each["seq"] for each in first["outcomes"]] == [each["seq"] for each in second["outcomes"]]
    assert words(await publish(hub, line("other", key="d"))) == ["key_reused"]


# -- growth -----------------------------------------------------------------------------------------------------------


async def test_a_flood_is_pruned_before_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.web.upkeep.LOOK_S", 0.02)
    async with running(tmp_path, history_events=100, history_jobs=20, publish_rate=0) as made:
        await project(made)
        for n in range(150):
            await publish(made, job(id_=f"j{n}"), line(id_=f"j{n}", key="k"), job("succeeded", f"j{n}"))
        async with asyncio.timeout(20):
            while (await made.call("GET", "/api/v1/projects/p/history?limit=1"))[1]["total"] > 220:
                await asyncio.sleep(0.01)
        async with asyncio.timeout(20):
            while (await made.call("GET", "/api/v1/jobs?state=succeeded&limit=1"))[1]["total"] > 60:
                await asyncio.sleep(0.01)
        assert words(await publish(made, job(id_="j149"), line(id_="j149", key="k"))) == ["job_ended", "duplicate"]


async def test_the_newest_job_is_the_newest_whatever_its_id_also_after_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path) as made:
        await project(made)
        for id_ in ("z", "m", "a"):
            await publish(made, job(id_=id_), job("succeeded", id_))
            await asyncio.sleep(0.002)  # another millisecond
    async with running(tmp_path) as made:
        _, shown, _ = await made.call("GET", "/api/v1/projects/p")
        assert shown["job"]["id"] == "a"


async def test_jobs_are_listed_newest_first_whatever_their_publishers_call_them(hub: Running) -> None:
    for id_ in "zma":
        await publish(hub, job(id_=id_), job("succeeded", id_=id_))
        await asyncio.sleep(0.002)  # another millisecond
    _, answer, _ = await hub.call("GET", "/api/v1/jobs")
    assert [each["id"] for each in answer["items"]] == ["a", "m", "z"]
    found, cursor = [], ""
    for _ in range(3):
        _, answer, _ = await hub.call("GET", f"/api/v1/jobs?limit=1{cursor}")
        found += [each["id"] for each in answer["items"]]
        cursor = f"&cursor={answer.get('next')}"
    assert (found, "next" in answer) == (["a", "m", "z"], False)
    assert (await hub.call("GET", "/api/v1/jobs?cursor=z"))[0] == 400
