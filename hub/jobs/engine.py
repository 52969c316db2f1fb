"""The engine takes jobs, has them run, and accounts for every one of them to its end."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hub.core.errors import AlreadyRunning, Conflict, HubError, JobEnded, NotFound, Unavailable
from hub.core.events import State
from hub.core.job import JobState
from hub.core.ledger import Ledger
from hub.core.ports import Journal, Key, Project
from hub.core.redaction import MASK, Redactor
from hub.jobs.base import Kind, Rules
from hub.jobs.folders import Folders, Kept
from hub.jobs.intake import Intake
from hub.jobs.keys import Keys, fingerprint
from hub.jobs.orders import Order, body_of, interrupted, needs_secrets, places
from hub.jobs.process import Nursery
from hub.jobs.run import Run
from hub.jobs.turns import Turns
from hub.jobs.upkeep import Upkeep

log = logging.getLogger(__name__)

MOST_ATTEMPTS = 3
"""An interrupted job is resumed by itself up to this attempt: it may be what brings the hub down."""
WEEK_S = 7 * 24 * 3600.0


class QueueFull(Unavailable):
    """The hub has as many jobs waiting as it takes; try again when some have ended."""

    code = "queue_full"


class Engine:
    def __init__(  # noqa: PLR0913 - the engine stands between everything and the children
        self,
        *,
        ledger: Ledger,
        durable: Callable[[], Awaitable[None]],
        journal: Journal,
        redactor: Redactor,
        kinds: Mapping[str, Kind],
        projects: Callable[[], Sequence[Project]],
        rules: Rules,
        folder: Path,
        max_running: int,
        max_queued: int,
        spares: int,
        keep_work_s: float = WEEK_S,
    ) -> None:
        """`durable` returns once everything published is in the journal; `projects` tells all that the hub knows;
        `folder` is the data folder; `keep_work_s`: for so long work is kept for a retry.
        """
        self._ledger = ledger
        self._durable = durable
        self._journal = journal
        self._projects = projects
        self._rules = rules
        self._max_queued = max_queued
        self._folders = Folders(folder)
        self._upkeep = Upkeep(self._folders, keep_work_s)
        self._nursery = Nursery(spares)
        self._intake = Intake(kinds=kinds, rules=rules, journal=journal, redactor=redactor)
        self.turns = Turns(
            ledger=ledger, most=max_running, begin=self._begin, spawn=self._upkeep.spawn, take=self._nursery.take,
            over=self._upkeep.sweep,
        )  # fmt: skip
        self._keys = Keys(journal, ledger)
        self._keyed = asyncio.Lock()  # the same request twice at once is one job, too
        self._leaving: set[str] = set()
        self._is_closing = False

    # -- life ---------------------------------------------------------------------------------------------------------

    async def start(self, projects: Mapping[str, Project]) -> None:
        """Settle what an earlier process left: running jobs were interrupted, waiting ones wait again.

        Interrupted jobs whose work was kept are resumed.
        """
        broken = []
        for job in self._ledger.live_jobs():
            order = self._intake.recalled(job, projects[job.project])
            if order is not None:
                self.turns.add_again(order)
            else:
                broken.append(job)
        keepers = [_kept(job) for job in broken if self._intake.keeps_work(job.kind)]
        kept = await asyncio.to_thread(self._folders.settle, keepers)
        for job in broken:
            body = body_of(job, State.INTERRUPTED, error=interrupted(job.stage), resumable=job.id in kept)
            self._ledger.publish(job.project, job.id, job.kind, body)
        await self._durable()
        self._nursery.refill()
        self.turns.go_on()
        await self._resume_interrupted(projects)
        self._upkeep.start()

    async def stop(self) -> None:
        """End every run as interrupted; waiting jobs stay queued, or paused, for the next start."""
        self._is_closing = True
        self.turns.close()
        await self._upkeep.stop()
        await self._nursery.close()

    # -- what can be asked --------------------------------------------------------------------------------------------

    async def submit(
        self, project: Project, kind_name: str, params: Mapping[str, Any], key: str | None = None
    ) -> JobState:
        """Take a job; returns once it is durable. With `key`, the same request again gives the same job.

        Raises BadParams, UrlRefused, AlreadyRunning, KeyReused, QueueFull.
        """
        if key is None:
            return await self._take(await self._intake.order(project, kind_name, params))
        wanted = fingerprint(project.id, kind_name, params)
        async with self._keyed:
            if known := await self._keys.job(key, wanted):
                await self._durable()
                return await self.state(known)
            return await self._take(await self._intake.order(project, kind_name, params), key=(key, wanted))

    async def cancel(self, job_id: str) -> JobState:
        """Raises NotFound, Conflict (JobEnded for a job that has ended). Asking twice is fine."""
        order = await self._order(job_id)
        self.turns.cancel(order)
        if order.body.resumed and job_id not in self.turns.runs:
            self._upkeep.spawn(self._upkeep.drop(order.target.id, order.kind.name))
        return await self._told(job_id)

    async def pause(self, job_id: str) -> JobState:
        """See `Turns.pause`. Raises NotFound, Conflict, Unavailable."""
        self.turns.pause(await self._order(job_id))
        return await self._told(job_id)

    async def resume(self, job_id: str) -> JobState:
        """See `Turns.resume`. Raises NotFound, Conflict."""
        self.turns.resume(await self._order(job_id))
        return await self._told(job_id)

    async def retry(
        self, job_id: str, project: Project, params: Mapping[str, Any], *, from_stage: bool = False
    ) -> JobState:
        """Start the ended job again as a new one, with `params` laid over its own.

        `from_stage`: with the work that it kept, else from nothing. Raises NotFound, Conflict.
        """
        job = await self._told(job_id)
        if not job.state.is_end:
            raise Conflict(f"The job is still {job.state.value}; only an ended job can be retried.", code="not_ended")
        if from_stage and not await asyncio.to_thread(self._folders.is_kept, _kept(job)):
            raise Conflict("The job's work is not kept; retry it from the start.", code="no_kept_work")
        return await self._again(job, project, params, resumed=from_stage)

    async def state(self, job_id: str) -> JobState:
        """The job as published. Raises NotFound."""
        job = self._ledger.job(job_id) or await self._journal.job(job_id)
        if job is None:
            raise NotFound(f"There is no job {job_id!r}.")
        return job

    def project_jobs(self, project: str) -> list[JobState]:
        """The project's jobs that have not ended."""
        return [job for job in self._ledger.live_jobs() if job.project == project]

    def home(self, project: str) -> Path:
        return self._folders.home(project)

    @contextlib.contextmanager
    def closing(self, project: str) -> Iterator[None]:
        """No job of the project starts within the block. Raises Conflict while one has not ended."""
        if self.project_jobs(project):
            raise Conflict("The project has a job that has not ended; cancel it first.", code="project_busy")
        self._leaving.add(project)
        try:
            yield
        finally:
            self._leaving.discard(project)

    async def forget(self, project: str) -> None:
        """Remove what jobs have made for a project that is gone."""
        self._keys.forget(project)
        await asyncio.to_thread(self._folders.forget, project)

    # -- inside -------------------------------------------------------------------------------------------------------

    async def _take(self, order: Order, key: tuple[str, str] | None = None) -> JobState:
        """`key`: an idempotency key and the fingerprint of what was asked with it."""
        project, kind = order.target.id, order.kind.name
        self._refuse(project, kind)
        event = self._ledger.publish(project, order.id, kind, replace(order.body, queue=self.turns.next_place))
        if key is not None:
            self._keys.remember(project, Key(key=key[0], fingerprint=key[1], job=order.id, at=event.at))
        self.turns.add(order)
        job = self._ledger.job(order.id)
        await self._durable()
        assert job is not None
        return job

    def _refuse(self, project: str, kind: str) -> None:
        for job in self._ledger.live_jobs():
            if job.project == project and job.kind == kind:
                raise AlreadyRunning(
                    f"A {kind} of this project is {job.state.value} already.", job=job.id, href=f"/api/v1/jobs/{job.id}"
                )
        if project in self._leaving:
            raise Conflict("The project is being deleted.", code="project_leaving")
        if len(self.turns) >= self._max_queued or self._is_closing:
            raise QueueFull

    async def _again(self, job: JobState, project: Project, params: Mapping[str, Any], *, resumed: bool) -> JobState:
        kept = {name: value for name, value in job.params.items() if value != MASK}
        order = await self._intake.order(project, job.kind, {**kept, **params}, earlier=job, resumed=resumed)
        return await self._take(order)

    async def _resume_interrupted(self, projects: Mapping[str, Project]) -> None:
        for kept in sorted(await asyncio.to_thread(self._folders.kept), key=lambda kept: kept.job):
            job = await self._journal.job(kept.job)
            if job is None or job.project not in projects or not self._intake.keeps_work(job.kind):
                continue
            if not _may_resume(job):
                continue
            try:
                await self._again(job, projects[job.project], {}, resumed=True)
            except HubError as exc:  # the like of it waits already, or settings have changed
                log.info("%s was not resumed: %s", job.id, exc, extra={"action": "not_resumed", "job": job.id})

    async def _order(self, job_id: str) -> Order:
        """Raises NotFound, or says why nothing can be done to a job that the engine does not have."""
        order = self.turns.order(job_id)
        if order is not None:
            return order
        job = await self._told(job_id)  # its end may be on its way to the journal
        if job.state.is_end:
            raise JobEnded(f"The job has ended already, as {job.state.value}.")
        raise Conflict("This job is not run by the hub, which only takes reports of it.", code="outside_job")

    async def _told(self, job_id: str) -> JobState:
        await self._durable()
        return await self.state(job_id)

    def _begin(self, order: Order) -> Run:
        covered = places(order, self._projects(), self.home)
        return Run(order, covered, self._folders, self._rules, self.turns.publish)


def _kept(job: JobState) -> Kept:
    return Kept(job=job.id, project=job.project, kind=job.kind)


def _may_resume(job: JobState) -> bool:
    """Whether an ended job goes on by itself. One that was interrupted while it was paused does not: somebody wanted
    it to stand still.
    """
    is_wanted = job.state is State.INTERRUPTED and job.held_at is None
    return is_wanted and job.attempt < MOST_ATTEMPTS and not needs_secrets(job)
