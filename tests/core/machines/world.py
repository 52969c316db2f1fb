"""The hub's delivery core on a disk that outlives it: every real part but sockets, SQLite and the engine."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Any
from unittest import mock

from hub.core import channel, flush
from hub.core import ledger as ledger_module
from hub.core.cohorts import Limits
from hub.core.errors import JournalUnavailable
from hub.core.events import Body, Event
from hub.core.job import JobState, reduce
from hub.core.ledger import Ledger
from hub.core.ports import Project
from hub.core.redaction import Redactor
from hub.core.tracker import Tracker
from hub.journal.memory import MemoryJournal
from hub.journal.writer import Writer
from hub.transports import encodings, poll, replay, stream
from hub.transports.stream import Delivery
from tests.core.machines.disk import SlowJournal, at_once
from tests.core.machines.peers import Peer, Pipe, over_pipes
from tests.core.machines.steploop import StepClock, StepLoop

LIMITS = Limits(ring_size=8, recent_jobs=3, high_water_bytes=1500, mailbox_events=3, too_slow_s=10.0, max_pending=12)
TIGHT = (
    (ledger_module, "BLOCK", 8),
    (flush, "PARCEL_BYTES", 700),
    (channel, "PAGE", 3),
    (replay, "PAGE", 3),
    (poll, "MAX_MESSAGES", 6),
    (stream, "PAGES_WAITING_BYTES", 800),
)
"""Bounds so small that short histories reach them."""
POISON = "cannot be encoded"


class Truth:
    """What has been told, by all lives of the hub."""

    def __init__(self) -> None:
        self.told: dict[str, dict[int, Event]] = {}
        self.jobs: dict[str, dict[str, JobState]] = {}
        """Folded from what was told, by the project as it is now: a deleted one's are gone."""


class MarkingTracker(Tracker):
    """Leaves a mark in a stream where the hub stops following a project for it."""

    def leave(self, outlet: Any, subscription: Any) -> None:
        if self.follows(outlet, subscription):
            topic, _ = self._watchers[outlet].subscriptions[subscription]
            pipe = outlet._transport
            pipe.marks.append((pipe.written, ("left", getattr(topic, "project", None))))
        super().leave(outlet, subscription)


class Life:
    """One process of the hub, from start to end."""

    def __init__(self, number: int, disk: MemoryJournal, truth: Truth, now: float) -> None:
        self.number = number
        self.truth = truth
        self.is_over = False
        self.poisoned = False
        self.loop = StepLoop(now)
        self.clock = StepClock(self.loop)
        self.journal = SlowJournal(disk)
        journal: Any = self.journal
        epoch = at_once(disk.open(recent_jobs=LIMITS.recent_jobs))
        self.tracker = MarkingTracker(epoch=epoch, boot=f"{number:08x}", clock=self.clock, limits=LIMITS)
        self.ledger = Ledger(share=self._share, now_ms=self.clock.now_ms, redactor=Redactor())
        self.writer = Writer(self.ledger, journal)
        self.ledger.on_waiting(self.writer.wake)
        self.projects: set[str] = set()
        self.shown: dict[str, int] = {}
        """By project, its newest number that the feed has shown: where a newcomer to the feed begins."""
        self.changing = asyncio.Lock()
        self.delivery = Delivery(
            tracker=self.tracker, journal=journal, version="0", heartbeat_s=10.0, send_buffer_bytes=0,
            max_watchers=99, max_subscriptions=99, max_frame_bytes=999, now_ms=self.clock.now_ms,
        )  # fmt: skip
        for opened in at_once(disk.projects()):
            self._open(opened)
        self.writing = self.loop.create_task(self.writer.run())

    def _open(self, opened: Any) -> None:
        project = opened.project.id
        self.projects.add(project)
        self.shown[project] = opened.head
        self.tracker.open_project(project, opened.head, opened.floor, opened.jobs, opened.lost)
        self.ledger.open_project(project, opened.head, opened.jobs)

    def _share(self, events: Sequence[Event]) -> None:
        if self.is_over:
            return
        for event in events:
            told = self.truth.told.setdefault(event.project, {})
            assert event.seq > max(told, default=0), "told in order, and no number twice"
            told[event.seq] = event
            if event.body.type != "log" and event.project in self.shown:
                self.shown[event.project] = event.seq
            if event.is_lossless:
                self._check_durable(event)
            jobs = self.truth.jobs.setdefault(event.project, {})
            jobs[event.job] = reduce(jobs.get(event.job), event)
        self.tracker.deliver(events)

    def _check_durable(self, event: Event) -> None:
        disk = self.journal.disk
        if event.project not in disk._projects:  # being deleted
            return
        kept = disk._events[event.project]
        assert event in kept or event.seq <= disk._floors[event.project], "told before it was durable"

    # -- what a hub is asked to do ------------------------------------------------------------------------------------

    def publish(self, project: str, job: str, body: Body) -> Event:
        return self.ledger.publish(project, job, "clone", body)

    async def make(self, project: str) -> None:
        async with self.changing:
            if project not in self.projects:
                self.truth.jobs[project] = {}
                self._open(await self.journal.add_project(Project(id=project, name=project, created=0)))

    async def delete(self, project: str) -> None:
        async with self.changing:
            if project in self.projects:
                await self.journal.delete_project(project)
                self.projects.remove(project)
                del self.shown[project]
                self.ledger.close_project(project)
                self.tracker.close_project(project)
                self.truth.jobs[project] = {}

    async def prune(self, keep: int) -> None:
        with contextlib.suppress(JournalUnavailable):
            floors = await self.journal.prunable(events=keep, before_ms=0)
            for project, floor in floors.items():
                self.tracker.raise_floor(project, floor)
            await self.journal.prune(floors)

    def serve(self, peer: Peer) -> None:
        peer.pipe.soon = self.loop.call_soon
        peer.pipe.before_write = self._before_write
        peer.task = self.loop.create_task(peer.serve())

    def _before_write(self, pipe: Pipe, data: bytes) -> None:
        if b'"type":"snapshot","project":null' in data:
            pipe.marks.append((pipe.written, ("heads", dict(self.shown))))

    def end(self) -> None:
        """The process is gone."""
        self.is_over = True
        self.loop.drop()


