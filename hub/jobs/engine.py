"""The engine takes jobs, has them run, and accounts for every one of them to its end."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from hub.core.errors import Conflict, HubError, JobEnded, NotFound
from hub.core.job import JobState
from hub.core.ledger import Ledger
from hub.core.ports import Clock, Journal, Key, Project
from hub.core.redaction import MASK, Redactor
from hub.core.retries import Retry
from hub.jobs.admission import Admission
from hub.jobs.base import Accepted, Kind, Rules
from hub.jobs.folders import Folders
from hub.jobs.intake import Intake
from hub.jobs.keys import Keys
from hub.jobs.orders import Order, places
from hub.jobs.outside.reception import Outside
from hub.jobs.process import Nursery
from hub.jobs.recovery import Recovery, kept_of
from hub.jobs.retrying import Retries
from hub.jobs.run import Run
from hub.jobs.turns import Turns
from hub.jobs.upkeep import Upkeep

log = logging.getLogger(__name__)

WEEK_S = 7 * 24 * 3600.0
NO_RETRY = Retry(attempts=0)


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
        clock: Clock,
        keep_work_s: float = WEEK_S,
        retry: Retry = NO_RETRY,
        chance: Callable[[], float] = random.random,
        outside: Outside | None = None,
    ) -> None:
        """`durable` returns once everything published is in the journal; `projects` tells all that the hub knows;
        `folder` is the data folder; `keep_work_s`: for so long work is kept for a retry; `retry` is the policy of jobs
        that are started without one, `chance` (from 0 to below 1) makes its waits differ; `outside` has the jobs that
        run elsewhere.
        """
        self._ledger = ledger
        self._durable = durable
        self._journal = journal
        self._projects = projects
        self._rules = rules
        self._outside = outside
        self._folders = Folders(folder)
        self._upkeep = Upkeep(self._folders, keep_work_s)
        self._nursery = Nursery(spares)
        self._intake = Intake(kinds=kinds, rules=rules, journal=journal, redactor=redactor, retry=retry)
        self.turns = Turns(
            ledger=ledger, retries=Retries(clock, chance, self._intake.mask), most=max_running,
            begin=self._begin, spawn=self._upkeep.spawn, take=self._nursery.take, over=self._upkeep.sweep,
        )  # fmt: skip
        self._recovery = Recovery(
            ledger=ledger, journal=journal, folders=self._folders, intake=self._intake, turns=self.turns
        )
        self._admission = Admission(ledger, self.turns, max_queued)
        self._keys = Keys(journal, ledger, folder)
        self._keyed = asyncio.Lock()  # the same request twice at once is one job, too

    # -- life ---------------------------------------------------------------------------------------------------------

    async def start(self, projects: Mapping[str, Project]) -> None:
        """Settle what an earlier process left: running jobs were interrupted, waiting ones wait again.

        Interrupted jobs whose work was kept are resumed, and of the others those that have tries left tried again.
        """
        waiting = await self._recovery.settle(projects)
        await self._keys.start()
        await self._durable()
        for order in waiting:  # not before: a try whose time has come begins in the next turn of the loop
            self.turns.add_again(order)
        self._nursery.refill()
        self.turns.go_on()
        await self._resume_interrupted(projects)
        self._upkeep.start()

    async def stop(self) -> None:
        """End every run as interrupted; waiting jobs stay queued, or paused, for the next start."""
        self._admission.end()
        self.turns.close()
        await self._upkeep.stop()
        await self._nursery.close()

    # -- what can be asked --------------------------------------------------------------------------------------------

    def check_kind(self, kind_name: str, retry: Any = None) -> None:
        """What can be said of a request whatever its project. Raises BadRequest."""
        self._intake.kind(kind_name)
        self._intake.policy(retry)

    async def known(
        self, project: str, kind_name: str, params: Mapping[str, Any], key: str, *, retry: Any = None
    ) -> str | None:
        """The job that came of the same request with the same key. Raises KeyReused where `submit` would."""
        return await self._keys.job(key, self._keys.fingerprint(project, kind_name, params, retry))

    def check(self, project: Project, kind_name: str, params: Mapping[str, Any]) -> Accepted:
        """See `Intake.check`. Raises BadRequest, BadParams, UrlRefused."""
        return self._intake.check(project, kind_name, params)

    async def submit(
        self,
        project: Project,
        kind_name: str,
        params: Mapping[str, Any],
        key: str | None = None,
        *,
        scheduled_by: str | None = None,
        retry: Any = None,
    ) -> JobState:
        """Take a job; returns once it is durable. With `key`, the same request again gives the same job.
        `scheduled_by` is the schedule whose turn it is; `retry` what the request says of when to try again, see
        `Retry.asked`, or None for the hub's own policy.

        Raises BadRequest, BadParams, UrlRefused, AlreadyRunning, KeyReused, QueueFull.
        """

        async def taken(named: tuple[str, str] | None = None) -> JobState:
            order = await self._intake.order(project, kind_name, params, retry=policy)
            return await self._take(replace(order, body=replace(order.body, scheduled_by=scheduled_by)), named)

        policy = self._intake.policy(retry)
        if key is None:
            return await taken()
        wanted = self._keys.fingerprint(project.id, kind_name, params, retry)
        async with self._keyed:
            if known := await self._keys.job(key, wanted):
                return await self._told(known)
            return await taken((key, wanted))

    async def cancel(self, job_id: str) -> JobState:
        """Raises NotFound, Conflict (JobEnded for a job that has ended). Asking twice is fine.

        The publisher of an outside job is asked to stop, see `Outside.cancel`.
        """
        if self._outside is not None and self._outside.is_live(job_id):
            self._outside.cancel(job_id)
            return await self._told(job_id)
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
        self,
        job_id: str,
        project: Project,
        params: Mapping[str, Any],
        *,
        from_stage: bool = False,
        retry: Any = None,
    ) -> JobState:
        """Start the ended job again as a new one, with `params` laid over its own.

        `from_stage`: with the work that it kept, else from nothing. `retry` as in `submit`; None: the job's own policy,
        all of it. Raises BadRequest, NotFound, Conflict.
        """
        job = await self._told(job_id)
        if not job.state.is_end:
            raise Conflict(f"The job is still {job.state.value}; only an ended job can be retried.", code="not_ended")
        if job.is_outside:
            raise Conflict("Only the program that published this job can run it again.", code="outside_job")
        if from_stage and not await asyncio.to_thread(self._folders.is_kept, kept_of(job)):
            raise Conflict("The job's work is not kept; retry it from the start.", code="no_kept_work")
        policy = job.retry.renewed() if retry is None and job.retry else self._intake.policy(retry)
        return await self._again(job, project, params, resumed=from_stage, retry=policy)

    async def state(self, job_id: str) -> JobState:
        """The job as published. Raises NotFound."""
        job = self._ledger.job(job_id) or await self._journal.job(job_id)
        if job is None:
            raise NotFound(f"There is no job {job_id!r}.")
        return job

    def project_jobs(self, project: str) -> list[JobState]:
        """The project's jobs that have not ended."""
        return self._admission.jobs(project)

    def home(self, project: str) -> Path:
        return self._folders.home(project)

    def closing(self, project: str) -> AbstractContextManager[None]:
        """See `Admission.closing`. Raises Conflict."""
        return self._admission.closing(project)

    async def forget(self, project: str) -> None:
        """Remove what jobs have made for a project that is gone."""
        self._keys.forget(project)
        await asyncio.to_thread(self._folders.forget, project)

    # -- inside -------------------------------------------------------------------------------------------------------

    async def _take(self, order: Order, key: tuple[str, str] | None = None) -> JobState:
        """`key`: an idempotency key and the fingerprint of what was asked with it."""
        project, kind = order.target.id, order.kind.name
        self._admission.check(project, kind)
        event = self._ledger.publish(project, order.id, kind, replace(order.body, queue=self.turns.next_place))
        if key is not None:
            self._keys.remember(project, Key(key=key[0], fingerprint=key[1], job=order.id, at=event.at))
        self.turns.add(order)
        job = self._ledger.job(order.id)
        await self._durable()
        assert job is not None
        return job

    async def _again(
        self, job: JobState, project: Project, params: Mapping[str, Any], *, resumed: bool, retry: Retry | None
    ) -> JobState:
        kept = {name: value for name, value in job.params.items() if value != MASK}
        order = await self._intake.order(
            project, job.kind, {**kept, **params}, earlier=job, resumed=resumed, retry=retry
        )
        return await self._take(order)

    async def _resume_interrupted(self, projects: Mapping[str, Project]) -> None:
        for job in await self._recovery.resumable():
            if job.project not in projects:
                continue
            try:
                retry = job.retry.next() if job.retry else None
                await self._again(job, projects[job.project], {}, resumed=True, retry=retry)
            except HubError as exc:  # the like of it waits already, or settings have changed
                log.info("%s was not resumed: %s", job.id, exc, extra={"action": "not_resumed", "job": job.id})

    async def _order(self, job_id: str) -> Order:
        """Raises NotFound, or says why nothing can be done to a job that the engine does not have."""
        order = self.turns.order(job_id)
        if order is not None:
            return order
        job = await self._told(job_id)  # its end may be on its way to the journal
        self._admission.check_stays(job.project)
        if job.state.is_end:
            raise JobEnded(f"The job has ended already, as {job.state.value}.")
        raise Conflict("This job runs outside of the hub, which only takes reports of it.", code="outside_job")

    async def _told(self, job_id: str) -> JobState:
        await self._durable()
        return await self.state(job_id)

    def _begin(self, order: Order) -> Run:
        self._intake.mask(order)  # again: it may have waited while the secrets of hundreds of others were told
        covered = places(order, self._projects(), self.home)
        return Run(order, covered, self._folders, self._rules, self.turns.publish)
