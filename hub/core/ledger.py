"""The ledger numbers what is published, folds it into the jobs' states, and holds back what is not durable yet.

Everything is synchronous. Somebody else (`hub.journal.writer`) takes batches from here, makes them durable and says so;
only then are the lossless events in them passed on, in order. Progress with nothing lossless before it is passed on at
once: its number comes out of a block that is durably reserved, so that no number is handed out twice, crash or not.
"""

import collections
import dataclasses
import itertools
from collections.abc import Callable, Sequence

from hub.core.errors import ForeignJob, JobEnded, NotFound
from hub.core.events import Body, Event, JobBody, StageBody
from hub.core.job import JobState, reduce
from hub.core.ports import Batch, Key, Receipt
from hub.core.redaction import Redactor

BLOCK = 1000
"""Numbers reserved at a time, for each project: one commit more per thousand progress events."""
REMEMBERED_ENDS = 1000
OUTSIDE = "outside"


class Line:
    """The numbering of one project."""

    __slots__ = ("_newest", "asked", "committed", "pending", "reserved", "seq")

    def __init__(self, head: int) -> None:
        self.seq = head
        self.reserved = self.asked = head
        self.committed = head
        self.pending: dict[int, Event] = {}
        """By number, in order."""
        self._newest: dict[str, int] = {}

    def hold(self, event: Event) -> None:
        """Keep `event` until it may be told; of each job only the newest progress, however long that takes."""
        if not event.is_lossless:
            older = self._newest.get(event.job)
            if older is not None:
                self.pending.pop(older, None)
            self._newest[event.job] = event.seq
        self.pending[event.seq] = event

    def release(self) -> list[Event]:
        """What may be told by now, in order."""
        told = list(itertools.takewhile(self.may_tell, self.pending.values()))
        for event in told:
            del self.pending[event.seq]
            if self._newest.get(event.job) == event.seq:
                del self._newest[event.job]
        return told

    def may_tell(self, event: Event) -> bool:
        return event.seq <= (self.committed if event.is_lossless else self.reserved)


