"""Surface E: an ingest, from cloning to a searchable index, in five stages and one percentage."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from aiohttp import web

from hub.core.errors import BadRequest, NotFound
from hub.core.events import Body, JobBody, LogBody, StageBody, State
from hub.core.job import JobState
from hub.surfaces.bodies import flag_of, text_of
from hub.surfaces.desk import DESK, begun, is_back, left, stay_away, watch
from hub.surfaces.encoding import Said, dialect, iso
from hub.transports.bodies import json_object

INGEST = "ingest"
SOURCES = ("github", "gitlab", "bitbucket", "local")
CADENCE_MS = 1000
CLONING, PARSING, INDEXING, COMPLETE, FAILED = "Cloning", "Parsing", "Indexing", "Complete", "Failed"
STAGE_OF = {"parsing": PARSING, "indexing": INDEXING, "optimizing": INDEXING}
"""Of the kind's own stages; the others are Cloning. Its plan gives them the widths that this surface promises."""
FIRST = ("parsing", "indexing")
"""The kind's stages with which another of the surface's begins."""
BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


# -- what is said -----------------------------------------------------------------------------------------------------


def tell(state: JobState, body: Body | None) -> Iterator[Said]:
    if _says_something(body):
        yield Said(progress_of(state), "progress")


def _says_something(body: Body | None) -> bool:
    match body:
        case JobBody():
            return body.state.is_end or body.state is State.QUEUED
        case StageBody():
            return body.stage in FIRST  # the others are no change here, and would be too many words a second
    return not isinstance(body, LogBody)


def progress_of(state: JobState) -> dict[str, Any]:
    said: dict[str, Any] = {
        "stage": stage_of(state),
        "message": _message(state),
        "percentage": state.percent,
        "timestamp": iso(state.told_at),
        "metadata": {"jobId": state.id},
    }
    if state.state is State.SUCCEEDED:
        result = state.result or {}
        seconds = ((state.ended or 0) - (state.started or 0) - state.held_ms) / 1000
        said["metadata"] |= {
            "files": result.get("files", 0), "symbols": result.get("symbols", 0), "duration": round(seconds, 3),
        }  # fmt: skip
    elif state.state.is_end:
        said["metadata"] |= {"failedStage": STAGE_OF.get(state.stage or "", CLONING)}
        if state.error is not None:
            said["metadata"] |= {"code": state.error.code, "error": state.error.message}
    return said


def stage_of(state: JobState) -> str:
    if state.state is State.SUCCEEDED:
        return COMPLETE
    return FAILED if state.state.is_end else STAGE_OF.get(state.stage or "", CLONING)


def _message(state: JobState) -> str:
    if state.state is State.SUCCEEDED:
        result = state.result or {}
        return f"Ingested {result.get('files', 0)} files, {result.get('symbols', 0)} symbols"
    if state.state.is_end:
        why = state.error.message if state.error else f"the job was {state.state.value}"
        return f"{STAGE_OF.get(state.stage or '', CLONING)} failed: {why}"
    if state.state is State.QUEUED:
        return "Waiting for its turn"
    counted = state.progress if state.progress and state.progress.stage == state.stage else None
    if state.stage == "parsing" and counted and counted.total:
        return f"Parsing file {int(counted.current)}/{int(counted.total)}"
    title = next((stage.title for stage in state.stages if stage.stage == state.stage), "Starting")
    return (counted.message if counted else "") or title


DIALECT = dataclasses.replace(dialect("ingest-stream", tell), absorbs=True)


# -- routes -----------------------------------------------------------------------------------------------------------


async def start(request: web.Request) -> web.StreamResponse:
    """Start an ingest, or join the one that goes on; the answer is its stream, or its id for who asks for that."""
    desk = request.app[DESK]
    source = request.match_info["source"]
    if source not in SOURCES:
        raise BadRequest(f"Invalid source: {source}. Supported sources: {', '.join(SOURCES)}", code="unknown_source")
    body = await json_object(request)
    repository = text_of(body, "repository")
    if repository is None:
        raise BadRequest("repository is missing: what is to be ingested?")
    params: dict[str, Any] = {name: value for name in ("branch", "token") if (value := text_of(body, name)) is not None}
    if "incremental" in body:
        params["incremental"] = flag_of(body, "incremental")
    is_stream = _wants_stream(request)
    if is_stream:
        desk.check_room()
    project = await desk.source(source, repository)
    if is_back(request):
        job = await left(request, project, INGEST)
        if job is None:
            return stay_away()
    else:
        job = await begun(desk, project, INGEST, {"source": source, **params})
    if is_stream:
        return await _streamed(request, job)
    headers = {"X-Job-Id": job.id, "Location": f"/api/v1/jobs/{job.id}"}
    return web.json_response({"jobId": job.id, **progress_of(job)}, status=202, headers=headers)


async def stream(request: web.Request) -> web.StreamResponse:
    desk = request.app[DESK]
    job = await desk.state(request.match_info["job"])
    if job.kind != INGEST:
        raise NotFound(f"There is no ingest {job.id!r}.")
    return await _streamed(request, job)


ROUTES = (
    web.post("/api/v1/ingest/{source}", start),
    web.get("/api/v1/ingest/{job}/stream", stream, allow_head=False),
)


# -- inside -----------------------------------------------------------------------------------------------------------


async def _streamed(request: web.Request, job: JobState) -> web.StreamResponse:
    named = dataclasses.replace(DIALECT, headers={**DIALECT.headers, "X-Job-Id": job.id})
    return await request.app[DESK].stream(request, watch(job, request, CADENCE_MS), named)


def _wants_stream(request: web.Request) -> bool:
    wanted = request.query.get("stream")
    if wanted is not None:
        if wanted not in BOOLEANS:
            raise BadRequest("stream must be true or false.")
        return BOOLEANS[wanted]
    accept = request.headers.get("Accept", "")
    return "text/event-stream" in accept or "application/json" not in accept
