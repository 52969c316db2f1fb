"""The desk at which other systems' APIs ask for what the hub does (see `hub.surfaces.desk`)."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

from hub import index
from hub.core.composition import View
from hub.core.errors import Unavailable
from hub.core.events import Position, State
from hub.core.job import JobState
from hub.core.ports import JobFilter, Project
from hub.jobs import gate
from hub.jobs.base import ALL
from hub.jobs.git import landing
from hub.surfaces.encoding import iso
from hub.transports.ask import Ask
from hub.transports.sse import Dialect, Find, serve_sse
from hub.transports.stream import CALLER
from hub.web.assembly import Hub
from hub.web.resources import commits, projects, schedules
from hub.web.resources.events import check_room

RECENT = 20
"""Jobs among which the newest that somebody asked for is looked for, beyond those in memory."""


class HubDesk:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def now_ms(self) -> int:
        return self._hub.clock.now_ms()

    # -- projects -----------------------------------------------------------------------------------------------------

    def projects(self) -> Sequence[Project]:
        return [project for project in self._hub.catalog.all() if project.id != ALL]

    def project(self, id_: str) -> Project:
        return self._hub.catalog.get(id_)

    async def found(self, *, url: str | None = None, path: str | None = None) -> Project | None:
        if url is not None:
            return self._hub.catalog.find(url=gate.check(url, self._hub.rules).text.rstrip("/"), path=None)
        return self._hub.catalog.find(url=None, path=str(await self.folder(path or "")))

    async def found_or_made(
        self, *, url: str | None = None, path: str | None = None, name: str | None = None
    ) -> tuple[Project, bool]:
        given = {"url": url, "path": path, "name": name}
        return await projects.found_or_made(self._hub, {key: value for key, value in given.items() if value})

    async def source(self, source: str, repository: str) -> Project:
        return (await projects.found_or_made(self._hub, {"source": source, "repository": repository}))[0]

    async def remove(self, project: Project) -> None:
        await projects.remove(self._hub, project.id)

    def clone_place(self, project: Project) -> Path:
        return self._hub.engine.home(project.id) / landing.PLACE

    async def folder(self, path: str) -> Path:
        return await projects.folder(self._hub, path)

    # -- jobs ---------------------------------------------------------------------------------------------------------

    async def submit(self, project: Project, kind: str, params: Mapping[str, Any]) -> JobState:
        return await self._hub.engine.submit(project, kind, params)

    async def sync(self) -> JobState:
        return await commits.start_sync(self._hub, {})

    async def newest(self, project: str, kind: str) -> JobState | None:
        if told := self._told(project, kind):
            return told[-1]
        page = await self._hub.journal.jobs(JobFilter(project=project, kinds=(kind,)), RECENT, None)
        return next((job for job in page.items if not commits.is_scheduled(job)), None)

    async def next(self, project: str, kind: str, after: JobState | None) -> JobState:
        # On the feed: there may not be such a project yet.
        return await self._when(None, View(logs=False), lambda: self._newer(project, kind, after))

    async def has_ended_at(self, project: str, kind: str, cursor: str) -> bool:
        since = Position.parse(cursor)
        if since is None or since.epoch != self._hub.tracker.epoch or not self._hub.tracker.has(project):
            return False
        told = self._hub.tracker.channel(project).jobs.values()
        if any(job.kind == kind and job.state.is_end and job.seq == since.seq for job in told):
            return True
        page = await self._hub.journal.jobs(JobFilter(project=project, kinds=(kind,)), RECENT, None)
        return any(job.state.is_end and job.seq == since.seq for job in page.items)

    async def state(self, job: str) -> JobState:
        return await self._hub.engine.state(job)

    async def ended(self, job: str) -> JobState:
        state = await self.state(job)
        if not state.state.is_end:
            await self._when(state.project, View(job=job, logs=False), lambda: self._end(state))
        return await self.state(job)

    async def cancel(self, job: str) -> JobState:
        return await self._hub.engine.cancel(job)

    async def status(self) -> dict[str, Any]:
        indexed, synced = await self._last("index"), await self._last(commits.SYNC)
        result = synced.result if synced and synced.result else {}
        return {
            "lastIndexedAt": _ended(indexed),
            "lastIndexDurationMs": _took_ms(indexed),
            "sessionsIndexed": await commits.session_count(self._hub),
            "projectsIndexed": await asyncio.to_thread(self._indexed),
            "lastGitSyncAt": _ended(synced),
            "commitsFound": result.get("commitsFound", 0),
            "linksCreated": result.get("linksCreated", 0),
            "updatedAt": max(filter(None, (_ended(indexed), _ended(synced))), default=None),
            "gitSyncIntervalSecs": round(await schedules.sync_interval_s(self._hub)),
        }

    async def set_sync_interval(self, seconds: int) -> None:
        await schedules.set_sync_interval(self._hub, seconds)

    # -- streams ------------------------------------------------------------------------------------------------------

    def check_room(self) -> None:
        check_room(self._hub)

    async def stream(self, request: web.Request, ask: Ask | Find, dialect: Dialect) -> web.StreamResponse:
        check_room(self._hub, request.get(CALLER, ""))
        return await serve_sse(request, self._hub.delivery, ask, dialect)

    # -- inside -------------------------------------------------------------------------------------------------------

    async def _last(self, kind: str) -> JobState | None:
        """The newest that succeeded, whoever asked for it."""
        wanted = JobFilter(kinds=(kind,), states=(State.SUCCEEDED,))
        return next(iter((await self._hub.journal.jobs(wanted, 1, None)).items), None)

    def _indexed(self) -> int:
        return sum(index.place(self._hub.engine.home(project.id)).exists() for project in self.projects())

    def _told(self, project: str, kind: str) -> list[JobState]:
        """Those of a kind that somebody asked for and that are in memory, oldest first."""
        if not self._hub.tracker.has(project):
            return []
        jobs = self._hub.tracker.channel(project).jobs.values()
        return sorted(
            (job for job in jobs if job.kind == kind and not commits.is_scheduled(job)), key=lambda job: job.id
        )

    def _newer(self, project: str, kind: str, after: JobState | None) -> JobState | None:
        newer = (job for job in reversed(self._told(project, kind)) if after is None or job.id > after.id)
        return next(newer, None)

    def _end(self, job: JobState) -> JobState | None:
        """None while it goes on; a job that is in no memory any more has ended."""
        told = self._hub.tracker.job(job.project, job.id)
        return None if told is not None and not told.state.is_end else told or job

    async def _when(self, project: str | None, view: View, find: Callable[[], JobState | None]) -> JobState:
        """Wait for what an event will bring. Raises Unavailable when the hub goes."""
        happened = asyncio.Event()
        leave = self._hub.tracker.wait(project, view, happened.set)
        try:
            while (found := find()) is None:
                if self._hub.tracker.is_draining:
                    raise Unavailable("The hub is being stopped; ask again in a moment.")
                happened.clear()
                await happened.wait()
        finally:
            leave()
        return found


def _ended(job: JobState | None) -> str | None:
    return iso(job.ended) if job is not None and job.ended is not None else None


def _took_ms(job: JobState | None) -> int | None:
    if job is None or job.started is None or job.ended is None:
        return None
    return job.ended - job.started - job.held_ms