class Ledger:
    def __init__(
        self,
        *,
        share: Callable[[Sequence[Event]], None],
        now_ms: Callable[[], int],
        redactor: Redactor,
    ) -> None:
        """`share` gets what may be told."""
        self._share = share
        self._wake: Callable[[], None] = lambda: None
        self._now_ms = now_ms
        self._redactor = redactor
        self._lines: dict[str, Line] = {}
        self._jobs: dict[str, JobState] = {}
        self._ended: dict[str, str] = {}
        """Jobs that have ended, oldest end first, with the project of each: REMEMBERED_ENDS, and all whose end the
        journal does not know yet.
        """
        self._uncommitted: list[Event] = []
        self._changed: dict[str, JobState] = {}
        self._reserving: dict[str, int] = {}
        self._keys: dict[str, Key] = {}
        self._receipts: list[Receipt] = []
        self._owed: Batch | None = None
        """Taken, and not committed yet."""
        self.published: collections.Counter[str] = collections.Counter()
        """By type, since the hub started."""
        self.ended: collections.Counter[tuple[str, str]] = collections.Counter()
        """By kind and state; what other programs run counts as OUTSIDE, as there may be any number of their kinds."""

    def on_waiting(self, wake: Callable[[], None]) -> None:
        """Have `wake` called whenever something waits for a commit."""
        self._wake = wake

    def open_project(self, project: str, head: int, jobs: Sequence[JobState] = ()) -> None:
        self._lines[project] = Line(head)
        self._jobs |= {job.id: job for job in jobs if not job.state.is_end}
        self._ask_reserve(project)

    def close_project(self, project: str) -> None:
        """Forget it and whatever of it was not durable yet."""
        self._lines.pop(project, None)
        self._jobs = {job.id: job for job in self._jobs.values() if job.project != project}
        self._ended = {job: where for job, where in self._ended.items() if where != project}
        self._receipts = [receipt for receipt in self._receipts if receipt.project != project]
        self._uncommitted = [event for event in self._uncommitted if event.project != project]
        self._changed = {job.id: job for job in self._changed.values() if job.project != project}
        self._reserving.pop(project, None)
        if self._owed is not None:
            self._owed = without(self._owed, project)

    def has(self, project: str) -> bool:
        return project in self._lines

    def live_jobs(self) -> list[JobState]:
        """Jobs that have not ended, as published (watchers may not have been told yet)."""
        return list(self._jobs.values())

    def job(self, job: str) -> JobState | None:
        """A job that has not ended, as published."""
        return self._jobs.get(job)

    def has_ended(self, job: str) -> bool:
        """Has its end been published? Only the newest ends are remembered here; the journal knows the others."""
        return job in self._ended

    def publish(self, project: str, job: str, kind: str, body: Body) -> Event:
        """Number `body` as the project's next event.

        Raises NotFound for an unknown project, JobEnded for a job whose end was published, ForeignJob.
        """
        line = self._lines.get(project)
        if line is None:
            raise NotFound(f"There is no project {project!r}.")
        state = self._jobs.get(job)
        if job in self._ended or (state is None and not isinstance(body, JobBody)):
            raise JobEnded
        if state is not None and state.project != project:
            raise ForeignJob
        if isinstance(body, StageBody) and state is not None:
            body = dataclasses.replace(body, left=state.counts())
        clean = self._redactor.body(body, job)
        event = Event(project=project, seq=line.seq + 1, at=self._now_ms(), job=job, kind=kind, body=clean)
        self._fold(state, event)  # first: what cannot be folded takes no number
        line.seq = event.seq
        self.published[clean.type] += 1
        if event.is_lossless:
            self._uncommitted.append(event)
        self._ask_reserve(project)
        if not line.pending and line.may_tell(event):
            self._share((event,))
            return event
        line.hold(event)
        self._wake()
        return event

    def remember(self, key: Key) -> None:
        """Make `key` durable with the very batch that holds what was published just now."""
        self._keys[key.key] = key

    def receive(self, receipt: Receipt) -> None:
        """Make `receipt` durable with the batch that holds its event, which was published just now."""
        self._receipts.append(receipt)

    def take(self) -> Batch | None:
        """Everything that is to be made durable; None when nothing is.

        The same again until `commit`, but for projects that have been deleted meanwhile: so ask before each try.
        """
        if self._owed is None and (self._uncommitted or self._changed or self._reserving):
            self._owed = Batch(
                events=tuple(self._uncommitted),
                jobs=tuple(self._changed.values()),
                reserved=dict(self._reserving),
                keys=tuple(self._keys.values()),
                receipts=tuple(self._receipts),
            )
            self._uncommitted, self._changed, self._reserving, self._keys, self._receipts = [], {}, {}, {}, []
        return self._owed

    def commit(self) -> None:
        """What was taken is durable: pass on what waited for it."""
        batch, self._owed = self._owed, None
        assert batch is not None
        for event in batch.events:
            if line := self._lines.get(event.project):
                line.committed = event.seq
        for project, reserved in batch.reserved.items():
            if line := self._lines.get(project):
                line.reserved = max(line.reserved, reserved)
        for project in {event.project for event in batch.events} | set(batch.reserved):
            line = self._lines.get(project)
            if line is not None and (told := line.release()):
                self._share(told)
        self._forget_ends()

    def heads(self) -> dict[str, int]:
        """By project, the number handed out last."""
        return {project: line.seq for project, line in self._lines.items()}

    @property
    def lossless(self) -> int:
        """Lossless events published since the hub started."""
        return self.published.total() - self.published["progress"]

    @property
    def waiting(self) -> int:
        """Lossless events that have not been told, because they are not durable."""
        return sum(event.is_lossless for line in self._lines.values() for event in line.pending.values())

    @property
    def is_urgent(self) -> bool:
        """Does anybody wait for the next commit? (Changed progress alone does not.)"""
        return bool(self._uncommitted or self._reserving)

    def _fold(self, state: JobState | None, event: Event) -> None:
        state = reduce(state, event)
        self._changed[event.job] = state
        if not event.is_end:
            self._jobs[event.job] = state
            return
        self._jobs.pop(event.job, None)
        self.ended[OUTSIDE if state.is_outside else state.kind, state.state.value] += 1
        self._ended[event.job] = event.project

    def _forget_ends(self) -> None:
        """Call when everything that was taken is durable."""
        while len(self._ended) > REMEMBERED_ENDS and (oldest := next(iter(self._ended))) not in self._changed:
            del self._ended[oldest]

    def _ask_reserve(self, project: str) -> None:
        line = self._lines[project]
        if line.seq + BLOCK // 2 > line.asked:  # early, so that progress need not wait at the block's end
            self._reserving[project] = line.asked = line.seq + BLOCK
            self._wake()


def without(batch: Batch, project: str) -> Batch:
    """The batch as if the project had never been."""
    return dataclasses.replace(
        batch,
        events=tuple(event for event in batch.events if event.project != project),
        jobs=tuple(job for job in batch.jobs if job.project != project),
        reserved={name: upto for name, upto in batch.reserved.items() if name != project},
        receipts=tuple(receipt for receipt in batch.receipts if receipt.project != project),
    )
