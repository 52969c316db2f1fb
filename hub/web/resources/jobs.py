"""Jobs: list, read, cancel, pause, resume."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from aiohttp import web

from hub.core.errors import BadRequest
from hub.core.job import JobState
from hub.web.assembly import Hub
from hub.web.bodies import listing, paging, read_object
from hub.web.keys import HUB
from hub.web.resources.exports import JSON, Sheet, export, part, plain, time_of, wanted_format
from hub.web.resources.filters import job_filter

KEY_LENGTH = 255
SHEET = Sheet(
    name="jobs",
    columns={
        **plain("id", "project", "kind", "state"),
        **{f"{name}_time": time_of(name) for name in ("created", "started", "ended")},
        **plain("created", "started", "ended", "held_ms", "stage", "percent", "current", "total", "unit", "message"),
        "error_code": part("error", "code"),
        "error_message": part("error", "message"),
        "error_hint": part("error", "hint"),
        **plain("attempt", "retry_of", "resumed", "scheduled_by", "params", "result", "detail"),
    },
)


def key_of(request: web.Request) -> str | None:
    """The Idempotency-Key. Raises BadRequest."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (0 < len(key) <= KEY_LENGTH and key.isascii() and key.isprintable()):
        raise BadRequest(f"Idempotency-Key must have 1 to {KEY_LENGTH} printable ASCII characters.")
    return key


async def list_(request: web.Request) -> web.StreamResponse:
    """Newest first unless asked otherwise: pages of JSON, or all as NDJSON or CSV."""
    hub = request.app[HUB]
    wanted = job_filter(request)
    if wanted_format(request) != JSON:
        return await export(request, SHEET, _texts(hub, hub.journal.job_slices(wanted)))
    limit, cursor = paging(request)
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
    """A paused job, or the next try of a failed one, which then waits no longer."""
    hub = request.app[HUB]
    await read_object(request, frozenset())
    return accepted(hub, await hub.engine.resume(request.match_info["job"]))


def accepted(hub: Hub, job: JobState) -> web.Response:
    return web.json_response(state_object(hub, job), status=202, headers={"Location": f"/api/v1/jobs/{job.id}"})


async def _texts(hub: Hub, slices: AsyncIterator[Sequence[JobState]]) -> AsyncIterator[Sequence[str]]:
    async for jobs in slices:
        yield [json.dumps(state_object(hub, job), separators=(",", ":")) for job in jobs]


def state_object(hub: Hub, job: JobState) -> dict[str, Any]:
    return newest(hub, job).to_wire() | {"watchers": hub.tracker.watchers_of(job.project)}


def newest(hub: Hub, job: JobState) -> JobState:
    """The job as its watchers know it: newer than the journal's row while it runs."""
    told = hub.tracker.job(job.project, job.id)
    return told if told is not None and told.seq >= job.seq else job
