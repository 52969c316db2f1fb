"""The writer under a store that fails: nothing is told early, nothing is lost, and it goes on by itself."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.core.errors import JournalUnavailable
from hub.core.events import State
from hub.core.ledger import Ledger
from hub.core.ports import Batch, Project
from hub.core.redaction import Redactor
from hub.journal import writer as writer_module
from hub.journal.memory import MemoryJournal
from hub.journal.writer import Writer
from hub.web import assembly
from tests.conftest import until
from tests.fakes import job_body, log_body, progress_body
from tests.hubs import Running, running


class FailingJournal(MemoryJournal):
    """Refuses commits while `is_full`."""

    is_full = False

    async def commit(self, batch: Batch) -> None:
        if self.is_full:
            raise JournalUnavailable("The journal cannot be used just now: the disk is full")
        await super().commit(batch)


@pytest.fixture
def journal() -> FailingJournal:
    return FailingJournal()


@pytest.fixture
async def hub(tmp_path: Path, journal: FailingJournal) -> AsyncIterator[Running]:
    async with running(tmp_path, journal) as made:
        await made.make_project()
        await made.begin()
        yield made
        journal.is_full = False


async def test_an_end_is_not_told_before_it_is_durable_and_comes_when_it_is(
    hub: Running, journal: FailingJournal
) -> None:
    journal.is_full = True
    hub.publish("p", "j1", progress_body(90), log_body("last words"), job_body(State.SUCCEEDED))
    await until(lambda: hub.hub.writer.failing_since)
    status, ready, _ = await hub.call("GET", "/readyz")
    assert (status, ready["status"]) == (503, "failing")
    assert "disk is full" in ready["journal"]
    assert (await hub.call("GET", "/healthz"))[0] == 200
    _, job, _ = await hub.call("GET", "/api/v1/jobs/j1")
    assert (job["state"], job["percent"]) == ("running", 90)
    journal.is_full = False
    await asyncio.wait_for(hub.settle(), 5)
    assert (await hub.call("GET", "/readyz"))[0] == 200
    assert (await hub.call("GET", "/api/v1/jobs/j1"))[1]["state"] == "succeeded"
    _, history, _ = await hub.call("GET", "/api/v1/projects/p/history")
    assert [event["type"] for event in history["items"]][:2] == ["job", "log"]


async def test_a_change_that_cannot_be_kept_is_refused_and_does_not_hang(
    hub: Running, journal: FailingJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub.hub.engine, "_durable", lambda: hub.hub.writer.durable(0.2))
    journal.is_full = True
    hub.publish("p", "j1", job_body(State.FAILED))
    body = {"kind": "clone", "params": {"depth": 1}}
    status, answer, headers = await asyncio.wait_for(hub.call("POST", "/api/v1/projects/p/jobs", body), 5)
    assert (status, answer["error"]["code"]) == (503, "journal_unavailable")
    assert "Retry-After" in headers


async def test_a_key_finds_the_job_whose_commit_was_slow(
    hub: Running, journal: FailingJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience = {"s": 0.2}
    monkeypatch.setattr(hub.hub.engine, "_durable", lambda: hub.hub.writer.durable(patience["s"]))
    await hub.make_project("q")
    journal.is_full = True
    path, headers = "/api/v1/projects/q/jobs", {"Idempotency-Key": "once"}
    assert (await hub.call("POST", path, {"kind": "clone"}, headers=headers))[0] == 503
    journal.is_full = False
    patience["s"] = 5.0
    status, answer, _ = await hub.call("POST", path, {"kind": "clone"}, headers=headers)
    assert status == 202
    _, jobs, _ = await hub.call("GET", "/api/v1/jobs?project=q")
    assert [job["id"] for job in jobs["items"]] == [answer["id"]]


async def test_draining_does_not_wait_for_a_disk_that_stays_full(
    hub: Running, journal: FailingJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembly, "DRAIN_JOURNAL_S", 0.1)
    journal.is_full = True
    hub.publish("p", "j1", log_body("never kept"))
    await asyncio.wait_for(assembly.drain(hub.hub), 5)


async def test_nothing_that_a_journal_raises_ends_the_writer(hub: Running, journal: FailingJournal) -> None:
    commit = journal.commit

    async def broken(batch: Batch) -> None:
        raise UnicodeEncodeError("utf-8", "x", 0, 1, "no reason at all")

    journal.commit = broken  # type: ignore[method-assign]
    hub.publish("p", "j1", log_body("waits"))
    await until(lambda: hub.hub.writer.failing_since)
    journal.commit = commit  # type: ignore[method-assign]
    await asyncio.wait_for(hub.settle(), 5)
    assert hub.hub.writer.failing_since is None


async def test_watching_and_asking_go_on_while_the_journal_fails(hub: Running, journal: FailingJournal) -> None:
    journal.is_full = True
    hub.publish("p", "j1", log_body("waits"))
    await until(lambda: hub.hub.writer.failing_since)
    _, snapshot, _ = await hub.call("GET", "/api/v1/projects/p/events")
    assert snapshot["snapshot"]["jobs"][0]["id"] == "j1"


async def test_a_commit_that_hangs_is_trouble_before_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    class Locked(MemoryJournal):
        unlocked = asyncio.Event()

        async def commit(self, batch: Batch) -> None:
            await self.unlocked.wait()
            await super().commit(batch)

    monkeypatch.setattr(writer_module, "SLOW_S", 0.05)
    journal = Locked()
    ledger = Ledger(share=lambda events: None, now_ms=lambda: 1, redactor=Redactor())
    writer = Writer(ledger, journal)
    ledger.on_waiting(writer.wake)
    await journal.add_project(Project(id="p", name="p", created=1))
    ledger.open_project("p", 0)
    task = asyncio.create_task(writer.run())
    await until(lambda: writer.trouble)
    journal.unlocked.set()
    await writer.durable()
    assert writer.trouble == ""
    await writer.stop()
    await task
