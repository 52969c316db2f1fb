"""The tracker knows every channel and every watcher, and brings the one to the other.

Everything is synchronous, so "register, then snapshot, then what follows" cannot lose an event in between. What must
wait (reading the journal for an old cursor, writing to sockets) is done by the transports, before and after.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hub.core.channel import Channel, Resumed
from hub.core.cohorts import Cohort, CohortKey, House, Limits, Subscription, View, Way
from hub.core.errors import EndReason, NotFound
from hub.core.events import Event, Position, State
from hub.core.job import JobState
from hub.core.messages import Heartbeat, Reset, Snapshot
from hub.core.ports import Clock, Encoding, Outlet

SWEEP_S = 0.05
"""How often congested watchers are looked at: well under a cadence that a person notices."""
FEED_ENDED = 50
"""Ended jobs in a snapshot of the feed of all projects."""


@dataclass(slots=True)
class Watcher:
    """One connection and all it is subscribed to."""

    transport: str
    since_ms: int
    subscriptions: dict[Subscription, tuple["Channel | None", CohortKey]] = field(default_factory=dict)
    taken: int = 0
    stuck_since: float = 0.0


class Tracker:
    def __init__(self, *, epoch: str, boot: str, clock: Clock, limits: Limits) -> None:
        self.epoch = epoch
        self.boot = boot
        self._clock = clock
        self._limits = limits
        self._channels: dict[str, Channel] = {}
        self._feed: dict[CohortKey, Cohort] = {}
        self._feed_waiters: set[Callable[[], None]] = set()
        self._feed_count = 0
        self.is_draining = False
        self._watchers: dict[Outlet, Watcher] = {}
        self._congested: dict[Cohort, None] = {}
        self._sweeping = False
        self._house = House(epoch=epoch, clock=clock, limits=limits, on_congestion=self._on_congestion)

    # -- what is known ------------------------------------------------------------------------------------------------

    def open_project(self, project: str, head: int, floor: int, jobs: Sequence[JobState] = ()) -> None:
        self._channels[project] = Channel(project, self.epoch, head, floor, jobs)
        for cohort in self._feed.values():
            cohort.place(project, head)

    def close_project(self, project: str) -> None:
        """Forget it. A stream of this project ends; one that follows others, too, is told and goes on without it."""
        channel = self._channels.pop(project, None)
        if channel is None:
            return
        for key, cohort in list(channel.cohorts.items()):
            gone = key.encoding.frame([key.encoding.encode(Reset(project=project, reason="gone"), None)])
            for subscription in list(cohort.subscriptions):
                outlet = subscription.outlet
                if len(self._watchers[outlet].subscriptions) == 1:
                    outlet.end(EndReason.GONE)
                else:
                    outlet.write(gone)
                    self.leave(outlet, subscription)
        for cohort in self._feed.values():
            cohort.place(project, None)
        for wake in list(channel.waiters):
            wake()
        self._feed_moved()

    def raise_floor(self, project: str, floor: int) -> None:
        """The journal has dropped lossless events up to `floor`."""
        if channel := self._channels.get(project):
            channel.floor = max(channel.floor, floor)

    def has(self, project: str) -> bool:
        return project in self._channels

    def channel(self, project: str) -> Channel:
        """Raises NotFound."""
        channel = self._channels.get(project)
        if channel is None:
            raise NotFound(f"There is no project {project!r}.")
        return channel

    def job(self, project: str, job: str) -> JobState | None:
        """A job as watchers have been told of it; None when it is not (or no longer) kept here."""
        channel = self._channels.get(project)
        return channel.jobs.get(job) if channel else None

    def live_states(self) -> set[State]:
        """The states of all jobs that have not ended."""
        return {job.state for c in self._channels.values() for job in c.jobs.values() if not job.state.is_end}

    def watchers_of(self, project: str) -> int:
        channel = self._channels.get(project)
        return channel.watchers if channel else 0

    # -- what happens -------------------------------------------------------------------------------------------------

    def deliver(self, events: Sequence[Event]) -> None:
        """Take events that may be told, in order, and ask each cohort concerned for one flush."""
        for event in events:
            channel = self._channels.get(event.project)
            if channel is None:
                continue
            channel.keep(event, self._limits.ring_size, self._limits.recent_jobs)
            for cohort in channel.cohorts.values():
                cohort.offer(event)
            for wake, view in list(channel.waiters.items()):
                if view.shows(event):
                    wake()
            if event.body.type != "log":
                for cohort in self._feed.values():
                    cohort.offer(event)
                self._feed_moved()

    @property
    def feed_position(self) -> Position:
        """A cursor of the feed only says whether anything has happened since; it does not outlive the process."""
        return Position(self.boot, self._feed_count)

    def _feed_moved(self) -> None:
        self._feed_count += 1
        for wake in list(self._feed_waiters):
            wake()

    def feed_snapshot(self) -> Resumed:
        """Every job that has not ended and the newest that have, of all projects."""
        channel_of = {job.id: channel for channel in self._channels.values() for job in channel.jobs.values()}
        jobs = sorted((job for c in self._channels.values() for job in c.jobs.values()), key=lambda job: job.id)
        ended = [job.id for job in jobs if job.state.is_end]
        left_out = set(ended[:-FEED_ENDED])
        message = Snapshot(
            project=None,
            cursor=str(self.feed_position),
            jobs=tuple(
                job.to_wire() | {"watchers": channel_of[job.id].watchers} for job in jobs if job.id not in left_out
            ),
        )
        return Resumed([message], {channel.project: channel.head for channel in self._channels.values()})

    # -- who watches --------------------------------------------------------------------------------------------------

    def attach(self, outlet: Outlet, transport: str) -> None:
        self._watchers[outlet] = Watcher(transport, self._clock.now_ms())

    def detach(self, outlet: Outlet) -> None:
        """Free everything the connection held. Twice is as good as once."""
        watcher = self._watchers.pop(outlet, None)
        for subscription in list(watcher.subscriptions) if watcher else ():
            self._leave(subscription, *watcher.subscriptions[subscription])  # type: ignore[union-attr]

    def join(self, outlet: Outlet, project: str | None, told: Mapping[str, int], key: CohortKey) -> Subscription:
        """Subscribe an attached connection that has been sent everything up to `told`. `project` None is the feed.

        Call in the same turn as the `resume` or `snapshot` that gave `told`.
        """
        channel = self.channel(project) if project is not None else None
        cohorts = channel.cohorts if channel else self._feed
        cohort = cohorts.get(key)
        if cohort is None:
            cohort = cohorts[key] = Cohort(key, self._house)
        subscription = Subscription(outlet, told, self._clock.now_ms())
        self._watchers[outlet].subscriptions[subscription] = (channel, key)
        cohort.join(subscription)
        return subscription

    def leave(self, outlet: Outlet, subscription: Subscription) -> None:
        watcher = self._watchers.get(outlet)
        if watcher and (place := watcher.subscriptions.pop(subscription, None)):
            self._leave(subscription, *place)

    def follows(self, outlet: Outlet, subscription: Subscription) -> bool:
        watcher = self._watchers.get(outlet)
        return watcher is not None and subscription in watcher.subscriptions

    def release(self) -> None:
        """The hub goes: whoever waits for news is answered now, and nobody waits any more."""
        self.is_draining = True
        for wake in [*self._feed_waiters, *(wake for c in self._channels.values() for wake in c.waiters)]:
            wake()

    def wait(self, project: str | None, view: View, wake: Callable[[], None]) -> Callable[[], None]:
        """Have `wake` called at each event until the function returned is called."""
        if project is None:
            self._feed_waiters.add(wake)
            return lambda: self._feed_waiters.discard(wake)
        channel = self.channel(project)
        channel.waiters[wake] = view

        def stop() -> None:
            channel.waiters.pop(wake, None)

        return stop

    @property
    def watcher_count(self) -> int:
        return len(self._watchers)

    def outlets(self) -> list[Outlet]:
        return list(self._watchers)

    def beat(self) -> None:
        """Send a heartbeat to every connection, and let go of those that take nothing."""
        server_ms = self._clock.now_ms()
        cache: dict[Any, bytes] = {}
        for outlet, watcher in list(self._watchers.items()):
            if outlet.backlog():
                self._check_stuck(outlet, watcher)
                continue
            if not watcher.subscriptions:
                continue
            encoding, cursors = self._cursors(watcher)
            key = (encoding.name, tuple(cursors.items()))
            if key not in cache:
                beat = Heartbeat(server_ms=server_ms, cursors=cursors)
                cache[key] = encoding.frame([encoding.encode(beat, None)])
            outlet.write(cache[key])

    def introspect(self) -> Iterator[dict[str, Any]]:
        """One row a subscription: who watches what, how, and how well it keeps up."""
        for outlet, watcher in self._watchers.items():
            for subscription, (channel, key) in watcher.subscriptions.items():
                cohort = self._cohort(channel, key)
                told = cohort.position(subscription)
                yield {
                    "transport": watcher.transport,
                    "project": channel.project if channel else None,
                    "min_interval_ms": key.cadence_ms,
                    "since": subscription.since_ms,
                    "delivered": subscription.delivered,
                    "merged": subscription.merged,
                    "waiting": len(subscription.mailbox) if subscription.mailbox else 0,
                    "backlog_bytes": outlet.backlog(),
                    "lag": channel.head - told.get(channel.project, 0) if channel else None,
                    "slow": cohort.way(subscription) is Way.CONGESTED,
                }

    # -- inside -------------------------------------------------------------------------------------------------------

    def _cohort(self, channel: Channel | None, key: CohortKey) -> Cohort:
        return (channel.cohorts if channel else self._feed)[key]

    def _leave(self, subscription: Subscription, channel: Channel | None, key: CohortKey) -> None:
        cohorts = channel.cohorts if channel else self._feed
        cohort = cohorts[key]
        cohort.leave(subscription)
        if not len(cohort):
            del cohorts[key]
            self._congested.pop(cohort, None)

    def _cursors(self, watcher: Watcher) -> tuple[Encoding, dict[str, str]]:
        cursors: dict[str, str] = {}
        encoding: Encoding | None = None
        for subscription, (channel, key) in watcher.subscriptions.items():
            encoding = key.encoding
            if channel is not None and key.view.job is None and key.view.logs:
                told = self._cohort(channel, key).position(subscription)
                cursors[channel.project] = f"{self.epoch}-{told[channel.project]}"
        assert encoding is not None
        return encoding, cursors

    def _check_stuck(self, outlet: Outlet, watcher: Watcher) -> None:
        now, taken = self._clock.monotonic(), outlet.taken()
        if taken != watcher.taken:
            watcher.taken, watcher.stuck_since = taken, now
        elif now - watcher.stuck_since >= self._limits.too_slow_s:
            outlet.end(EndReason.TOO_SLOW)

    def _on_congestion(self, cohort: Cohort) -> None:
        self._congested[cohort] = None
        if not self._sweeping:
            self._sweeping = True
            self._clock.later(SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = False
        for cohort in list(self._congested):
            if not cohort.sweep():
                self._congested.pop(cohort, None)
        if self._congested:
            self._sweeping = True
            self._clock.later(SWEEP_S, self._sweep)
