"""Commits, the sessions that they are linked to, and the sync that does it for all projects."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from aiohttp import web

from hub.commits.database import BUSY_TIMEOUT_S, NAME, CommitsUnavailable, Database
from hub.commits.listing import CommitFilter, Counts, LinkFilter, Listing
from hub.commits.sessions import LATEST_MS, SessionTable, from_wire
from hub.commits.table import CommitTable
from hub.core.errors import AlreadyRunning, BadRequest, HubError, JobEnded, NotFound, TooLarge, Unavailable
from hub.core.job import JobState
from hub.core.ports import Project
from hub.jobs.base import ALL
from hub.web.assembly import Hub
from hub.web.bodies import listing, paging, read_object
from hub.web.keys import HUB
from hub.web.resources.jobs import accepted, key_of

T = TypeVar("T")

SYNC = "sync"
SCHEDULED = "scheduled"
"""The parameter of a sync that nobody asked for."""
MOST_SESSIONS = 1000
"""In one request."""
LONGEST_FILTER = 1000
BOOLEANS = {"1": True, "true": True, "0": False, "false": False}
WAY_S = 3.0
"""A cancelled job has ended within 2 s."""
LOOK_S = 0.02
# Not the loop's own threads, without which no job begins or ends: a search may take long, and a write waits for a lock.
_READERS = ThreadPoolExecutor(4, "commits-read")
_WRITER = ThreadPoolExecutor(1, "commits-write")


async def list_(request: web.Request) -> web.Response:
    hub = request.app[HUB]
    project, (limit, cursor), query = hub.catalog.get(request.match_info["project"]), paging(request), request.query
    wanted = CommitFilter(
        since=_moment(query, "since"),
        until=_moment(query, "until"),
        author=_words(query, "author"),
        path=_words(query, "path"),
        text=_words(query, "text"),
        linked=_flag(query, "linked"),
        gone=_flag(query, "gone") or False,
    )
    page = await _reading(hub, lambda found: found.commits(project.id, wanted, limit, cursor))
    return listing(list(page.items), page.total, page.next)


async def links(request: web.Request) -> web.Response:
    """Links with their evidence, or with `?near=true` the commits that missed a session by little."""
    hub = request.app[HUB]
    project, (limit, cursor), query = hub.catalog.get(request.match_info["project"]), paging(request), request.query
    tier = query.get("tier")
    if tier not in {None, "1", "2"}:
        raise BadRequest("tier must be 1 or 2.")
    wanted = LinkFilter(tier=int(tier) if tier else None, session=_words(query, "session"))
    if _flag(query, "near"):
        if tier is not None:
            raise BadRequest("A near miss has no tier.")
        page = await _reading(hub, lambda found: found.near_misses(project.id, wanted, limit, cursor))
    else:
        page = await _reading(hub, lambda found: found.links(project.id, wanted, limit, cursor))
    return listing(list(page.items), page.total, page.next)


async def sessions(request: web.Request) -> web.Response:
    hub = request.app[HUB]
    limit, cursor = paging(request)
    project = request.query.get("project")
    if project is not None:
        hub.catalog.get(project)
    page = await _reading(hub, lambda found: found.sessions(project, limit, cursor))
    return listing(list(page.items), page.total, page.next)


async def add_sessions(request: web.Request) -> web.Response:
    """Take sessions, all of the request or none; the next sync links them."""
    hub = request.app[HUB]
    body = await read_object(request, frozenset({"sessions"}))
    values = body.get("sessions")
    if not isinstance(values, list):
        raise BadRequest("sessions must be a list.")
    if len(values) > MOST_SESSIONS:
        raise TooLarge(f"A request takes at most {MOST_SESSIONS} sessions.")
    told = [from_wire(value, f"sessions[{n}]") for n, value in enumerate(values)]
    for n, session in enumerate(told):
        if session.project is not None and (session.project == ALL or not _is_known(hub, session.project)):
            raise BadRequest(f"sessions[{n}]: there is no project {session.project!r}.", code="no_such_project")
    became = await _using(_WRITER, hub, lambda database: SessionTable(database).tell(told))
    counts = {"created": became.created, "updated": became.updated, "unchanged": became.unchanged}
    return web.json_response(counts, status=201 if became.created else 200)


async def sync(request: web.Request) -> web.Response:
    """Start a sync of all projects, or of some."""
    hub = request.app[HUB]
    params = await read_object(request, frozenset({"projects", "sessions_folder"}))
    for project in params["projects"] if isinstance(params.get("projects"), list) else ():
        if not isinstance(project, str) or not _is_known(hub, project):
            raise NotFound(f"There is no project {project!r}.")
    return accepted(hub, await start_sync(hub, params, key_of(request)))


async def start_sync(
    hub: Hub, params: Mapping[str, Any], key: str | None = None, *, scheduled_by: str | None = None, retry: Any = None
) -> JobState:
    """A sync on the project `all`. One that a user asked for takes the place of a scheduled one. `retry` as in
    `Engine.submit`.

    Raises AlreadyRunning, BadParams, UrlRefused, QueueFull.
    """
    project = await everything(hub)
    async with hub.changing:  # one whose deletion was cut short is there as before
        await expect(hub, [known.id for known in hub.catalog.all()])
    if not params.get(SCHEDULED):
        await make_way(hub)
    return await hub.engine.submit(project, SYNC, params, key, scheduled_by=scheduled_by, retry=retry)


async def take_turn(hub: Hub) -> None:
    """The scheduled sync: nothing where there is nothing to look at, or where a sync goes on already."""
    if any(project.id != ALL for project in hub.catalog.all()):
        with contextlib.suppress(AlreadyRunning, Unavailable):  # the next turn will do
            await start_sync(hub, {SCHEDULED: True})


def is_scheduled(job: JobState) -> bool:
    """Nobody asked for it, so it is no user's progress."""
    return job.kind == SYNC and bool(job.params.get(SCHEDULED))


