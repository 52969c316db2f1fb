"""Schedules: make, list, read, change, delete, and run now."""

import asyncio
import contextlib
import functools
import math
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

from aiohttp import web

from hub.core import ids
from hub.core.errors import BadParams, BadRequest, Conflict, NotFound
from hub.core.job import JobState
from hub.core.ports import Project
from hub.core.schedules import ScheduleState
from hub.jobs.base import ALL
from hub.jobs.kinds import KINDS
from hub.jobs.schedules.cron import Cron, zone_of
from hub.jobs.schedules.rhythms import next_runs
from hub.web.assembly import Hub
from hub.web.bodies import listing, object_field, paging, read_object, text_field
from hub.web.keys import HUB
from hub.web.resources import commits
from hub.web.resources.jobs import accepted

CHANGES = frozenset({"params", "every_s", "cron", "timezone", "name", "retry", "is_paused"})
LONGEST_S = 366 * 24 * 3600.0
SYNC_INTERVAL = "sync-interval"
"""The id of the schedule that stands for the setting `sync_interval_s` once somebody has changed it at run time."""
SHORTEST_SYNC_S = 10.0
NO_SECRETS = (
    "A schedule would have to keep {names}, and the hub keeps no secrets on its disk. Schedule a repository that it "
    "may read without, such as a mirror inside of `allow_networks`, or have a scheduler that may keep secrets start "
    "the job: `progress-hub clone --token-env TOKEN URL` in a cron table or a pipeline."
)


async def scheduling(app: web.Application) -> AsyncIterator[None]:
    """Has turns come for as long as the application runs; for `cleanup_ctx`."""
    hub = app[HUB]
    await hub.schedules.start(functools.partial(submit, hub))
    yield
    await hub.schedules.stop()


async def submit(hub: Hub, schedule: ScheduleState, key: str | None) -> JobState:
    """Start the schedule's job. Raises what `Engine.submit` raises."""
    by, retry = schedule.id, schedule.retry
    if schedule.project == ALL and schedule.kind == commits.SYNC:  # in the background: it is no user's progress
        params = {**schedule.params, commits.SCHEDULED: True}
        return await commits.start_sync(hub, params, key, scheduled_by=by, retry=retry)
    project = hub.catalog.get(schedule.project)
    return await hub.engine.submit(project, schedule.kind, schedule.params, key, scheduled_by=by, retry=retry)


async def sync_interval_s(hub: Hub) -> float:
    """Seconds between syncs of all projects in the background; 0: none.

    What was set at run time is kept as a schedule, which survives restarts and comes before the setting
    `sync_interval_s`. Who deletes it goes back to the setting; who pauses it has no such syncs.
    """
    if not hub.schedules.has(SYNC_INTERVAL):
        return hub.settings.sync_interval_s
    state = hub.schedules.get(SYNC_INTERVAL)
    if state.is_paused:
        return 0.0
    if state.cron is not None:  # somebody has made it one of the calendar
        cron, now_ms = state.cron, hub.clock.now_ms()
        return await asyncio.to_thread(lambda: Cron.of(cron, state.timezone, now_ms).shortest_s(now_ms))
    return state.every_s or 0.0


async def set_sync_interval(hub: Hub, seconds: float) -> None:
    """From now on, and after every restart; 0 for none. Raises BadRequest, JournalUnavailable."""
    if seconds and not SHORTEST_SYNC_S <= seconds <= LONGEST_S:
        raise BadRequest(f"The sync interval must be {SHORTEST_SYNC_S:g} to {LONGEST_S:g} seconds, or 0 for none.")
    fields: dict[str, Any] = {"cron": None, "is_paused": not seconds} | ({"every_s": float(seconds)} if seconds else {})
    await commits.everything(hub)
    with contextlib.suppress(NotFound):
        await hub.schedules.change(SYNC_INTERVAL, **fields)
        return
    blank = ScheduleState(
        id=SYNC_INTERVAL, project=ALL, kind=commits.SYNC, created=hub.clock.now_ms(), name="background sync",
        every_s=hub.settings.sync_interval_s or LONGEST_S,
    )  # fmt: skip
    await hub.schedules.put(replace(blank, **fields))


async def take_background_turn(hub: Hub) -> None:
    """Of the setting `sync_interval_s`, unless another interval was set at run time."""
    if not hub.schedules.has(SYNC_INTERVAL):
        await commits.take_turn(hub)


async def create(request: web.Request) -> web.Response:
    hub, schedules = request.app[HUB], request.app[HUB].schedules
    body = await read_object(request, CHANGES | {"kind"})
    kind = text_field(body, "kind", 64)
    if kind is None:
        raise BadRequest("kind is missing: which job is to run?")
    if body.get("every_s") is None and body.get("cron") is None:
        raise BadRequest("When? Give every_s (seconds) or cron (five fields).")
    project = await _project(hub, request.match_info["project"])
    blank = ScheduleState(id=ids.job_id(), project=project.id, kind=kind, created=hub.clock.now_ms())
    state = await _changed(hub, blank, project, body)
    async with hub.changing:  # a project that is being deleted takes its schedules along
        hub.catalog.get(project.id)
        if len(schedules.all(project.id)) >= hub.settings.max_schedules:
            raise Conflict(
                f"The project has {hub.settings.max_schedules} schedules already, and max_schedules allows no more.",
                code="too_many_schedules",
            )
        state = await schedules.put(state)
    href = f"/api/v1/projects/{project.id}/schedules/{state.id}"
    return web.json_response(await _object(hub, state), status=201, headers={"Location": href})


