"""The tracker knows every channel and every watcher, and brings the one to the other.

Everything is synchronous, so "register, then snapshot, then what follows" cannot lose an event in between. What must
wait (reading the journal for an old cursor, writing to sockets) is done by the transports, before and after.
"""

import collections
import contextlib
import functools
import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from hub.core.channel import Channel, Resumed
from hub.core.cohorts import Cohort, CohortKey, House, Limits
from hub.core.composition import View
from hub.core.counts import Counts
from hub.core.errors import EndReason, NotFound
from hub.core.events import Event, Position
from hub.core.feed import Feed
from hub.core.job import JobState
from hub.core.messages import Heartbeat, Reset
from hub.core.ports import Clock, Encoding, Lost, Outlet
from hub.core.subscription import Subscription
from hub.core.topic import Topic
from hub.core.watcher import Load, Watcher, project_of

SWEEP_S = 0.05
"""How often congested watchers are looked at: well under a cadence that a person notices."""
BEAT_SLICE = 500
"""Heartbeats in one turn of the loop: about 2 ms."""


class Tracker:
    def __init__(self, *, epoch: str, boot: str, clock: Clock, limits: Limits) -> None:
        self.epoch = epoch
        self.boot = boot
        self.counts = Counts()
        self.is_draining = False
        self._clock = clock
        self._limits = limits
        self._house = House(
            epoch=epoch, clock=clock, limits=limits, counts=self.counts, on_congestion=self._on_congestion
        )
        self._channels: dict[str, Channel] = {}
        self._feed = Feed(self._house, boot)
        self._watchers: dict[Outlet, Watcher] = {}
        self._of_caller: collections.Counter[str] = collections.Counter()
        self._congested: dict[Cohort, None] = {}
        self._sweeping = False

    # -- what is known ------------------------------------------------------------------------------------------------

    def open_project(
        self,
        project: str,
        head: int,
        floor: int,
        jobs: Sequence[JobState] = (),
        lost: Sequence[Lost] = (),
    ) -> None:
        """As a journal has Opened it."""
        self._channels[project] = Channel(project, self._house, head, floor, jobs, lost)
        self._feed.place(project, head)

    def close_project(self, project: str) -> None:
        """Forget it. A stream of this project ends; one that follows others, too, is told and goes on without it."""
        channel = self._channels.pop(project, None)
        if channel is None:
            return
        for cohort in list(channel.cohorts.values()):
            for subscription in cohort.subscriptions:
                if self._watchers[subscription.outlet].follows_nothing_but(subscription):
                    subscription.outlet.end(EndReason.GONE)
            cohort.tell(Reset(project=project, reason="gone"))
            for subscription in cohort.subscriptions:
                if not self._watchers[subscription.outlet].follows_nothing_but(subscription):
                    self.leave(subscription.outlet, subscription)
        self._feed.place(project, None)
        channel.wake_all()

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

    def live_jobs(self) -> list[JobState]:
        """All that have not ended, as told."""
        return [job for channel in self._channels.values() for job in channel.live_jobs()]

    def watchers_of(self, project: str) -> int:
        channel = self._channels.get(project)
        return channel.watchers if channel else 0

    @property
    def feed_position(self) -> Position:
        return self._feed.position

    def feed_snapshot(self, projects: frozenset[str] | None = None) -> Resumed:
        """`projects`: only these; None: all."""
        return self._feed.snapshot(self._channels.values(), projects)

    # -- what happens -------------------------------------------------------------------------------------------------

    def deliver(self, events: Sequence[Event]) -> None:
        """Take events that may be told, in order, and ask each cohort concerned for one flush."""
        for event in events:
            if channel := self._channels.get(event.project):
                channel.offer(event, channel.keep(event))
                self._feed.offer(event)

    def beat(self) -> None:
        """Send a heartbeat to every connection, and let go of those that take nothing.

        Many are served in slices, a turn of the loop each. Raises, after the slice, what an encoding has raised.
        """
        self._beat_slice(iter(list(self._watchers.values())), {})

    def _beat_slice(self, watchers: Iterator[Watcher], cache: dict[Any, bytes]) -> None:
        server_ms, now = self._clock.now_ms(), self._clock.monotonic()
        errors: list[Exception] = []
        slice_ = list(itertools.islice(watchers, BEAT_SLICE))
        if len(slice_) == BEAT_SLICE:
            self._clock.soon(lambda: self._beat_slice(watchers, cache))
        for watcher in slice_:
            outlet = watcher.outlet
            if outlet.backlog():
                if watcher.uptake.still_s(outlet.taken(), now) >= self._limits.too_slow_s:
                    outlet.end(EndReason.TOO_SLOW)
            elif (place := watcher.cursors(self.epoch)) is not None:
                encoding, cursors = place
                key = (encoding, tuple(cursors.items()))
                try:
                    if key not in cache:
                        beat = Heartbeat(server_ms=server_ms, cursors=cursors)
                        cache[key] = encoding.frame([encoding.encode(beat, None)])
                except Exception as exc:  # noqa: BLE001 - whatever a surface's encoding does, the others have their beat
                    outlet.end(EndReason.LOST_POSITION)
                    errors.append(exc)
                else:
                    outlet.write(cache[key])
        if errors:
            raise ExceptionGroup("some heartbeats could not be encoded", errors)

    def release(self) -> None:
        """The hub goes: whoever waits for news is answered now, and nobody waits any more."""
        self.is_draining = True
        for topic in self._topics():
            topic.wake_all()

    # -- who watches --------------------------------------------------------------------------------------------------

    def attach(self, outlet: Outlet, transport: str, encoding: Encoding | None = None, caller: str = "") -> None:
        """`encoding`: of heartbeats while it follows nothing; None for none. `caller`: who is counted for it, if
        anybody.
        """
        self.counts.opened[transport] += 1
        self._of_caller[caller] += 1
        self._watchers[outlet] = Watcher(outlet, transport, encoding, self._clock, caller)

    def detach(self, outlet: Outlet, reason: EndReason | None = None) -> None:
        """Free everything the connection held. Twice is as good as once. `reason` None: the watcher left by itself."""
        watcher = self._watchers.pop(outlet, None)
        if watcher is None:
            return
        self.counts.ended[reason.word if reason else "left"] += 1
        self._of_caller[watcher.caller] -= 1
        if not self._of_caller[watcher.caller]:
            del self._of_caller[watcher.caller]
        for subscription, place in watcher.subscriptions.items():
            self._leave(subscription, *place)

    def join(self, outlet: Outlet, project: str | None, told: Mapping[str, int], key: CohortKey) -> Subscription:
        """Subscribe an attached connection that has been sent everything up to `told`. `project` None is the feed.

        Call in the same turn as the `resume` or `snapshot` that gave `told`.
        """
        topic = self._topic(project)
        subscription = Subscription(outlet, told, self._clock.now_ms())
        self._watchers[outlet].subscriptions[subscription] = (topic, topic.join(subscription, key))
        return subscription

    @contextlib.contextmanager
    def joining(self, outlet: Outlet) -> Iterator[None]:
        """Within, an attached connection is on its way to one subscription more, which is in no table yet."""
        watcher = self._watchers.get(outlet)
        if watcher is None:
            raise NotFound("The watcher has left.")
        watcher.joining += 1
        try:
            yield
        finally:
            watcher.joining -= 1

    def leave(self, outlet: Outlet, subscription: Subscription) -> None:
        watcher = self._watchers.get(outlet)
        if watcher and (place := watcher.subscriptions.pop(subscription, None)):
            self._leave(subscription, *place)

    def follows(self, outlet: Outlet, subscription: Subscription) -> bool:
        watcher = self._watchers.get(outlet)
        return watcher is not None and subscription in watcher.subscriptions

    def wait(self, project: str | None, view: View, wake: Callable[[], None]) -> Callable[[], None]:
        """Have `wake` called at each event that `view` shows, until the function returned is called."""
        return self._topic(project).wait(view, wake)

    @property
    def waiting_count(self) -> int:
        """Requests that are held open."""
        return sum(len(topic.waiters) for topic in self._topics())

    @property
    def watcher_count(self) -> int:
        return len(self._watchers)

    def streams_of(self, caller: str) -> int:
        """How many connections are attached for this caller."""
        return self._of_caller[caller]

    def outlets(self) -> list[Outlet]:
        return list(self._watchers)

    def introspect(self, project: str | None, after: int, limit: int) -> tuple[list[dict[str, Any]], int]:
        """Who watches what, and how each keeps up: one row a subscription, and one for each request that waits.

        The first `limit` with an id above `after`, oldest first, and how many there are in all. `project` None: of any.
        """
        found: dict[int, Callable[[], dict[str, Any]]] = {}
        for watcher in self._watchers.values():
            for subscription, (topic, _) in watcher.subscriptions.items():
                if project in {None, project_of(topic)}:
                    found[subscription.id] = functools.partial(watcher.row, subscription)
        now_ms = self._clock.now_ms()
        for topic in self._topics():
            if project in {None, project_of(topic)}:
                found |= {
                    waiter.id: functools.partial(waiter.row, project_of(topic), now_ms) for waiter in topic.waiters
                }
        page = heapq.nsmallest(limit, (id_ for id_ in found if id_ > after))
        return [found[id_]() for id_ in page], len(found)

    def load(self) -> Load:
        """All watchers in a few numbers."""
        load = Load(connections=len(self._watchers))
        for watcher in self._watchers.values():
            load.add(watcher)
        load.watchers["poll"] = self.waiting_count
        return load

    # -- inside -------------------------------------------------------------------------------------------------------

    def _topic(self, project: str | None) -> Topic:
        return self._feed if project is None else self.channel(project)

    def _topics(self) -> Iterable[Topic]:
        return [self._feed, *self._channels.values()]

    def _leave(self, subscription: Subscription, topic: Topic, cohort: Cohort) -> None:
        topic.leave(subscription, cohort.key)
        if not len(cohort):
            self._congested.pop(cohort, None)

    def _on_congestion(self, cohort: Cohort) -> None:
        self._congested[cohort] = None
        if not self._sweeping:
            self._sweeping = True
            self._clock.later(SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        try:
            for cohort in list(self._congested):
                if not cohort.sweep():
                    self._congested.pop(cohort, None)
        finally:  # one that cannot be encoded for must not keep the others waiting for ever
            self._sweeping = bool(self._congested)
            if self._sweeping:
                self._clock.later(SWEEP_S, self._sweep)