class World:
    """A disk, the truth, and the present life of the hub."""

    def __init__(self) -> None:
        patches: list[Any] = [mock.patch.object(module, name, value) for module, name, value in TIGHT]
        patches.append(mock.patch.object(encodings, "text", self._text))
        self._open = contextlib.ExitStack()
        for patch in (*patches, over_pipes()):
            self._open.enter_context(patch)
        self.log = _Log()
        self._logger = logging.getLogger("hub")
        self._logger.addHandler(self.log)
        self._logger.propagate = False
        self.poison = False
        self.truth = Truth()
        self.disk = MemoryJournal()
        self.disk._epoch = "0123abcd"
        self.lives = 0
        self.life = self._boot(1000.0)

    def _text(self, value: Any) -> bytes:
        if self.poison and value.get("message") == POISON:
            self.life.poisoned = True
            raise ValueError(POISON)
        return _TEXT(value)

    def _boot(self, now: float) -> Life:
        self.lives += 1
        return Life(self.lives, self.disk, self.truth, now)

    def restart(self) -> None:
        """A new process finds what is on the disk."""
        self.life.end()
        self.life = self._boot(self.life.loop.now + 1)
        kept = {opened.project.id: opened for opened in at_once(self.disk.projects())}
        for project in self.truth.jobs:
            if project in kept:
                self._recall(project, kept[project].jobs)
            else:
                self.truth.jobs[project] = {}

    def _recall(self, project: str, found: Sequence[JobState]) -> None:
        """What is durable counts as told, heard or not; progress that is not durable is forgotten."""
        told, jobs = self.truth.told.setdefault(project, {}), self.truth.jobs[project]
        for event in self.disk._events[project]:
            if event.seq not in told:
                told[event.seq] = event
                jobs[event.job] = reduce(jobs.get(event.job), event)
        for job in found:
            then, last = jobs.get(job.id, job), job.newest_progress()  # (it may have been pruned before it was told)
            assert lossless_part(then) == lossless_part(job), (
                "what was told, or is durable, is what the disk gives back"
            )
            if last is not None and last.seq not in told:
                told[last.seq] = last
            jobs[job.id] = job

    def close(self) -> None:
        self.life.end()
        self._open.close()
        self._logger.removeHandler(self.log)
        self._logger.propagate = True


_TEXT = encodings.text


def lossless_part(job: JobState) -> tuple[Any, ...]:
    stages = tuple((stage.stage, stage.state, stage.started, stage.ended) for stage in job.stages)
    return (job.id, job.project, job.state, job.result, job.error, job.started, job.ended, stages)


class _Log(logging.Handler):
    """Errors that the hub only logs."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.actions: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.actions.append(getattr(record, "action", record.getMessage()))
