"""Outside jobs over any history of publishers, retries, orders, silences and crashes of the hub."""

import collections
import sys
from typing import Any

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hub.core.errors import NotFound
from hub.core.events import Event, JobBody, LogBody, ProgressBody, State
from hub.jobs.outside.outcome import Answer
from tests.core.machines.profiles import paced
from tests.jobs.desk import Desk, job, line, progress, stage

JOBS = ("a", "b", "c")
STAGES = ("fetch", "unpack", "surprise")
PLAN = [{"stage": "fetch", "weight": 3}, {"stage": "unpack"}]
SILENCE_S, CANCEL_S = 20.0, 8.0
WINDOW_S = 0.05
jobs = st.sampled_from(JOBS)
counts = st.sampled_from([0, 1, 7, 0.5, 99, 100, 10**18])
events = st.one_of(
    st.builds(progress, counts, st.none() | counts, jobs),
    st.builds(progress, counts, st.just(100), jobs, stage=st.sampled_from(STAGES)),
    st.builds(stage, st.sampled_from(STAGES), jobs),
    st.builds(line, st.just("line"), jobs),
    st.builds(job, st.sampled_from(["queued", "running", "running", "paused"]), jobs),
    st.builds(job, st.just("running"), jobs, stages=st.just(PLAN), silence_s=st.sampled_from([5, SILENCE_S])),
)
ends = st.builds(job, st.sampled_from(["succeeded", "failed", "cancelled", "interrupted"]), jobs)


