"""The queue: who waits, and whose turn it is."""

import bisect
from collections.abc import Callable

from hub.jobs.orders import Order


class Queue:
    """Orders that wait, the oldest first; some of them are held, and let others pass.

    Job ids sort by time, so a job keeps its turn over a pause and over a restart of the hub. Nobody waits for ever:
    whoever comes later is behind.
    """

    def __init__(self) -> None:
        self._orders: list[Order] = []
        self._held: set[str] = set()

    def __len__(self) -> int:
        return len(self._orders)

    def __contains__(self, job: str) -> bool:
        return self.get(job) is not None

    def get(self, job: str) -> Order | None:
        return next((order for order in self._orders if order.id == job), None)

    def add(self, order: Order, *, held: bool = False) -> None:
        bisect.insort(self._orders, order, key=lambda order: order.id)
        if held:
            self._held.add(order.id)

    def remove(self, job: str) -> Order | None:
        """The order that waited; None when none did."""
        found = self.get(job)
        if found is not None:
            self._orders.remove(found)
            self._held.discard(job)
        return found

    def hold(self, job: str) -> None:
        self._held.add(job)

    def release(self, job: str) -> None:
        self._held.discard(job)

    def is_held(self, job: str) -> bool:
        return job in self._held

    def next(self, may_start: Callable[[Order], bool]) -> Order | None:
        """The oldest that is not held and may start."""
        return next((order for order in self.waiting() if may_start(order)), None)

    def waiting(self) -> list[Order]:
        """Those that wait for their turn, the next one first."""
        return [order for order in self._orders if order.id not in self._held]
