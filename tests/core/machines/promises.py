"""What must hold at every moment, and when a history ends."""

import sys
from dataclasses import replace
from typing import Any

from hypothesis.stateful import invariant

from hub.core.errors import NotFound
from hub.core.job import JobState
from hub.transports.ask import Ask
from tests.core.machines.book import Book
from tests.core.machines.client import Client
from tests.core.machines.peers import Peer, PollPeer, SsePeer, WsPeer
from tests.core.machines.scene import STATS, Scene
from tests.core.machines.world import LIMITS, POISON


class Promises(Scene):
    @invariant()
    def clients_find_no_fault(self) -> None:
        for client in self.clients:
            client.read()
            peer = client.peer
            if peer is not None and peer.task is not None and peer.task.done() and not peer.task.cancelled():
                self._check_end(client)

    def _check_end(self, client: Client) -> None:
        peer = client.peer
        assert peer is not None
        assert peer.task is not None
        if exc := peer.task.exception():
            assert str(exc) == POISON, exc
        assert peer.refusal is None or isinstance(peer.refusal, NotFound)
        if isinstance(peer, SsePeer) and peer.status == 204:
            job = self.world.truth.jobs.get(peer.ask.project or "", {}).get(peer.ask.job or "")
            if job is not None:  # else the project was deleted since
                assert job.state.is_end, "nothing is left only after the end"
                assert int((peer.ask.cursor or "").partition("-")[2]) >= job.seq
        if isinstance(peer, SsePeer) and peer.stream.is_over and len(client.said) == 1:  # no bye
            assert client.book(peer.ask.project).jobs[peer.ask.job or ""].state.is_end, "done, and at the job's end"

    @invariant()
    def the_hub_breaks_nowhere(self) -> None:
        for error in self.life.loop.errors:
            assert str(error) == POISON, error
        for action in self.world.log.actions:
            assert action == "journal_failing" or (action == "stream_broke" and self.life.poisoned), action
        self.world.log.actions.clear()
        for task in self.work:
            if task.done():
                task.result()

    @invariant()
    def memory_is_bounded(self) -> None:
        for channel in self.life.tracker._channels.values():
            assert len(channel.ring) <= LIMITS.ring_size
            assert sum(job.state.is_end for job in channel.jobs.values()) <= LIMITS.recent_jobs
        for line in self.life.ledger._lines.values():
            waiting = [event.job for event in line.pending.values() if not event.is_lossless]
            assert len(waiting) == len(set(waiting)), "of each job only the newest progress is held back"
        for cohort in self._cohorts():
            for subscription in cohort.subscriptions:
                if subscription.congestion is not None:
                    mailbox = subscription.congestion.mailbox
                    assert len(mailbox._lossless) <= LIMITS.mailbox_events
                    assert len(mailbox) <= LIMITS.mailbox_events + self.jobs_made

    def teardown(self) -> None:
        if not hasattr(self, "clients"):
            return
        try:
            if sys.exc_info()[0] is None:  # else it has failed already: let that be what is seen
                self._finish()
        finally:
            self._count()
            self.world.close()

    def _finish(self) -> None:
        """Let everything through: what each client knows is the hub's truth, whatever it went through."""
        journal = self.life.journal
        journal.is_slow = journal.is_full = False
        journal.go_on()
        for client in self.clients:
            if client.peer is not None:
                client.peer.pipe.take()
        self.life.loop.step(4.0, self.clients_find_no_fault)
        for client in self.clients:
            if client.peer is not None:
                client.peer.pipe.take()
        self.life.loop.step(4.0, self.clients_find_no_fault)
        self.the_hub_breaks_nowhere()
        self._check_hub()
        for client in self.clients:
            if client.is_streaming:
                STATS["streaming at the end"] += 1
                self._check_that_it_may_go_on(client)
                for book in client.books.values():
                    if book.is_on and (book.project is None or book.project in self.life.projects):
                        self._check_book(book)
        for n, client in enumerate(self.clients):
            for book in list(client.books.values()):
                if book.project is None or book.project in self.life.projects:
                    self._return(n, client, book)
        self._leave_all()
        self._check_nothing_is_left()

    def _return(self, n: int, client: Client, book: Book) -> None:
        """The client comes back with what it has, on some transport."""
        self._leave(client)
        job = book.scope
        cursor = book.cursor_for(job)
        known = book.copy() if cursor is not None else None
        ask = Ask(project=book.project, cursor=cursor, cadence_ms=0, job=job, logs=book.project is not None)
        peer: Peer = PollPeer(self.life.delivery, ask, 0, None)
        if n:
            peer = SsePeer(self.life.delivery, ask, chunked=n == 2) if n > 1 else WsPeer(self.life.delivery, ask)
        self._open(client, peer, known)
        self.life.loop.settle()
        self.clients_find_no_fault()
        while n == 0 and book.project and book.cursor != str(self.life.tracker.channel(book.project).position):
            ask = replace(ask, cursor=book.cursor)  # long ways are gone in more than one answer
            self._open(client, PollPeer(self.life.delivery, ask, 0, None), book.copy())
            self.life.loop.settle()
            self.clients_find_no_fault()
        if client.is_streaming:
            self._check_that_it_may_go_on(client)
        if isinstance(peer, SsePeer):
            self._check_whether_anything_was_left(peer, book, known)
        if not isinstance(peer, SsePeer) or peer.status == 200:
            self._check_book(book)

    def _check_that_it_may_go_on(self, client: Client) -> None:
        """A stream of one job over SSE ends with the job."""
        if isinstance(client.peer, SsePeer) and (ask := client.peer.ask).project is not None:
            job = client.book(ask.project).jobs.get(ask.job or "")
            assert job is None or not job.state.is_end, "the job has ended, and so must the stream"

    def _check_whether_anything_was_left(self, peer: SsePeer, book: Book, known: Book | None) -> None:
        job = self.world.truth.jobs[book.project].get(peer.ask.job or "") if book.project else None
        has_end = job is not None and job.state.is_end and known is not None and known.at[job.project] >= job.seq
        if peer.status == 204:
            STATS["204"] += 1
            assert has_end, "nothing is left only for who has the end"
            assert known is not None
            self._check_book(known)
        elif has_end:
            reset = self.life.tracker.counts.resets
            assert sum(reset.values()), "who has the end is told that nothing is left, or why its cursor is no good"

    def _check_hub(self) -> None:
        for project in self.life.projects:
            for id_, job in self.life.tracker.channel(project).jobs.items():
                assert essence(job) == essence(self.world.truth.jobs[project][id_]), "the hub's state is what was told"

    def _check_book(self, book: Book) -> None:
        assert book.awaits is None
        channels = [self.life.tracker.channel(p) for p in self.life.projects if book.project in {None, p}]
        jobs: dict[str, JobState] = {id_: job for channel in channels for id_, job in channel.jobs.items()}
        for id_, job in jobs.items():
            if book.scope not in {None, id_}:
                continue
            assert id_ in book.jobs, "a job that the watcher never heard of"
            mine, hubs = essence(book.jobs[id_]), essence(job)
            assert mine == hubs, {name: (mine[name], hubs[name]) for name in hubs if mine[name] != hubs[name]}
        for id_ in set(book.jobs) - set(jobs):
            job = book.jobs[id_]
            assert id_ in self.world.truth.jobs[job.project], "a job of a project that was deleted"
            assert job.state.is_end or book.scope not in {None, id_}, "a job that lives on for the watcher alone"

    def _check_nothing_is_left(self) -> None:
        tracker = self.life.tracker
        self.life.loop.step(5.0)
        assert tracker.watcher_count == 0
        assert not tracker._congested
        for topic in tracker._topics():
            assert topic.watchers == 0
            assert not topic.cohorts
            assert not topic.waiters
        assert tracker.introspect(None, 0, 1) == ([], 0)
        assert self.life.loop.live_timers() <= 1, "the writer's own, and no cohort's"


def essence(job: JobState) -> dict[str, Any]:
    """All that a page draws of a job."""
    wire = job.to_wire()
    del wire["seq"]
    return wire
