"""What WebSocket and SSE have in common: the hub's side of a stream, and the way from a cursor into a cohort."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from hub.core.cohorts import CohortKey
from hub.core.errors import EndReason, HubError, NotFound
from hub.core.messages import Hello
from hub.core.ports import Journal
from hub.core.subscription import Subscription
from hub.core.tracker import Tracker
from hub.transports.outlet import SocketOutlet
from hub.transports.replay import replay

CALLER = web.RequestKey("CALLER", str)
"""Under which name a request's address is counted; empty where it is not."""
PAGES_WAITING_BYTES = 64 * 1024
"""A replay goes on while no more than this waits to be sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What every transport needs of the hub."""

    tracker: Tracker
    journal: Journal
    version: str
    heartbeat_s: float
    send_buffer_bytes: int
    max_watchers: int
    max_subscriptions: int
    max_frame_bytes: int
    now_ms: Callable[[], int]

    def hello(self) -> Hello:
        return Hello(
            epoch=self.tracker.epoch,
            boot=self.tracker.boot,
            version=self.version,
            server_ms=self.now_ms(),
            heartbeat_s=self.heartbeat_s,
        )


async def follow(
    delivery: Delivery, outlet: SocketOutlet, project: str | None, cursor: str | None, key: CohortKey
) -> Subscription:
    """Bring an attached outlet from `cursor` to now, and join the cohort in the same turn as the last step.

    `cursor` None is a watcher without one: a snapshot and no reset. Raises NotFound for an unknown project,
    ConnectionError when the watcher leaves meanwhile. Cancelling is safe: the outlet's owner detaches it.
    """
    tracker = delivery.tracker
    if project is None:
        first = tracker.feed_snapshot(key.view.projects)
        tracker.counts.caught_up["snapshot"] += 1
        outlet.send(first.messages, tracker.epoch)
        return tracker.join(outlet, None, first.told, key)
    parts = replay(tracker, delivery.journal, project, cursor, key.view)
    with tracker.joining(outlet):
        async with contextlib.aclosing(parts):
            async for part in parts:
                outlet.send(part.messages, tracker.epoch)
                if part.is_now:
                    return tracker.join(outlet, project, part.told, key)
                await outlet.drained(PAGES_WAITING_BYTES)
    raise AssertionError("a replay ends with the part that is now")


def end_reason(error: HubError) -> EndReason:
    """How a stream ends that cannot be brought to now: past its head there is no status to answer with."""
    return EndReason.GONE if isinstance(error, NotFound) else EndReason.RESTARTING
