"""What WebSocket and SSE have in common: an outlet on a socket, and the way from a cursor into a cohort."""

import asyncio
import random
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from hub.core.channel import Behind, Resumed
from hub.core.cohorts import CohortKey, Subscription, View
from hub.core.errors import EndReason
from hub.core.events import Position
from hub.core.job import JobState
from hub.core.messages import Bye, Hello, Message, cursor_after
from hub.core.ports import Encoding, Journal
from hub.core.tracker import Tracker

PAGE = 500
"""Events read from the journal at a time while a watcher catches up."""
COME_BACK_MS = 1000
"""Spread of the return of watchers that were let go one by one."""


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


class SocketOutlet:
    """Writes straight to a connection's transport: asyncio sends what the kernel takes now and keeps the rest."""

    def __init__(self, transport: asyncio.Transport, encoding: Encoding, on_end: Callable[[EndReason], None]) -> None:
        """`on_end` is called once, when the hub ends the stream and has said `bye`."""
        self._transport = transport
        self._encoding = encoding
        self._on_end = on_end
        self._ended = False
        self._written = 0

    def write(self, data: bytes) -> None:
        if not self._ended and not self._transport.is_closing():
            self._written += len(data)
            self._transport.write(data)

    def send(self, messages: Sequence[Message], epoch: str) -> None:
        """Write messages of this stream alone."""
        encoded = (self._encoding.encode(message, cursor_after(message, epoch)) for message in messages)
        if pieces := [piece for piece in encoded if piece]:
            self.write(self._encoding.frame(pieces))

    def backlog(self) -> int:
        return 0 if self._transport.is_closing() else self._transport.get_write_buffer_size()

    def taken(self) -> int:
        return self._written - self.backlog()

    def end(self, reason: EndReason, reconnect_ms: int = 0) -> None:
        if self._ended:
            return
        if reason.come_back and not reconnect_ms:
            reconnect_ms = random.randint(0, COME_BACK_MS)  # noqa: S311 - spreads load, keeps no secret
        if reason is not EndReason.DONE:
            bye = Bye(reason=reason.word, retry=reason.come_back, reconnect_ms=reconnect_ms)
            self.send([bye], "")
        self._ended = True
        self._on_end(reason)

    async def drained(self, high_water_bytes: int) -> None:
        """Wait until the peer has taken enough for a next page. Raises ConnectionError when it is gone."""
        while not self._ended and self.backlog() > high_water_bytes:  # noqa: ASYNC110 - no event tells it
            await asyncio.sleep(0.02)
        if self._ended or self._transport.is_closing():
            raise ConnectionResetError("the watcher is gone")


def prepare_socket(request: web.Request, delivery: Delivery) -> asyncio.Transport:
    """Bound what a dead or stalled peer can cost. Raises ConnectionError when it is gone already."""
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the watcher is gone")
    sock: Any = transport.get_extra_info("socket")
    if sock is not None and sock.family in {socket.AF_INET, socket.AF_INET6}:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, delivery.send_buffer_bytes)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # A peer that vanished acknowledges no heartbeat: the kernel ends the connection within 2.5 beats.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(delivery.heartbeat_s * 2500))
    return transport


async def follow(
    delivery: Delivery,
    outlet: SocketOutlet,
    project: str | None,
    cursor: str | None,
    key: CohortKey,
    high_water_bytes: int = 256 * 1024,
) -> Subscription:
    """Bring an attached outlet from `cursor` to now, and join the cohort in the same turn as the last step.

    `cursor` None is a watcher without one: a snapshot and no reset. Raises NotFound for an unknown project,
    ConnectionError when the watcher leaves meanwhile. Cancelling is safe: the outlet's owner detaches it.
    """
    tracker = delivery.tracker
    if project is None:
        first = tracker.feed_snapshot()
    else:
        first = await catch_up(delivery, outlet, project, cursor, key.view, high_water_bytes)
    outlet.send(first.messages, tracker.epoch)
    return tracker.join(outlet, project, first.told, key)


async def catch_up(
    delivery: Delivery, outlet: SocketOutlet, project: str, cursor: str | None, view: View, high_water_bytes: int
) -> Resumed:
    """Send what comes from the journal, page by page; returns the last part, which is to be sent with no await."""
    tracker, journal = delivery.tracker, delivery.journal
    ended = await watched_end(delivery, project, view)
    if cursor is None:
        return tracker.channel(project).snapshot(view, ended)
    since, covered = Position.parse(cursor), 0
    while True:
        step = tracker.channel(project).resume(since, view, covered=covered, ended=ended)
        if isinstance(step, Resumed):
            return step
        assert since is not None
        page, covered, resumed = await read_page(journal, tracker, project, since.seq, step, view)
        if page:
            outlet.send(resumed.messages, tracker.epoch)
            since = Position(since.epoch, resumed.told[project])
            await outlet.drained(high_water_bytes)


async def read_page(
    journal: Journal, tracker: Tracker, project: str, told: int, behind: Behind, view: View
) -> tuple[bool, int, Resumed]:
    """One page of a replay: whether it moves the watcher, the number now covered, and what to send."""
    events = await journal.events(project, behind.after, behind.upto, PAGE)
    if tracker.channel(project).floor > behind.after:  # pruned meanwhile: what was read may have holes
        return False, behind.after, Resumed([], {project: told})
    upto = events[-1].seq if len(events) == PAGE else behind.upto
    resumed = tracker.channel(project).page(told, events, upto, view)
    return bool(resumed.messages), upto, resumed


async def watched_end(delivery: Delivery, project: str, view: View) -> JobState | None:
    """The end of a watched job that the tracker has forgotten; None where there is none, or it is not told yet."""
    if view.job is None or delivery.tracker.job(project, view.job) is not None:
        return None
    job = await delivery.journal.job(view.job)
    if job is None or job.project != project or not job.state.is_end:
        return None
    return job if job.seq <= delivery.tracker.channel(project).head else None


async def watched_job(delivery: Delivery, project: str | None, view: View) -> JobState | None:
    """The job that a stream of its own watches, as it has been told; None where there is none."""
    if project is None or view.job is None:
        return None
    return delivery.tracker.job(project, view.job) or await watched_end(delivery, project, view)


async def has_nothing_left(delivery: Delivery, project: str | None, cursor: str | None, view: View) -> bool:
    """Does the cursor already stand at or after the watched job's end?"""
    job = await watched_job(delivery, project, view) if cursor is not None else None
    if project is None or cursor is None or job is None or not job.state.is_end:
        return False
    since, head = Position.parse(cursor), delivery.tracker.channel(project).position
    return since is not None and since.epoch == head.epoch and job.seq <= since.seq <= head.seq
