"""Brings what the jobs of one project say to the hub: in batches, a few times a second, for ever."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hub.client.api import Hub
from hub.client.errors import HubRefused, HubUnreachable
from hub.client.job import Job
from hub.client.link import Pace
from hub.core import ids
from hub.core.errors import HubError
from hub.core.events import ENDS, State

log = logging.getLogger("hub.client")

INTERVAL_S = 0.2
"""Between two reports of progress."""
BATCH = 500
"""Events in one request; the hub takes 1,000, and a megabyte."""
ANSWER_S = 10.0
"""Longest wait for an answer, well within what a job may be silent."""
REFUSED_S = 10.0
"""Pause after a refusal that only somebody at the hub can mend."""
AGAIN = frozenset({"too_fast", "too_many_jobs"})
"""Refusals of an event that time mends."""
AGAIN_S = 1.0


Told = tuple[Mapping[str, Any], Mapping[str, Any]]
"""An event and its outcome."""


class Sender:
    """One project's; runs until it is cancelled."""

    def __init__(self, hub: Hub, project: str, pace: Pace, on_link: Callable[[str | None], None]) -> None:
        """`on_link` hears why the hub cannot be told, and None when it can."""
        self._hub = hub
        self._project = project
        self._pace = pace
        self._on_link = on_link
        self._jobs: list[Job] = []
        self._woken = asyncio.Event()
        self._looked_at = float("-inf")
        self._failures = 0
        self._limit = BATCH
        self._is_made = False

    def add(self, job: Job) -> None:
        self._jobs.append(job)
        self._woken.set()

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        while True:
            await self._due()
            pause_s = await self._round()
            if pause_s:
                await asyncio.sleep(pause_s)

    async def _due(self) -> None:
        """Wait until there is something to say, and it is time to say it."""
        while not any(job.outbox.is_urgent or job.outbox.left_out for job in self._jobs):
            now = time.monotonic()
            moving = any(job.count.is_moving or len(job.outbox) for job in self._jobs)
            beats = [job.said_at + job.beat_s for job in self._jobs]
            at = min([self._looked_at + INTERVAL_S] if moving else beats, default=None)
            if at is not None and at <= now:
                return
            self._woken.clear()
            try:
                async with asyncio.timeout(None if at is None else at - now):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def _round(self) -> float:
        """Say what there is to say, once; how long to pause before the next time."""
        self._looked_at = time.monotonic()
        taken, events = self._gather()
        if not events:
            return 0.0
        try:
            async with asyncio.timeout(ANSWER_S):
                answer = await self._hub.publish(self._project, events)
            outcomes, states = list(answer["outcomes"]), dict(answer["jobs"])
            if len(outcomes) != len(events):
                raise HubUnreachable("The hub's answer does not fit what it was told.")
        except HubRefused as refused:
            for job, _ in taken:
                job.outbox.back()
            return await self._refused(refused, taken)
        except (HubError, TimeoutError, KeyError, TypeError, ValueError) as exc:
            for job, _ in taken:
                job.outbox.lost()
            return self._away(str(exc) or "it did not answer in time")
        self._failures, self._limit = 0, BATCH
        self._on_link(None)
        return self._settle(taken, list(zip(events, outcomes, strict=True)), states)

    def _gather(self) -> tuple[list[tuple[Job, int]], list[dict[str, Any]]]:
        """What goes into the next request, and how many events of it are each job's (0: a sign of life)."""
        now, room = time.monotonic(), self._limit
        taken: list[tuple[Job, int]] = []
        events: list[dict[str, Any]] = []
        for job in self._jobs:
            job.sample()
            mine = job.outbox.take(room)
            room -= len(mine)
            if not mine and (now - job.said_at < job.beat_s or not room):
                continue
            taken.append((job, len(mine)))
            # Before the answer: that a request is under way is no reason for the next sign of life.
            job.said_at = now
            wire = {"job": job.id, "kind": job.kind}
            events += [wire | event for event in mine or [job.sign()]]
        self._jobs.append(self._jobs.pop(0))  # so that one that says much does not crowd out the others
        return taken, events

    def _settle(self, taken: Sequence[tuple[Job, int]], told: Sequence[Told], states: Mapping[str, Any]) -> float:
        """Take note of what became of each event; how long to pause."""
        place, pause_s = 0, 0.0
        for job, count in taken:
            mine = told[place : place + max(count, 1)]
            place += max(count, 1)
            done = next((n for n, (_, outcome) in enumerate(mine) if outcome.get("code") in AGAIN), count)
            if done < count:
                pause_s = AGAIN_S
            refusals = [outcome for _, outcome in mine[: max(done, 1)] if outcome["outcome"] == "refused"]
            state = str(states.get(job.id, {}).get("state", ""))
            if any(outcome["code"] == "job_ended" for outcome in refusals):
                self._ended(job, State(state) if state else State.FAILED, mine)
                continue
            job.outbox.done(done)
            if codes := {str(outcome["code"]) for outcome in refusals} - AGAIN:
                message = next(str(outcome.get("message", "")) for outcome in refusals)
                log.warning("The hub refused something of %r (%s): %s", job, ", ".join(sorted(codes)), message)
                if codes & {"foreign_job", "other_kind"}:
                    self._give_up(job, message)
                    continue
            if job.outbox.is_spent:
                self._forget(job, told=True)
            elif state == State.CANCELLING:
                job.stop()
        return pause_s

    def _ended(self, job: Job, state: State, mine: Sequence[Told]) -> None:
        """The job is over on the hub: as told, or cancelled and not stopped in time, or because it seemed dead."""
        # Told before, and the answer was lost: the end is a duplicate, and only what has no key was refused, after it.
        is_told = any(event.get("state") in ENDS for event, outcome in mine if outcome["outcome"] == "duplicate")
        is_told &= not any("key" in event for event, outcome in mine if outcome["outcome"] == "refused")
        if job.outbox.is_ended and (is_told or state is State.CANCELLED):
            self._forget(job, told=True)
        elif state is State.CANCELLED:
            job.stop()
            self._give_up(job, "it was cancelled on the hub")
        else:
            job.outbox.back()
            old, job.id = job.id, ids.job_id()
            log.warning("Job %s is over on the hub (%s), and goes on as %s.", old, state.value, job.id)
            job.outbox.begin_again(job.where())

    def _give_up(self, job: Job, why: str) -> None:
        job.error = why
        self._forget(job, told=False)

    def _forget(self, job: Job, *, told: bool) -> None:
        self._jobs.remove(job)
        if not job.told.done():
            job.told.set_result(told)

    def _away(self, why: str, least_s: float = 0.0) -> float:
        self._on_link(why)
        pause_s = random.uniform(0, self._pace.bound_s(self._failures))  # noqa: S311 - so that clients do not come in step
        self._failures += 1
        return max(pause_s, least_s)

    async def _refused(self, refused: HubRefused, taken: Sequence[tuple[Job, int]]) -> float:
        """The whole request was refused: mend what can be mended."""
        status = refused.status or 0
        if status in {429, 503}:
            return self._away(refused.message, least_s=AGAIN_S)
        if status >= 500:
            return self._away(refused.message)
        if status == 413 and self._limit > 1:
            self._limit = max(1, self._limit // 4)
            return 0.0
        if status == 404 and not self._is_made:
            return await self._make()
        if status in {400, 413}:
            return self._mend(refused, taken)
        log.warning("The hub refused what the jobs of %s say: %s", self._project, refused.message)
        for job, _ in taken:
            job.error = refused.message
        self._on_link(refused.message)
        return REFUSED_S

    async def _make(self) -> float:
        """The project is not there yet, or not any more."""
        try:
            await self._hub.create_project(id=self._project)
        except HubRefused as refused:
            log.warning("The hub refused the project %s: %s", self._project, refused.message)
            for job in list(self._jobs):
                self._give_up(job, refused.message)
        except HubError as exc:
            return self._away(exc.message)
        return 0.0

    def _mend(self, refused: HubRefused, taken: Sequence[tuple[Job, int]]) -> float:
        """One event is not as the hub wants it: without what is optional, or else without the event, the rest goes."""
        place = int(refused.detail.get("event", 0))
        for job, count in taken:
            if place < count:
                log.warning("The hub refused something of %r: %s", job, refused.message)
                if not job.outbox.strip(place, ("result", "params", "stages", "detail")):
                    job.outbox.drop(place)
                    if job.outbox.is_spent:
                        self._give_up(job, refused.message)
                return 0.0
            place -= max(count, 1)
        return self._away(refused.message, least_s=AGAIN_S)
