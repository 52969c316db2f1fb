"""The engine takes jobs, queues them, runs as many as may run, and accounts for every one of them to its end."""

import asyncio
import contextlib
import dataclasses
import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hub.core import ids
from hub.core.errors import AlreadyRunning, BadRequest, Conflict, HubError, JobEnded, NotFound, Unavailable
from hub.core.events import Body, JobBody, State
from hub.core.job import JobState
from hub.core.ledger import Ledger
from hub.core.ports import Journal, Key, Project
from hub.core.redaction import MASK, Redactor
from hub.jobs.base import Kind, Rules, Target, Workspace
from hub.jobs.process import Nursery
from hub.jobs.run import Order, Run, interrupted, remove

log = logging.getLogger(__name__)


RECENT_KEYS = 1000


class KeyReused(BadRequest):
    """This Idempotency-Key was used for another request."""

    code = "idempotency_key_reused"


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
        rules: Rules,
        folder: Path,
        max_running: int,
        max_queued: int,
        spares: int,
    ) -> None:
        """`durable` returns once everything published is in the journal; `folder` is the data folder."""
        self._ledger = ledger
        self._durable = durable
        self._journal = journal
        self._redactor = redactor
        self._kinds = kinds
        self._rules = rules
        self._work = folder / "work"
        self._trash = folder / "trash"
        self._homes = folder / "projects"
        self._max_running = max_running
        self._max_queued = max_queued
        self._nursery = Nursery(spares)
        self._queue: list[Order] = []
        self._runs: dict[str, Run] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._keyed = asyncio.Lock()  # the same request twice at once is one job, too
        self._recent_keys: dict[str, tuple[str, Key]] = {}
        """With the project of each."""
        self._leaving: set[str] = set()
        self._closing = False

    # -- life ---------------------------------------------------------------------------------------------------------

    async def start(self, projects: Mapping[str, Project]) -> None:
        """Settle what an earlier process left: running jobs were interrupted, waiting ones wait again."""
        await asyncio.to_thread(_empty, self._work, self._trash)
        for job in self._ledger.live_jobs():
            order = self._recalled(job, projects[job.project])
            if job.state is State.QUEUED and order is not None:
                self._queue.append(order)
            else:
                body = _body_of(job, State.INTERRUPTED, error=interrupted(job.stage))
                self._ledger.publish(job.project, job.id, job.kind, body)
        self._queue.sort(key=lambda order: order.id)
        self._tell_places()
        await self._durable()
        self._nursery.refill()
        self._start_what_can()

    async def stop(self) -> None:
        """End every run as interrupted; waiting jobs stay queued for the next start."""
        self._closing = True
        for run in self._runs.values():
            run.stop(State.INTERRUPTED)
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._nursery.close()

    # -- what can be asked --------------------------------------------------------------------------------------------

    async def submit(
        self, project: Project, kind_name: str, params: Mapping[str, Any], key: str | None = None
    ) -> JobState:
        """Take a job; returns once it is durable. With `key`, the same request again gives the same job.

        Raises BadParams, UrlRefused, AlreadyRunning, KeyReused, QueueFull.
        """
        if key is None:
            return await self._submit(project, kind_name, params)
        wanted = json.dumps([project.id, kind_name, dict(params)], sort_keys=True)
        fingerprint = hashlib.sha256(wanted.encode()).hexdigest()
        async with self._keyed:
            if known := await self._recall(key):
                if known.fingerprint != fingerprint:
                    raise KeyReused
                await self._durable()
                return await self.state(known.job)
            return await self._submit(project, kind_name, params, key=(key, fingerprint))

    async def cancel(self, job_id: str) -> JobState:
        """Raises NotFound, JobEnded. Asking twice is fine."""
        queued = next((order for order in self._queue if order.id == job_id), None)
        run = self._runs.get(job_id)
        if queued is not None:
            self._queue.remove(queued)
            self._publish(queued, queued.became(State.CANCELLED))
            self._tell_places()
        elif run is None:
            job = await self.state(job_id)
            how = f", as {job.state.value}" if job.state.is_end else ""
            raise JobEnded(f"The job has ended already{how}.")
        elif not run.is_stopping:
            self._publish(run.order, run.order.became(State.CANCELLING))
            run.stop(State.CANCELLED)
        await self._durable()
        return await self.state(job_id)

    async def retry(self, job_id: str, project: Project, params: Mapping[str, Any]) -> JobState:
        """Start the ended job again as a new one, with `params` laid over its own. Raises NotFound, Conflict."""
        job = await self.state(job_id)
        if not job.state.is_end:
            raise Conflict(f"The job is still {job.state.value}; only an ended job can be retried.", code="not_ended")
        kept = {name: value for name, value in job.params.items() if value != MASK}
        return await self._submit(project, job.kind, {**kept, **params}, attempt=job.attempt + 1, retry_of=job.id)

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
        return self._homes / project

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
        self._recent_keys = {name: kept for name, kept in self._recent_keys.items() if kept[0] != project}
        await asyncio.to_thread(remove, self.home(project))

    # -- inside -------------------------------------------------------------------------------------------------------

    async def _submit(
        self,
        project: Project,
        kind_name: str,
        params: Mapping[str, Any],
        attempt: int = 1,
        retry_of: str | None = None,
        key: tuple[str, str] | None = None,
    ) -> JobState:
        """`key`: an idempotency key and the fingerprint of what was asked with it."""
        kind = self._kinds.get(kind_name)
        if kind is None:
            known = ", ".join(sorted(self._kinds))
            raise BadRequest(f"There is no kind {kind_name!r}; there are: {known}.", code="unknown_kind")
        target = Target(id=project.id, name=project.name, url=project.url, path=project.path)
        accepted = kind.check(params, target, self._rules)
        self._refuse_second(project.id, kind_name)
        if project.id in self._leaving:
            raise Conflict("The project is being deleted.", code="project_leaving")
        if len(self._queue) >= self._max_queued or self._closing:
            raise QueueFull
        job_id = ids.job_id()
        user = accepted.params.get("username")
        self._redactor.add(accepted.secrets.values(), user if isinstance(user, str) else "", job_id)
        shown = {**accepted.params, **dict.fromkeys(accepted.secrets, MASK)}
        body = JobBody(
            state=State.QUEUED,
            params=shown,
            queue=len(self._queue) + 1,
            plan=kind.stages,
            attempt=attempt,
            retry_of=retry_of,
        )
        order = Order(id=job_id, kind=kind, target=target, secrets=accepted.secrets, body=body)
        event = self._ledger.publish(project.id, job_id, kind_name, body)
        if key is not None:
            self._remember(project.id, Key(key=key[0], fingerprint=key[1], job=job_id, at=event.at))
        self._queue.append(order)
        self._start_what_can()
        job = self._ledger.job(order.id)
        await self._durable()
        assert job is not None
        return job

    async def _recall(self, key: str) -> Key | None:
        """What was asked with `key`, committed yet or not. A deleted project takes its keys along."""
        if recent := self._recent_keys.get(key):
            return recent[1]
        known = await self._journal.recall(key)
        return known if known and await self._journal.job(known.job) else None

    def _remember(self, project: str, key: Key) -> None:
        self._ledger.remember(key)
        self._recent_keys[key.key] = (project, key)
        while len(self._recent_keys) > RECENT_KEYS:
            self._recent_keys.pop(next(iter(self._recent_keys)))

    def _refuse_second(self, project: str, kind: str) -> None:
        for job in self._ledger.live_jobs():
            if job.project == project and job.kind == kind:
                raise AlreadyRunning(
                    f"A {kind} of this project is {job.state.value} already.", job=job.id, href=f"/api/v1/jobs/{job.id}"
                )

    def _start_what_can(self) -> None:
        """Start waiting jobs, first come first served, one at a time for each project."""
        if self._closing:
            return
        before = list(self._queue)
        for order in before:
            busy = {run.order.target.id for run in self._runs.values()}
            if len(self._runs) < self._max_running and order.target.id not in busy:
                self._queue.remove(order)
                self._start(order)
        if self._queue != before:
            self._tell_places()

    def _start(self, order: Order) -> None:
        workspace = Workspace(work=self._work / order.id, home=self.home(order.target.id))
        run = Run(order, workspace, self._trash / order.id, self._rules, self._publish)
        self._runs[order.id] = run
        task = asyncio.get_running_loop().create_task(self._execute(run))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _execute(self, run: Run) -> None:
        try:
            await run.execute(self._nursery.take)
        finally:
            del self._runs[run.order.id]
            self._start_what_can()
        await asyncio.to_thread(remove, self._trash / run.order.id)

    def _tell_places(self) -> None:
        for place, order in enumerate(self._queue, 1):
            job = self._ledger.job(order.id)
            if job is not None and job.queue != place:
                self._publish(order, dataclasses.replace(order.body, queue=place, plan=()))

    def _publish(self, order: Order, body: Body) -> None:
        try:
            self._ledger.publish(order.target.id, order.id, order.kind.name, body)
        except HubError as exc:  # the project was deleted meanwhile: there is nobody left to tell
            log.warning("%s", exc, extra={"action": "event_dropped", "job": order.id})

    def _recalled(self, job: JobState, project: Project) -> Order | None:
        """A queued job of an earlier process; None where its secrets are gone or its kind is."""
        kind = self._kinds.get(job.kind)
        if kind is None or MASK in job.params.values():
            return None
        target = Target(id=project.id, name=project.name, url=project.url, path=project.path)
        body = _body_of(job, State.QUEUED, queue=job.queue, plan=kind.stages)
        return Order(id=job.id, kind=kind, target=target, secrets={}, body=body)


def _body_of(job: JobState, state: State, **fields: Any) -> JobBody:
    return JobBody(state=state, params=job.params, attempt=job.attempt, retry_of=job.retry_of, **fields)


def _empty(work: Path, trash: Path) -> None:
    remove(work)
    remove(trash)
    work.mkdir(parents=True)
    trash.mkdir()
