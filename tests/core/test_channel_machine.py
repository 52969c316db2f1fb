"""Catch-up against brute force: after any history, from every cursor, in every view, over pages of any size."""

import bisect
from collections.abc import Iterator, Sequence
from typing import Any

import hypothesis.strategies as st
from hypothesis import event as note
from hypothesis import given

from hub.core.channel import Behind, Channel, Resumed
from hub.core.cohorts import House, Limits
from hub.core.composition import View
from hub.core.counts import Counts
from hub.core.events import Event, Position, State
from hub.core.job import JobState, reduce
from hub.core.messages import Merged, Reset, Snapshot
from hub.core.ports import Lost
from hub.transports.ask import Ask
from tests.core.machines.book import Book
from tests.core.machines.profiles import paced
from tests.fakes import FakeClock, event, job_body, log_body, progress_body, stage_body

EPOCH = "0123abcd"
JOBS = ("a", "b", "c")
VIEWS = (View(), View(logs=False), *(View(job=job, logs=logs) for job in ("a", "nobody") for logs in (True, False)))


class History:
    """What happened in one project, all of it durable and told, with a restart in between."""

    def __init__(self, data: st.DataObject) -> None:
        self.limits = Limits(ring_size=data.draw(st.integers(1, 6)), recent_jobs=data.draw(st.integers(0, 3)))
        self.kept: list[Event] = []
        """Lossless, in the journal."""
        self.told: dict[int, Event] = {}
        self.states: dict[str, JobState] = {}
        self.house = House(
            epoch=EPOCH, clock=FakeClock(), limits=self.limits, counts=Counts(), on_congestion=lambda cohort: None
        )
        self.channel = Channel("p", self.house, 0, 0, ())
        self.lost: list[Lost] = []
        self.seq = 0
        for _ in range(data.draw(st.integers(0, 30), label="length")):
            self._happen(data)
        self.floor = 0
        prunes: bool = data.draw(st.booleans(), label="prunes")
        if prunes and self.kept:
            self.floor = data.draw(st.integers(1, self.kept[-1].seq), label="floor")
            self.kept = [each for each in self.kept if each.seq > self.floor]
            self.channel.floor = max(self.channel.floor, self.floor)

    def _happen(self, data: st.DataObject) -> None:
        what = data.draw(st.sampled_from("pppppllssej*"))
        if what == "*":
            self._restart(data)
            return
        live = sorted(id_ for id_, job in self.states.items() if not job.state.is_end)
        if what == "j" or not live:
            job, body = f"{'abc'[len(self.states) % 3]}{len(self.states) or ''}", job_body(State.RUNNING)
        else:
            job = data.draw(st.sampled_from(live))
            state = self.states[job]
            bodies: dict[str, Any] = {
                "p": progress_body(min(99.9, round(state.percent + 1, 1)), self.seq),
                "l": log_body(),
                "s": stage_body("unpack"),
                "e": job_body(State.FAILED),
            }
            body = bodies[what]
        self.seq += 1
        made = event(self.seq, body, job=job)
        self.told[self.seq] = made
        self.states[job] = reduce(self.states.get(job), made)
        if made.is_lossless:
            self.kept.append(made)
        self.channel.keep(made)

    def _restart(self, data: st.DataObject) -> None:
        """Progress may be lost, and numbers that were only reserved are never used."""
        last = max((seq for seq, each in self.told.items() if each.is_lossless), default=0)
        least = max(last, self.lost[-1].upto if self.lost else 0)
        saved = data.draw(st.integers(least, self.seq), label="saved")
        reserved = self.seq + data.draw(st.integers(0, 5), label="reserved")
        kept = set(self.channel.jobs)
        self.states = self._states_at(self.seq, [*self.lost, Lost(after=saved, upto=reserved, jobs=())])
        jobs = [job for id_, job in sorted(self.states.items()) if id_ in kept]
        if saved < reserved:
            self.lost.append(Lost(after=saved, upto=reserved, jobs=tuple(jobs)))
            reserved += 1  # a number that no earlier process can have given out
        self.seq = reserved
        self.channel = Channel("p", self.house, self.seq, self.channel.floor, jobs, tuple(self.lost))

    def _states_at(self, seq: int, lost: Sequence[Lost]) -> dict[str, JobState]:
        """What is known up to `seq`, without what was lost."""
        states: dict[str, JobState] = {}
        for each in self.told.values():
            if each.seq <= seq and not any(one.after < each.seq <= one.upto for one in lost):
                states[each.job] = reduce(states.get(each.job), each)
        return states

    def read(self, after: int, upto: int, limit: int) -> list[Event]:
        start = bisect.bisect_right(self.kept, after, key=lambda each: each.seq)
        return [each for each in self.kept[start:] if each.seq <= upto][:limit]

    def replay(self, cursor: Position | None, view: View, page: int) -> Iterator[Resumed]:
        since, covered = cursor, 0
        if undone := self.channel.undo(since, view):
            note("taken back")
            assert not undone.is_now
            yield undone
            since = Position(EPOCH, undone.told["p"])
        while True:
            step = self.channel.resume(since, view, covered=covered)
            if isinstance(step, Behind):
                note("from the journal")
                assert since is not None
                assert step.after < step.upto
                events = self.read(step.after, step.upto, page)
                covered = events[-1].seq if len(events) == page else step.upto
                step = self.channel.page(since.seq, events, covered, view)
                assert not step.is_now
            yield step
            if step.is_now:
                return
            since = Position(EPOCH, step.told["p"])

    def can_serve(self, since: int) -> bool:
        """Is every lossless event after `since` still somewhere?"""
        ring = {each.seq for each in self.channel.ring}
        journal = {each.seq for each in self.kept}
        lost = [seq for seq, each in self.told.items() if each.is_lossless and seq not in ring | journal]
        return since <= self.channel.head and not any(seq > since for seq in lost)

    def known_at(self, since: int, view: View) -> Book:
        """What a client has that was sent everything up to `since`."""
        book = Book("p", {"p": self.told}, cursor=f"{EPOCH}-{since}", at={"p": since})
        lost = [one for one in self.lost if one.upto < since]  # it came by since then, and was taken back
        states = self._states_at(since, lost)
        book.jobs = {id_: job for id_, job in states.items() if view.job in {None, id_}}
        return book