async def everything(hub: Hub) -> Project:
    """The reserved project that stands for all, made when it is first needed."""
    async with hub.changing:
        with contextlib.suppress(NotFound):
            return hub.catalog.get(ALL)
        project = Project(id=ALL, name="All projects", created=hub.clock.now_ms())
        opened = await hub.journal.add_project(project)
        hub.tracker.open_project(ALL, opened.head, opened.floor)
        hub.ledger.open_project(ALL, opened.head)
        hub.catalog.add(project)
        return project


async def counts(hub: Hub, project: str) -> Counts:
    """For the project's own object."""
    return await _reading(hub, lambda found: found.counts(project))


async def session_count(hub: Hub) -> int:
    return (await _reading(hub, lambda found: found.sessions(None, 1, None))).total


async def forget(hub: Hub, project: str) -> None:
    """The project is to be deleted. Raises CommitsUnavailable, and nothing is forgotten."""
    await _using(_WRITER, hub, lambda database: CommitTable(database).forget(project))


async def expect(hub: Hub, projects: Iterable[str]) -> None:
    """Projects of these ids are there, whichever were forgotten before. Raises CommitsUnavailable."""
    # There is hardly ever one to write, so it does not wait for those who do.
    await _using(_READERS, hub, lambda database: CommitTable(database).expect(projects))


async def make_way(hub: Hub) -> None:
    """End the scheduled sync, if there is one; what it has found so far is kept, and not found again."""
    mine = [job.id for job in hub.engine.project_jobs(ALL) if is_scheduled(job)]
    for id_ in mine:
        with contextlib.suppress(JobEnded):
            await hub.engine.cancel(id_)
    with contextlib.suppress(TimeoutError):  # then the answer is that one runs, which is so
        async with asyncio.timeout(WAY_S):
            while any(job.id in mine for job in hub.engine.project_jobs(ALL)):  # noqa: ASYNC110 - ends are told to none
                await asyncio.sleep(LOOK_S)


async def _reading(hub: Hub, ask: Callable[[Listing], T]) -> T:
    return await _using(_READERS, hub, lambda database: ask(Listing(database)))


async def _using(threads: ThreadPoolExecutor, hub: Hub, work: Callable[[Database], T]) -> T:
    """`work`, in a thread, with a connection of its own. Who waits for the same lock as others is refused with them."""
    latest = time.monotonic() + BUSY_TIMEOUT_S

    def opened() -> T:
        left_s = max(0.0, latest - time.monotonic())
        if threads is _WRITER and not left_s:
            raise CommitsUnavailable
        with Database(hub.settings.data_path / NAME, busy_timeout_s=left_s) as database:
            return work(database)

    return await asyncio.get_running_loop().run_in_executor(threads, opened)


def _is_known(hub: Hub, project: str) -> bool:
    with contextlib.suppress(HubError):
        return hub.catalog.get(project) is not None
    return False


def _moment(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        value = int(text)
    except ValueError:
        value = LATEST_MS + 1
    if abs(value) > LATEST_MS:
        raise BadRequest(f"{name} must be a time in Unix milliseconds.")
    return value


def _words(query: Mapping[str, str], name: str) -> str | None:
    text = query.get(name)
    if text is not None and not (0 < len(text) <= LONGEST_FILTER and text.isprintable()):
        raise BadRequest(f"{name} must be a text of 1 to {LONGEST_FILTER} characters.")
    return text


def _flag(query: Mapping[str, str], name: str) -> bool | None:
    text = query.get(name)
    if text is None:
        return None
    if text not in BOOLEANS:
        raise BadRequest(f"{name} must be true or false.")
    return BOOLEANS[text]
