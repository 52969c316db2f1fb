"""Turns: which jobs run, which wait for theirs, and which stand still."""

import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from hub.core.errors import Conflict, HubError, Unavailable
from hub.core.events import Body, JobBody, State
from hub.core.ledger import Ledger
from hub.jobs.orders import Order
from hub.jobs.process import Child
from hub.jobs.queue import Queue
from hub.jobs.retrying import Retries
from hub.jobs.run import Run

log = logging.getLogger(__name__)

MOST_PAUSED = 10
"""Paused runs at once: each is a process, with all the memory it had."""


class Turns:
    """At most so many run; a project has one at a time; the oldest that may is next. Every change of a place in the
    queue is told. Nothing here waits but `execute`.
    """

    def __init__(  # noqa: PLR0913 - what runs, waits and stands still meets here
        self,
        *,
        ledger: Ledger,
        retries: Retries,
        most: int,
        begin: Callable[[Order], Run],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        take: Callable[[], Awaitable[Child]],
        over: Callable[[], Awaitable[None]],
    ) -> None:
        """`begin` makes the run of an order whose turn has come, `spawn` makes a task, `take` gives a child, and
        `over` is waited for after the end of each run.
        """
        self._ledger = ledger
        self._retries = retries
        self._retries.on_due(self._enqueue)
        self._most = most
        self._begin = begin
        self._spawn = spawn
        self._take = take
        self._over = over
        self._queue = Queue()
        self._is_closed = False
        self._unwanted: set[str] = set()
        """Runs that stood still when everything ended."""
        self.runs: dict[str, Run] = {}
        """By job: what runs, and what was paused while it ran."""

    def __len__(self) -> int:
        """How many jobs wait for their turn, held ones too."""
        return len(self._queue)

    def order(self, job: str) -> Order | None:
        """The order of a job that waits, runs or stands still here."""
        run = self.runs.get(job)
        return run.order if run else self._queue.get(job) or self._retries.get(job)

    def add(self, order: Order) -> None:
        """Take a job that was told of as queued; it may be its turn at once."""
        self._queue.add(order)
        self.go_on()

    def add_again(self, order: Order) -> None:
        """Take a job that waited, or was paused, when an earlier hub ended, or that was set aside."""
        if order.body.starts_at is not None:
            self._retries.add(order)
        else:
            self._queue.add(order, held=order.body.state is State.PAUSED)

    def set_aside(self, project: str) -> list[Order]:
        """Have the project's next tries wait no more, until they are added again."""
        return self._retries.remove_all(project)

    @property
    def next_place(self) -> int:
        """The place in the queue of a job that is added now."""
        return len(self._queue.waiting()) + 1

    def go_on(self) -> None:
        """Give the places that are free to those whose turn it is, and tell the others where they are."""
        if self._is_closed:
            return
        while self._has_place() and (order := self._queue.next(self._may_start)) is not None:
            self._queue.remove(order.id)
            self.publish(order, order.became(State.RUNNING))
            run = self.runs.get(order.id)
            if run is not None:
                run.resume()
            else:
                self.runs[order.id] = self._begin(order)
                self._spawn(self._execute(self.runs[order.id]))
        self._tell_places()

    def cancel(self, order: Order) -> None:
        """A job that has not begun is cancelled at once, one that has is stopped. Asking twice is fine."""
        self._queue.remove(order.id)
        self._retries.remove(order.id)
        run = self.runs.get(order.id)
        if run is None:
            self.publish(order, order.became(State.CANCELLED))
        elif not run.is_stopping:
            self.publish(order, order.became(State.CANCELLING))
            run.stop(State.CANCELLED)
        self._tell_places()

    def pause(self, order: Order) -> None:
        """Have the job stand still; a running one gives up its place. Raises Conflict, Unavailable."""
        run = self.runs.get(order.id)
        if self._is_paused(order.id):
            raise Conflict("The job is paused already.", code="already_paused")
        if self._retries.remove(order.id) is not None:
            self._queue.add(order, held=True)
        elif run is None:
            self._queue.hold(order.id)
        elif run.is_held:  # it has waited for its turn to go on
            self._queue.remove(order.id)
        else:
            self._hold(run)
        self.publish(order, order.became(State.PAUSED))
        self.go_on()

    def resume(self, order: Order) -> None:
        """Have a paused job go on as soon as there is a place. Until then it is queued, like any job that waits for
        nobody but the hub; it has its turn by its age, so that newer ones do not pass it. The next try of a job, which
        waits for its time, waits no longer. Raises Conflict.
        """
        if self._retries.remove(order.id) is not None:
            self._enqueue(order)
            return
        if not self._is_paused(order.id):
            job = self._ledger.job(order.id)
            raise Conflict(f"The job is {job.state.value if job else 'ending'}, not paused.", code="not_paused")
        if order.id in self.runs:
            self._queue.add(order)
        else:
            self._queue.release(order.id)
        self.go_on()

    def tell_next(self, order: Order, end: JobBody) -> Order | None:
        """Tell of the next try of a job that was told to have ended so; None where there is to be none. It waits once
        it is added again.

        Call in the same turn of the loop as the end is told, so that the journal has both or neither, and nobody's own
        start comes between them.
        """
        again = None if order.id in self._unwanted else self._retries.next(order, end)
        if again is None:
            return None
        self.publish(again, again.body)
        return again if self._ledger.job(again.id) is not None else None

    def close(self) -> None:
        """End every run as interrupted; what waits, or was paused before it ran, stays so for the next hub."""
        self._is_closed = True
        self._retries.close()
        self._unwanted = {job for job in self.runs if self._is_paused(job)}
        for run in self.runs.values():
            run.stop(State.INTERRUPTED)

    async def _execute(self, run: Run) -> None:
        try:
            await run.execute(self._take)
        finally:
            del self.runs[run.order.id]
            self._queue.remove(run.order.id)
            if run.end is not None and (again := self.tell_next(run.order, run.end)) is not None:
                self._retries.add(again)
            self.go_on()
        await self._over()

    def _enqueue(self, order: Order) -> None:
        self._queue.add(order)
        self.go_on()

    def _has_place(self) -> bool:
        return sum(not run.is_held for run in self.runs.values()) < self._most

    def _may_start(self, order: Order) -> bool:
        """A held run has given up its place, but not its project: it may be in the middle of a change."""
        others = (run.order for run in self.runs.values() if run.order.id != order.id)
        return all(other.target.id != order.target.id for other in others)

    def _is_paused(self, job: str) -> bool:
        run = self.runs.get(job)
        return run.is_held and job not in self._queue if run else self._queue.is_held(job)

    def _hold(self, run: Run) -> None:
        if run.is_stopping or run.is_over:
            raise Conflict("The job is ending, and can't be paused any more.", code="job_ending")
        if sum(other.is_held for other in self.runs.values()) >= MOST_PAUSED:
            raise Conflict(f"{MOST_PAUSED} running jobs are paused already; no more can be.", code="too_many_paused")
        try:
            run.pause()
        except OSError as exc:
            raise Unavailable(f"The job could not be paused: {exc}") from exc

    def _tell_places(self) -> None:
        for place, order in enumerate(self._queue.waiting(), 1):
            job = self._ledger.job(order.id)
            if job is not None and (job.queue, job.state) != (place, State.QUEUED):
                self.publish(order, order.became(State.QUEUED, queue=place))

    def publish(self, order: Order, body: Body) -> None:
        try:
            self._ledger.publish(order.target.id, order.id, order.kind.name, body)
        except HubError as exc:  # the project was deleted meanwhile: there is nobody left to tell
            log.warning("%s", exc, extra={"action": "event_dropped", "job": order.id})
