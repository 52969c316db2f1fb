"""What a watcher knows, kept by the protocol's own rules: fails on the first thing missed, repeated or out of place."""

import copy
from collections import Counter
from typing import Any

from hub.client.fold import job_state
from hub.core.events import ENDS, Event
from hub.core.job import JobState, reduce


class Account:
    """One watcher of one project, over any number of connections."""

    def __init__(self, *, folds: bool = True) -> None:
        """`folds` False: don't keep the jobs' states, when there are a thousand accounts to keep."""
        self.folds = folds
        self.cursor: str | None = None
        self.seq = 0
        self.since = 0
        """Where its first snapshot stood: from there on it must know everything."""
        self.lossless: dict[int, dict[str, Any]] = {}
        self.progress: dict[int, dict[str, Any]] = {}
        self.merged = 0
        self.jobs: dict[str, JobState] = {}
        self.ends: Counter[str] = Counter()
        self.over: set[str] = set()
        """Jobs of which nothing more may come."""
        self.resets: list[str] = []
        self.undone = 0
        """Snapshots that took back progress that a crash had forgotten."""
        self.last: dict[str, Any] = {}
        """The newest message of any kind."""
        self._epoch = ""
        self._reset = False

    def take(self, message: dict[str, Any], event_id: str | None = None) -> None:
        """One message of a stream, with its SSE `id`."""
        self.last = message
        match message["type"]:
            case "hello":
                assert self._epoch in {"", message["epoch"]}, "the numbering started over"
                self._epoch = message["epoch"]
            case "reset":
                self.resets.append(message["reason"])
                self._reset = True
            case "snapshot":
                self._replace(message)
            case "merged":
                assert message["count"] == message["upto"] - self.seq > 0, f"{message} does not follow {self.seq}"
                self.merged += message["count"]
                self._move(message["upto"])
            case "heartbeat":
                cursors = message.get("cursors", {})
                assert set(cursors.values()) <= {self.cursor}, f"the hub thinks {cursors}, the watcher {self.cursor}"
            case "job" | "stage" | "log" | "progress":
                self._event(message)
        if event_id is not None:
            assert event_id == self.cursor

    def take_answer(self, answer: dict[str, Any]) -> None:
        """One whole answer to a poll: numbers that are not in it must be told as merged, to the last one."""
        if "reset" in answer:
            self.take(answer["reset"])
        if "snapshot" in answer:
            self.take(answer["snapshot"])
        assert self.cursor is not None
        upto = int(answer["cursor"].partition("-")[2])
        assert len(answer["events"]) + answer.get("merged", 0) == upto - self.seq, "every number is accounted for"
        self.merged += answer.get("merged", 0)
        for event in answer["events"]:
            assert self.seq < event["seq"] <= upto
            self.seq = event["seq"] - 1
            self._event(event)
        self._move(upto)
        assert self.cursor == answer["cursor"]

    def copy(self) -> "Account":
        """As it is now, whatever the original is told later."""
        return copy.deepcopy(self)

    def states(self) -> dict[str, dict[str, Any]]:
        """By job, the state object as this watcher has it."""
        return {name: plain(job.to_wire()) for name, job in self.jobs.items()}

    def told(self) -> dict[int, dict[str, Any]]:
        """Everything numbered that it was sent, by number."""
        return self.lossless | self.progress

    def _replace(self, snapshot: dict[str, Any]) -> None:
        epoch, _, seq = snapshot["cursor"].partition("-")
        if self.cursor is not None and not self._reset:
            assert int(seq) > self.seq, "a snapshot that leads back"
            self.undone += 1
        assert self._epoch in {"", epoch}
        if self.cursor is None:
            self.since = int(seq)
        self._epoch, self._reset = epoch, False
        # As the page does: an ended job that is too old for the snapshot is not forgotten for that.
        self.jobs = {name: job for name, job in self.jobs.items() if job.state.is_end}
        self.jobs |= {job["id"]: job_state(job) for job in snapshot["jobs"]}
        self.over |= {job["id"] for job in snapshot["jobs"] if job["state"] in ENDS}
        self._move(int(seq))

    def _event(self, message: dict[str, Any]) -> None:
        assert self.cursor is not None, f"{message} came before any snapshot"
        assert message["seq"] == self.seq + 1, f"{message} does not follow {self.seq}"
        job = message["job"]
        assert job not in self.over, f"{message} came after its job's end"
        lane = self.progress if message["type"] == "progress" else self.lossless
        lane[message["seq"]] = message
        if self.folds:
            self.jobs[job] = reduce(self.jobs.get(job), Event.from_wire(message))
        if message["type"] == "job" and message["state"] in ENDS:
            self.ends[job] += 1
            self.over.add(job)
        self._move(message["seq"])

    def _move(self, seq: int) -> None:
        assert seq >= self.seq or self.resets
        self.seq = seq
        self.cursor = f"{self._epoch}-{seq}"


def check_same(account: Account, truth: Account) -> None:
    """`account` knows what the uninterrupted `truth` knows, from its first snapshot on."""
    assert (account.resets, account.undone) == ([], 0)
    assert account.lossless == {seq: event for seq, event in truth.lossless.items() if seq > account.since}
    ended = {job: 1 for job in truth.ends if truth.jobs[job].seq > account.since}
    assert account.ends == ended
    assert account.states() == truth.states()
    told = truth.told()
    assert all(told[seq] == event for seq, event in account.progress.items() if seq in told)


def plain(state: dict[str, Any]) -> dict[str, Any]:
    """A state object without what is not the job's own."""
    return {name: value for name, value in state.items() if name != "watchers"}
