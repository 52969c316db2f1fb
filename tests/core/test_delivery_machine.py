"""The promises of the delivery core, held against random histories: any order of publishing, commits, crashes, joining,
stalling, draining, leaving and resuming, at any cadence.

A model client knows only what a real one knows: the messages it was sent. It keeps its position, checks that every
number is accounted for exactly once, and folds what it is told. At every history's end its state must be the hub's.
"""

from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hub.core.channel import Behind
from hub.core.cohorts import CohortKey, Limits
from hub.core.composition import View
from hub.core.errors import EndReason, JobEnded
from hub.core.events import Event, Position, State
from hub.core.job import JobState, reduce
from hub.core.ledger import Ledger
from hub.core.messages import cursor_after
from hub.core.ports import Project
from hub.core.redaction import Redactor
from hub.core.tracker import Tracker
from hub.journal.memory import MemoryJournal
from tests.fakes import LINES, FakeClock, FakeOutlet, job_body, log_body, progress_body, stage_body

PROJECT = "p"
LIMITS = Limits(ring_size=8, recent_jobs=3, high_water_bytes=400, mailbox_events=3, too_slow_s=10.0)
PAGE = 3


class Client:
    """One watcher over any number of connections."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.cursor: str | None = None
        self.seq = 0
        self.seen_lossless: set[int] = set()
        self.accounted_from = 0
        self.jobs: dict[str, JobState] = {}
        self.percents: dict[str, float] = {}
        self.outlet: FakeOutlet | None = None

    def connect(self) -> FakeOutlet:
        self.outlet = FakeOutlet()
        return self.outlet

    def read(self) -> None:
        if self.outlet is None:
            return
        for message in self.outlet.messages():
            self._take(message)

    def _take(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "snapshot":
            self.cursor = message["cursor"]
            self.seq = int(message["cursor"].partition("-")[2])
            self.accounted_from = self.seq
            self.jobs = {wire["id"]: _state_of(wire) for wire in message["jobs"]}
        elif kind == "merged":
            assert message["count"] == message["upto"] - self.seq, "a merge must account for every number it skips"
            self.seq, self.cursor = message["upto"], message["cursor"]
        elif kind in {"job", "stage", "log", "progress"}:
            event = Event.from_wire({name: value for name, value in message.items() if name != "cursor"})
            assert event.seq == self.seq + 1, "no number is skipped in silence, and none comes twice"
            known = self.jobs.get(event.job)
            assert known is None or not known.state.is_end, "an end is the last thing of its job"
            self.seq, self.cursor = event.seq, message["cursor"]
            if event.is_lossless:
                self.seen_lossless.add(event.seq)
            self.jobs[event.job] = reduce(known, event)
            percent = self.jobs[event.job].percent
            assert percent >= self.percents.get(event.job, 0.0), "a percent never goes down"
            self.percents[event.job] = percent


def _state_of(wire: dict[str, Any]) -> JobState:
    progress = None
    if wire["percent"] or wire["stage"]:
        progress = {
            name: wire[name]
            for name in ("step", "steps", "current", "total", "unit", "percent", "rate", "eta_s", "message", "detail")
        } | {"stage": wire["stage"] or ""}
    return JobState.from_row(wire | {"progress": progress, "progress_seq": 0, "progress_at": 0})


def essence(job: JobState) -> tuple[Any, ...]:
    """What two views of one job must agree on."""
    return (job.id, job.state, round(job.percent, 1), job.stage, job.result, job.error)


class Delivery(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.journal = MemoryJournal()
        self.told: set[int] = set()
        self.crashed: set[str] = set()
        self.told_lossless: list[int] = []
        self.clients = [Client(n) for n in range(4)]
        self.percent: dict[str, float] = {}
        self.live: list[str] = []
        self.jobs_made = 0
        self.flying: list[Any] = []
        self._boot()

    def _boot(self) -> None:
        self.clock = FakeClock()
        epoch = _run(self.journal.open(recent_jobs=LIMITS.recent_jobs))
        self.tracker = Tracker(epoch=epoch, boot="00000000", clock=self.clock, limits=LIMITS)
        self.ledger = Ledger(share=self._share, now_ms=self.clock.now_ms, redactor=Redactor())
        found = _run(self.journal.projects())
        if not found:
            _run(self.journal.add_project(Project(id=PROJECT, name="p", created=0)))
            found = _run(self.journal.projects())
        opened = found[0]
        self.tracker.open_project(PROJECT, opened.head, opened.floor, opened.jobs)
        self.ledger.open_project(PROJECT, opened.head, opened.jobs)

    def _share(self, events: Any) -> None:
        for event in events:
            assert event.seq not in self.told, "no number is handed out twice"
            self.told.add(event.seq)
            if event.is_lossless:
                self.told_lossless.append(event.seq)
        self.tracker.deliver(events)

    # -- the world ----------------------------------------------------------------------------------------------------

    def _publish(self, job: str, body: Any) -> None:
        self.ledger.publish(PROJECT, job, "clone", body)

    @precondition(lambda self: len(self.live) < 3)
    @rule()
    def begin(self) -> None:
        self.jobs_made += 1
        job = f"job{self.jobs_made:04}"
        self.live.append(job)
        self.percent[job] = 0.0
        self._publish(job, job_body(State.RUNNING))
        self._publish(job, stage_body("fetch"))

    @precondition(lambda self: self.live)
    @rule(data=st.data(), more=st.floats(0, 20))
    def progress(self, data: st.DataObject, more: float) -> None:
        job = data.draw(st.sampled_from(self.live))
        self.percent[job] = min(99.9, round(self.percent[job] + more, 1))
        self._publish(job, progress_body(self.percent[job]))

    @precondition(lambda self: self.live)
    @rule(data=st.data(), count=st.integers(1, 5))
    def log(self, data: st.DataObject, count: int) -> None:
        job = data.draw(st.sampled_from(self.live))
        for _ in range(count):
            self._publish(job, log_body())

    @precondition(lambda self: self.live)
    @rule(data=st.data(), state=st.sampled_from([State.SUCCEEDED, State.CANCELLED]))
    def end(self, data: st.DataObject, state: State) -> None:
        job = data.draw(st.sampled_from(self.live))
        self.live.remove(job)
        self._publish(job, job_body(state))
        try:
            self.ledger.publish(PROJECT, job, "clone", log_body())
        except JobEnded:
            pass
        else:
            raise AssertionError("nothing may follow an end")

    @rule()
    def take(self) -> None:
        """The writer begins a commit."""
        if not self.flying and (batch := self.ledger.take()):
            self.flying.append(batch)

    @rule()
    def commit(self) -> None:
        """... and ends it."""
        if not self.flying:
            self.take()
        for batch in self.flying:
            _run(self.journal.commit(batch))
            self.ledger.commit(batch)
        self.flying.clear()

    @rule()
    def turn(self) -> None:
        self.clock.turn()

    @rule(seconds=st.sampled_from([0.05, 0.2, 2.5]))
    def wait(self, seconds: float) -> None:
        self.clock.step(seconds)

    @rule()
    def beat(self) -> None:
        self.tracker.beat()

    @rule(keep=st.integers(2, 6))
    def prune(self, keep: int) -> None:
        floors = _run(self.journal.prunable(events=keep, before_ms=0))
        for project, floor in floors.items():
            self.tracker.raise_floor(project, floor)
        _run(self.journal.prune(floors))

    @rule(batch_survives=st.booleans())
    def crash(self, batch_survives: bool) -> None:
        """`kill -9`, with a commit in flight that made it to the disk, or did not."""
        if batch_survives:
            for batch in self.flying:
                _run(self.journal.commit(batch))
        self.flying.clear()
        for client in self.clients:
            client.read()
            client.outlet = None
        self._boot()
        self.live = []
        for job in self.ledger.live_jobs():
            self.crashed.add(job.id)
            self._publish(job.id, job_body(State.INTERRUPTED))

    # -- the watchers -------------------------------------------------------------------------------------------------

    @rule(n=st.integers(0, 3), cadence=st.sampled_from([0, 100, 2000]), forget=st.booleans())
    def connect(self, n: int, cadence: int, forget: bool) -> None:
        client = self.clients[n]
        self._drop(client)
        cursor = None if forget else client.cursor
        outlet = client.connect()
        self.tracker.attach(outlet, "fake")
        key = CohortKey(encoding=LINES, cadence_ms=cadence, view=View())
        told = self._catch_up(outlet, cursor)
        self.tracker.join(outlet, PROJECT, told, key)

    def _catch_up(self, outlet: FakeOutlet, cursor: str | None) -> Any:
        channel = self.tracker.channel(PROJECT)
        if cursor is None:
            resumed = channel.snapshot(View())
            _send(outlet, resumed.messages, self.tracker.epoch)
            return resumed.told
        since, covered = Position.parse(cursor), 0
        while isinstance(step := channel.resume(since, View(), covered=covered), Behind):
            assert since is not None
            events = _run(self.journal.events(PROJECT, step.after, step.upto, PAGE))
            covered = events[-1].seq if len(events) == PAGE else step.upto
            page = channel.page(since.seq, events, covered, View())
            _send(outlet, page.messages, self.tracker.epoch)
            since = Position(since.epoch, page.told[PROJECT])
        _send(outlet, step.messages, self.tracker.epoch)
        return step.told

    def _drop(self, client: Client) -> None:
        if client.outlet is not None:
            client.read()
            self.tracker.detach(client.outlet)
            client.outlet = None

    @rule(n=st.integers(0, 3))
    def leave(self, n: int) -> None:
        self._drop(self.clients[n])

    @rule(n=st.integers(0, 3))
    def stall(self, n: int) -> None:
        if (outlet := self.clients[n].outlet) is not None:
            outlet.is_stalled = True

    @rule(n=st.integers(0, 3), count=st.one_of(st.none(), st.integers(1, 600)))
    def read_on(self, n: int, count: int | None) -> None:
        if (outlet := self.clients[n].outlet) is not None:
            outlet.take(count)

    # -- the promises -------------------------------------------------------------------------------------------------

    @invariant()
    def clients_find_no_fault(self) -> None:
        for client in self.clients:
            client.read()

    @invariant()
    def only_durable_ends_are_told(self) -> None:
        kept = {event.seq for event in self.journal._events.get(PROJECT, [])}
        floor = self.journal._floors[PROJECT]
        assert all(seq in kept or seq <= floor for seq in self.told_lossless)

    def teardown(self) -> None:
        """Let everything through: each client comes to the hub's own state, whatever it went through."""
        if not hasattr(self, "journal"):
            return
        self.commit()
        self.commit()
        for client in self.clients:
            if client.outlet is None or client.outlet.ended is EndReason.TOO_SLOW:
                self.connect(client.number, 0, forget=False)
            assert client.outlet is not None
            client.outlet.take()
        for _ in range(4):
            self.clock.step(3.0)
        truth = [essence(job) for job in self.tracker.channel(PROJECT).jobs.values()]
        for client in self.clients:
            assert client.outlet is not None
            if client.outlet.ended is EndReason.TOO_SLOW:
                self.connect(client.number, 0, forget=False)
            client.read()
            for job, state, percent, *rest in truth:
                _, known_state, known_percent, *known_rest = essence(client.jobs[job])
                assert (known_state, known_rest) == (state, rest)
                # Progress never waits for the disk, so a crash may forget the newest; a watcher may know more.
                assert known_percent == percent or (job in self.crashed and known_percent > percent)
            missed = {
                seq for seq in self.told_lossless if client.accounted_from < seq <= client.seq
            } - client.seen_lossless
            assert not missed, "a lossless event was skipped"
            self._drop(client)
        assert self.tracker.watcher_count == 0
        assert self.tracker.watchers_of(PROJECT) == 0


def _send(outlet: FakeOutlet, messages: Any, epoch: str) -> None:
    for message in messages:
        outlet.write(LINES.encode(message, cursor_after(message, epoch)))


def _run(awaitable: Any) -> Any:
    """The memory journal never really waits."""
    try:
        awaitable.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("the journal waited")


Delivery.TestCase.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
TestDelivery = Delivery.TestCase
