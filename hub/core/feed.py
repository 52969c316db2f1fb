"""The feed: the states of all projects' jobs, as one topic. Its cursor says whether anything happened, no more."""

from collections.abc import Iterable

from hub.core.channel import Channel, Resumed
from hub.core.cohorts import House
from hub.core.events import Event, Position
from hub.core.job import JobState
from hub.core.messages import Reset, Snapshot
from hub.core.topic import Topic

FEED_ENDED = 50
"""Ended jobs in a snapshot of the feed."""


class Feed(Topic):
    __slots__ = ("_boot", "_count", "_told")

    def __init__(self, house: House, boot: str) -> None:
        super().__init__(house)
        self._boot = boot
        self._count = 0
        self._told: dict[str, int] = {}
        """By project, its newest number that the feed has shown: where the cohorts are, and newcomers begin."""

    @property
    def position(self) -> Position:
        """Does not outlive the process."""
        return Position(self._boot, self._count)

    def offer(self, event: Event, state: JobState | None = None) -> None:
        """Log lines are not on the feed."""
        if event.body.type != "log":
            self._count += 1
            self._told[event.project] = event.seq
            super().offer(event)

    def place(self, project: str, seq: int | None) -> None:
        """A project has come, at number `seq`, or gone (None)."""
        for cohort in self.cohorts.values():
            cohort.place(project, seq)
        if seq is not None:
            self._told[project] = seq
            return
        self._told.pop(project, None)
        self._count += 1
        for cohort in self.cohorts.values():
            if cohort.key.view.covers(project):
                cohort.tell(Reset(project=project, reason="gone"))
        self.wake_all()

    def snapshot(self, channels: Iterable[Channel], projects: frozenset[str] | None = None) -> Resumed:
        """Every job that has not ended and the newest that have, of all projects, or of these."""
        channels = [channel for channel in channels if projects is None or channel.project in projects]
        jobs = sorted(
            ((job, channel) for channel in channels for job in channel.jobs.values()), key=lambda pair: pair[0].id
        )
        ended = [job.id for job, _ in jobs if job.state.is_end]
        left_out = set(ended[:-FEED_ENDED])
        message = Snapshot(
            project=None,
            cursor=str(self.position),
            jobs=tuple(
                job.to_wire() | {"watchers": channel.watchers} for job, channel in jobs if job.id not in left_out
            ),
        )
        return Resumed([message], dict(self._told))
