"""Code search, and what a project's index holds."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from aiohttp import web

from hub.core.errors import BadRequest
from hub.core.ports import Project
from hub.index import place
from hub.index.searcher import Searcher
from hub.transports.ask import whole
from hub.web.assembly import Hub
from hub.web.bodies import PAGE_LIMIT, PAGE_MAX
from hub.web.keys import HUB

SEARCHER = web.AppKey("SEARCHER", Searcher)
MOST_ITEMS, MOST_LINES = 200, 1000
_FLAGS: Mapping[str, bool] = {"1": True, "true": True, "": True, "0": False, "false": False}


async def searching(app: web.Application) -> AsyncIterator[None]:
    """Holds the searcher for as long as the application runs; for `cleanup_ctx`."""
    app[SEARCHER] = Searcher()
    yield
    await app[SEARCHER].close()


async def search(request: web.Request) -> web.Response:
    """`?q=&project=&path=&lang=&kind=` and `regex`, `case`, `word`, `lines`, `limit`, `cursor`.

    `project`, `path` and `lang` may be given more than once; without a project, all that have an index are searched.
    """
    hub, query = request.app[HUB], request.query
    projects = [hub.catalog.get(id_) for id_ in _list(request, "project")] or hub.catalog.all()
    wanted: dict[str, Any] = {name: query[name] for name in ("q", "kind", "case", "cursor") if name in query}
    wanted |= {name: _flag(query, name) for name in ("regex", "word") if name in query}
    wanted |= {
        "lang": _list(request, "lang"),
        "path": [glob for glob in query.getall("path", []) if glob],
        "limit": whole(query, "limit", 1, MOST_ITEMS, 20),
        "lines": whole(query, "lines", 1, MOST_LINES, 5),
    }
    answer = await request.app[SEARCHER].search([_place(hub, project) for project in projects], wanted)
    return web.json_response(answer, headers={"Cache-Control": "no-store"})


async def index(request: web.Request) -> web.Response:
    """How far the index is, what is in it, and a page of what is left out, with reasons. `?reason=&limit=&cursor=`."""
    hub, query = request.app[HUB], request.query
    project = hub.catalog.get(request.match_info["project"])
    wanted: dict[str, Any] = {name: query[name] for name in ("reason", "cursor") if query.get(name)}
    wanted["limit"] = whole(query, "limit", 1, PAGE_MAX, PAGE_LIMIT)
    answer = await request.app[SEARCHER].state(_place(hub, project), wanted)
    return web.json_response(answer, headers={"Cache-Control": "no-store"})


def _place(hub: Hub, project: Project) -> dict[str, Any]:
    return {"id": project.id, "index": str(place(hub.engine.home(project.id))), "roots": list(hub.rules.roots)}


def _list(request: web.Request, name: str) -> list[str]:
    """Of a parameter that may be given more than once, or with commas; each value once."""
    given = [part.strip() for text in request.query.getall(name, []) for part in text.split(",")]
    return list(dict.fromkeys(part for part in given if part))


def _flag(query: Mapping[str, str], name: str) -> bool:
    found = _FLAGS.get(query[name].lower())
    if found is None:
        raise BadRequest(f"{name} must be 1 or 0.")
    return found