@given(st.data())
@paced(60)
def test_from_every_cursor_to_the_same_state(data: st.DataObject) -> None:
    history = History(data)
    page = data.draw(st.integers(1, 4), label="page")
    view = data.draw(st.sampled_from(VIEWS), label="view")
    for since in range(history.channel.head + 2):
        check(history, since, view, page)


def check(history: History, since: int, view: View, page: int) -> None:
    channel = history.channel
    book = history.known_at(since, view)
    ask = Ask(project="p", cursor=book.cursor, cadence_ms=0, job=view.job, logs=view.logs)
    book.begin(ask, book.copy())
    *parts, last = history.replay(Position(EPOCH, since), view, page)
    assert last.is_now
    is_reset = bool(last.messages) and isinstance(last.messages[0], Reset)
    if is_reset:
        note("reset")
        assert [type(message) for message in last.messages] == [Reset, Snapshot]
    before = since
    for part in [*parts, last]:
        for message in part.messages:
            book.take(message.to_wire(), 1, {})
        if not is_reset:
            assert part.told["p"] >= before
            before = part.told["p"]
            assert book.at == dict(part.told), "where it says it is"
    assert last.told == {"p": channel.head}
    assert book.at == {"p": channel.head}, "in the end the watcher is where the hub is"
    if not history.can_serve(since):
        assert is_reset, "what is lost is not skipped in silence"
    elif since >= min(channel.floor, channel.ring_floor):
        assert not is_reset, "a cursor that can be served is served"
    for id_, job in channel.jobs.items():
        if view.job in {None, id_}:
            assert plain(book.jobs[id_]) == plain(job)


def plain(job: JobState) -> dict[str, Any]:
    return job.to_wire() | {"seq": 0}


@given(st.data())
@paced(30)
def test_no_cursor_is_answered_with_silence(data: st.DataObject) -> None:
    """Whatever it is: a reason, and a snapshot of where everything is."""
    history = History(data)
    head = history.channel.head
    past = {
        None: "unknown_cursor",
        Position("ffffffff", 0): "other_epoch",
        Position(EPOCH, head + 1): "from_the_future",
    }
    for since, reason in past.items():
        resumed = history.channel.resume(since, View())
        assert isinstance(resumed, Resumed)
        reset, snapshot = resumed.messages
        assert isinstance(reset, Reset)
        assert isinstance(snapshot, Snapshot)
        assert reset.reason == reason
        assert snapshot.cursor == f"{EPOCH}-{head}"
        assert {job["id"] for job in snapshot.jobs} == set(history.channel.jobs)


@given(st.data())
@paced(30)
def test_pruning_between_two_pages_never_passes_for_a_merge(data: st.DataObject) -> None:
    history = History(data)
    channel, since = history.channel, data.draw(st.integers(0, history.channel.head), label="since")
    step = channel.resume(Position(EPOCH, since), View())
    if not isinstance(step, Behind):
        return
    events = history.read(step.after, step.upto, 2)
    covered = events[-1].seq if len(events) == 2 else step.upto
    part = channel.page(since, events, covered, View())
    channel.floor = max(channel.floor, data.draw(st.integers(0, channel.head), label="floor"))
    history.kept = [each for each in history.kept if each.seq > channel.floor]
    again = channel.resume(Position(EPOCH, part.told["p"]), View(), covered=covered)
    if isinstance(again, Behind):
        assert history.can_serve(covered)
    else:
        lost = [seq for seq, each in history.told.items() if seq > covered and each.is_lossless]
        told = {message.seq for message in again.messages if isinstance(message, Event)}
        is_reset = bool(again.messages) and isinstance(again.messages[0], Reset)
        assert is_reset or told >= set(lost)
        assert is_reset or all(message.count > 0 for message in again.messages if isinstance(message, Merged))
