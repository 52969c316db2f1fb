"""Surface C: an index of a folder, as the answer to one POST."""

import functools
from collections.abc import Iterator
from typing import Any

from aiohttp import web

from hub.core.errors import BadRequest, HubError, NotFound
from hub.core.events import Body, JobBody, ProgressBody, StageBody, State
from hub.core.job import JobState, StageState
from hub.surfaces.bodies import flag_of, text_of
from hub.surfaces.desk import DESK, Desk, begun, is_back, left, stay_away, was_refused, watch
from hub.surfaces.encoding import Said, dialect, refusal
from hub.transports.bodies import json_object
from hub.transports.sse import Dialect

INDEX = "index"
COLLECTING, PARSING = "collecting", "parsing"


class Opened:
    """The folder that was indexed last here: for that system, the one that is open."""

    def __init__(self) -> None:
        self._folder: str | None = None
        self._job: str | None = None
        self._is_switch = False

    def switched(self, job: JobState, folder: str) -> bool:
        """Has this job opened another folder? The same for all who watch it."""
        if job.id != self._job:
            self._is_switch = self._folder not in {None, folder}
            self._folder, self._job = folder, job.id
        return self._is_switch


OPENED = web.AppKey("surface_c_opened", Opened)


# -- what is said -----------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=1000)
def dialect_of(path: str, is_switched: bool) -> Dialect:
    """The same one for the same words, so that those who watch share their bytes."""
    return dialect("index-stream", functools.partial(tell, path, is_switched))


def tell(path: str, is_switched: bool, state: JobState, body: Body | None) -> Iterator[Said]:
    if body is None:
        yield _said(state, "starting", f"Starting indexing for: {path}")
        for stage in [stage.stage for stage in state.stages if stage.started is not None]:
            yield from _entered(state, stage, is_switched)
    if state.state.is_end:
        yield from _end(state)
    elif isinstance(body, JobBody) and body.state is State.QUEUED and state.started is None:
        yield _said(state, "starting", f"Starting indexing for: {path}")
    elif isinstance(body, StageBody):
        yield from _entered(state, body.stage, is_switched)
    elif isinstance(body, ProgressBody | None) and (parsing := _parsing(state)) is not None:
        # What comes after parsing counts anew, or other things; the files are counted once.
        said, current, total = state.progress, parsing.current or 0, parsing.total or 0
        yield _said(state, "indexing", said.message if said else "", current=int(current), total=int(total))


def _parsing(state: JobState) -> StageState | None:
    """None before files are parsed."""
    return next((stage for stage in state.stages if stage.stage == PARSING and stage.started is not None), None)


def _entered(state: JobState, stage: str, is_switched: bool) -> Iterator[Said]:
    # Only when files are parsed is it known that the index was not fresh; for one that is, collecting is not told.
    if stage == PARSING:
        yield _said(state, COLLECTING, "Collecting source files...")
        if is_switched:
            yield _said(state, "switching_projects", "Switching projects...")
        yield _said(state, "loading_storage", "Loading indexed data from storage...")


def _end(state: JobState) -> Iterator[Said]:
    if state.state is State.SUCCEEDED:
        result = state.result or {}
        files = int(result.get("files", 0))
        if result.get("fresh"):
            yield _said(state, "skipping", "Already indexed", current=1, total=1)
        yield _said(state, "indexing", f"Done: {files} files", current=files, total=files, type_="complete")
    else:
        why = state.error.message if state.error else f"the job was {state.state.value}"
        yield _said(state, "error", f"Error: {why}", type_="error")


def _said(
    state: JobState, stage: str, message: str, *, current: int = 0, total: int = 0, type_: str = "progress"
) -> Said:
    return Said(_message(stage, message, state.told_at, current=current, total=total, type_=type_))


def _message(stage: str, message: str, at_ms: int, *, current: int, total: int, type_: str) -> dict[str, Any]:
    return {
        "type": type_, "stage": stage, "current": current, "total": total, "message": message, "timestamp_ms": at_ms,
    }  # fmt: skip


# -- routes -----------------------------------------------------------------------------------------------------------


async def start(request: web.Request) -> web.StreamResponse:
    """Start, or watch what goes on. Whatever is wrong is told on the stream."""
    desk = request.app[DESK]
    if was_refused(request):
        return stay_away()
    desk.check_room()
    try:
        body = await json_object(request)
        path = text_of(body, "project_path")
        if path is None:
            return _refused(desk, "Missing project_path")
        is_forced = flag_of(body, "force_reindex")
        if is_back(request):
            project = await desk.found(path=path)
            job = await left(request, project, INDEX)
            if project is None or job is None:
                return stay_away()
        else:
            project, _ = await desk.found_or_made(path=path)
            job = await begun(desk, project, INDEX, {"force": True} if is_forced else {})
    except HubError as exc:
        return _refused(desk, f"Error: {exc.message}")
    folder = project.path or path
    is_switched = request.app[OPENED].switched(job, folder)
    return await desk.stream(request, watch(job, request), dialect_of(folder, is_switched))


async def cancel(request: web.Request) -> web.Response:
    desk = request.app[DESK]
    path = request.query.get("project_path")
    if not path:
        raise BadRequest("project_path is missing.")
    project = await desk.found(path=path)
    job = await desk.newest(project.id, INDEX) if project else None
    if job is None or job.state.is_end:
        raise NotFound(f"{path} is not being indexed.")
    state = await desk.cancel(job.id)
    return web.json_response({"project_path": path, "state": state.state.value}, status=202)


ROUTES = (
    web.post("/mcp/index/stream", start),
    web.delete("/mcp/index/stream", cancel),
)


# -- inside -----------------------------------------------------------------------------------------------------------


def _refused(desk: Desk, message: str) -> web.Response:
    return refusal(Said(_message("error", message, desk.now_ms(), current=0, total=0, type_="error")))
