"""A cohort against a reference that has no cohorts: each watcher alone, with everything that has happened.

Members share bytes, fall behind, rejoin and leave in any order; what each of them is sent must be right by itself. The
topic has several projects that come and go, as the feed has.
"""

import collections
import contextlib
import json
import os
import sys
from typing import Any
from unittest import mock

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hub.core import flush
from hub.core.cohorts import Cohort, CohortKey, House, Limits
from hub.core.composition import View
from hub.core.counts import Counts
from hub.core.errors import EndReason
from hub.core.events import Event, State
from hub.core.ports import Encoding
from hub.core.subscription import Subscription, Way
from tests.core.machines.profiles import paced
from tests.fakes import FakeClock, FakeOutlet, event, job_body, log_body, progress_body

EPOCH = "0123abcd"
LIMITS = Limits(high_water_bytes=600, mailbox_events=2, too_slow_s=10.0, max_pending=9)
PROJECTS = {"p": ("a", "b"), "q": ("c",)}
VIEWS = (View(), View(), View(logs=False), View(job="a"), View(job="a", closes=True))
SWEEP_S = 0.05
STATS: collections.Counter[str] = collections.Counter()


class Outlet(FakeOutlet):
    def write(self, data: bytes) -> None:
        found = [json.loads(line) for line in data.splitlines()]
        latest = [message["job"] for message in found if message["type"] == "progress"]
        assert len(latest) == len(set(latest)), "of each job only the newest progress is sent"
        super().write(data)


class Watcher:
    """One member, and the reference for it: where it is, and what it must still be sent."""

    def __init__(self, told: dict[str, int], view: View, happened: list[Event]) -> None:
        self.outlet = Outlet()
        self.subscription = Subscription(self.outlet, told, 0)
        self.at = dict(told)
        self.view = view
        self.happened = happened
        self.received = 0
        self.merged = 0
        self.ended: set[str] = set()
        self.percents: dict[str, float] = {}

    def owed(self) -> list[Event]:
        """What it is to be shown and has no account of, oldest first."""
        return [each for each in self.happened if each.seq > self.at.get(each.project, 0) and self.view.shows(each)]

    def read(self) -> None:
        for message in self.outlet.messages():
            self.received += 1
            project = message["project"]
            last = self.at[project]
            if message["type"] == "merged":
                assert message["upto"] - last == message["count"] > 0
                skipped = [each for each in self.owed() if each.project == project and each.seq <= message["upto"]]
                assert not any(each.is_lossless for each in skipped), "lost, and told as merged"
                self.merged += message["count"]
                self.at[project] = message["upto"]
                continue
            found = Event.from_wire({name: value for name, value in message.items() if name != "cursor"})
            assert found.seq == last + 1, "no number in silence, and none twice"
            assert found in self.owed(), "what was told, and what was asked for"
            assert found.job not in self.ended, "an end is the last of its job"
            self.ended |= {found.job} if found.is_end else set()
            percent = getattr(found.body, "percent", 0.0)
            assert found.is_lossless or percent >= self.percents.get(found.job, 0.0)
            self.percents[found.job] = percent
            self.at[project] = found.seq


