"""Cohorts: watchers that get the very same bytes, and what happens to one that cannot keep up.

A flush composes what is pending once, encodes each message once, joins the bytes once, and hands that one object to
every member. It never waits for anybody. A member with too many unsent bytes leaves the shared path for a mailbox of
its own and rejoins when its connection has drained.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hub.core.composition import View
from hub.core.counts import Counts
from hub.core.errors import EndReason
from hub.core.events import Event
from hub.core.flush import Flush, Parcel
from hub.core.mailbox import Mailbox
from hub.core.messages import Message
from hub.core.ports import Clock, Encoding, Timer
from hub.core.subscription import Congestion, Subscription, Uptake, Way


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of the delivery core; see the settings of the same names."""

    ring_size: int = 1024
    recent_jobs: int = 10
    high_water_bytes: int = 64 * 1024
    mailbox_events: int = 10
    too_slow_s: float = 10.0
    max_pending: int = 4096
    """Events a cohort holds for its cadence before it flushes early."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortKey:
    """What watchers must have in common to get the same bytes. `cadence_ms` 0 is the next turn of the loop."""

    encoding: Encoding
    cadence_ms: int
    view: View


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What all cohorts of one hub share."""

    epoch: str
    clock: Clock
    limits: Limits
    counts: Counts
    on_congestion: Callable[["Cohort"], None]
    """A member has left the shared path: `sweep` this cohort until it says that none is left."""


