"""Projects: create by URL or folder, list, read, delete."""

import asyncio
from pathlib import Path
from typing import Any

from aiohttp import web

from hub.core import ids
from hub.core.errors import BadRequest
from hub.core.ports import Project
from hub.jobs import gate
from hub.jobs.base import ALL
from hub.web import commits
from hub.web.assembly import Hub
from hub.web.bodies import listing, paging, read_object, text_field
from hub.web.jobs import state_object
from hub.web.keys import HUB

FIELDS = frozenset({"url", "path", "id", "name"})


async def create(request: web.Request) -> web.Response:
    hub = request.app[HUB]
    body = await read_object(request, FIELDS)
    project, is_new = await found_or_made(hub, body)
    href = f"/api/v1/projects/{project.id}"
    return web.json_response(project_object(hub, project), status=201 if is_new else 200, headers={"Location": href})


async def list_(request: web.Request) -> web.Response:
    hub = request.app[HUB]
    limit, cursor = paging(request)
    projects = hub.catalog.all()
    start = next((n + 1 for n, project in enumerate(projects) if project.id == cursor), 0 if cursor is None else -1)
    if start < 0:
        raise BadRequest("That cursor is not one a page of this list gave out, or its project is gone.")
    part = projects[start : start + limit]
    following = part[-1].id if start + limit < len(projects) else None
    return listing([project_object(hub, project) for project in part], len(projects), following)


async def read(request: web.Request) -> web.Response:
    hub = request.app[HUB]
    project = hub.catalog.get(request.match_info["project"])
    found = await commits.counts(hub, project.id)
    return web.json_response(project_object(hub, project) | {"counts": found.to_wire()})


async def delete(request: web.Request) -> web.Response:
    hub = request.app[HUB]
    async with hub.changing:
        project = hub.catalog.get(request.match_info["project"])
        with hub.engine.closing(project.id):
            await commits.forget(hub, project.id)  # first: whatever fails, the project can be deleted again
            try:
                await hub.journal.delete_project(project.id)
            except BaseException:
                await commits.expect(hub, [project.id])
                raise
            hub.catalog.remove(project.id)
            hub.ledger.close_project(project.id)
            hub.tracker.close_project(project.id)
        await hub.engine.forget(project.id)
    return web.Response(status=204)


async def found_or_made(hub: Hub, body: dict[str, Any]) -> tuple[Project, bool]:
    """The project of this URL or folder, and whether it is new. Raises BadRequest, UrlRefused, Conflict."""
    url, path = text_field(body, "url"), text_field(body, "path")
    wanted, name = text_field(body, "id", 64), text_field(body, "name", 200)
    if (url is None) == (path is None):
        raise BadRequest("Give a url or a path, one of them.")
    if wanted == ALL:
        raise BadRequest(f"The id {ALL!r} is reserved for what is done with all projects.", code="id_reserved")
    if wanted is not None and not ids.SLUG.fullmatch(wanted):
        raise BadRequest("id must be lower case letters, digits, '.', '_' and '-', and begin with a letter or digit.")
    if url is not None:
        url = gate.check(url, hub.rules).text.rstrip("/")
    if path is not None:
        path = str(await asyncio.to_thread(_folder, path, hub))
    name = name or name_of(url or path or "")
    async with hub.changing:  # the same request at the same time finds what this one makes
        if existing := hub.catalog.find(url=url, path=path):
            return existing, False
        id_ = hub.catalog.free_id(wanted, name)
        project = Project(id=id_, name=name, url=url, path=path, created=hub.clock.now_ms())
        await commits.expect(hub, [id_])
        opened = await hub.journal.add_project(project)
        hub.tracker.open_project(id_, opened.head, opened.floor)
        hub.ledger.open_project(id_, opened.head)
        hub.catalog.add(project)
    return project, True


def _folder(path: str, hub: Hub) -> Path:
    found = gate.local_path(gate.parse(path if path.startswith("/") else f"/{path}"), hub.rules)
    if not found.is_dir():
        raise BadRequest(f"There is no folder {path}.", code="no_such_folder")
    return found


def name_of(source: str) -> str:
    """A repository's name out of its URL or path: without trailing slashes and `.git`, after the last `/` or `:`."""
    trimmed = source.rstrip("/").removesuffix(".git")
    return trimmed.rpartition("/")[2].rpartition(":")[2] or "project"


def project_object(hub: Hub, project: Project) -> dict[str, Any]:
    jobs = list(hub.tracker.channel(project.id).jobs.values()) if hub.tracker.has(project.id) else []
    return project.to_wire() | {"job": state_object(hub, jobs[-1]) if jobs else None}
