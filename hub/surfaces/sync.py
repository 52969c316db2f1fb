"""Surface B: a sync of every project that somebody asked for, as phases with counters."""

from collections.abc import Iterator, Mapping
from typing import Any

from aiohttp import web

from hub.core.errors import AlreadyRunning, BadRequest
from hub.core.events import Body, JobBody, LogBody, ProgressBody, StageBody, State
from hub.core.job import JobState
from hub.surfaces.desk import DESK, has_heard_end, stay_away, watch
from hub.surfaces.encoding import Said, dialect
from hub.transports.ask import Ask
from hub.transports.bodies import json_object

ALL, SYNC = "all", "sync"
"""The project on which it runs, and its kind."""
LAST = "correlating"
"""The second phase and, in the kind, the stage of it."""
CADENCE_MS = 100
SHORTEST_S, LONGEST_S = 10, 3600
SCANNING = ("reposScanned", "totalRepos", "commitsFound", "reposProcessed")
CORRELATING = ("sessionsCorrelated", "totalCorrelatableSessions", "commitsFound", "linksCreated")
DONE = ("reposScanned", "commitsFound", "linksCreated")


# -- what is said -----------------------------------------------------------------------------------------------------


def tell(state: JobState, body: Body | None) -> Iterator[Said]:
    if state.state.is_end:
        yield _end(state)
    elif not _is_idle_talk(state, body):
        counters = state.progress.detail if state.progress else {}
        phase, names = _phase(state)
        yield Said({"phase": phase, **_counted(counters, names)}, phase)


def _phase(state: JobState) -> tuple[str, tuple[str, ...]]:
    """Its name, and those of its counters."""
    return (LAST, CORRELATING) if state.stage == LAST else ("scanning", SCANNING)


def _is_idle_talk(state: JobState, body: Body | None) -> bool:
    """Nothing of it is a phase that begins or a count that changes."""
    match body:
        case ProgressBody():
            # Where nothing of the phase has been counted, its beginning has said all there is.
            mine = _counted(body.detail, tuple(name for name in _phase(state)[1] if name != "commitsFound"))
            return body.stalled_s is not None or not any(mine.values())
        case StageBody():
            return body.stage != LAST  # the first phase begins with the job
        case JobBody():
            return body.state is not State.QUEUED or state.started is not None
    return isinstance(body, LogBody)


def _end(state: JobState) -> Said:
    if state.state is State.SUCCEEDED:
        return Said({"phase": "done", **_counted(state.result or {}, DONE)}, "done")
    message = state.error.message if state.error else f"The sync was {state.state.value}."
    return Said({"phase": "error", "message": message}, "error")


def _counted(counters: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, int]:
    return {name: int(counters.get(name, 0)) for name in names}


DIALECT = dialect("git-sync", tell)


# -- routes -----------------------------------------------------------------------------------------------------------


async def start(request: web.Request) -> web.Response:
    """Answers once the job is told of, so nobody who asks after this sees the end of an earlier one."""
    try:
        await request.app[DESK].sync()
    except AlreadyRunning:
        details = "Git sync already in progress. Please wait for it to complete."
        return web.json_response({"error": "Conflict", "details": details}, status=409)
    return web.json_response({"message": "Git sync initiated", "status": "accepted"}, status=202)


async def progress(request: web.Request) -> web.StreamResponse:
    desk = request.app[DESK]
    if await has_heard_end(request, ALL, SYNC):
        return stay_away()
    job = await desk.newest(ALL, SYNC)
    if job is not None:
        return await desk.stream(request, watch(job, request, CADENCE_MS), DIALECT)

    async def first() -> Ask:
        return watch(await desk.next(ALL, SYNC, after=None), request, CADENCE_MS)

    return await desk.stream(request, first, DIALECT)


async def status(request: web.Request) -> web.Response:
    return web.json_response(await request.app[DESK].status())


async def set_interval(request: web.Request) -> web.Response:
    """How often all projects are synced in the background."""
    desk = request.app[DESK]
    seconds = (await json_object(request)).get("intervalSecs")
    if type(seconds) is not int or not SHORTEST_S <= seconds <= LONGEST_S:
        raise BadRequest(f"intervalSecs must be a whole number from {SHORTEST_S} to {LONGEST_S}.")
    await desk.set_sync_interval(seconds)
    return web.json_response(await desk.status())


ROUTES = (
    web.post("/api/sync/git", start),
    web.get("/api/sync/git/progress", progress, allow_head=False),
    web.get("/api/status", status),
    web.put("/api/settings/git-sync-interval", set_interval),
)
