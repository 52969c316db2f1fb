"""The journal, page by page or whole."""

from aiohttp import web

from hub.web.bodies import listing, paging
from hub.web.keys import HUB
from hub.web.resources.exports import JSON, Sheet, export, part, plain, time_of, wanted_format
from hub.web.resources.filters import event_filter

COLUMNS = {
    "time": time_of("at"),
    **plain("project", "seq", "at", "job", "kind", "type", "state", "stage", "title", "step", "steps", "level"),
    "message": part("message"),
    "error_code": part("error", "code"),
    "error_message": part("error", "message"),
    "error_hint": part("error", "hint"),
    **plain("queue", "attempt", "retry_of", "scheduled_by", "params", "result", "error"),
}


async def history(request: web.Request) -> web.StreamResponse:
    """Lossless events of a project, newest first unless asked otherwise: pages of JSON, or all as NDJSON or CSV."""
    hub = request.app[HUB]
    project = hub.catalog.get(request.match_info["project"])
    wanted = event_filter(request, project.id)
    if wanted_format(request) != JSON:
        sheet = Sheet(name=f"{project.id}-history", columns=COLUMNS)
        return await export(request, sheet, hub.journal.history_slices(wanted))
    limit, cursor = paging(request)
    page = await hub.journal.history(wanted, limit, cursor)
    return listing([event.to_wire() for event in page.items], page.total, page.next)
