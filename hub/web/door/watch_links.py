"""Watch links: what is under way, to be shown to somebody who has no token."""

import urllib.parse

from aiohttp import web

from hub.core.errors import NotFound
from hub.web.bodies import read_object, text_field
from hub.web.door.peers import base_url
from hub.web.door.tokens import seconds
from hub.web.keys import HUB

FIELDS = frozenset({"job", "ttl_s"})
USUAL_S = 7 * 86400.0
LONGEST_S = 366 * 86400.0


async def create(request: web.Request) -> web.Response:
    """Of a project, or of one job of it: `{token, expires, url}`."""
    hub = request.app[HUB]
    project = hub.catalog.get(request.match_info["project"])
    body = await read_object(request, FIELDS)
    job = text_field(body, "job", 255)
    if job is not None and (await hub.engine.state(job)).project != project.id:
        raise NotFound(f"There is no job {job!r}.")  # whether another project has one is not told
    token, link = hub.keeper.link(project.id, job, seconds(body, "ttl_s", LONGEST_S) or USUAL_S)
    path = f"/api/v1/projects/{project.id}/events" if job is None else f"/j/{urllib.parse.quote(job, safe='')}"
    url = f"{base_url(request)}{path}?watch={token}"
    answer = {"token": token, "expires": link.expires, "url": url}
    return web.json_response(answer, status=201, headers={"Cache-Control": "no-store"})