class Publishers(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.desk = Desk(silence_s=SILENCE_S, cancel_s=CANCEL_S)
        self.desk.project()
        self.told: list[Event] = []
        self.keys = 0
        self.generation = dict.fromkeys(JOBS, 0)
        self.sent: list[list[dict[str, Any]]] = []
        """Batches that were acknowledged, and may be sent again."""
        self.forgotten: list[tuple[int, dict[str, float]]] = []
        """For each crash, how much had been told, and the percents that the next hub found: progress of the last
        moment is forgotten."""
        self.lines: set[str] = set()
        """What was acknowledged."""

    def _named(self, batch: list[dict[str, Any]], keyed: bool) -> list[dict[str, Any]]:
        """The batch with ids that were not used up, and a key and a text for each."""
        named = []
        for event in batch:
            self.keys += 1
            more: dict[str, Any] = {"job": f"{event['job']}{self.generation[event['job']]}"}
            if event["type"] == "log":
                more["message"] = f"line {self.keys}"
            if keyed:
                more["key"] = f"k{self.keys}"
            named.append(event | more)
        return named

    def _send(self, batch: list[dict[str, Any]]) -> Answer:
        answer = self.desk.answer(*batch)
        self._collect()
        for event, outcome in zip(batch, answer.outcomes, strict=True):
            state = answer.jobs.get(event["job"])
            assert state is not None
            if outcome.word == "accepted" and event["type"] == "log" and not outcome.left_out:
                self.lines.add(event["message"])
            if outcome.error is not None:
                assert outcome.error.narrow_code in {"job_ended", "too_fast"}
            if state[0].is_end:
                known = self.desk.states.get(event["job"])  # none of a job that ended long before a restart
                assert known is None or known.state is state[0], "an end is told before it is acknowledged"
        for each in JOBS:
            current = self.desk.ledger.job(f"{each}{self.generation[each]}")
            if current is None and self.desk.states.get(f"{each}{self.generation[each]}"):
                self.generation[each] += 1
        return answer

    # -- rules --------------------------------------------------------------------------------------------------------

    @rule(batch=st.lists(events, min_size=1, max_size=6), keyed=st.booleans())
    def say(self, batch: list[dict[str, Any]], keyed: bool) -> None:
        named = self._named(batch, keyed)
        self._send(named)
        if keyed:
            self.sent.append(named)

    @rule(batch=st.lists(events, max_size=3), end=ends, keyed=st.booleans())
    def say_the_end(self, batch: list[dict[str, Any]], end: dict[str, Any], keyed: bool) -> None:
        named = self._named([*batch, end], keyed)
        self._send(named)
        assert self.desk.states[named[-1]["job"]].state.is_end
        if keyed:
            self.sent.append(named)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def say_again(self, data: st.DataObject) -> None:
        before = collections.Counter(event.job for event in self.told if event.is_lossless)
        batch = data.draw(st.sampled_from(self.sent))
        live = {job.id for job in self.desk.ledger.live_jobs()}
        self._send(batch)
        after = collections.Counter(event.job for event in self.told if event.is_lossless)
        for each in {event["job"] for event in batch} - live:
            assert before[each] == after[each], "nothing of an ended job is told again"

    @rule(which=jobs)
    def probe(self, which: str) -> None:
        """The newest progress is told within a window, at most."""
        id_ = f"{which}{self.generation[which]}"
        self.keys += 1
        answer = self._send([progress(self.keys, 10**6, id_)])
        if answer.outcomes[0].error is not None:  # it has changed its state too often
            return
        self.desk.step(WINDOW_S)
        self._collect()
        state = self.desk.states[id_]
        assert state.progress is not None
        assert state.progress.current == self.keys

    @rule(seconds=st.sampled_from([0.01, 0.03, 0.3, 1.0, 4.0, 11.0]))
    def pass_time(self, seconds: float) -> None:
        self.desk.step(seconds)
        self._collect()
        for each in JOBS:
            state = self.desk.states.get(f"{each}{self.generation[each]}")
            if state is not None and state.state.is_end:
                assert state.error is not None
                assert state.error.code in {"publisher_silent", "cancel_not_confirmed"}
                self.generation[each] += 1

    @rule(which=jobs)
    def cancel(self, which: str) -> None:
        id_ = f"{which}{self.generation[which]}"
        if self.desk.outside.is_live(id_):
            self.desk.outside.cancel(id_)
            self.desk.commit()
            assert self.desk.answer(job(id_=id_)).jobs[id_][0] is State.CANCELLING
            self._collect()

    @rule(orderly=st.booleans())
    def restart(self, orderly: bool) -> None:
        live = {job.id: job.percent for job in self.desk.states.values() if not job.state.is_end}
        if orderly:
            self.desk.outside.stop()
            self.desk.commit()
        self._collect()
        self.desk.outside.stop()  # what a crash leaves has no timers
        self.desk = self.desk.restarted(silence_s=SILENCE_S, cancel_s=CANCEL_S)
        if not orderly:
            self.forgotten.append((len(self.told), {job.id: job.percent for job in self.desk.states.values()}))
        for id_, percent in live.items():
            assert not self.desk.states[id_].state.is_end
            if orderly:
                assert self.desk.states[id_].percent >= percent

    @rule()
    def somewhere_else(self) -> None:
        try:
            self.desk.say(job(), project="nowhere")
        except NotFound:
            return
        raise AssertionError("must be refused")

    # -- promises -----------------------------------------------------------------------------------------------------

    def _collect(self) -> None:
        self.told += self.desk.told
        self.desk.told.clear()

    @invariant()
    def percent_never_goes_down_and_an_end_is_the_last(self) -> None:
        if not hasattr(self, "told"):
            return
        percents: dict[str, float] = {}
        ended: set[str] = set()
        last = 0
        forgotten = dict(self.forgotten)
        for place, event in enumerate(self.told):
            percents |= forgotten.get(place, {})
            assert event.seq > last
            last = event.seq
            assert event.job not in ended, "an end is the last thing of its job"
            if isinstance(event.body, ProgressBody):
                assert percents.get(event.job, 0.0) <= event.body.percent <= 99.9
                percents[event.job] = event.body.percent
            if event.is_end:
                ended.add(event.job)

    @invariant()
    def what_was_acknowledged_is_told_once(self) -> None:
        if not hasattr(self, "told"):
            return
        said = collections.Counter(event.body.message for event in self.told if isinstance(event.body, LogBody))
        for message, count in said.items():
            assert count == 1 or message.endswith("left out"), message
        assert all(said[message] == 1 for message in self.lines)

    @invariant()
    def a_job_begins_once(self) -> None:
        if not hasattr(self, "told"):
            return
        plans = collections.Counter(
            event.job for event in self.told if isinstance(event.body, JobBody) and event.body.plan
        )
        assert all(count == 1 for count in plans.values())

    def teardown(self) -> None:
        if not hasattr(self, "desk") or sys.exc_info()[0] is not None:
            return
        self.desk.step(60)
        assert not self.desk.ledger.live_jobs(), "whoever is silent ends"


TestPublishers = Publishers.TestCase
TestPublishers.settings = paced(60, 40)
