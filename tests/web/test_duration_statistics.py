"""Statistics over the API."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub.core.errors import JournalUnavailable
from hub.core.events import State
from hub.core.job import reduce
from hub.core.ports import Batch
from hub.web.resources import statistics as statistics_module
from tests.conftest import until
from tests.fakes import event, job_body
from tests.hubs import Running, running

PATH = "/api/v1/statistics"


async def put(hub: Running, n: int, seconds: float, **fields: Any) -> None:
    now = hub.hub.clock.now_ms()
    job = reduce(None, event(1, job_body(State.RUNNING), job=f"j{n:05}"))
    ended = fields.pop("ended", now - n * 1000)
    started = ended - round(seconds * 1000)
    state = fields.pop("state", State.SUCCEEDED)
    made = replace(job, state=state, created=started - 1000, started=started, ended=ended, **fields)
    await hub.hub.journal.commit(Batch(jobs=(made,)))


async def asked(hub: Running, query: str = "") -> Any:
    status, answer, _ = await hub.call("GET", PATH + query)
    assert status == 200, answer
    return answer


async def test_each_project_and_kind_has_its_row(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        await hub.make_project()
        await hub.make_project("q")
        assert (await asked(hub))["items"] == []
        await put(hub, 1, 10)
        await put(hub, 2, 20)
        await put(hub, 3, 30, state=State.FAILED)
        await put(hub, 4, 5, kind="index")
        await put(hub, 5, 7, project="q")
        answer = await asked(hub, "?days=1")
        assert [(item["project"], item["kind"], item["runs"]) for item in answer["items"]] == [
            ("p", "clone", 3),
            ("p", "index", 1),
            ("q", "clone", 1),
        ]
        assert (answer["total"], answer["items"][0]["duration_s"]["p50"]) == (3, 15)
        assert answer["items"][0]["queue_wait_s"] == 1
        narrowed = await asked(hub, "?project=p&kind=index")
        assert [(item["project"], item["kind"]) for item in narrowed["items"]] == [("p", "index")]


async def test_only_what_ended_within_the_days_counts(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        await hub.make_project()
        await put(hub, 1, 10, ended=hub.hub.clock.now_ms() - 3 * 86_400_000)
        assert (await asked(hub, "?days=2"))["items"] == []
        assert (await asked(hub, "?days=4"))["items"][0]["runs"] == 1


async def test_what_took_long_is_told_again_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path) as hub:
        await hub.make_project()
        await put(hub, 1, 10)
        monkeypatch.setattr(statistics_module, "SHARE", 1e9)
        first = await asked(hub)
        await put(hub, 2, 10)
        assert await asked(hub) == first
        assert (await asked(hub, "?kind=clone"))["items"][0]["runs"] == 2


@pytest.mark.parametrize(
    ("query", "status"), [("?days=0", 400), ("?days=nan", 400), ("?days=x", 400), ("?project=none", 404)]
)
async def test_what_makes_no_sense_is_refused(tmp_path: Path, query: str, status: int) -> None:
    async with running(tmp_path) as hub:
        assert (await hub.call("GET", PATH + query))[0] == status


async def test_who_asks_the_same_at_once_waits_for_the_same_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as hub:
        counted, gate = [], asyncio.Event()
        job_kinds = hub.hub.journal.job_kinds

        async def slow(*about: Any) -> Any:
            counted.append(about)
            await gate.wait()
            return await job_kinds(*about)

        monkeypatch.setattr(hub.hub.journal, "job_kinds", slow)
        asking = [asyncio.create_task(asked(hub)) for _ in range(5)]
        await until(lambda: counted)
        await asyncio.sleep(0.05)
        asking.pop(0).cancel()  # who leaves takes it from nobody
        gate.set()
        answers = [await each for each in asking]
        assert len(counted) == 1
        assert len({answer["computed_at"] for answer in answers}) == 1


async def test_answers_to_ever_new_questions_are_not_all_kept(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        answers = statistics_module.Answers()
        for days in range(1, 60):
            assert (await answers.answer(hub.hub, (None, None, days)))["items"] == []
        assert len(answers._kept) <= statistics_module.MOST_KEPT
        await answers.end()


async def test_a_journal_that_fails_is_told_and_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path) as hub:

        async def gone(*_: Any) -> Any:
            raise JournalUnavailable("the disk is gone")

        with monkeypatch.context() as patched:
            patched.setattr(hub.hub.journal, "job_kinds", gone)
            status, answer, _ = await hub.call("GET", PATH)
            assert (status, answer["error"]["code"]) == (503, "journal_unavailable")
        assert (await asked(hub))["items"] == []
