"""A channel is one project as watchers see it: its ring, its jobs' states, and exact catch-up from any cursor."""

import collections
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hub.core.cohorts import House
from hub.core.composition import View, compose
from hub.core.errors import LostReason
from hub.core.events import Event, Position
from hub.core.job import JobState, reduce
from hub.core.messages import Merged, Message, Reset, Snapshot
from hub.core.ports import Lost
from hub.core.topic import Topic

PAGE = 100
"""Events in one part of a replay, so that a watcher who does not read costs no more than that."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """What to send a watcher, and by project where it is then."""

    messages: Sequence[Message]
    told: Mapping[str, int]
    is_now: bool = True
    """It is then where the hub is, and may join; False for a page of a replay."""


@dataclass(frozen=True, slots=True)
class Behind:
    """The cursor is older than the ring: read the journal's events in (after, upto], send `page` of them, ask again."""

    after: int
    upto: int


class Channel(Topic):
    __slots__ = ("_epoch", "_lost_ranges", "floor", "head", "jobs", "project", "ring")

    def __init__(
        self,
        project: str,
        house: House,
        head: int,
        floor: int,
        jobs: Sequence[JobState],
        lost: Sequence[Lost] = (),
    ) -> None:
        """`lost`: see Opened."""
        super().__init__(house)
        self.project = project
        self._epoch = house.epoch
        self.head = head
        self._lost_ranges = lost
        self.floor = floor
        """Lossless events up to here are in no journal any more."""
        self.ring: collections.deque[Event] = collections.deque()
        self.jobs = {job.id: job for job in jobs}

    @property
    def position(self) -> Position:
        return Position(self._epoch, self.head)

    @property
    def ring_floor(self) -> int:
        """Everything after this number is in the ring."""
        return self.ring[0].seq - 1 if self.ring else self.head

    def live_jobs(self) -> list[JobState]:
        """Those that have not ended, as told."""
        return [job for job in self.jobs.values() if not job.state.is_end]

    def keep(self, event: Event) -> JobState:
        """Fold `event` in, and forget what is beyond the bounds; the state of its job now."""
        limits = self._house.limits
        self.head = event.seq
        self.ring.append(event)
        if len(self.ring) > limits.ring_size:
            self.ring.popleft()
        state = self.jobs[event.job] = reduce(self.jobs.get(event.job), event)
        if event.is_end:
            ended = sorted((job for job in self.jobs.values() if job.state.is_end), key=lambda job: job.seq)
            for job in ended[: max(len(ended) - limits.recent_jobs, 0)]:
                del self.jobs[job.id]
        return state

    def snapshot(self, view: View, ended: JobState | None = None) -> Resumed:
        """Where everything is. `ended` stands in for a watched job too old to be kept here."""
        is_kept = view.job is None or view.job in self.jobs
        return self._shown(self.head, list(self.jobs.values()) if is_kept or ended is None else [ended], view)

    def undo(self, since: Position | None, view: View) -> Resumed | None:
        """What takes a watcher at `since` back to what the hub knows, if it knows progress that a crash has forgotten.

        A snapshot of the moment after the crash: from there it goes on as from any other place, and misses no event.
        """
        if since is None or since.epoch != self._epoch:
            return None
        for lost in self._lost_ranges:
            if lost.after < since.seq <= lost.upto:
                return self._shown(lost.upto + 1, lost.jobs, view, is_now=False)
        return None

    def resume(
        self, since: Position | None, view: View, *, covered: int = 0, ended: JobState | None = None
    ) -> Resumed | Behind:
        """What brings a watcher at `since` to now: ring first, then the journal (`Behind`), a snapshot last.

        `since` None is a cursor that no hub gave out. `covered`: every lossless event up to here has been read from the
        journal already.
        """
        if reason := self._lost(since, covered):
            snapshot = self.snapshot(view, ended)
            return Resumed([Reset(project=self.project, reason=reason), *snapshot.messages], snapshot.told)
        assert since is not None
        floor = self.ring_floor
        if max(since.seq, covered) < floor:
            return Behind(max(since.seq, covered), floor)
        after = [event for event in self.ring if event.seq > since.seq]
        is_now = len(after) <= PAGE
        after = after[:PAGE]
        messages, told = compose(after, {self.project: since.seq}, view)
        last, upto = told[self.project], self.head if is_now else after[-1].seq
        if last < upto:  # numbers this watcher did not ask for, or that were never used
            messages.append(Merged(project=self.project, count=upto - last, upto=upto))
        return Resumed(messages, {self.project: upto}, is_now=is_now)

    def page(self, since: int, events: Sequence[Event], upto: int, view: View) -> Resumed:
        """The part of a replay that came from the journal: `events` are all the lossless ones in (since, upto]."""
        both = sorted([*events, *self._newest_progress(since, upto)], key=lambda event: event.seq)
        messages, told = compose(both, {self.project: since}, view)
        return Resumed(messages, told, is_now=False)

    def _shown(self, seq: int, jobs: Sequence[JobState], view: View, *, is_now: bool = True) -> Resumed:
        """A snapshot at the number `seq`."""
        watchers = self.watchers
        shown = tuple(job for job in jobs if view.job in {None, job.id})
        message = Snapshot(
            project=self.project,
            cursor=str(Position(self._epoch, seq)),
            jobs=() if view.states else tuple(job.to_wire() | {"watchers": watchers} for job in shown),
            states=shown if view.states else (),
        )
        return Resumed([message], {self.project: seq}, is_now=is_now)

    def _lost(self, since: Position | None, covered: int) -> LostReason | None:
        """Why the cursor cannot be served; None when it can."""
        if since is None:
            return LostReason.UNKNOWN_CURSOR
        if since.epoch != self._epoch:
            return LostReason.OTHER_EPOCH
        if since.seq > self.head:
            return LostReason.FROM_THE_FUTURE
        if max(since.seq, covered) < min(self.floor, self.ring_floor):
            return LostReason.TOO_OLD
        return None

    def _newest_progress(self, after: int, upto: int) -> list[Event]:
        """Each job's newest progress where it is in (after, upto], oldest first."""
        newest = (job.newest_progress() for job in self.jobs.values())
        found = [event for event in newest if event is not None and after < event.seq <= upto]
        return sorted(found, key=lambda event: event.seq)
