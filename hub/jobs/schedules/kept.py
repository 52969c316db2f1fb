"""Every schedule of the hub: kept in the journal, each waiting for its turn, and what came of it written down."""

import asyncio
import collections
import itertools
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from hub.core.errors import AlreadyRunning, HubError, JournalUnavailable, NotFound, Unavailable
from hub.core.job import JobState
from hub.core.ports import Clock
from hub.core.schedules import Outcome, ScheduleState
from hub.core.stores import ScheduleTable
from hub.jobs.schedules.rhythms import is_same, rhythms_of
from hub.jobs.schedules.schedule import Pace, Rhythm, Schedule

log = logging.getLogger(__name__)

Submit = Callable[[ScheduleState, str | None], Awaitable[JobState]]
"""Start the schedule's job as any user would, with the idempotency key of its turn; None: somebody wants it now.

Raises HubError: AlreadyRunning where one like it goes on, Unavailable where it may be taken later.
"""
TURNS_PER_S, TURNS_AT_ONCE = 100.0, 50
WAITS_S = (15.0, 30.0, 60.0, 120.0, 300.0)
"""Between tries of a turn whose job the hub cannot take just now; the last for as long as it takes."""


class Schedules:
    """A turn that is due while the hub is down comes when it starts, once, however many were missed: a machine that
    sleeps at night still has its nightly run, and one that was away for a week does not have seven.

    A turn and its job are one: after a crash between the two the job is found by its key, and not started twice.
    """

    def __init__(self, table: ScheduleTable, clock: Clock) -> None:
        self._table = table
        self._clock = clock
        self._submit: Submit | None = None
        self._pace = Pace(clock, TURNS_PER_S, TURNS_AT_ONCE)
        self._states: dict[str, ScheduleState] = {}
        self._waiting: dict[str, Schedule] = {}
        self._late: dict[str, int] = {}
        """When the turns were due whose jobs the hub has not been able to take yet."""
        self._turns: set[asyncio.Task[None]] = set()
        self._naps: set[asyncio.Future[None]] = set()
        self._is_stopping = False
        self._changing = asyncio.Lock()
        """Held while the table and what is here are made to agree: nothing that was removed is written once more."""
        self.outcomes: collections.Counter[str] = collections.Counter()
        """Turns since the hub started."""

    async def start(self, submit: Submit) -> None:
        """Raises JournalUnavailable."""
        self._submit, self._is_stopping = submit, False
        states = await self._table.all()
        rhythms = await asyncio.to_thread(rhythms_of, states, self._clock.now_ms())
        self._states = {state.id: state for state in states}
        for state in states:
            self._begin(state, rhythms[state.id])
            await asyncio.sleep(0)  # there may be thousands

    async def stop(self) -> None:
        """No turn begins any more; each schedule is kept as it is."""
        self._is_stopping = True
        self._states = {id_: self._now(state) for id_, state in self._states.items()}
        waiting, self._waiting = self._waiting, {}
        for schedule in waiting.values():
            await schedule.end()
        for nap in self._naps:
            _wake(nap)
        while self._turns:
            await asyncio.wait(self._turns)

    def all(self, project: str | None = None) -> list[ScheduleState]:
        """Oldest first."""
        return [self._now(state) for state in self._states.values() if project in {None, state.project}]

    def has(self, id_: str) -> bool:
        return id_ in self._states

    def get(self, id_: str) -> ScheduleState:
        """Raises NotFound."""
        if id_ not in self._states:
            raise NotFound(f"There is no schedule {id_!r}.")
        return self._now(self._states[id_])

    async def put(self, state: ScheduleState) -> ScheduleState:
        """Keep a schedule, in place of the one of its id, and wait for its next turn. Raises JournalUnavailable."""
        async with self._changing:
            return await self._put(state)

    async def change(self, id_: str, **fields: Any) -> ScheduleState:
        """As `put`; where the rhythm stays the turns do, too. Raises NotFound, JournalUnavailable."""
        async with self._changing:
            return await self._put(replace(self.get(id_), **fields))

    async def remove(self, id_: str) -> None:
        """Raises NotFound, JournalUnavailable. A job that it has started goes on."""
        async with self._changing:
            self.get(id_)
            await self._table.delete(id_)
            await self._forget(id_)

    async def forget(self, project: str) -> None:
        """The project is gone, and its schedules with it."""
        async with self._changing:
            for id_ in [state.id for state in self._states.values() if state.project == project]:
                await self._forget(id_)

    async def run(self, id_: str) -> JobState:
        """Start its job now; the turns stay as they are. Raises NotFound and what a start of the job raises."""
        assert self._submit is not None
        job = await self._submit(self.get(id_), None)
        await self._note(id_, Outcome.STARTED, job=job.id)
        return job

    # -- inside -------------------------------------------------------------------------------------------------------

    async def _put(self, state: ScheduleState) -> ScheduleState:
        before = self._states.get(state.id)
        if before is not None and before.is_paused == state.is_paused and is_same(before, state):
            state = replace(state, next_at=self._now(before).next_at)
            await self._table.put(self._row(state))
            self._states[state.id] = state
            return self.get(state.id)
        now_ms = self._clock.now_ms()
        rhythm = (await asyncio.to_thread(rhythms_of, [state], now_ms))[state.id]
        if isinstance(rhythm, HubError):
            raise rhythm
        state = replace(state, next_at=None if state.is_paused else rhythm.next_ms(now_ms))
        await self._table.put(state)
        self._states[state.id] = state
        await self._end(state.id)
        self._begin(state, rhythm)
        return self.get(state.id)

    def _begin(self, state: ScheduleState, rhythm: Rhythm | HubError) -> None:
        if isinstance(rhythm, HubError):  # its time zone has left the system's table
            log.error("a schedule cannot run: %s", rhythm, extra={"action": "schedule_broken", "schedule": state.id})
            self._states[state.id] = replace(state, next_at=None, last_error=_told(rhythm))
            return
        if state.is_paused or self._is_stopping:
            return

        async def turn() -> None:
            # Whoever changes the schedule meanwhile ends this wait, and not the start of a job half way.
            due_ms = schedule.taken_ms or 0
            task = asyncio.get_running_loop().create_task(self._take_turn(state.id, due_ms), name=f"turn of {state.id}")
            self._turns.add(task)
            task.add_done_callback(self._turns.discard)
            await asyncio.shield(task)

        self._waiting[state.id] = schedule = Schedule(state.id, rhythm, turn, self._clock, self._pace)
        schedule.begin(state.next_at, state.last_at)

    async def _end(self, id_: str) -> None:
        schedule = self._waiting.pop(id_, None)
        if schedule is not None:
            await schedule.end()

    async def _forget(self, id_: str) -> None:
        self._states.pop(id_, None)
        await self._end(id_)

    async def _take_turn(self, id_: str, due_ms: int) -> None:
        """Until its job is taken or refused for good; `due_ms` is when the turn was due."""
        assert self._submit is not None
        key = f"§ {id_} {due_ms}"  # not ASCII, as every key is that a request may have
        try:
            for wait_s in itertools.chain(WAITS_S, itertools.repeat(WAITS_S[-1])):
                state = self._states.get(id_)
                if state is None or state.is_paused or self._is_stopping:
                    return
                try:
                    job = await self._submit(state, key)
                except Unavailable as exc:  # such as a full queue: what is due each night shall not wait for the next
                    if id_ not in self._late:
                        self._late[id_] = due_ms
                        await self._refused(id_, exc)
                    await self._nap(wait_s)
                    continue
                self._late.pop(id_, None)
                await self._note(id_, Outcome.STARTED, job=job.id)
                return
        except AlreadyRunning:
            self._late.pop(id_, None)
            await self._note(id_, Outcome.SKIPPED)
        except HubError as exc:
            self._late.pop(id_, None)
            await self._refused(id_, exc)
        finally:
            self._late.pop(id_, None)

    async def _nap(self, wait_s: float) -> None:
        nap = asyncio.get_running_loop().create_future()
        timer = self._clock.later(wait_s, lambda: _wake(nap))
        self._naps.add(nap)
        try:
            await nap
        finally:
            timer.cancel()
            self._naps.discard(nap)

    async def _refused(self, id_: str, exc: HubError) -> None:
        log.warning("a scheduled job was not taken: %s", exc, extra={"action": "schedule_refused", "schedule": id_})
        await self._note(id_, Outcome.REFUSED, error=exc)

    async def _note(self, id_: str, outcome: Outcome, *, job: str | None = None, error: HubError | None = None) -> None:
        self.outcomes[outcome.value] += 1
        async with self._changing:
            state = self._states.get(id_)
            if state is None:  # removed meanwhile
                return
            state = replace(
                self._now(state),
                last_at=self._clock.now_ms(),
                last_outcome=outcome,
                last_job=job or state.last_job,
                last_error=_told(error) if error else None,
                **{outcome.value: getattr(state, outcome.value) + 1},
            )
            self._states[id_] = state
            try:
                await self._table.put(self._row(state))
            except JournalUnavailable as exc:  # the next turn writes it again
                extra = {"action": "schedule_unwritten", "schedule": id_}
                log.warning("a schedule was not written: %s", exc, extra=extra)

    def _now(self, state: ScheduleState) -> ScheduleState:
        schedule = self._waiting.get(state.id)
        return replace(state, next_at=schedule.due_ms) if schedule is not None else state

    def _row(self, state: ScheduleState) -> ScheduleState:
        """As it is kept: a turn that waits to be taken comes again after a restart."""
        late_ms = self._late.get(state.id)
        return state if late_ms is None or state.next_at is None else replace(state, next_at=late_ms)


def _wake(nap: "asyncio.Future[None]") -> None:
    if not nap.done():
        nap.set_result(None)


def _told(error: HubError) -> dict[str, str]:
    return {"code": error.narrow_code, "message": error.message}