async def list_(request: web.Request) -> web.Response:
    """Of a project, or of all."""
    hub, project = request.app[HUB], request.match_info.get("project")
    if project is not None and project != ALL:
        hub.catalog.get(project)
    limit, cursor = paging(request)
    all_ = request.app[HUB].schedules.all(project)
    rest = [state for state in all_ if cursor is None or state.id > cursor]
    items = [await _object(hub, state) for state in rest[:limit]]
    return listing(items, len(all_), rest[limit - 1].id if len(rest) > limit else None)


async def read(request: web.Request) -> web.Response:
    return web.json_response(await _object(request.app[HUB], _asked(request)))


async def change(request: web.Request) -> web.Response:
    """What is given replaces what was; every_s and cron replace each other."""
    hub, body = request.app[HUB], await read_object(request, CHANGES)
    async with hub.changing:  # as in `create`, and of two changes each finds the other
        state = _asked(request)
        changed = await _changed(hub, state, hub.catalog.get(state.project), body)
        state = await hub.schedules.change(state.id, **{name: getattr(changed, name) for name in CHANGES})
    return web.json_response(await _object(hub, state))


async def delete(request: web.Request) -> web.Response:
    await request.app[HUB].schedules.remove(_asked(request).id)
    return web.Response(status=204)


async def run(request: web.Request) -> web.Response:
    """Now, whatever its rhythm says, and also while it is paused."""
    await read_object(request, frozenset())
    return accepted(request.app[HUB], await request.app[HUB].schedules.run(_asked(request).id))


def _asked(request: web.Request) -> ScheduleState:
    state = request.app[HUB].schedules.get(request.match_info["schedule"])
    project = request.match_info.get("project", state.project)
    if project != state.project:
        raise NotFound(f"The project {project!r} has no schedule {state.id!r}.")
    return state


async def _project(hub: Hub, id_: str) -> Project:
    return await commits.everything(hub) if id_ == ALL else hub.catalog.get(id_)


async def _changed(hub: Hub, state: ScheduleState, project: Project, body: Mapping[str, Any]) -> ScheduleState:
    """The schedule with the fields of a request. Raises BadRequest, BadParams, UrlRefused."""
    fields: dict[str, Any] = {}
    if "params" in body or not state.params:
        fields["params"] = _params(hub, state.kind, project, object_field(body, "params"))
    if body.get("name") is not None:
        fields["name"] = text_field(body, "name", 200)
    if body.get("is_paused") is not None:
        if type(body["is_paused"]) is not bool:
            raise BadRequest("is_paused must be true or false.")
        fields["is_paused"] = body["is_paused"]
    if "retry" in body:
        hub.engine.check_kind(state.kind, body["retry"])
        fields["retry"] = body["retry"]
    if (timezone := text_field(body, "timezone", 64)) is not None:
        fields["timezone"] = timezone
    if body.get("every_s") is not None and body.get("cron") is not None:
        raise BadRequest("Give every_s or cron, one of them.")
    if (every_s := body.get("every_s")) is not None:
        fields |= {"every_s": _seconds(every_s), "cron": None}
    if (cron := text_field(body, "cron", 200)) is not None:
        fields |= {"cron": " ".join(cron.split()), "every_s": None}
    changed = replace(state, **fields)
    await asyncio.to_thread(_check_rhythm, changed, hub.clock.now_ms(), hub.settings.shortest_schedule_s)
    return changed


def _params(hub: Hub, kind: str, project: Project, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """Raises BadRequest, BadParams, UrlRefused."""
    accepted = hub.engine.check(project, kind, params)
    if project.id == ALL and not KINDS[kind].spans:
        spanning = ", ".join(sorted(name for name, each in KINDS.items() if each.spans))
        raise BadRequest(f"A {kind} is of one project; what spans all of them is: {spanning}.", code="not_spanning")
    if accepted.secrets:
        names = " and ".join(sorted(accepted.secrets))
        raise BadParams(NO_SECRETS.format(names=names), code="secrets_not_kept")
    return accepted.params


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadRequest("every_s must be a number of seconds.")
    return float(value)


def _check_rhythm(state: ScheduleState, now_ms: int, shortest_s: float) -> None:
    """Reads the system's table of time zones. Raises BadRequest, BadParams."""
    if state.cron is None:
        zone_of(state.timezone)
        if not max(shortest_s, 0.001) <= (state.every_s or 0.0) <= LONGEST_S:
            raise BadRequest(f"every_s must be {shortest_s:g} to {LONGEST_S:g} seconds; for longer, use cron.")
        return
    found_s = Cron.of(state.cron, state.timezone, now_ms).shortest_s(now_ms)
    if found_s < shortest_s:
        raise BadRequest(
            f"cron: two of its turns are {found_s:g} s apart, and shortest_schedule_s allows no less than "
            f"{shortest_s:g} s."
        )


async def _object(hub: Hub, state: ScheduleState) -> dict[str, Any]:
    """The schedule with its next three turns, and with what became of the job that it started last."""
    turns: list[int] = []
    with contextlib.suppress(BadParams):  # its time zone has left the system's table; `last_error` says so
        turns = await asyncio.to_thread(next_runs, state, hub.clock.now_ms())
    last = None
    if state.last_job is not None:
        job = hub.ledger.job(state.last_job) or await hub.journal.job(state.last_job)
        last = job.state.value if job else None
    return state.to_wire() | {"last_state": last, "next_runs": turns}
