"""Surface A: a clone as an event stream of libgit2's six counters, and the repositories that there are."""

import asyncio
import functools
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from hub.core.errors import BadRequest, Conflict, HubError, NotFound
from hub.core.events import Body, ProgressBody, State
from hub.core.job import JobState
from hub.core.ports import Project
from hub.surfaces.bodies import text_of
from hub.surfaces.desk import DESK, Desk, begun, is_back, left, stay_away, was_refused, watch
from hub.surfaces.encoding import Said, dialect, iso, refusal
from hub.transports.bodies import json_object
from hub.transports.sse import Dialect

CLONE = "clone"
COUNTERS = (
    "received_objects", "total_objects", "received_bytes", "indexed_objects", "total_deltas", "indexed_deltas",
)  # fmt: skip
CREDENTIALS = ("token", "username", "password", "ssh_key", "ssh_passphrase")
ASKS_FOR_CREDENTIALS = frozenset({"credentials_wanted", "credentials_wrong", "repository_not_found"})
"""Many hosts say of a private repository that there is none."""
STARTED_BY_GET = ("/repos/clone-progress", "/api/repos/clone-progress")
DEEPEST_SCAN = 10
MOST_SCANNED = 100_000
"""Folders that one scan looks at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repo:
    id: str
    path: str
    name: str
    created_ms: int

    def to_wire(self, updated_ms: int | None = None) -> dict[str, Any]:
        created, updated = iso(self.created_ms), iso(updated_ms or self.created_ms)
        return {"id": self.id, "path": self.path, "name": self.name, "created_at": created, "updated_at": updated}


# -- what is said -----------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=1000)
def dialect_of(repo: Repo, error_event: str) -> Dialect:
    """The same one for the same repository, so that its watchers share their bytes."""
    return dialect("clone-stream", functools.partial(tell, repo, error_event))


def tell(repo: Repo, error_event: str, state: JobState, body: Body | None) -> Iterator[Said]:
    if state.state.is_end:
        yield _end(repo, error_event, state)
    elif body is None or isinstance(body, ProgressBody):
        detail = state.progress.detail if state.progress else {}
        if all(name in detail for name in COUNTERS):
            yield Said({"type": "progress", **{name: max(int(detail[name]), 0) for name in COUNTERS}})


def _end(repo: Repo, error_event: str, state: JobState) -> Said:
    if state.state is State.SUCCEEDED:
        done = {"type": "complete", "repo": repo.to_wire(state.ended), "message": f"Cloned to {repo.path}"}
        return Said(done, "complete")
    error = state.error
    message = error.message if error else f"The clone was {state.state.value}."
    said: dict[str, Any] = {"type": "error", "message": message}
    if error and error.hint:
        said["help_steps"] = [error.hint]
    said["can_retry_with_credentials"] = error is not None and error.code in ASKS_FOR_CREDENTIALS
    return Said(said, error_event)


# -- routes -----------------------------------------------------------------------------------------------------------


async def progress(request: web.Request) -> web.StreamResponse:
    """Start a clone, or watch the one that goes on. A browser that only comes back starts nothing."""
    desk = request.app[DESK]
    asked = await json_object(request) if request.method == "POST" else dict(request.query)
    _check_url(asked)
    if was_refused(request):
        return stay_away()
    desk.check_room()
    error_event = "error" if request.query.get("error_event") == "error" else "clone_error"
    try:
        url = text_of(asked, "url")
        if is_back(request):
            project = await desk.found(url=url)
            job = await left(request, project, CLONE)
            if project is None or job is None:
                return stay_away()
        else:
            project, job = await _started(desk, asked)
    except HubError as exc:
        return refusal(Said({"type": "error", "message": exc.message}, error_event))
    return await desk.stream(request, watch(job, request), dialect_of(_repo(desk, project), error_event))


async def clone(request: web.Request) -> web.Response:
    """Clone and wait for the end. Who does not wait that long stops nothing."""
    desk = request.app[DESK]
    body = await json_object(request)
    _check_url(body)
    project, job = await _started(desk, body)
    repo, end = _repo(desk, project), await desk.ended(job.id)
    if end.state is not State.SUCCEEDED:
        said = _end(repo, "clone_error", end).data
        code = end.error.code if end.error else end.state.value
        detail = {name: value for name, value in said.items() if name not in {"type", "message"}}
        raise BadRequest(said["message"], code=code, **detail)
    return web.json_response({"repo": repo.to_wire(end.ended), "message": f"Cloned to {repo.path}"})


async def list_(request: web.Request) -> web.Response:
    repos = await _repos(request.app[DESK])
    return web.json_response([repo.to_wire() for repo in repos])


async def add(request: web.Request) -> web.Response:
    """Take in a repository that is on this machine already."""
    desk = request.app[DESK]
    body = await json_object(request)
    path = text_of(body, "path")
    if not path:
        raise BadRequest("path is missing: where is the repository?")
    try:
        folder = await desk.folder(path)
    except BadRequest as exc:
        if exc.narrow_code == "no_such_folder":
            raise BadRequest(f"Path does not exist: {path}", code=exc.narrow_code) from exc
        raise
    if not await asyncio.to_thread(is_repository, folder):
        raise BadRequest(f"Not a git repository: {path}", code="not_git")
    project, is_new = await desk.found_or_made(path=str(folder), name=text_of(body, "name"))
    if not is_new:
        raise BadRequest(f"Repository already exists: {path}", code="exists")
    return web.json_response(_repo(desk, project).to_wire(), status=201)


async def delete(request: web.Request) -> web.Response:
    desk, id_ = request.app[DESK], request.match_info["id"]
    project = next((project for project in desk.projects() if project.id == id_), None)
    if project is None:
        raise NotFound(f"Repository not found: {id_}")
    await desk.remove(project)
    return web.Response(status=204)


async def scan(request: web.Request) -> web.Response:
    """Look for repositories in folders; what is in one, or hidden, is not looked at."""
    desk = request.app[DESK]
    body = await json_object(request)
    directories, depth = body.get("directories"), body.get("depth", 2)
    if not isinstance(directories, list) or not all(isinstance(path, str) for path in directories):
        raise BadRequest("directories must be a list of paths.")
    if type(depth) is not int or not 0 <= depth <= DEEPEST_SCAN:
        raise BadRequest(f"depth must be a whole number from 0 to {DEEPEST_SCAN}.")
    folders = [await desk.folder(path) for path in directories]
    found = await asyncio.to_thread(lambda: list(dict.fromkeys(repositories(folders, depth))))
    return web.json_response({"found": [{"path": str(path), "name": path.name} for path in found]})


ROUTES = tuple(
    route
    for prefix in ("", "/api")
    for route in (
        web.get(f"{prefix}/repos/clone-progress", progress, allow_head=False),
        web.post(f"{prefix}/repos/clone-progress", progress),
        web.post(f"{prefix}/repos/clone", clone),
        web.post(f"{prefix}/repos/scan", scan),
        web.get(f"{prefix}/repos", list_),
        web.post(f"{prefix}/repos", add),
        web.delete(f"{prefix}/repos/{{id}}", delete),
    )
)


# -- inside -----------------------------------------------------------------------------------------------------------


def _check_url(asked: Mapping[str, Any]) -> None:
    if not asked.get("url"):
        raise BadRequest("url is missing: what is to be cloned?")


async def _started(desk: Desk, asked: Mapping[str, Any]) -> tuple[Project, JobState]:
    """The clone of this URL that goes on, or a new one. Raises HubError."""
    url, credentials = text_of(asked, "url"), _credentials(asked)
    project, _ = await desk.found_or_made(url=url)
    job = await desk.newest(project.id, CLONE)
    if job is None or job.state.is_end:
        path = desk.clone_place(project)
        if await asyncio.to_thread(os.path.lexists, path):
            raise Conflict(f"Directory already exists: {path}", code="destination_taken")
    return project, await begun(desk, project, CLONE, credentials)


def _credentials(body: Mapping[str, Any]) -> dict[str, Any]:
    given = body.get("credentials")
    if given is None:
        return {}
    if not isinstance(given, dict) or set(given) - set(CREDENTIALS):
        raise BadRequest(f"credentials must be an object of {', '.join(CREDENTIALS)}.")
    return given


def _repo(desk: Desk, project: Project) -> Repo:
    path = project.path or str(desk.clone_place(project))
    return Repo(id=project.id, path=path, name=project.name, created_ms=project.created)


async def _repos(desk: Desk) -> list[Repo]:
    every = [_repo(desk, project) for project in desk.projects()]
    return await asyncio.to_thread(lambda: [repo for repo in every if is_repository(Path(repo.path))])


def is_repository(folder: Path) -> bool:
    """With files, or bare."""
    return (folder / ".git").exists() or ((folder / "HEAD").is_file() and (folder / "objects").is_dir())


def repositories(folders: list[Path], depth: int) -> Iterator[Path]:
    """Down to `depth` folders below each of `folders`. Links are not followed: they may lead out of what is allowed."""
    waiting = [(folder, 0) for folder in folders]
    for _ in range(MOST_SCANNED):
        if not waiting:
            return
        folder, level = waiting.pop(0)
        if is_repository(folder):
            yield folder
        elif level < depth:
            waiting += [(path, level + 1) for path in _folders_in(folder)]


def _folders_in(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:  # gone, or not to be read: then there is nothing to be found in it
        return []
    return [folder / name for name in sorted(names) if not name.startswith(".")]
