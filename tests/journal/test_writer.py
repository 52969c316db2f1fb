"""The writer under a store that fails: nothing is told early, nothing is lost, and it goes on by itself."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.core.errors import JournalUnavailable
from hub.core.events import State
from hub.core.ports import Batch
from hub.journal.memory import MemoryJournal
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


async def test_watching_and_asking_go_on_while_the_journal_fails(hub: Running, journal: FailingJournal) -> None:
    journal.is_full = True
    hub.publish("p", "j1", log_body("waits"))
    await until(lambda: hub.hub.writer.failing_since)
    _, snapshot, _ = await hub.call("GET", "/api/v1/projects/p/events")
    assert snapshot["snapshot"]["jobs"][0]["id"] == "j1"
