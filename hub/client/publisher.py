"""Who sees to it that the hub hears of a program's jobs: one thread, and a sender for each project."""

import asyncio
import atexit
import contextlib
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable

from hub.client.api import Hub
from hub.client.background import Background, forks, left_behind
from hub.client.job import Job
from hub.client.link import Pace
from hub.client.sender import Sender
from hub.core.events import State

log = logging.getLogger("hub.client")

FLUSH_S = 5.0
TELL_EVERY_S = 60.0
"""A hub that stays away is mentioned in the log so often."""


_publishers: "weakref.WeakSet[Publisher]" = weakref.WeakSet()


@atexit.register
def _close() -> None:
    """What was said last goes out, also where nobody has closed the client."""
    for publisher in list(_publishers):
        publisher.close()


def _unlock() -> None:
    for publisher in _publishers:
        publisher.unlock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock)


class Publisher:
    """Safe from several threads, and after a fork: the child starts afresh, and the jobs it knew are its parent's."""

    def __init__(self, base: str, pace: Pace, flush_s: float = FLUSH_S, token: str | None = None) -> None:
        self.flush_s = flush_s
        self.on_link: Callable[[str | None], None] | None = None
        """Hears why the hub cannot be told, and None when it can; in the publisher's thread."""
        self._base = base
        self._pace = pace
        self._token = token
        self._begin_afresh()
        _publishers.add(self)

    def _begin_afresh(self) -> None:
        self._forks = forks()
        self._lock = threading.Lock()
        self._background: Background | None = None
        self._hub: Hub | None = None
        self._senders: dict[str, Sender] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._jobs: dict[Job, None] = {}
        self._told_at = float("-inf")

    def unlock(self) -> None:
        """In a forked child: let the jobs of the parent be used, to no effect."""
        for job in list(self._jobs):
            job.count.unlock()

    @property
    def is_running(self) -> bool:
        """Has it a thread, in this process?"""
        return self._background is not None and forks() == self._forks

    @property
    def background(self) -> Background:
        """Started when it is first asked for."""
        if forks() != self._forks:
            left_behind(self._background, self._hub, self._senders, self._tasks, self._jobs)
            self._begin_afresh()
        with self._lock:
            if self._background is None:
                self._background = Background()
            return self._background

    def desk(self) -> "Desk":
        """For jobs that begin in this process."""
        return Desk(self, self.background)

    def add(self, job: Job, desk: "Desk") -> None:
        with self._lock:
            self._jobs[job] = None
        job.told.add_done_callback(lambda _: self._jobs.pop(job, None))
        desk.background.soon(lambda: self._send(job, desk))

    def _send(self, job: Job, desk: "Desk") -> None:
        sender = self._senders.get(job.project)
        if sender is None:
            if self._hub is None:
                self._hub = Hub(self._base, pace=self._pace, token=self._token)
            sender = self._senders[job.project] = Sender(self._hub, job.project, self._pace, self._hear)
            self._tasks.add(asyncio.ensure_future(sender.run()))
        desk.sender = sender
        sender.add(job)

    def _hear(self, why: str | None) -> None:
        if self.on_link is not None:
            self.on_link(why)
        now = time.monotonic()
        if why is not None and now - self._told_at >= TELL_EVERY_S:
            self._told_at = now
            log.warning("The hub cannot be told, trying again: %s", why)
        elif why is None:
            self._told_at = float("-inf")

    def close(self) -> None:
        """Cancel the jobs that have not ended, wait until the hub knows (`flush_s` at most), and end the thread."""
        if not self.is_running or self._background is None:
            return
        deadline = time.monotonic() + self.flush_s
        for job in (jobs := list(self._jobs)):
            job.end(State.CANCELLED, {"code": "left", "message": "The client was closed before the job had ended."})
        for job in jobs:
            job.flush(max(0.0, deadline - time.monotonic()))
        background, self._background = self._background, None
        hub, self._hub = self._hub, None
        self._senders.clear()
        self._tasks.clear()
        if hub is not None:
            with contextlib.suppress(TimeoutError):
                background.wait(hub.close(), 1.0)
        background.stop()


class Desk:
    """A job's own way to its sender: no look-up, and no lock, each time it has moved."""

    __slots__ = ("_forks", "_is_begun", "_publisher", "background", "sender")

    def __init__(self, publisher: Publisher, background: Background) -> None:
        self._publisher = publisher
        self._forks = forks()
        self._is_begun = False
        self.background = background
        self.sender: Sender | None = None

    @property
    def flush_s(self) -> float:
        return self._publisher.flush_s

    def begin(self, job: Job) -> None:
        if not self._is_begun:
            self._is_begun = True
            job.outbox.say(job.begun())
            self._publisher.add(job, self)

    def wake(self) -> None:
        """Raises RuntimeError for a job that has not begun, of which nobody would ever hear."""
        if self.sender is not None:
            if self.is_ours():
                self.background.soon(self.sender.wake)
        elif not self._is_begun:
            raise RuntimeError("The job has not begun: use `with hub.job(...) as job`, or `hub.job(...).begin()`.")

    def is_ours(self) -> bool:
        return self._forks == forks()
