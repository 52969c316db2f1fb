"""Cohorts: watchers that get the very same bytes, and what happens to one that cannot keep up.

A flush composes what is pending once, encodes each message once, joins the bytes once, and hands that one object to
every member. It never waits for anybody. A member with too many unsent bytes leaves the shared path for a mailbox of
its own and rejoins when its connection has drained.
"""

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hub.core.errors import EndReason
from hub.core.events import Event
from hub.core.mailbox import Mailbox, Offer
from hub.core.messages import Merged, Message, cursor_after, merged_in
from hub.core.ports import Clock, Encoding, Outlet, Timer


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Which events of a topic a watcher asked for."""

    job: str | None = None
    """Only this job's."""
    logs: bool = True
    closes: bool = False
    """End the stream after the job's end."""

    def shows(self, event: Event) -> bool:
        return (self.job is None or event.job == self.job) and (self.logs or event.body.type != "log")


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


def compose(events: Sequence[Event], told: Mapping[str, int], view: View) -> tuple[list[Message], dict[str, int]]:
    """What a watcher that knows everything up to `told` (by project) is sent for `events`, and where that takes it.

    Pure. `events` are in order of seq within each project. Of each job only the newest progress is kept; every number
    skipped is accounted for by a Merged before the next event.
    """
    newest = {event.job: event.seq for event in events if not event.is_lossless}
    messages: list[Message] = []
    position = dict(told)
    for event in events:
        last = position.get(event.project, 0)
        if event.seq <= last or not view.shows(event):
            continue
        if not event.is_lossless and event.seq != newest[event.job]:
            continue
        if event.seq > last + 1:
            messages.append(Merged(project=event.project, count=event.seq - 1 - last, upto=event.seq - 1))
        messages.append(event)
        position[event.project] = event.seq
    return messages, position


class Subscription:
    """One watcher's place in one cohort."""

    __slots__ = ("delivered", "mailbox", "merged", "outlet", "since_ms", "stuck_since", "taken", "told")

    def __init__(self, outlet: Outlet, told: Mapping[str, int], since_ms: int) -> None:
        self.outlet = outlet
        self.told = dict(told)
        """By project, what it has been sent; on the shared path the cohort's own `told` counts instead."""
        self.mailbox: Mailbox | None = None
        self.since_ms = since_ms
        self.delivered = 0
        self.merged = 0
        self.taken = 0
        self.stuck_since = 0.0


class Way(enum.Enum):
    """How a subscription gets its next bytes."""

    SHARED = enum.auto()
    JOINING = enum.auto()
    CONGESTED = enum.auto()


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
    on_congestion: Callable[["Cohort"], None]
    """A member has left the shared path: `sweep` this cohort until it says that none is left."""


