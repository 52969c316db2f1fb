"""A topic is what can be watched: its cohorts, and those who wait for a single answer about it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hub.core.cohorts import Cohort, CohortKey, House
from hub.core.composition import View
from hub.core.events import Event
from hub.core.job import Folded, JobState
from hub.core.subscription import Subscription, numbers


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Waiter:
    """One request that is held open until something happens."""

    view: View
    wake: Callable[[], None]
    since_ms: int
    id: int = field(default_factory=lambda: next(numbers))

    def row(self, project: str | None, now_ms: int) -> dict[str, Any]:
        return {
            "id": self.id,
            "transport": "poll",
            "project": project,
            "job": self.view.job,
            "since": self.since_ms,
            "waits_ms": now_ms - self.since_ms,
        }


class Topic:
    __slots__ = ("_house", "cohorts", "waiters")

    def __init__(self, house: House) -> None:
        self._house = house
        self.cohorts: dict[CohortKey, Cohort] = {}
        self.waiters: dict[Waiter, None] = {}

    @property
    def watchers(self) -> int:
        return sum(map(len, self.cohorts.values())) + len(self.waiters)

    def offer(self, event: Event, state: JobState | None = None) -> None:
        """Tell everybody who asked for it. `state`: of the event's job, after it."""
        folded: Event | None = None
        for cohort in self.cohorts.values():
            if cohort.key.view.states and state is not None:
                folded = folded or Folded.of(event, state)
                cohort.offer(folded)
            else:
                cohort.offer(event)
        if self.waiters:
            for waiter in [waiter for waiter in self.waiters if waiter.view.shows(event)]:
                waiter.wake()

    def join(self, subscription: Subscription, key: CohortKey) -> Cohort:
        cohort = self.cohorts.get(key)
        if cohort is None:
            cohort = self.cohorts[key] = Cohort(key, self._house)
        cohort.join(subscription)
        return cohort

    def leave(self, subscription: Subscription, key: CohortKey) -> Cohort:
        """The cohort left; gone from here when that was its last member."""
        cohort = self.cohorts[key]
        cohort.leave(subscription)
        if not len(cohort):
            del self.cohorts[key]
        return cohort

    def wait(self, view: View, wake: Callable[[], None]) -> Callable[[], None]:
        """Have `wake` called at each event that `view` shows, until the function returned is called."""
        waiter = Waiter(view=view, wake=wake, since_ms=self._house.clock.now_ms())
        self.waiters[waiter] = None
        return lambda: self.waiters.pop(waiter, None)

    def wake_all(self) -> None:
        for waiter in list(self.waiters):
            waiter.wake()
