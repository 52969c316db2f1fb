"""Doubles for the ports of `hub.core`: time that is stepped, and a socket that takes what it is told to take."""

import heapq
import itertools
import json
from collections.abc import Callable
from typing import Any

from hub.core.errors import EndReason
from hub.core.events import Event, JobBody, LogBody, ProgressBody, Stage, StageBody, State
from hub.core.ports import Encoding

LINES = Encoding(
    "lines",
    lambda message, cursor: json.dumps({"cursor": cursor, **message.to_wire()}).encode() + b"\n",
)
"""One JSON line a message, with its cursor: what a test can read back."""


class FakeTimer:
    def __init__(self) -> None:
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class FakeClock:
    """Turns and time pass only when `turn` and `step` are called."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._soon: list[Callable[[], None]] = []
        self._later: list[tuple[float, int, FakeTimer, Callable[[], None]]] = []
        self._count = itertools.count()

    def now_ms(self) -> int:
        return int(self.now * 1000)

    def monotonic(self) -> float:
        return self.now

    def soon(self, call: Callable[[], None]) -> None:
        self._soon.append(call)

    def later(self, delay_s: float, call: Callable[[], None]) -> FakeTimer:
        timer = FakeTimer()
        heapq.heappush(self._later, (self.now + delay_s, next(self._count), timer, call))
        return timer

    def turn(self) -> None:
        """One turn of the loop."""
        calls, self._soon = self._soon, []
        for call in calls:
            call()

    def step(self, seconds: float) -> None:
        """Let time pass, with every timer and turn in it, in order."""
        end = self.now + seconds
        self.turn()
        while self._later and self._later[0][0] <= end:
            at, _, timer, call = heapq.heappop(self._later)
            self.now = max(self.now, at)
            if not timer.is_cancelled:
                call()
            self.turn()
        self.now = end
        self.turn()


class FakeOutlet:
    """A connection whose peer reads everything at once, until it is told to stall."""

    def __init__(self) -> None:
        self.is_stalled = False
        self.ended: EndReason | None = None
        self._unsent = b""
        self._received = b""
        self._taken = 0

    def write(self, data: bytes) -> None:
        if self.ended is not None:
            return
        if self.is_stalled:
            self._unsent += data
        else:
            self._received += data
            self._taken += len(data)

    def offer(self, data: bytes, high_water_bytes: int) -> bool:
        if self.backlog() > high_water_bytes:
            return False
        self.write(data)
        return True

    def backlog(self) -> int:
        return len(self._unsent)

    def taken(self) -> int:
        return self._taken

    def end(self, reason: EndReason, reconnect_ms: int = 0) -> None:
        self.ended = self.ended or reason

    def take(self, count: int | None = None) -> None:
        """Have the peer take `count` bytes of what waits, or all of it and read on from then."""
        if count is None:
            self.is_stalled = False
            count = len(self._unsent)
        count = min(count, len(self._unsent))
        self._received += self._unsent[:count]
        self._taken += count
        self._unsent = self._unsent[count:]

    def messages(self) -> list[dict[str, Any]]:
        """What has arrived since the last call, whole messages only."""
        whole, newline, self._received = self._received.rpartition(b"\n")
        return [json.loads(line) for line in (whole + newline).splitlines()]


PLAN = (Stage(name="fetch", title="Fetching", weight=3), Stage(name="unpack", title="Unpacking", weight=1))


def job_body(state: State = State.RUNNING, **fields: Any) -> JobBody:
    return JobBody(state=state, params={}, plan=PLAN, **fields)


def stage_body(name: str = "fetch") -> StageBody:
    step = [stage.name for stage in PLAN].index(name) + 1
    return StageBody(stage=name, title=PLAN[step - 1].title, step=step, steps=len(PLAN))


def log_body(message: str = "hello") -> LogBody:
    return LogBody(level="info", message=message, stage="fetch")


def progress_body(percent: float, current: int = 0, stage: str = "fetch") -> ProgressBody:
    return ProgressBody(
        stage=stage,
        step=[each.name for each in PLAN].index(stage) + 1,
        steps=2,
        current=current,
        total=100,
        unit="objects",
        percent=percent,
        rate=None,
        eta_s=None,
    )


def event(seq: int, body: Any, job: str = "j1", project: str = "p") -> Event:
    return Event(project=project, seq=seq, at=seq * 10, job=job, kind="clone", body=body)