class Cohort:
    """The watchers of one topic that share encoding, cadence and view."""

    def __init__(self, key: "CohortKey", house: "House") -> None:
        self.encoding, self.cadence_ms, self.view = key.encoding, key.cadence_ms, key.view
        self._epoch = house.epoch
        self._clock = house.clock
        self._limits = house.limits
        self._on_congestion = house.on_congestion
        self._pending: list[Event] = []
        self._told: dict[str, int] = {}
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

    def join(self, subscription: Subscription) -> None:
        """Take in a watcher that has been sent everything up to `subscription.told`."""
        if not self._pending and (not self._shared or self._told == subscription.told):
            self._share(subscription)
        else:
            self._apart[subscription] = Way.JOINING

    def leave(self, subscription: Subscription) -> None:
        self._shared.pop(subscription, None)
        self._apart.pop(subscription, None)
        if not len(self) and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def place(self, project: str, seq: int | None) -> None:
        """On the feed: a project has come, at number `seq`, or gone (None)."""
        self._pending = [event for event in self._pending if event.project != project]
        for told in (self._told, *(subscription.told for subscription in self._apart)):
            if seq is None:
                told.pop(project, None)
            else:
                told[project] = seq

    def offer(self, event: Event) -> None:
        """Something happened on the topic; ask for one flush."""
        if not self.view.shows(event):
            return
        self._pending.append(event)
        if event.is_end or self.cadence_ms == 0 or len(self._pending) > self._limits.max_pending:
            self._flush_soon()
        elif self._timer is None and not self._flushing:
            self._timer = self._clock.later(self.cadence_ms / 1000, self.flush)

    def flush(self) -> None:
        """Send what is pending to everybody, waiting for nobody."""
        self._flushing = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        pending, self._pending = self._pending, []
        try:
            if pending:
                self._flush(pending)
        except Exception:
            # What was pending is lost to everybody here, and must not pass for merged: their cursors bring it back.
            for subscription in self.subscriptions:
                subscription.outlet.end(EndReason.LOST_POSITION)
            raise

    def _flush(self, pending: Sequence[Event]) -> None:
        encoded: dict[int, bytes] = {}
        apart = list(self._apart)
        self._send_shared(pending, encoded)
        for subscription in apart:
            if self._apart.get(subscription) is Way.JOINING:
                self._send_own(subscription, pending, encoded)
            elif subscription in self._apart:
                self._post(subscription, pending)
        if self.view.closes and any(event.is_end for event in pending):
            for subscription in self.subscriptions:
                if self.way(subscription) is not Way.CONGESTED:
                    subscription.outlet.end(EndReason.DONE)

    def position(self, subscription: Subscription) -> Mapping[str, int]:
        """By project, the number up to which the subscription's stream accounts for everything."""
        return self._told if subscription in self._shared else subscription.told

    def way(self, subscription: Subscription) -> Way:
        return self._apart.get(subscription, Way.SHARED)

    def sweep(self) -> bool:
        """Look after the congested: let the drained ones rejoin and the dead ones go. False when none is left."""
        congested = [subscription for subscription, way in self._apart.items() if way is Way.CONGESTED]
        for subscription in congested:
            backlog = subscription.outlet.backlog()
            if backlog <= self._limits.high_water_bytes // 2:
                self._catch_up(subscription)
            else:
                self._check_stuck(subscription)
        return Way.CONGESTED in self._apart.values()

    def _check_stuck(self, subscription: Subscription) -> None:
        """End a watcher that has taken no byte for too long."""
        now, taken = self._clock.monotonic(), subscription.outlet.taken()
        if taken != subscription.taken:
            subscription.taken, subscription.stuck_since = taken, now
        elif now - subscription.stuck_since >= self._limits.too_slow_s:
            subscription.outlet.end(EndReason.TOO_SLOW)

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._clock.soon(self.flush)

    def _share(self, subscription: Subscription) -> None:
        if not self._shared:
            self._told = dict(subscription.told)
        self._apart.pop(subscription, None)
        self._shared[subscription] = None

    def _send_shared(self, pending: Sequence[Event], encoded: dict[int, bytes]) -> None:
        if not self._shared:
            return
        messages, told = compose(pending, self._told, self.view)
        payload = self._encode(messages, encoded)
        if not payload:
            self._told = told
            return
        merged = merged_in(messages)
        delivered = len(messages)
        high_water = self._limits.high_water_bytes
        slow = []
        for subscription in self._shared:
            outlet = subscription.outlet
            if outlet.backlog() > high_water:
                slow.append(subscription)
                continue
            outlet.write(payload)
            subscription.delivered += delivered
            subscription.merged += merged
        before = self._told
        self._told = told
        for subscription in slow:
            del self._shared[subscription]
            self._congest(subscription, before)
            self._post(subscription, pending)

    def _send_own(self, subscription: Subscription, pending: Sequence[Event], encoded: dict[int, bytes]) -> None:
        if subscription.outlet.backlog() > self._limits.high_water_bytes:
            self._congest(subscription, subscription.told)
            self._post(subscription, pending)
            return
        messages, told = compose(pending, subscription.told, self.view)
        if payload := self._encode(messages, encoded):
            subscription.outlet.write(payload)
            subscription.delivered += len(messages)
            subscription.merged += merged_in(messages)
        subscription.told = told
        if not self._shared or told == self._told:
            self._share(subscription)

    def _congest(self, subscription: Subscription, told: Mapping[str, int]) -> None:
        subscription.told = dict(told)
        subscription.mailbox = Mailbox(self._limits.mailbox_events)
        subscription.taken, subscription.stuck_since = subscription.outlet.taken(), self._clock.monotonic()
        self._apart[subscription] = Way.CONGESTED
        self._on_congestion(self)

    def _post(self, subscription: Subscription, pending: Sequence[Event]) -> None:
        assert subscription.mailbox is not None
        for event in pending:
            if event.seq <= subscription.told.get(event.project, 0):
                continue
            if subscription.mailbox.offer(event) is Offer.FULL:
                subscription.outlet.end(EndReason.TOO_SLOW)
                return

    def _catch_up(self, subscription: Subscription) -> None:
        """The connection has drained: send what waited, and rejoin."""
        assert subscription.mailbox is not None
        waiting = subscription.mailbox.drain()
        subscription.mailbox = None
        self._apart[subscription] = Way.JOINING
        self._send_own(subscription, waiting, {})
        if self.view.closes and any(event.is_end for event in waiting):
            subscription.outlet.end(EndReason.DONE)

    def _encode(self, messages: Sequence[Message], encoded: dict[int, bytes]) -> bytes:
        pieces = []
        for message in messages:
            piece = encoded.get(id(message))
            if piece is None:
                piece = self.encoding.encode(message, cursor_after(message, self._epoch))
                if isinstance(message, Event):
                    encoded[id(message)] = piece
            if piece:
                pieces.append(piece)
        return self.encoding.frame(pieces) if pieces else b""
