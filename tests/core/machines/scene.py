"""What all rules of the delivery machine share: the hub, its clients, the jobs that run, and what was reached."""

import collections
from typing import Any

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize

from hub.core.events import State
from tests.core.machines.book import Book
from tests.core.machines.client import Client
from tests.core.machines.disk import at_once
from tests.core.machines.peers import Peer
from tests.core.machines.world import World
from tests.fakes import job_body, stage_body

PROJECTS = ("p", "q")
CLIENTS = 4
STATS: collections.Counter[str] = collections.Counter()
"""Which states the histories have reached; printed with MACHINE_STATS=1."""
RARELY = st.sampled_from([*[False] * 5, True])
"""What starts much over must leave histories that get somewhere before."""

project_names = st.sampled_from(PROJECTS)


class Scene(RuleBasedStateMachine):
    def clients_find_no_fault(self) -> None:
        """Each reads what has arrived, and fails where it is wrong."""
        raise NotImplementedError

    @initialize()
    def start(self) -> None:
        self.world = World()
        self.clients = [Client(self.world.truth.told) for _ in range(CLIENTS)]
        self.live: dict[str, tuple[str, float]] = {}
        """By job: its project, and its percent as its publisher knows it."""
        self.stages: dict[str, str] = {}
        self.jobs_made = 0
        self.work: list[Any] = []
        """What the hub has been asked to do in this life."""
        for project in PROJECTS:
            self._do(self.life.make(project))
            self.life.loop.settle()
            self._begin(project, State.RUNNING)
        self.life.loop.settle()

    @property
    def life(self) -> Any:
        return self.world.life

    def _do(self, work: Any) -> Any:
        task = self.life.loop.create_task(work)
        self.work.append(task)
        return task

    def _begin(self, project: str, state: State) -> None:
        self.jobs_made += 1
        job = f"job{self.jobs_made:04}"
        self.live[job] = (project, 0.0)
        self.life.publish(project, job, job_body(state))
        if state is State.RUNNING:
            self._enter(job, "fetch")

    def _enter(self, job: str, stage: str) -> None:
        self.stages[job] = stage
        self._publish(job, stage_body(stage))

    def _publish(self, job: str, body: Any) -> None:
        if job in self.live:  # else its project was deleted in between
            self.life.publish(self.live[job][0], job, body)

    def _open(self, client: Client, peer: Peer, book: Book | None) -> None:
        self._leave(client)
        client.connect(peer, self.life.number)
        client.book(peer.ask.project).begin(peer.ask, book)
        self.life.serve(peer)

    def _leave(self, client: Client) -> None:
        peer = client.peer
        if peer is None:
            return
        client.read()
        client.old = [*client.old[-5:], *(book.copy() for book in client.books.values() if book.cursor)]
        assert peer.task is not None
        peer.task.cancel()
        peer.pipe.abort()
        client.peer = None

    def _leave_all(self) -> None:
        for client in self.clients:
            self._leave(client)

    def _prune_at_once(self, keep: int) -> None:
        """On the disk and in the hub, between two of its turns."""
        disk = self.life.journal.disk
        for project, floor in at_once(disk.prunable(events=keep, before_ms=0)).items():
            self.life.tracker.raise_floor(project, floor)
            at_once(disk.prune({project: floor}))

    def _cohorts(self) -> list[Any]:
        return [cohort for topic in self.life.tracker._topics() for cohort in topic.cohorts.values()]

    def _count(self) -> None:
        counts = self.life.tracker.counts
        for name in ("congested", "dropped", "merged", "encoded", "delivered"):
            STATS[name] += getattr(counts, name)
        for name in ("opened", "ended", "caught_up", "resets"):
            for word, count in getattr(counts, name).items():
                STATS[f"{name} {word}"] += count
