"""Outside jobs for a test: the real ledger over a journal in memory, time that is stepped, and every event at hand."""

from collections.abc import Sequence
from typing import Any

from hub.core.events import Event, JobBody, ProgressBody
from hub.core.job import JobState, reduce
from hub.core.ledger import Ledger
from hub.core.ports import Project
from hub.core.publication import read
from hub.core.redaction import Redactor
from hub.jobs.outside.outcome import Answer
from hub.jobs.outside.reception import Outside
from hub.jobs.outside.terms import Terms
from hub.journal.memory import MemoryJournal
from tests.core.machines.disk import at_once
from tests.fakes import FakeClock


class Desk:
    """What publishers meet; `told` and `states` are what watchers know."""

    def __init__(self, journal: MemoryJournal | None = None, clock: FakeClock | None = None, **terms: Any) -> None:
        self.journal = journal or MemoryJournal()
        self.clock = clock or FakeClock()
        self.told: list[Event] = []
        self.states: dict[str, JobState] = {}
        self.trouble = ""
        self.redactor = Redactor()
        self.ledger = Ledger(share=self._share, now_ms=self.clock.now_ms, redactor=self.redactor)
        at_once(self.journal.open(recent_jobs=10))
        for opened in at_once(self.journal.projects()):
            self.ledger.open_project(opened.project.id, opened.head, opened.jobs)
            self.states |= {job.id: job for job in opened.jobs}
        self.outside = Outside(
            ledger=self.ledger, clock=self.clock, journal=self.journal, durable=self.durable,
            trouble=lambda: self.trouble, terms=Terms(**{"events_per_s": 0} | terms),
        )  # fmt: skip
        self.outside.start()

    def _share(self, events: Sequence[Event]) -> None:
        for event in events:
            self.told.append(event)
            self.states[event.job] = reduce(self.states.get(event.job), event)

    async def durable(self) -> None:
        self.commit()

    def commit(self) -> None:
        while (batch := self.ledger.take()) is not None:
            at_once(self.journal.commit(batch))
            self.ledger.commit()

    def project(self, id_: str = "p") -> None:
        opened = at_once(self.journal.add_project(Project(id=id_, name=id_, created=1)))
        self.ledger.open_project(id_, opened.head)

    def restarted(self, **terms: Any) -> "Desk":
        """The next hub over the same journal, after a crash: nothing is told or written at the end of this one."""
        return Desk(self.journal, self.clock, **terms)

    def answer(self, *events: dict[str, Any], project: str = "p") -> Answer:
        return at_once(self.outside.publish(project, read(list(events))))

    def say(self, *events: dict[str, Any], project: str = "p") -> list[str]:
        """How each was taken: accepted, duplicate, or why it was refused."""
        outcomes = self.answer(*events, project=project).outcomes
        return [each.error.narrow_code if each.error else each.word for each in outcomes]

    def step(self, seconds: float) -> None:
        self.clock.step(seconds)
        self.commit()

    def bodies(self, type_: str, job: str = "j") -> list[Any]:
        return [event.body for event in self.told if event.job == job and event.body.type == type_]

    def percents(self, job: str = "j") -> list[float]:
        return [body.percent for body in self.bodies("progress", job) if isinstance(body, ProgressBody)]

    def ends(self, job: str = "j") -> list[JobBody]:
        return [body for body in self.bodies("job", job) if body.state.is_end]


def event(type_: str, job: str = "j", **fields: Any) -> dict[str, Any]:
    return {"job": job, "kind": "train", "type": type_, **fields}


def job(state: str = "running", id_: str = "j", **fields: Any) -> dict[str, Any]:
    return event("job", id_, state=state, **fields)


def progress(current: float, total: float | None = 100, id_: str = "j", **fields: Any) -> dict[str, Any]:
    return event("progress", id_, current=current, total=total, **fields)


def stage(name: str, id_: str = "j", **fields: Any) -> dict[str, Any]:
    return event("stage", id_, stage=name, **fields)


def line(message: str = "hello", id_: str = "j", **fields: Any) -> dict[str, Any]:
    return event("log", id_, message=message, **fields)
