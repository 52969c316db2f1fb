"""Jobs: start, read, cancel, pause, resume, retry."""

from typing import Any

from aiohttp import web

from hub.core.errors import BadRequest
from hub.core.events import State
from hub.core.job import JobState
from hub.core.ports import JobFilter
from hub.web.assembly import Hub
from hub.web.bodies import listing, object_field, paging, read_object, text_field
from hub.web.keys import HUB

KEY_LENGTH = 255


async def start(request: web.Request) -> web.Response:
    hub = request.app[HUB]
    project = hub.catalog.get(request.match_info["project"])
    body = await read_object(request, frozenset({"kind", "params"}))
    kind, params = text_field(body, "kind", 64), object_field(body, "params")
    if kind is None:
        raise BadRequest("kind is missing: which job is to run?")
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (0 < len(key) <= KEY_LENGTH and key.isascii()):
        raise BadRequest(f"Idempotency-Key must have 1 to {KEY_LENGTH} ASCII characters.")
    return accepted(hub, await hub.engine.submit(project, kind, params, key))


async def list_(request: web.Request) -> web.Response:
    hub = request.app[HUB]
    limit, cursor = paging(request)
    query = request.query
    try:
        state = State(query["state"]) if "state" in query else None
    except ValueError as exc:
        raise BadRequest(f"state must be one of: {', '.join(State)}.") from exc
    wanted = JobFilter(project=query.get("project"), kind=query.get("kind"), state=state)
    page = await hub.journal.jobs(wanted, limit, cursor)
    return listing([state_object(hub, job) for job in page.items], page.total, page.next)


async def read(request: web.Request) -> web.Response:
    hub = request.app[HUB]
    return web.json_response(state_object(hub, await hub.engine.state(request.match_info["job"])))


async def cancel(request: web.Request) -> web.Response:
    hub = request.app[HUB]
    await read_object(request, frozenset())
    return accepted(hub, await hub.engine.cancel(request.match_info["job"]))


async def pause(request: web.Request) -> web.Response:
    hub = request.app[HUB]
    await read_object(request, frozenset())
    return accepted(hub, await hub.engine.pause(request.match_info["job"]))


async def resume(request: web.Request) -> web.Response:
    hub = request.app[HUB]
    await read_object(request, frozenset())
    return accepted(hub, await hub.engine.resume(request.match_info["job"]))


async def retry(request: web.Request) -> web.Response:
    """From the start, or with `"from": "stage"` with the work that the job kept."""
    hub = request.app[HUB]
    body = await read_object(request, frozenset({"params", "from"}))
    params, where = object_field(body, "params"), text_field(body, "from", 16) or "start"
    if where not in {"start", "stage"}:
        raise BadRequest("from must be start or stage.")
    job = await hub.engine.state(request.match_info["job"])
    project = hub.catalog.get(job.project)
    return accepted(hub, await hub.engine.retry(job.id, project, params, from_stage=where == "stage"))


def accepted(hub: Hub, job: JobState) -> web.Response:
    return web.json_response(state_object(hub, job), status=202, headers={"Location": f"/api/v1/jobs/{job.id}"})


def state_object(hub: Hub, job: JobState) -> dict[str, Any]:
    """The job as its watchers know it: newer than the journal's row while it runs."""
    told = hub.tracker.job(job.project, job.id)
    newest = told if told is not None and told.seq >= job.seq else job
    return newest.to_wire() | {"watchers": hub.tracker.watchers_of(job.project)}
