"""Projects: create by URL, folder, or name on a code host; list, read, delete."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from hub.access.visitor import Visitor
from hub.core import ids
from hub.core.cursors import unknown_cursor
from hub.core.errors import BadRequest, Conflict, Forbidden
from hub.core.ports import Project
from hub.core.tokens import Role
from hub.jobs import gate
from hub.jobs.base import ALL
from hub.jobs.sources import Location, locate
from hub.web.assembly import Hub
from hub.web.bodies import listing, paging, read_object, text_field
from hub.web.door.entrance import visitor_of
from hub.web.keys import HUB
from hub.web.resources import commits
from hub.web.resources.jobs import state_object

FIELDS = frozenset({"url", "path", "source", "repository", "id", "name"})
BARE = frozenset({"id", "name"})


class TooManyProjects(Conflict):
    """The hub has as many projects as it takes; delete some first."""

    code = "too_many_projects"


async def create(request: web.Request) -> web.Response:
    hub = request.app[HUB]
    body = await read_object(request, FIELDS)
    visitor = visitor_of(request)
    found = may_be_made(hub, visitor, body)
    project, is_new = (found, False) if found is not None else await found_or_made(hub, body)
    visitor.check(project.id)
    shown = project_object(hub, project)
    if Role.WATCH not in visitor.roles and visitor.projects is None:  # no more than that there is such a project
        shown = {name: shown[name] for name in ("id", "name", "created")} | {"job": None}
    href = f"/api/v1/projects/{project.id}"
    return web.json_response(shown, status=201 if is_new else 200, headers={"Location": href})


def may_be_made(hub: Hub, visitor: Visitor, body: Mapping[str, Any]) -> Project | None:
    """The project that there is already, where a visitor to some projects asks for one of them. Raises Forbidden."""
    is_bare = body.keys() <= BARE
    if Role.RUN not in visitor.roles and not is_bare:
        raise Forbidden("Without the role run you may make a project to publish into, by its id, and no other.")
    if visitor.projects is None:
        return None
    wanted = text_field(body, "id", 64)
    if wanted is None:
        raise Forbidden("Name the project by its id: what you came with is for some projects only.")
    visitor.check(wanted)
    known = next((project for project in hub.catalog.all() if project.id == wanted), None)
    # By another URL it would become a project of another id, which is not open.
    if known is not None and not is_bare and not _is_of(known, text_field(body, "url"), text_field(body, "path")):
        raise Conflict(f"The project {wanted!r} is of another repository or folder.")
    return known


def _is_of(project: Project, url: str | None, path: str | None) -> bool:
    if url is not None:
        return url.rstrip("/") == project.url
    return path is not None and path == project.path


async def list_(request: web.Request) -> web.Response:
    hub = request.app[HUB]
    limit, cursor = paging(request)
    visitor = visitor_of(request)
    projects = [each for each in hub.catalog.all() if visitor.projects is None or each.id in visitor.projects]
    start = next((n + 1 for n, project in enumerate(projects) if project.id == cursor), 0 if cursor is None else -1)
    if start < 0:
        raise unknown_cursor()
    part = projects[start : start + limit]
    following = part[-1].id if start + limit < len(projects) else None
    return listing([project_object(hub, project) for project in part], len(projects), following)


async def read(request: web.Request) -> web.Response:
    hub = request.app[HUB]
    project = hub.catalog.get(request.match_info["project"])
    found = await commits.counts(hub, project.id)
    return web.json_response(project_object(hub, project) | {"counts": found.to_wire()})


async def delete(request: web.Request) -> web.Response:
    await remove(request.app[HUB], request.match_info["project"])
    return web.Response(status=204)


async def remove(hub: Hub, id_: str) -> None:
    """Raises NotFound, Conflict while it has a job that has not ended."""
    async with hub.changing:
        project = hub.catalog.get(id_)
        with hub.engine.closing(project.id), hub.outside.closing(project.id):
            await commits.forget(hub, project.id)  # first: whatever fails, the project can be deleted again
            try:
                await hub.journal.delete_project(project.id)
            except BaseException:
                await commits.expect(hub, [project.id])
                raise
            hub.catalog.remove(project.id)
            hub.ledger.close_project(project.id)
            hub.tracker.close_project(project.id)
        await hub.schedules.forget(project.id)
        await hub.engine.forget(project.id)


async def found_or_made(hub: Hub, body: dict[str, Any]) -> tuple[Project, bool]:
    """The project of this URL or folder, or of this id alone, and whether it is new.

    One that has neither URL nor folder is what other programs publish into. Raises BadRequest, UrlRefused, Conflict.
    """
    where = _location(body)
    url, path = where.url, where.path
    wanted, name = text_field(body, "id", 64), text_field(body, "name", 200)
    is_bare = url is None and path is None
    if (url is not None and path is not None) or (is_bare and wanted is None):
        raise BadRequest("Give a url or a path, one of them; or no more than an id, for what other programs publish.")
    if wanted == ALL:
        raise BadRequest(f"The id {ALL!r} is reserved for what is done with all projects.", code="id_reserved")
    if wanted is not None and not ids.SLUG.fullmatch(wanted):
        raise BadRequest("id must be lower case letters, digits, '.', '_' and '-', and begin with a letter or digit.")
    if url is not None:
        url = gate.check(url, hub.rules).text.rstrip("/")
    if path is not None:
        path = str(await folder(hub, path))
    name = name or (wanted if is_bare and wanted else name_of(url or path or ""))
    async with hub.changing:  # the same request at the same time finds what this one makes
        if "repository" in body:  # whoever cloned it may have written the URL the other way
            url = next((one for one in where.spellings() if hub.catalog.find(id_=None, url=one, path=None)), url)
        existing = hub.catalog.find(id_=wanted if is_bare else None, url=url, path=path)
        if existing is not None:
            return existing, False
        if len(hub.catalog) >= hub.settings.max_projects:
            raise TooManyProjects(setting="max_projects", limit=hub.settings.max_projects)
        id_ = hub.catalog.free_id(wanted, name)
        project = Project(id=id_, name=name, url=url, path=path, created=hub.clock.now_ms())
        await commits.expect(hub, [id_])
        opened = await hub.journal.add_project(project)
        hub.tracker.open_project(id_, opened.head, opened.floor)
        hub.ledger.open_project(id_, opened.head)
        hub.catalog.add(project)
    return project, True


def _location(body: dict[str, Any]) -> Location:
    """Where the body says that the project comes from. Raises BadRequest, UrlRefused."""
    url, path = text_field(body, "url"), text_field(body, "path")
    source, repository = text_field(body, "source", 64), text_field(body, "repository")
    if source is None and repository is None:
        return Location(url=url, path=path)
    if source is None or repository is None:
        raise BadRequest("A repository needs its source, and a source its repository.")
    if url is not None or path is not None:
        raise BadRequest("Give a url, a path, or a source with its repository: one of them.")
    return locate(source.lower(), repository)


async def folder(hub: Hub, path: str) -> Path:
    """A folder inside the allowed roots. Raises UrlRefused, BadRequest `no_such_folder`."""
    return await asyncio.to_thread(_folder, path, hub)


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
    jobs = hub.tracker.channel(project.id).jobs.values() if hub.tracker.has(project.id) else ()
    newest = max(jobs, key=lambda job: (job.created, job.id), default=None)  # publishers' ids do not sort by time
    return project.to_wire() | {"job": state_object(hub, newest) if newest is not None else None}
