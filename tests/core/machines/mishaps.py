"""Rules: time that passes, the disk, and what befalls the hub."""

import contextlib

import hypothesis.strategies as st
from hypothesis.stateful import precondition, rule

from hub.core.errors import EndReason, JournalUnavailable
from hub.core.events import State
from hub.transports.ask import Ask
from tests.core.machines.peers import PollPeer
from tests.core.machines.scene import PROJECTS, RARELY, STATS, Scene, project_names
from tests.core.machines.world import LIMITS, POISON
from tests.fakes import job_body, log_body


class Mishaps(Scene):
    @rule(count=st.integers(1, 3))
    def turn(self, count: int) -> None:
        self.life.loop.turn(count)

    @rule()
    def settle(self) -> None:
        self.life.loop.settle()
        for cohort in self._cohorts():
            assert len(cohort._pending) <= LIMITS.max_pending, "what is pending is bounded"
        for client in self.clients:
            if isinstance(client.peer, PollPeer) and not self.life.journal.reads:
                project = client.peer.ask.project
                assert client.peer.is_over or project is None or project in self.life.projects, "it waits for nothing"

    @rule(seconds=st.sampled_from([0.05, 0.2, 0.6, 2.5, 11.0]))
    def wait(self, seconds: float) -> None:
        self.life.loop.step(seconds, self.clients_find_no_fault)

    @rule()
    def beat(self) -> None:
        self.life.loop.call_soon(self.life.tracker.beat)
        self.life.loop.turn()

    @rule(is_slow=st.booleans())
    def slow_disk(self, is_slow: bool) -> None:
        self.life.journal.is_slow = is_slow
        if not is_slow:
            self.life.journal.go_on()

    @rule(is_full=st.booleans())
    def full_disk(self, is_full: bool) -> None:
        self.life.journal.is_full = is_full

    @precondition(lambda self: self.life.journal.writes)
    @rule(what=st.sampled_from(["land", "reply", "reply", "refuse", "refuse late"]))
    def write(self, what: str) -> None:
        """The oldest write is carried out, or its caller hears of it."""
        writes = self.life.journal.writes
        if what == "land" and not (self.life.journal.is_full and not writes[0].is_done):
            writes[0].do()
        elif what == "reply" and not (self.life.journal.is_full and not writes[0].is_done):
            writes.popleft().reply()
        elif what.startswith("refuse") and not writes[0].is_done:
            late = what.endswith("late") and not self.life.journal.is_full and writes[0].name == "commit"
            writes.popleft().refuse(late=late)
        self.life.loop.turn(2)

    @precondition(lambda self: self.life.journal.reads)
    @rule(is_read_early=st.booleans())
    def read_journal(self, is_read_early: bool) -> None:
        """The oldest read is carried out, or its caller gets what was read, then or now."""
        reads = self.life.journal.reads
        if is_read_early and not reads[0].is_done:
            reads[0].do()
        else:
            reads.popleft().reply()
            self.life.loop.turn(2)

    @precondition(lambda self: self.life.journal.reads)
    @rule(keep=st.integers(0, 2), count=st.integers(0, 3))
    def prune_under_a_read(self, keep: int, count: int) -> None:
        """Between the pages of a replay: what it reads next may have holes."""
        journal = self.life.journal
        for _ in range(count):
            if journal.reads:
                journal.reads.popleft().reply()
                self.life.loop.settle()
        self._prune_at_once(keep)

    @rule(keep=st.integers(0, 6))
    def prune(self, keep: int) -> None:
        self._do(self.life.prune(keep))

    @precondition(lambda self: len(self.life.projects) == len(PROJECTS))
    @rule(project=project_names, chance=RARELY, is_made_again=st.booleans())
    def delete(self, project: str, chance: bool, is_made_again: bool) -> None:
        if not chance:
            return
        STATS["delete"] += 1
        for client in self.clients:
            if isinstance(client.peer, PollPeer) and project in self.life.projects:  # asks anew, and is ready to wait
                ask = Ask(project=project, cursor=None, cadence_ms=0, job=None, logs=True)
                tag = str(self.life.tracker.channel(project).position)
                self._open(client, PollPeer(self.life.delivery, ask, 30, tag), None)
                self.life.loop.turn(2)
        self._do(self._delete(project))
        if is_made_again:
            self._do(self._make(project))

    async def _delete(self, project: str) -> None:
        try:
            await self.life.delete(project)
        except JournalUnavailable:
            return
        self.live = {job: place for job, place in self.live.items() if place[0] != project}

    @precondition(lambda self: len(self.life.projects) < len(PROJECTS))
    @rule(project=project_names)
    def make(self, project: str) -> None:
        self._do(self._make(project))

    async def _make(self, project: str) -> None:
        with contextlib.suppress(JournalUnavailable):
            await self.life.make(project)

    @rule(lands=st.booleans(), are_interrupted=st.booleans(), chance=RARELY)
    def crash(self, lands: bool, are_interrupted: bool, chance: bool) -> None:
        """`kill -9`, with writes under way that made it to the disk, or did not."""
        if not chance:
            return
        for write in list(self.life.journal.writes) if lands else ():
            write.do()
        STATS["crash"] += 1
        self._start_again(are_interrupted=are_interrupted)

    @rule(chance=RARELY)
    def drain(self, chance: bool) -> None:
        """The hub is stopped as it should be, and started again."""
        if not chance:
            return
        life = self.life
        tracker = life.tracker
        polls = [client.peer for client in self.clients if isinstance(client.peer, PollPeer)]

        async def drained() -> None:
            tracker.release()
            for _ in range(3):
                await life.loop.create_task(_nothing())
            outlets = tracker.outlets()
            for place, outlet in enumerate(outlets):
                outlet.end(EndReason.RESTARTING, 1 + place)
            await life.writer.stop()
            with contextlib.suppress(JournalUnavailable):
                await life.writing
                await life.journal.give_back(life.ledger.heads())

        life.journal.is_slow = False
        life.journal.go_on()
        self._do(drained())
        life.loop.step(3.0, self.clients_find_no_fault)
        assert all(peer.is_over for peer in polls), "whoever waits for news is answered"
        assert not any(client.is_streaming for client in self.clients)
        assert tracker.watcher_count == 0, "nobody keeps the hub from going"
        STATS["drain"] += 1
        self._start_again(are_interrupted=False)

    def _start_again(self, *, are_interrupted: bool) -> None:
        self.clients_find_no_fault()
        self._leave_all()
        self._count()
        self.world.restart()
        self.work.clear()
        known, self.live, self.stages = self.live, {}, {}
        for job in self.life.ledger.live_jobs():
            self.live[job.id] = known.get(job.id, (job.project, job.percent))
            if job.stage is not None:  # the newest that its publisher was acknowledged
                self.stages[job.id] = job.stage
        if are_interrupted:
            for job_id in list(self.live):
                self._publish(job_id, job_body(State.INTERRUPTED))
            self.live.clear()

    @rule(data=st.data(), chance=RARELY)
    def poison(self, data: st.DataObject, chance: bool) -> None:
        """One flush meets what it cannot encode."""
        if not chance:
            return
        jobs = sorted(job for job, (project, _) in self.live.items() if project in self.life.projects)
        if not jobs or self.life.journal.is_full or self.life.journal.is_slow:
            return
        job = data.draw(st.sampled_from(jobs))
        self.world.poison = True
        self._publish(job, log_body(POISON))
        self.life.loop.step(data.draw(st.sampled_from([0.0, 0.06, 2.1])))
        self.world.poison = False


async def _nothing() -> None: ...
