"""An engine for a test: real children, a journal in memory, and every event at hand."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from hub.core.events import Event, JobBody, State
from hub.core.job import JobState, reduce
from hub.core.ledger import Ledger
from hub.core.ports import Project
from hub.core.redaction import Redactor
from hub.jobs import process
from hub.jobs.base import Rules
from hub.jobs.engine import Engine
from hub.journal.memory import MemoryJournal
from hub.journal.writer import Writer
from hub.transports.clock import LoopClock
from tests.conftest import until
from tests.jobs.odd_kinds import KINDS

CANCEL_S = 2.0
"""However hard a job makes it."""


class Shop:
    """An engine, its journal and what it has told; `states` is folded from the events alone."""

    def __init__(self, folder: Path, journal: MemoryJournal) -> None:
        self.folder = folder
        self.journal = journal
        self.events: list[Event] = []
        self.states: dict[str, JobState] = {}
        self.projects: dict[str, Project] = {}

    def share(self, events: Any) -> None:
        for event in events:
            self.events.append(event)
            self.states[event.job] = reduce(self.states.get(event.job), event)

    async def project(self, name: str = "p") -> Project:
        if name not in self.projects:
            project = Project(id=name, name=name, created=1)
            opened = await self.journal.add_project(project)
            self.ledger.open_project(name, opened.head)
            self.projects[name] = project
        return self.projects[name]

    async def submit(self, kind: str, project: str = "p", **params: Any) -> str:
        return (await self.engine.submit(await self.project(project), kind, params)).id

    def told(self, job: str) -> list[str]:
        """The states of the job in the order in which they were told, with the place of a queued one."""
        bodies = [event.body for event in self.events if event.job == job and isinstance(event.body, JobBody)]
        return [f"queued {body.queue}" if body.state is State.QUEUED else body.state.value for body in bodies]

    def bodies(self, job: str, kind: str) -> list[Any]:
        return [event.body for event in self.events if event.job == job and event.body.type == kind]

    async def until(self, job: str, *states: str, timeout_s: float = 20.0) -> JobState:
        return await until(lambda: (s := self.states.get(job)) and s.state.value in states and s, timeout_s)

    async def end(self, job: str, timeout_s: float = 20.0) -> JobState:
        return await until(lambda: (s := self.states.get(job)) and s.state.is_end and s, timeout_s)

    async def stage(self, job: str, name: str = "one") -> None:
        await until(lambda: (s := self.states.get(job)) and s.stage == name, 20.0)

    async def pid(self, job: str) -> int:
        return await until(lambda: (run := self.engine.turns.runs.get(job)) and run.child_pid)


@contextlib.asynccontextmanager
async def shop(folder: Path, journal: MemoryJournal | None = None, **options: Any) -> AsyncIterator[Shop]:
    """An engine that runs until the block ends."""
    made = Shop(folder, journal or MemoryJournal())
    clock: Callable[[], int] = options.pop("now_ms", lambda: time.time_ns() // 1_000_000)
    options = {"clock": LoopClock(asyncio.get_running_loop())} | options
    redactor = Redactor()
    made.ledger = Ledger(share=made.share, now_ms=clock, redactor=redactor)
    await made.journal.open(recent_jobs=10)
    for opened in await made.journal.projects():
        made.ledger.open_project(opened.project.id, opened.head, opened.jobs)
        made.projects[opened.project.id] = opened.project
        made.states |= {job.id: job for job in opened.jobs}
    writer = Writer(made.ledger, made.journal)
    made.ledger.on_waiting(writer.wake)
    task = asyncio.create_task(writer.run())
    made.engine = Engine(
        ledger=made.ledger, durable=writer.durable, journal=made.journal, redactor=redactor, kinds=KINDS,
        projects=lambda: list(made.projects.values()), rules=Rules(min_free_bytes=1), folder=folder,
        **{"max_running": 2, "max_queued": 50, "spares": 0} | options,
    )  # fmt: skip
    try:
        await made.engine.start(dict(made.projects))
        yield made
    finally:
        await made.engine.stop()
        await writer.stop()
        await task


@pytest.fixture(autouse=True)
def _odd_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "PROGRAM", "tests.jobs.odd_child")


def alive(group: int) -> bool:
    """Whether the group has a process that is not a zombie."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            state, _, process_group = stat.read_text().rpartition(")")[2].split()[:3]
            if int(process_group) == group and state != "Z":
                return True
    return False
