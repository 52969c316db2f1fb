"""What surfaces ask of the hub. `hub.web.desk` is the one that answers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web

from hub.core.errors import AlreadyRunning
from hub.core.job import JobState
from hub.core.ports import Project
from hub.surfaces.encoding import REFUSED
from hub.transports.ask import Ask
from hub.transports.sse import Dialect, Find


class Desk(Protocol):
    """Every method raises HubError for what cannot be done, with a sentence for the caller."""

    def now_ms(self) -> int: ...

    def projects(self) -> Sequence[Project]: ...

    def project(self, id_: str) -> Project:
        """Raises NotFound."""

    async def found(self, *, url: str | None = None, path: str | None = None) -> Project | None:
        """The project of that URL or folder, if there is one. Raises UrlRefused."""

    async def found_or_made(
        self, *, url: str | None = None, path: str | None = None, name: str | None = None
    ) -> tuple[Project, bool]:
        """The project of that URL or folder, and whether it is new. Raises BadRequest, UrlRefused."""

    async def source(self, source: str, repository: str) -> Project:
        """The project of a repository of github, gitlab or bitbucket, or of a `local` folder; made if it is new.

        Raises BadParams, BadRequest, UrlRefused.
        """

    async def remove(self, project: Project) -> None: ...

    def clone_place(self, project: Project) -> Path:
        """Where a clone of it is, or would be."""

    async def folder(self, path: str) -> Path:
        """A folder that may be looked at. Raises UrlRefused outside the allowed roots, BadRequest `no_such_folder`."""

    async def submit(self, project: Project, kind: str, params: Mapping[str, Any]) -> JobState:
        """Start a job. Raises BadParams, AlreadyRunning, QueueFull ..."""

    async def sync(self) -> JobState:
        """Start a sync of all projects. Raises AlreadyRunning, QueueFull ..."""

    async def newest(self, project: str, kind: str) -> JobState | None:
        """The newest job of a kind that somebody asked for, running or not."""

    async def next(self, project: str, kind: str, after: JobState | None) -> JobState:
        """Wait until there is a newer one than the job `after`; there may be one already."""

    async def has_ended_at(self, project: str, kind: str, cursor: str) -> bool:
        """Is this where a job of that kind has ended, be it the newest or an earlier one?"""

    async def state(self, job: str) -> JobState: ...

    async def ended(self, job: str) -> JobState:
        """Wait for the job's end."""

    async def cancel(self, job: str) -> JobState: ...

    async def status(self) -> dict[str, Any]:
        """What has been indexed and synced lately, under the names of surface B."""

    async def set_sync_interval(self, seconds: int) -> None:
        """From now on, and after a restart."""

    def check_room(self) -> None:
        """Raises Unavailable when there are as many streams as the hub takes: before work is started for one."""

    async def stream(self, request: web.Request, ask: Ask | Find, dialect: Dialect) -> web.StreamResponse:
        """Raises Unavailable when there are as many streams as the hub takes."""


DESK: web.AppKey[Desk] = web.AppKey("desk")
LAST = "Last-Event-ID"


def watch(job: JobState, request: web.Request, cadence_ms: int = 0) -> Ask:
    """From where the request says it has been, to the end of the job."""
    return Ask(project=job.project, cursor=request.headers.get(LAST), cadence_ms=cadence_ms, job=job.id, logs=False)


def is_back(request: web.Request) -> bool:
    """It comes from a client that has been here before. It shall start nothing."""
    return LAST in request.headers


def was_refused(request: web.Request) -> bool:
    """It comes from a client that has heard a `refusal`."""
    return request.headers.get(LAST) == REFUSED


async def has_heard_end(request: web.Request, project: str, kind: str) -> bool:
    """It comes from a client that has heard the end of its job, and may not know that it is not to come back."""
    return is_back(request) and await request.app[DESK].has_ended_at(project, kind, request.headers[LAST])


async def left(request: web.Request, project: Project | None, kind: str) -> JobState | None:
    """The job that a client who is back had been watching, or the newest since; None: it is to stay away."""
    if project is None or await has_heard_end(request, project.id, kind):
        return None
    return await request.app[DESK].newest(project.id, kind)


def stay_away() -> web.Response:
    """The standard's way to say so to an EventSource (HTML, 9.2.3)."""
    return web.Response(status=204, headers={"Cache-Control": "no-store"})


async def begun(desk: Desk, project: Project, kind: str, params: Mapping[str, Any]) -> JobState:
    """A new job, or the one that goes on. Raises HubError."""
    job = await desk.newest(project.id, kind)
    if job is not None and not job.state.is_end:
        return job
    try:
        return await desk.submit(project, kind, params)
    except AlreadyRunning as exc:  # begun at the same moment
        return await desk.state(exc.detail["job"])
