"""A watcher: one connection, and all it is subscribed to."""

from collections.abc import Iterator
from typing import Any

from hub.core.channel import Channel
from hub.core.cohorts import Cohort
from hub.core.ports import Clock, Encoding, Outlet
from hub.core.subscription import Subscription, Uptake, Way, numbers
from hub.core.topic import Topic


class Watcher:
    __slots__ = ("_encoding", "id", "joining", "outlet", "subscriptions", "transport", "uptake")

    def __init__(self, outlet: Outlet, transport: str, encoding: Encoding | None, clock: Clock) -> None:
        self.id = next(numbers)
        self.outlet = outlet
        self.transport = transport
        self._encoding = encoding
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

    def rows(self) -> Iterator[dict[str, Any]]:
        """One for each subscription; sizes in bytes, times in Unix milliseconds."""
        for subscription, (topic, cohort) in self.subscriptions.items():
            channel = topic if isinstance(topic, Channel) else None
            delivered, merged = cohort.counted(subscription)
            told = cohort.position(subscription)
            yield {
                "id": subscription.id,
                "connection": self.id,
                "transport": self.transport,
                "project": channel.project if channel else None,
                "job": cohort.key.view.job,
                "min_interval_ms": cohort.key.cadence_ms,
                "since": subscription.since_ms,
                "delivered": delivered,
                "merged": merged,
                "dropped": subscription.dropped,
                "waiting": subscription.waiting,
                "bytes": self.outlet.taken(),
                "backlog_bytes": self.outlet.backlog(),
                "lag": channel.head - told.get(channel.project, 0) if channel else None,
                "slow": cohort.way(subscription) is Way.CONGESTED,
            }
