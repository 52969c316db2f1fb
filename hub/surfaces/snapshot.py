"""Surface D: the progress of a project's snapshot, in six steps, to be polled or watched."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from aiohttp import web

from hub.core.events import Body, LogBody, State
from hub.core.job import JobState
from hub.surfaces.desk import DESK, begun, has_heard_end, stay_away, watch
from hub.surfaces.encoding import REFUSED, Said, block, dialect, iso
from hub.transports.ask import Ask

SNAPSHOT = "snapshot"
STEPS = 6
FLOORS = (0, 16, 33, 50, 66, 83, 100)
"""The least percent in each step. The kind's own stages begin there, so that its percent is this one."""
BROWSING = 3
STEP_OF = {"opening": 1, "waiting": 1, "browsing": 2, "compressing": 4, "uploading": 5, "verifying": 5}
NAMES = ("idle", "waiting", "browsing", "browsing", "compressing", "uploading", "completed")
READABLE_MS = 60 * 60 * 1000
"""So long after its end a snapshot is still the one that is told of."""


# -- what is said -----------------------------------------------------------------------------------------------------


def tell(state: JobState, body: Body | None) -> Iterator[Said]:
    if not isinstance(body, LogBody):
        yield Said(progress_of(state))


def progress_of(state: JobState) -> dict[str, Any]:
    """All that the surface knows of one snapshot."""
    step = step_of(state)
    has_failed = state.state.is_end and state.state is not State.SUCCEEDED
    detail = (state.result if state.state is State.SUCCEEDED else None) or (
        state.progress.detail if state.progress else {}
    )
    files, size = int(detail.get("fileCount", 0)), int(detail.get("totalSize", 0))
    size_text = str(detail.get("totalSizeText", "0 B"))
    said: dict[str, Any] = {
        "projectId": state.project,
        "step": "failed" if has_failed else NAMES[step],
        "stepNumber": step,
        "totalSteps": STEPS,
        "progress": max(state.percent, FLOORS[step]),
        "fileCount": files,
        "totalSize": size,
        "totalSizeText": size_text,
        "message": _message(step, files, size_text),
    }
    if has_failed:
        why = state.error.message if state.error else f"it was {state.state.value}"
        said |= {"message": f"Snapshot generation failed: {why}", "error": why}
    elif state.state is State.SUCCEEDED and (made := (state.result or {}).get("snapshot")):
        said["snapshotUrl"] = f"/api/v1/projects/{state.project}/snapshots/{made}/archive"
    said["timestamp"] = iso(state.told_at)
    return said


def step_of(state: JobState) -> int:
    if state.state is State.SUCCEEDED:
        return STEPS
    step = STEP_OF.get(state.stage or "", 1)
    return BROWSING if step == BROWSING - 1 and state.percent >= FLOORS[BROWSING] else step


def _message(step: int, files: int, size: str) -> str:
    return (
        "No snapshot generation in progress",
        "Waiting for folder scan to complete...",
        "Getting folder status...",
        "Browsing files in folder...",
        f"Processing {files} files ({size} total)...",
        "Uploading snapshot to cloud storage...",
        "Snapshot generation completed successfully",
    )[step]


def idle(project: str, at_ms: int) -> dict[str, Any]:
    return {
        "projectId": project, "step": NAMES[0], "stepNumber": 0, "totalSteps": STEPS, "progress": 0, "fileCount": 0,
        "totalSize": 0, "totalSizeText": "0 B", "message": _message(0, 0, ""), "timestamp": iso(at_ms),
    }  # fmt: skip


DIALECT = dialect("snapshot-progress", tell)


# -- routes -----------------------------------------------------------------------------------------------------------


async def progress(request: web.Request) -> web.Response:
    project, job = await _newest(request)
    now_ms = request.app[DESK].now_ms()
    said = progress_of(job) if job and _is_told_of(job, now_ms) else idle(project, now_ms)
    return web.json_response(said, headers={"Cache-Control": "no-store"})


async def stream(request: web.Request) -> web.StreamResponse:
    """What is, at once; then what follows, to the end of a snapshot, which may not have begun yet."""
    desk = request.app[DESK]
    project, job = await _newest(request)
    if await has_heard_end(request, project, SNAPSHOT):
        return stay_away()
    if job is not None and _is_told_of(job, desk.now_ms()):
        return await desk.stream(request, watch(job, request), DIALECT)

    async def first() -> Ask:
        return watch(await desk.next(project, SNAPSHOT, after=job), request)

    opening = block(Said(idle(project, desk.now_ms())), REFUSED)
    return await desk.stream(request, first, dataclasses.replace(DIALECT, opening=opening))


async def start(request: web.Request) -> web.Response:
    desk = request.app[DESK]
    project = desk.project(request.match_info["project"])
    job = await begun(desk, project, SNAPSHOT, {})
    return web.json_response(
        {"jobId": job.id, **progress_of(job)}, status=202, headers={"Location": f"/api/v1/jobs/{job.id}"}
    )


async def _newest(request: web.Request) -> tuple[str, JobState | None]:
    """The project, and its newest snapshot. Raises NotFound."""
    desk = request.app[DESK]
    project = desk.project(request.match_info["project"]).id
    return project, await desk.newest(project, SNAPSHOT)


def _is_told_of(job: JobState, now_ms: int) -> bool:
    """It goes on, or has ended lately."""
    return job.ended is None or now_ms - job.ended <= READABLE_MS


_PLACE = "/api/v1/projects/{project}"
ROUTES = (
    web.get(f"{_PLACE}/progress", progress),
    web.get(f"{_PLACE}/progress/stream", stream, allow_head=False),
    web.post(f"{_PLACE}/snapshot", start),
)
