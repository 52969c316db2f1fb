"""Runs of jobs that were never run: a kind's plan, random counters and times, published into a real tracker."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from hub.core.cohorts import Limits
from hub.core.events import Event, Failure, JobBody, ProgressBody, Stage, StageBody, State
from hub.core.progress import Meter
from hub.core.tracker import Tracker
from hub.transports.ask import Ask
from hub.transports.sse import Dialect
from tests.fakes import FakeClock, FakeOutlet
from tests.surfaces.reader import Heard

PROJECT, JOB = "p", "j1"


@dataclass(frozen=True)
class Step:
    """What a run says, and how long it is silent before it."""

    wait_s: float
    stage: str | None = None
    current: int = 0
    total: int | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    steps: Sequence[Step]
    end: State
    result: Mapping[str, Any]


def runs(plan: Sequence[Stage], detail: Any, result: Any) -> st.SearchStrategy[Run]:
    """Runs through a beginning of the plan, in order, with counters that may do anything."""
    waits = st.sampled_from([0.0, 0.0, 0.01, 0.05, 0.3, 1.0, 2.5])
    reports = st.builds(
        Step, wait_s=waits, current=st.integers(0, 300), total=st.none() | st.integers(0, 250), detail=detail
    )

    @st.composite
    def run(draw: Any) -> Run:
        names = [stage.name for stage in plan][: draw(st.integers(0, len(plan)))]
        steps: list[Step] = []
        for name in names:
            steps.append(Step(wait_s=draw(waits), stage=name))
            steps += draw(st.lists(reports, max_size=5))
        ends = [State.FAILED, State.CANCELLED, State.INTERRUPTED]
        if len(names) == len(plan):
            ends.append(State.SUCCEEDED)
        return Run(steps=steps, end=draw(st.sampled_from(ends)), result=draw(result))

    return run()


class Theatre:
    """A tracker with one project, and watchers of its job in any dialect."""

    def __init__(self, project: str = PROJECT, head: int = 0) -> None:
        self.clock = FakeClock()
        self.tracker = Tracker(epoch="e", boot="b", clock=self.clock, limits=Limits())
        self.tracker.open_project(project, head=head, floor=head)
        self.project = project
        self.seq = 0
        self.events: list[Event] = []

    def publish(self, kind: str, body: Any) -> None:
        self.seq += 1
        event = Event(project=PROJECT, seq=self.seq, at=self.clock.now_ms(), job=JOB, kind=kind, body=body)
        self.events.append(event)
        self.tracker.deliver([event])

    def replay(self, events: Sequence[Event]) -> None:
        """Tell recorded events in the time that they took."""
        began_ms = events[0].at - self.clock.now_ms()
        for event in events:
            self.clock.step(max(event.at - began_ms - self.clock.now_ms(), 0) / 1000)
            self.tracker.deliver([event])
            self.clock.turn()

    def watch(self, dialect: Dialect, cadence_ms: int = 0, job: str = JOB) -> "Watching":
        return Watching(self, dialect, cadence_ms, job)

    def play(self, kind: str, plan: Sequence[Stage], run: Run) -> Iterator[None]:
        """Publish the run; comes back after each event, with all that was due sent."""
        self.publish(kind, JobBody(state=State.QUEUED, plan=tuple(plan)))
        self.clock.turn()
        yield
        self.publish(kind, JobBody(state=State.RUNNING))
        self.clock.turn()
        yield
        meter = Meter(plan, started=0.0)
        for step in run.steps:
            self.clock.step(step.wait_s)
            body: StageBody | ProgressBody
            if step.stage is not None:
                if (done := meter.reach(step.stage)) is not None:
                    self.publish(kind, done)
                body = meter.enter(step.stage)
            else:
                body = meter.advance(self.clock.now, step.current, step.total, "files", "", step.detail)
            self.publish(kind, body)
            self.clock.turn()
            yield
        is_good = run.end is State.SUCCEEDED
        error = None if is_good else Failure(code="broken", message="It broke.")
        self.publish(kind, JobBody(state=run.end, result=run.result if is_good else None, error=error))
        self.clock.turn()
        yield


class Watching:
    """One watcher, and what it was told, with the time of each."""

    def __init__(self, stage: Theatre, dialect: Dialect, cadence_ms: int, job: str) -> None:
        self._stage = stage
        self._outlet = FakeOutlet()
        self._taken = 0
        self.told: list[tuple[float, Heard]] = []
        tracker, encoding = stage.tracker, dialect.plain
        ask = Ask(project=stage.project, cursor=None, cadence_ms=cadence_ms, job=job, logs=False)
        key = dialect.key(ask, encoding)
        tracker.attach(self._outlet, "sse", encoding)
        first = tracker.channel(stage.project).snapshot(key.view)
        for message in first.messages:
            self._outlet.write(encoding.encode(message, getattr(message, "cursor", None)))
        tracker.join(self._outlet, stage.project, first.told, key)
        self.look()

    @property
    def has_ended(self) -> bool:
        return self._outlet.ended is not None

    @property
    def told_bytes(self) -> bytes:
        return self._outlet._received

    def look(self) -> None:
        """Take what has come by now."""
        data = self._outlet._received
        for block in data[self._taken :].split(b"\n\n"):
            fields = dict(line.split(": ", 1) for line in block.decode().split("\n") if line and line[0] != ":")
            if fields:
                one = Heard(fields.get("event"), json.loads(fields["data"]), fields["id"])
                self.told.append((self._stage.clock.now, one))
        self._taken = len(data)

    @property
    def heard(self) -> list[Heard]:
        return [one for _, one in self.told]
