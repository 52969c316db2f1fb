"""A watcher: one connection, and all it is subscribed to."""

import collections
from dataclasses import dataclass, field
from typing import Any

from hub.core.channel import Channel
from hub.core.cohorts import Cohort
from hub.core.ports import Clock, Encoding, Outlet
from hub.core.subscription import Subscription, Uptake, Way, numbers
from hub.core.topic import Topic


class Watcher:
    __slots__ = ("_encoding", "caller", "id", "joining", "outlet", "subscriptions", "transport", "uptake")

    def __init__(self, outlet: Outlet, transport: str, encoding: Encoding | None, clock: Clock, caller: str) -> None:
        self.id = next(numbers)
        self.outlet = outlet
        self.transport = transport
        self._encoding = encoding
        self.caller = caller
        self.joining = 0
        """Subscriptions that are still catching up."""
        self.uptake = Uptake(outlet.taken(), clock.monotonic())
        self.subscriptions: dict[Subscription, tuple[Topic, Cohort]] = {}

    def follows_nothing_but(self, subscription: Subscription) -> bool:
        return not self.joining and self.subscriptions.keys() == {subscription}

    def cursors(self, epoch: str) -> tuple[Encoding, dict[str, str]] | None:
        """What a heartbeat tells it: the encoding of its stream, and where it is in each project.

        None where it follows nothing and no encoding is known. A view of one job, or without logs, is told no place:
        the numbers that it is not shown move it only when something is.
        """
        found: dict[str, str] = {}
        encoding = self._encoding
        for subscription, (topic, cohort) in self.subscriptions.items():
            encoding = cohort.key.encoding
            view = cohort.key.view
            if isinstance(topic, Channel) and view.job is None and view.logs:
                found[topic.project] = f"{epoch}-{cohort.position(subscription)[topic.project]}"
        return (encoding, found) if encoding is not None else None

    def row(self, subscription: Subscription) -> dict[str, Any]:
        """Sizes in bytes, times in Unix milliseconds."""
        topic, cohort = self.subscriptions[subscription]
        delivered, merged = cohort.counted(subscription)
        return {
            "id": subscription.id,
            "connection": self.id,
            "transport": self.transport,
            "project": project_of(topic),
            "job": cohort.key.view.job,
            "min_interval_ms": cohort.key.cadence_ms,
            "since": subscription.since_ms,
            "delivered": delivered,
            "merged": merged,
            "dropped": subscription.dropped,
            "waiting": subscription.waiting,
            "bytes": self.outlet.taken(),
            "backlog_bytes": self.outlet.backlog(),
            "lag": lag(topic, cohort, subscription),
            "slow": cohort.way(subscription) is Way.CONGESTED,
        }


@dataclass(slots=True, kw_only=True)
class Load:
    """All watchers in a few numbers."""

    connections: int
    watchers: collections.Counter[str] = field(default_factory=collections.Counter)
    """By transport: subscriptions, and polls that wait."""
    slow: int = 0
    backlog_bytes: int = 0
    lag_max: int = 0

    def add(self, watcher: Watcher) -> None:
        self.backlog_bytes += watcher.outlet.backlog()
        for subscription, (topic, cohort) in watcher.subscriptions.items():
            self.watchers[watcher.transport] += 1
            self.slow += cohort.way(subscription) is Way.CONGESTED
            self.lag_max = max(self.lag_max, lag(topic, cohort, subscription) or 0)


def project_of(topic: Topic) -> str | None:
    """None for the feed, which is of all projects."""
    return topic.project if isinstance(topic, Channel) else None


def lag(topic: Topic, cohort: Cohort, subscription: Subscription) -> int | None:
    """By how many numbers a watcher is behind its project; None on the feed, which leaves numbers out."""
    if not isinstance(topic, Channel):
        return None
    return topic.head - cohort.position(subscription).get(topic.project, 0)