class Cohort:
    """The watchers of one topic that share encoding, cadence and view."""

    def __init__(self, key: CohortKey, house: House) -> None:
        self.key = key
        self._house = house
        self._limits = house.limits
        self._pending: list[Event] = []
        self._told: dict[str, int] = {}
        self._delivered = 0
        self._merged = 0
        self._shared: dict[Subscription, None] = {}
        self._apart: dict[Subscription, Way] = {}
        """Members that get bytes of their own, for now."""
        self._timer: Timer | None = None
        self._flushing = False

    def __len__(self) -> int:
        return len(self._shared) + len(self._apart)

    @property
    def subscriptions(self) -> list[Subscription]:
        return [*self._shared, *self._apart]

    # -- members ------------------------------------------------------------------------------------------------------

    def join(self, subscription: Subscription) -> None:
        """Take in a watcher that has been sent everything up to `subscription.told`."""
        if not self._pending and (not self._shared or self._told == subscription.told):
            self._share(subscription)
        else:
            self._apart[subscription] = Way.JOINING

    def leave(self, subscription: Subscription) -> None:
        self._shared.pop(subscription, None)
        self._apart.pop(subscription, None)
        if not len(self):
            self._stop_timer()

    def place(self, project: str, seq: int | None) -> None:
        """On the feed: a project has come, at number `seq`, or gone (None)."""
        self._pending = [event for event in self._pending if event.project != project]
        for told in (self._told, *(subscription.told for subscription in self._apart)):
            if seq is None:
                told.pop(project, None)
            else:
                told[project] = seq
        if seq is None:
            for subscription in self._apart:
                if subscription.congestion is not None:
                    subscription.congestion.mailbox.forget(project)

    def tell(self, message: Message) -> None:
        """Send every member a message that is about the topic itself, and no event of it."""
        if payload := self._begin(()).encode([message]):
            for subscription in self.subscriptions:
                subscription.outlet.write(payload)

    def position(self, subscription: Subscription) -> Mapping[str, int]:
        """By project, the number up to which the subscription's stream accounts for everything."""
        return self._told if subscription in self._shared else subscription.told

    def way(self, subscription: Subscription) -> Way:
        return self._apart.get(subscription, Way.SHARED)

    def counted(self, subscription: Subscription) -> tuple[int, int]:
        """Messages delivered to the subscription, and numbers told to it as merged."""
        if subscription in self._shared:
            return self._delivered + subscription.delivered, self._merged + subscription.merged
        return subscription.delivered, subscription.merged

    # -- what happens -------------------------------------------------------------------------------------------------

    def offer(self, event: Event) -> None:
        """Something happened on the topic; ask for one flush."""
        if not self.key.view.shows(event):
            return
        self._pending.append(event)
        cadence_ms = self.key.cadence_ms
        if event.is_end or cadence_ms == 0 or len(self._pending) > self._limits.max_pending:
            if not self._flushing:
                self._flushing = True
                self._house.clock.soon(self.flush)
        elif self._timer is None and not self._flushing:
            self._timer = self._house.clock.later(cadence_ms / 1000, self.flush)

    def flush(self) -> None:
        """Send what is pending to everybody, waiting for nobody."""
        self._flushing = False
        self._stop_timer()
        pending, self._pending = self._pending, []
        try:
            if pending:
                self._flush(pending)
        except Exception:
            # What was pending is lost to everybody here, and must not pass for merged: their cursors bring it back.
            for subscription in self.subscriptions:
                subscription.outlet.end(EndReason.LOST_POSITION)
            raise

    def sweep(self) -> bool:
        """Look after the congested: let the drained ones rejoin and the dead ones go. False when none is left."""
        now = self._house.clock.monotonic()
        for subscription in [member for member, way in self._apart.items() if way is Way.CONGESTED]:
            assert subscription.congestion is not None
            outlet = subscription.outlet
            if outlet.backlog() <= self._limits.high_water_bytes // 2:
                try:
                    self._catch_up(subscription)
                except Exception:  # as in flush: what waited for it must not pass for merged
                    outlet.end(EndReason.LOST_POSITION)
                    raise
            elif subscription.congestion.uptake.still_s(outlet.taken(), now) >= self._limits.too_slow_s:
                outlet.end(EndReason.TOO_SLOW)
        return Way.CONGESTED in self._apart.values()

    # -- inside -------------------------------------------------------------------------------------------------------

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _flush(self, pending: Sequence[Event]) -> None:
        flush = self._begin(pending)
        apart = list(self._apart)
        self._send_shared(flush)
        for subscription in apart:
            match self._apart.get(subscription):
                case Way.JOINING:
                    self._send_own(subscription, flush)
                case Way.CONGESTED:
                    self._post(subscription, pending)
        if self.key.view.closes and flush.has_end:
            for subscription in self.subscriptions:
                if self.way(subscription) is not Way.CONGESTED:
                    subscription.outlet.end(EndReason.DONE)

    def _begin(self, pending: Sequence[Event]) -> Flush:
        return Flush(pending, self.key.view, self.key.encoding, self._house.epoch, self._house.counts)

    def _send_shared(self, flush: Flush) -> None:
        """The hot path: the work of a delivery is one call of `outlet.offer`."""
        if not self._shared:
            return
        high_water = self._limits.high_water_bytes
        for parcel in flush.parcels(self._told):
            before, self._told = self._told, parcel.told
            if not parcel.payload:
                continue
            slow = [member for member in self._shared if not member.outlet.offer(parcel.payload, high_water)]
            for subscription in slow:
                self._congest(subscription, before)
                self._post(subscription, flush.pending)
            self._delivered += parcel.messages
            self._merged += parcel.merged
            self._count(parcel, len(self._shared))

    def _send_own(self, subscription: Subscription, flush: Flush) -> None:
        for parcel in flush.parcels(subscription.told):
            if parcel.payload:
                if not subscription.outlet.offer(parcel.payload, self._limits.high_water_bytes):
                    self._congest(subscription, subscription.told)
                    self._post(subscription, flush.pending)
                    return
                subscription.delivered += parcel.messages
                subscription.merged += parcel.merged
                self._count(parcel, 1)
            subscription.told = dict(parcel.told)
        if not self._shared or subscription.told == self._told:
            self._share(subscription)

    def _count(self, parcel: Parcel, readers: int) -> None:
        self._house.counts.delivered += parcel.messages * readers
        self._house.counts.merged += parcel.merged * readers

    def _catch_up(self, subscription: Subscription) -> None:
        """The connection has drained: send what waited, and rejoin."""
        assert subscription.congestion is not None
        flush = self._begin(subscription.congestion.mailbox.drain())
        subscription.congestion = None
        self._apart[subscription] = Way.JOINING
        self._send_own(subscription, flush)
        if self.key.view.closes and flush.has_end:
            subscription.outlet.end(EndReason.DONE)

    def _share(self, subscription: Subscription) -> None:
        if not self._shared:
            self._told = dict(subscription.told)
        self._apart.pop(subscription, None)
        subscription.delivered -= self._delivered
        subscription.merged -= self._merged
        self._shared[subscription] = None

    def _congest(self, subscription: Subscription, told: Mapping[str, int]) -> None:
        subscription.delivered, subscription.merged = self.counted(subscription)
        self._shared.pop(subscription, None)
        subscription.told = dict(told)
        uptake = Uptake(subscription.outlet.taken(), self._house.clock.monotonic())
        subscription.congestion = Congestion(Mailbox(self._limits.mailbox_events), uptake)
        self._apart[subscription] = Way.CONGESTED
        self._house.counts.congested += 1
        self._house.on_congestion(self)

    def _post(self, subscription: Subscription, pending: Sequence[Event]) -> None:
        dropped = subscription.dropped
        if not subscription.post(pending):
            subscription.outlet.end(EndReason.TOO_SLOW)
        self._house.counts.dropped += subscription.dropped - dropped
