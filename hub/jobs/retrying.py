"""Jobs that are tried again by themselves: whether, and until when they wait."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from hub.core import ids
from hub.core.events import JobBody, State
from hub.core.ports import Clock, Timer
from hub.jobs.orders import Order

LONGEST_WAIT_S = 60.0
"""The wall clock may be set while a try waits; it is looked at again at least this often."""


def next_try(order: Order, end: JobBody, now_ms: int, chance: float) -> Order | None:
    """The order of the next try of a job that has ended as `end`; None: there is none.

    It has what the job had, secrets and plan too, and goes on with the work that was kept.
    """
    policy = order.body.retry
    if policy is None or not policy.has_more or not _is_hopeful(order, end):
        return None
    body = replace(
        order.body,
        state=State.QUEUED,
        queue=None,
        attempt=order.body.attempt + 1,
        retry_of=order.id,
        resumed=end.resumable,
        retry=policy.next(),
        starts_at=now_ms + round(policy.wait_s(chance) * 1000),
    )
    return replace(order, id=ids.job_id(), body=body)


def _is_hopeful(order: Order, end: JobBody) -> bool:
    """Whether another try may come to a better end.

    An interrupted job waits for the next hub. That goes on with kept work at once, with or without a policy, and has
    no secrets.
    """
    if end.state is State.INTERRUPTED:
        return not end.resumable and not order.secrets
    return end.state is State.FAILED and end.error is not None and end.error.retry


@dataclass(slots=True)
class _Wait:
    order: Order
    latest: float
    """By the clock that is never set: the wall clock may be set back meanwhile."""
    timer: Timer | None = None


class Retries:
    """The next tries that wait for their time. They hold no place in the queue, and nobody's project."""

    def __init__(self, clock: Clock, chance: Callable[[], float], mask: Callable[[Order], None]) -> None:
        """`chance` gives numbers from 0 to below 1; `mask` hears of each new order, whose secrets are to be masked."""
        self._clock = clock
        self._chance = chance
        self._mask = mask
        self._due: Callable[[Order], None] = lambda order: None
        self._waits: dict[str, _Wait] = {}
        self._is_closed = False

    def on_due(self, due: Callable[[Order], None]) -> None:
        """Have `due` called with each order whose time has come; it waits here no more."""
        self._due = due

    def next(self, order: Order, end: JobBody) -> Order | None:
        """See `next_try`. The order does not wait here before it is added."""
        again = next_try(order, end, self._clock.now_ms(), self._chance())
        if again is not None:
            self._mask(again)
        return again

    def get(self, job: str) -> Order | None:
        found = self._waits.get(job)
        return found.order if found else None

    def add(self, order: Order) -> None:
        """Have the order wait until its `starts_at`; one whose time is over already is due in the next turn."""
        wait = _Wait(order=order, latest=self._clock.monotonic() + self._longest_s(order))
        self._waits[order.id] = wait
        self._look_later(wait)

    def remove(self, job: str) -> Order | None:
        """The order that waited; None when none did."""
        wait = self._waits.pop(job, None)
        if wait is None:
            return None
        if wait.timer is not None:
            wait.timer.cancel()
        return wait.order

    def remove_all(self, project: str) -> list[Order]:
        """Those of the project."""
        found = [wait.order for wait in self._waits.values() if wait.order.target.id == project]
        for order in found:
            self.remove(order.id)
        return found

    def close(self) -> None:
        """Nothing becomes due any more; what waits is still here."""
        self._is_closed = True
        for wait in self._waits.values():
            if wait.timer is not None:
                wait.timer.cancel()

    def _longest_s(self, order: Order) -> float:
        """Never more than the policy's longest wait, whatever an earlier process thought of the time."""
        policy, left_s = order.body.retry, self._left_s(order)
        return max(0.0, left_s if policy is None else min(left_s, policy.max_backoff_s))

    def _left_s(self, order: Order) -> float:
        return ((order.body.starts_at or 0) - self._clock.now_ms()) / 1000

    def _look_later(self, wait: _Wait) -> None:
        if self._is_closed:
            return
        left_s = min(self._left_s(wait.order), wait.latest - self._clock.monotonic())
        wait.timer = self._clock.later(max(0.0, min(left_s, LONGEST_WAIT_S)), lambda: self._look(wait))

    def _look(self, wait: _Wait) -> None:
        is_due = self._left_s(wait.order) <= 0 or wait.latest <= self._clock.monotonic()
        if not is_due:
            self._look_later(wait)
        elif self._waits.pop(wait.order.id, None) is not None:
            self._due(wait.order)
