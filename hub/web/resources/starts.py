"""Starts: a job that somebody asks for, and one that has ended run again."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from hub.core.errors import BadParams, BadRequest
from hub.core.job import JobState
from hub.core.ports import Project
from hub.jobs.base import ALL
from hub.web.assembly import Hub
from hub.web.bodies import object_field, read_object, text_field
from hub.web.keys import HUB
from hub.web.resources import commits
from hub.web.resources.jobs import accepted, key_of


async def start(request: web.Request) -> web.Response:
    hub = request.app[HUB]
    project = hub.catalog.get(request.match_info["project"])
    body = await read_object(request, frozenset({"kind", "params", "retry"}))
    kind, params = text_field(body, "kind", 64), object_field(body, "params")
    if kind is None:
        raise BadRequest("kind is missing: which job is to run?")
    return accepted(hub, await begin(hub, project, kind, params, key_of(request), retry=body.get("retry")))


async def retry(request: web.Request) -> web.Response:
    """From the start, or with `"from": "stage"` with the work that the job kept."""
    hub = request.app[HUB]
    body = await read_object(request, frozenset({"params", "from", "retry"}))
    params, where = object_field(body, "params"), text_field(body, "from", 16) or "start"
    if where not in {"start", "stage"}:
        raise BadRequest("from must be start or stage.")
    job = await hub.engine.state(request.match_info["job"])
    project = hub.catalog.get(job.project)
    check(job.kind, params)
    if job.kind == commits.SYNC:
        params |= {commits.SCHEDULED: None}  # whatever it was: now somebody asks for it
        if project.id == ALL and job.state.is_end:
            await commits.make_way(hub)
    again = hub.engine.retry(job.id, project, params, from_stage=where == "stage", retry=body.get("retry"))
    return accepted(hub, await again)


async def begin(
    hub: Hub, project: Project, kind: str, params: Mapping[str, Any], key: str | None = None, *, retry: Any = None
) -> JobState:
    """See `Engine.submit`, which raises; what nobody has asked for makes way for it."""
    check(kind, params)
    if project.id == ALL and kind == commits.SYNC:
        return await commits.start_sync(hub, params, key, retry=retry)
    return await hub.engine.submit(project, kind, params, key, retry=retry)


def check(kind: str, params: Mapping[str, Any]) -> None:
    """Raises BadParams for what a request may not say, though the hub itself may."""
    if kind == commits.SYNC and params.get(commits.SCHEDULED) is not None:
        raise BadParams(f"{commits.SCHEDULED} is how the hub marks a sync that nobody asked for; leave it out.")