class Members(RuleBasedStateMachine):
    @initialize(cadence_ms=st.sampled_from([0, 0, 100, 2000]), view=st.sampled_from(VIEWS))
    def start(self, cadence_ms: int, view: View) -> None:
        self.patch = mock.patch.object(flush, "PARCEL_BYTES", 500)
        self.patch.start()
        self.clock = FakeClock()
        self.house = House(
            epoch=EPOCH, clock=self.clock, limits=LIMITS, counts=Counts(), on_congestion=self._on_congestion
        )
        self.view, self.cadence_s = view, cadence_ms / 1000
        self.poison: tuple[str, int] | None = None
        self.key = CohortKey(encoding=Encoding("lines", self._encode), cadence_ms=cadence_ms, view=view)
        self.cohort = Cohort(self.key, self.house)
        self.heads = dict.fromkeys(PROJECTS, 0)
        self.happened: list[Event] = []
        self.times: dict[tuple[str, int], float] = {}
        self.watchers: list[Watcher] = []
        self.is_sweeping = False
        self.percent = 0.0

    def _encode(self, message: Any, cursor: str | None) -> bytes:
        if isinstance(message, Event) and (message.project, message.seq) == self.poison:
            raise ValueError("no bytes for that")
        return json.dumps({"cursor": cursor, **message.to_wire()}).encode() + b"\n"

    def _on_congestion(self, cohort: Cohort) -> None:
        STATS["congested"] += 1
        if not self.is_sweeping:
            self.is_sweeping = True
            self.clock.later(SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        self.is_sweeping = False
        try:
            self.cohort.sweep()
        finally:
            if any(self._is_congested(watcher) for watcher in self.watchers):
                self.is_sweeping = True
                self.clock.later(SWEEP_S, self._sweep)

    # -- what happens -------------------------------------------------------------------------------------------------

    @rule(
        job=st.sampled_from(["a", "a", "b", "c"]),
        what=st.sampled_from("pppple"),
        skips=st.sampled_from([0, 0, 0, 3]),
        count=st.sampled_from([1, 1, 2, 4, 12]),
        turns=st.booleans(),
    )
    def happen(self, job: str, what: str, skips: int, count: int, turns: bool) -> None:
        for n in range(1 if what == "e" else count):
            self._offer(job, what, skips if n == 0 else 0)
            if turns:
                self.clock.turn()

    def _offer(self, job: str, what: str, skips: int = 0) -> Event | None:
        """`skips`: numbers that were reserved, and never used."""
        project = next(name for name, jobs in PROJECTS.items() if job in jobs)
        if project not in self.heads or any(each.job == job and each.is_end for each in self.happened):
            return None
        self.heads[project] += 1 + skips
        self.percent = min(99.9, round(self.percent + 0.1, 1))
        bodies: dict[str, Any] = {"p": progress_body(self.percent), "l": log_body(), "e": job_body(State.FAILED)}
        made = event(self.heads[project], bodies[what], job=job, project=project)
        self.happened.append(made)
        self.times[project, made.seq] = self.clock.now
        if self.watchers:
            self.cohort.offer(made)
        return made

    @precondition(lambda self: self.watchers)
    @rule(data=st.data(), job=st.sampled_from(["a", "b", "c"]), count=st.integers(3, 6))
    def fall_behind(self, data: st.DataObject, job: str, count: int) -> None:
        """Somebody takes nothing while flush follows upon flush."""
        self._draw(data).outlet.is_stalled = True
        for _ in range(count):
            self._offer(job, "p")
            self.clock.step(self.cadence_s)

    @rule(project=st.sampled_from(sorted(PROJECTS)))
    def delete_or_make(self, project: str) -> None:
        if self.view.job is not None:
            return  # only the feed has projects that come and go
        for watcher in self.watchers:  # (what is on its way was right when it was sent)
            watcher.outlet.take(watcher.outlet.backlog())
        self._read_all()
        if project in self.heads:
            self.gone = self.heads.pop(project)
            self.cohort.place(project, None)
            self.happened[:] = [each for each in self.happened if each.project != project]
        else:
            self.heads[project] = self.gone + 5
            self.cohort.place(project, self.heads[project])
        for watcher in self.watchers:
            watcher.at.pop(project, None)
            watcher.ended -= set(PROJECTS[project])
            if project in self.heads:
                watcher.at[project] = self.heads[project]

    @rule()
    def turn(self) -> None:
        self.clock.turn()

    @rule(seconds=st.sampled_from([0.03, 0.06, 0.2, 2.1]))
    def wait(self, seconds: float) -> None:
        self.clock.step(seconds)

    @rule()
    def be_patient(self) -> None:
        """Longer than a connection may take nothing."""
        before = [(each, each.subscription.congestion) for each in self.watchers if self._is_congested(each)]
        self.clock.step(LIMITS.too_slow_s + 2 * SWEEP_S)
        for watcher, congestion in before:
            if watcher.subscription.congestion is congestion:
                assert watcher.outlet.ended is not None, "who takes nothing is let go"

    # -- members ------------------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.watchers) < 5)
    @rule(is_stalled=st.booleans())
    def join(self, is_stalled: bool) -> None:
        watcher = Watcher(self.heads, self.view, self.happened)
        watcher.outlet.is_stalled = is_stalled
        self.watchers.append(watcher)
        self.cohort.join(watcher.subscription)

    @precondition(lambda self: self.watchers)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        watcher = self._draw(data)
        self.watchers.remove(watcher)
        self.cohort.leave(watcher.subscription)
        if not self.watchers:  # a topic keeps no empty cohort
            assert self.cohort._timer is None
            self.cohort = Cohort(self.key, self.house)

    @precondition(lambda self: self.watchers)
    @rule(data=st.data())
    def stall(self, data: st.DataObject) -> None:
        self._draw(data).outlet.is_stalled = True

    @precondition(lambda self: self.watchers)
    @rule(data=st.data(), count=st.one_of(st.none(), st.integers(1, 900)))
    def take(self, data: st.DataObject, count: int | None) -> None:
        self._draw(data).outlet.take(count)

    @precondition(lambda self: self.watchers)
    @rule(job=st.sampled_from(["a", "c"]), seconds=st.sampled_from([0.0, SWEEP_S, 2.1]), is_last=st.booleans())
    def break_the_encoder(self, job: str, seconds: float, is_last: bool) -> None:
        """An event cannot be encoded: whoever would have got it is sent back to its cursor, and nobody else."""
        if (broken := self._offer(job, "l")) is None:
            return
        if not is_last:
            self._offer(job, "p")
        self.poison = (broken.project, broken.seq)
        self._guarded(lambda: self.clock.step(seconds))
        self.poison = None
        STATS["poisoned"] += 1
        for watcher in self.watchers:
            watcher.read()
            if not watcher.outlet.backlog() and not self._is_congested(watcher) and watcher.outlet.ended is None:
                assert broken not in watcher.owed() or broken in self.cohort._pending

    def _guarded(self, call: Any) -> None:
        """A loop goes on after a callback that broke."""
        while True:
            with contextlib.suppress(ValueError):
                call()
                return

    def _draw(self, data: st.DataObject) -> Watcher:
        return self.watchers[data.draw(st.integers(0, len(self.watchers) - 1))]

    def _is_congested(self, watcher: Watcher) -> bool:
        return self.cohort.way(watcher.subscription) is Way.CONGESTED

    def _read_all(self) -> None:
        for watcher in self.watchers:
            watcher.read()

    # -- promises -----------------------------------------------------------------------------------------------------

    @invariant()
    def everybody_is_told_right(self) -> None:
        self._read_all()
        assert len(self.cohort) == len(self.watchers)
        for watcher in self.watchers:
            if watcher.outlet.ended is not None:
                STATS[watcher.outlet.ended.word] += 1
                continue
            subscription = watcher.subscription
            if not watcher.outlet.backlog():
                assert self.cohort.position(subscription) == watcher.at, "a heartbeat would tell the truth"
                assert self.cohort.counted(subscription) == (watcher.received, watcher.merged)
            if self._is_congested(watcher):
                jobs = {each.job for each in watcher.owed()}
                assert subscription.waiting <= LIMITS.mailbox_events + len(jobs)
            elif not watcher.outlet.is_stalled:
                self._check_prompt(watcher)

    def _check_prompt(self, watcher: Watcher) -> None:
        """Nothing waits longer than a cadence; ends wait for nothing but the next turn."""
        for each in watcher.owed():
            since = self.clock.now - self.times[each.project, each.seq]
            if each in self.cohort._pending:
                assert since <= self.cadence_s + 1e-6
            else:
                assert watcher.outlet.ended is not None, "not pending, and not told"

    @invariant()
    def what_is_pending_is_bounded(self) -> None:
        if not self.cohort._flushing:
            assert len(self.cohort._pending) <= LIMITS.max_pending
            assert not any(each.is_end for each in self.cohort._pending)

    def teardown(self) -> None:
        if not hasattr(self, "watchers"):
            return
        self.patch.stop()
        if sys.exc_info()[0] is None:  # else it has failed already: let that be what is seen
            self._finish()

    def _finish(self) -> None:
        for watcher in self.watchers:
            watcher.outlet.take()
        self.clock.step(3.0)
        self.everybody_is_told_right()
        for watcher in self.watchers:
            if watcher.outlet.ended is None:
                assert not watcher.owed(), "in the end, all is told"
                assert not self._is_congested(watcher)
            elif watcher.outlet.ended is EndReason.DONE:
                assert self.view.closes
                assert self.view.job in watcher.ended
            self.cohort.leave(watcher.subscription)
        assert not len(self.cohort)
        assert self.cohort._timer is None


TestMembers = Members.TestCase
TestMembers.settings = paced(120, 50)


def teardown_module() -> None:
    if os.environ.get("MACHINE_STATS"):
        print(STATS)
