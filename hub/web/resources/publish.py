"""Progress from outside: programs elsewhere publish what their jobs do."""

import asyncio
from typing import Any

from aiohttp import web

from hub.core import ids, publication
from hub.core.errors import NotFound
from hub.core.ports import Project
from hub.core.said import Said
from hub.jobs.kinds import KINDS
from hub.web.assembly import Hub
from hub.web.bodies import read_object
from hub.web.keys import HUB

RESERVED = publication.RESERVED | set(KINDS)


async def publish(request: web.Request) -> web.Response:
    """`{"events": [{job, kind, type, key?, ...}]}`: see `hub.core.publication` for what an event may hold.

    Answers, once all that is lossless is durable, `{"outcomes": [{outcome, seq?, ...}], "jobs": {id: {state,
    percent}}}`: an outcome for each event, in order (accepted, duplicate, or refused with `code` and `message`), and
    where each job that was spoken of is now. A publisher that finds its job `cancelling` there stops its work and says
    how it ended. With a key in each event, the very same request may be sent again whenever it is not certain that it
    came through.
    """
    hub = request.app[HUB]
    project = _project(hub, request.match_info["project"])
    body = await read_object(request, frozenset({"events"}))
    events = body.get("events")
    hub.outside.admit(project.id, len(events) if isinstance(events, list) else 1)
    answer = await hub.outside.publish(project.id, await _read(events))
    return web.json_response(answer.to_wire())


async def _read(events: Any) -> list[Said]:
    """All that is said; a large request does not keep others waiting. Raises BadRequest."""
    said: list[Said] = []
    for part in publication.parts(events, RESERVED):
        if said:
            await asyncio.sleep(0)
        said += part
    return said


def _project(hub: Hub, id_: str) -> Project:
    try:
        return hub.catalog.get(id_)
    except NotFound as exc:
        if not ids.SLUG.fullmatch(id_):
            raise
        hint = f'Make it first: POST /api/v1/projects {{"id": "{id_}"}}'
        raise NotFound(f"{exc.message} {hint}") from None
