"""The ledger over crashes: numbers that were told are never told again, in order, and never before they are durable."""

import sys
from collections.abc import Sequence
from typing import Any
from unittest import mock

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hub.core import ledger as ledger_module
from hub.core.errors import ForeignJob, HubError, JobEnded, NotFound
from hub.core.events import Event, State
from hub.core.job import JobState, reduce
from hub.core.ledger import Ledger
from hub.core.ports import Batch, Key, Project
from hub.core.redaction import Redactor
from hub.journal.memory import MemoryJournal
from tests.core.machines.disk import at_once
from tests.core.machines.profiles import paced
from tests.fakes import job_body, log_body, progress_body, stage_body

PROJECTS = ("p", "q")
projects = st.sampled_from(PROJECTS)


class Books(RuleBasedStateMachine):
    @initialize(block=st.sampled_from([2, 5, 40]))
    def start(self, block: int) -> None:
        self.patch = mock.patch.object(ledger_module, "BLOCK", block)
        self.patch.start()
        self.disk = MemoryJournal()
        self.told: dict[str, list[Event]] = {project: [] for project in PROJECTS}
        self.made = 0
        self.keys = 0
        for project in PROJECTS:
            at_once(self.disk.add_project(Project(id=project, name=project, created=0)))
        self._boot()

    def _boot(self) -> None:
        self.owed: Batch | None = None
        self.held: dict[str, list[Event]] = {project: [] for project in PROJECTS}
        """Published, and not told yet."""
        self.states: dict[str, JobState] = {}
        self.wakes = 0
        self.ledger = Ledger(share=self._share, now_ms=lambda: 1, redactor=Redactor())
        self.ledger.on_waiting(self._wake)
        at_once(self.disk.open(recent_jobs=10))
        for opened in at_once(self.disk.projects()):
            self.ledger.open_project(opened.project.id, opened.head, opened.jobs)
            self.states |= {job.id: job for job in opened.jobs if not job.state.is_end}
        assert {job.id: job for job in self.ledger.live_jobs()} == self.states

    def _wake(self) -> None:
        self.wakes += 1

    def _share(self, events: Sequence[Event]) -> None:
        for event in events:
            told, held = self.told[event.project], self.held[event.project]
            assert event.seq > max((each.seq for each in told), default=0), "in order, and no number twice"
            told.append(event)
            if event.is_lossless:
                assert event in self.disk._events[event.project], "told before it was durable"
            skipped = [each for each in held if each.seq < event.seq]
            assert not any(each.is_lossless for each in skipped), "nothing lossless is overtaken"
            newer = {each.job for each in held if each.seq >= event.seq and not each.is_lossless}
            assert {each.job for each in skipped} <= newer, "only newer progress of the same job stands for older"
            self.held[event.project] = [each for each in held if each.seq > event.seq]

    def _publish(self, project: str, job: str, body: Any) -> None:
        wakes, count = self.wakes, len(self.told[project])
        expected = self.ledger._lines[project].seq + 1  # the number it must get
        event = Event(project=project, seq=expected, at=1, job=job, kind="clone", body=body)
        self.held[project].append(event)
        made = self.ledger.publish(project, job, "clone", body)
        assert made.seq == expected, "no holes"
        if made.body != body:  # a stage's counts of the one it leaves
            self.held[project] = [made if each is event else each for each in self.held[project]]
            event = made
        self.states[job] = reduce(self.states.get(job), event)
        if self.states[job].state.is_end:
            del self.states[job]
        assert len(self.told[project]) > count or self.wakes > wakes, "what waits asks for a commit"

    # -- rules --------------------------------------------------------------------------------------------------------

    @rule(project=projects)
    def begin(self, project: str) -> None:
        self.made += 1
        self._publish(project, f"job{self.made}", job_body(State.RUNNING))

    @precondition(lambda self: self.states)
    @rule(data=st.data(), body=st.sampled_from([log_body(), stage_body("fetch"), stage_body("unpack")]))
    def lossless(self, data: st.DataObject, body: Any) -> None:
        job = self._draw(data)
        self._publish(job.project, job.id, body)

    @precondition(lambda self: self.states)
    @rule(data=st.data(), count=st.integers(1, 12))
    def progress(self, data: st.DataObject, count: int) -> None:
        job = self._draw(data)
        for n in range(count):
            self._publish(job.project, job.id, progress_body(min(99.9, job.percent + n), n))

    @precondition(lambda self: self.states)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        job = self._draw(data)
        self._publish(job.project, job.id, job_body(State.FAILED))
        for body in (log_body(), progress_body(1), job_body(State.RUNNING)):
            self._refused(JobEnded, job.project, job.id, body)

    @precondition(lambda self: self.states)
    @rule(data=st.data())
    def mistake(self, data: st.DataObject) -> None:
        job = self._draw(data)
        self._refused(ForeignJob, "q" if job.project == "p" else "p", job.id, log_body())
        self._refused(NotFound, "nowhere", job.id, log_body())
        self._refused(JobEnded, job.project, "never begun", log_body())

    def _refused(self, error: type[HubError], project: str, job: str, body: Any) -> None:
        before = {p: line.seq for p, line in self.ledger._lines.items()}
        try:
            self.ledger.publish(project, job, "clone", body)
        except error:
            assert before == {p: line.seq for p, line in self.ledger._lines.items()}, "a refusal uses no number"
            return
        raise AssertionError("must be refused")

    def _draw(self, data: st.DataObject) -> JobState:
        return self.states[data.draw(st.sampled_from(sorted(self.states)))]

    @rule()
    def remember(self) -> None:
        self.keys += 1
        self.ledger.remember(Key(key=f"k{self.keys}", fingerprint="", job="", at=1))

    @rule()
    def take(self) -> None:
        before, self.owed = self.owed, self.ledger.take()
        assert before is None or self.owed == before, "the same again until it is committed"
        if self.owed is None:
            assert not self.ledger.is_urgent
            return
        states = {job.id: job for job in self.owed.jobs}
        for event in self.owed.events:
            assert states[event.job].seq >= event.seq, "a batch holds the states that its events make"
        for project in PROJECTS:
            seqs = [event.seq for event in self.owed.events if event.project == project]
            assert seqs == sorted(set(seqs))

    @rule(times=st.integers(0, 2))
    def commit(self, times: int) -> None:
        """The journal takes the batch; refuses it (0); or says that it refuses, and so gets it again (2)."""
        for n in range(times):
            self.take()
            if self.owed is not None:
                at_once(self.disk.commit(self.owed))
                if n == times - 1:
                    self.ledger.commit()
                    self.owed = None

    @rule(lands=st.booleans())
    def crash(self, lands: bool) -> None:
        if lands and self.owed is not None:
            at_once(self.disk.commit(self.owed))
        self._boot()

    @rule(project=projects)
    def delete_and_make_again(self, project: str) -> None:
        at_once(self.disk.delete_project(project))
        self.ledger.close_project(project)
        if self.owed is not None:
            self.owed = self.ledger.take()
            assert self.owed is not None
            assert not any(event.project == project for event in self.owed.events)
            assert not any(job.project == project for job in self.owed.jobs)
        self.held[project] = []
        self.states = {id_: job for id_, job in self.states.items() if job.project != project}
        opened = at_once(self.disk.add_project(Project(id=project, name=project, created=0)))
        self.ledger.open_project(project, opened.head)

    # -- promises -----------------------------------------------------------------------------------------------------

    @invariant()
    def states_are_what_was_published(self) -> None:
        assert {job.id: job for job in self.ledger.live_jobs()} == self.states
        for job in self.states.values():
            assert self.ledger.job(job.id) == job

    @invariant()
    def little_is_held_back(self) -> None:
        for line in self.ledger._lines.values():
            jobs = [event.job for event in line.pending.values() if not event.is_lossless]
            assert len(jobs) == len(set(jobs))

    def teardown(self) -> None:
        if not hasattr(self, "ledger"):
            return
        self.patch.stop()
        if sys.exc_info()[0] is not None:  # it has failed already: let that be what is seen
            return
        self.commit(1)
        self.commit(1)
        assert not any(self.held.values()), "in the end, all is told"
        assert not self.ledger.is_urgent


TestBooks = Books.TestCase
TestBooks.settings = paced(60, 50)
