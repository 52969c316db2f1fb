"""The journal, page by page."""

from aiohttp import web

from hub.core.errors import BadRequest
from hub.core.events import BODIES
from hub.core.ports import EventFilter
from hub.web.bodies import listing, paging
from hub.web.keys import HUB


async def history(request: web.Request) -> web.Response:
    """Lossless events of a project, newest first."""
    hub = request.app[HUB]
    project = hub.catalog.get(request.match_info["project"])
    limit, cursor = paging(request)
    type_ = request.query.get("type")
    if type_ is not None and type_ not in BODIES:
        raise BadRequest(f"type must be one of: {', '.join(BODIES)}.")
    wanted = EventFilter(project=project.id, job=request.query.get("job"), type=type_)
    page = await hub.journal.history(wanted, limit, cursor)
    return listing([event.to_wire() for event in page.items], page.total, page.next)
