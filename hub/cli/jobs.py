"""The commands about jobs. Each returns its exit code; what goes wrong is raised, and told by `main`."""

import argparse
import asyncio
import json
import re
import sys
import time
import urllib.parse
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, TypeVar

from hub.cli import codes, credentials, policy
from hub.cli.screen import Screen, screen
from hub.client import Hub, HubRefused, fold, job_state
from hub.core.events import BODIES, State
from hub.core.job import JobState
from hub.settings import SettingsError
from hub.words import duration, percent_of

T = TypeVar("T")

JOB_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
CLONE_OPTIONS = ("depth", "branch", "bare", "submodules")
QUESTIONS = 3
"""How often a person is asked for credentials before the failure stands."""


def clone(options: argparse.Namespace) -> int:
    url = repository_url(options.url)
    params = {name: value for name in CLONE_OPTIONS if (value := getattr(options, name))}
    params |= {"engine": options.engine} if options.engine != "auto" else {}
    params |= credentials.given(options)
    retry = policy.given(options)

    async def start(hub: Hub) -> JobState:
        project = await hub.create_project(url=url, id=options.id, name=options.name)
        return await start_or_join(hub, project["id"], "clone", params, retry)

    return to_the_end(options, start)


async def start_or_join(
    hub: Hub, project: str, kind: str, params: Mapping[str, Any], retry: Mapping[str, Any] | None
) -> JobState:
    """The job that was started, or the one of its kind that is there already."""
    try:
        return job_state(await hub.start(project, kind, params, key=str(uuid.uuid4()), retry=retry))
    except HubRefused as refused:
        if refused.narrow_code != "already_running":
            raise
        job = job_state(await hub.job(refused.detail["job"]))
        waits = f" It waits to be tried again; to start it now: progress-hub resume {job.id}" if job.starts_at else ""
        sys.stderr.write(f"{project} has a {kind} already; this is that job.{waits}\n")
        return job


def watch(options: argparse.Namespace) -> int:
    """A job that is named to its own end; a project's newest to the end of its tries."""
    is_named = JOB_ID.fullmatch(options.what) is not None
    return to_the_end(options, lambda hub: _newest_job(hub, options.what, wait=True), follows_tries=not is_named)


def retry(options: argparse.Namespace) -> int:
    return to_the_end(options, _again(options.what, credentials.given(options), from_stage=options.from_stage))


def ask(options: argparse.Namespace) -> int:
    """Cancel, pause or resume, as `options.verb` says."""

    async def asked(hub: Hub) -> JobState:
        job = await _newest_job(hub, options.what)
        verbs = {"cancel": hub.cancel, "pause": hub.pause, "resume": hub.resume}
        return job_state(await verbs[options.verb](job.id))

    job = on_hub(options, asked)
    print(json.dumps(job.to_wire()) if options.json else f"{job.id} is {job.state}")
    return codes.SUCCEEDED


def listing(options: argparse.Namespace) -> int:
    query = {name: getattr(options, name) for name in ("project", "kind", "state", "limit")}
    page = on_hub(options, lambda hub: hub.jobs(**query))
    if options.json:
        for item in page["items"]:
            print(json.dumps(item))
    else:
        print("\n".join(table(page, time.time() * 1000)))
    return codes.SUCCEEDED


def repository_url(text: str) -> str:
    """What the user typed as a URL; a local folder becomes a `file://` one. Raises SettingsError."""
    if "://" in text:
        if urllib.parse.urlsplit(text).password:
            raise SettingsError(
                "The URL has a password in it, which others can read in the process list. "
                "Leave it out and give it by --token-env, --token-stdin, or when asked."
            )
    elif Path(text).is_dir():
        return Path(text).resolve().as_uri()
    return text


def depth(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def table(page: Mapping[str, Any], now_ms: float) -> Sequence[str]:
    jobs = [job_state(item) for item in page["items"]]
    if not jobs:
        return ["No jobs. Start one: progress-hub clone URL"]
    rows = [("JOB", "PROJECT", "KIND", "STATE", "DONE", "STARTED", "TOOK")]
    for job in jobs:
        ago = took = "-"
        if job.started is not None:
            ago = f"{duration((now_ms - job.started) / 1000)} ago"
            took = duration(((now_ms if job.ended is None else job.ended) - job.started) / 1000)
        rows.append((job.id, job.project, job.kind, job.state.value, f"{percent_of(job)} %", ago, took))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    left_out = page["total"] - len(jobs)
    return [*lines, f"... and {left_out} more; see --limit"] if left_out > 0 else lines


def on_hub(options: argparse.Namespace, act: Callable[[Hub], Awaitable[T]]) -> T:
    async def run() -> T:
        async with Hub(options.hub, token=credentials.hub_token(options)) as hub:
            return await act(hub)

    return asyncio.run(run())


def to_the_end(
    options: argparse.Namespace, start: Callable[[Hub], Awaitable[JobState]], *, follows_tries: bool = True
) -> int:
    """Start, or find, a job and watch it; ask for credentials and run it again when that is what it lacked. With
    `follows_tries`, watch what the hub tries again by itself, too.
    """
    if getattr(options, "detach", False):
        job = on_hub(options, start)
        print(json.dumps(job.to_wire()) if options.json else job.id)
        return codes.SUCCEEDED
    for question in range(QUESTIONS + 1):

        async def follow(hub: Hub, start: Callable[[Hub], Awaitable[JobState]] = start) -> JobState:
            job = await _followed(hub, await start(hub), screen(as_json=options.json))
            while follows_tries and (again := await _next_try(hub, job)) is not None:
                view = screen(as_json=options.json)
                view.note(f"Trying again by itself; to start it now: progress-hub resume {again.id}")
                job = await _followed(hub, again, view)
            return job

        job = on_hub(options, follow)
        if question == QUESTIONS or options.json or not _wants_credentials(job) or not credentials.can_ask():
            break
        answer = credentials.asked()
        if not answer:
            break
        start = _again(job.id, answer)
    return codes.OF_STATE[job.state]


async def _followed(hub: Hub, job: JobState, view: Screen) -> JobState:
    view.show(job)
    watched = hub.watch(job.project, job=job.id, min_interval_ms=view.interval_ms, on_link=view.link)
    try:
        async with aclosing(watched) as messages:
            async for message in messages:
                view.message(message)
                job = fold(job, message, job.id) or job
                view.show(job)
    except asyncio.CancelledError:
        if not job.state.is_end:
            view.note(f"The job goes on. Watch it again: progress-hub watch {job.id}")
        raise
    if not job.state.is_end:
        raise HubRefused(f"The hub ended the stream of {job.id}, which is {job.state}.", code="ended_early")
    view.end(job)
    return job


async def _next_try(hub: Hub, job: JobState) -> JobState | None:
    """The job that the hub tries again with after this one; None: it does not."""
    if job.state is not State.FAILED or job.retry is None or not job.retry.has_more:
        return None
    newest = (await hub.jobs(project=job.project, kind=job.kind, limit=1))["items"]
    return job_state(newest[0]) if newest and newest[0]["retry_of"] == job.id else None


async def _newest_job(hub: Hub, what: str, *, wait: bool = False) -> JobState:
    """The job called `what`, or the newest of the project called so; None yet: wait for one, or HubRefused."""
    if JOB_ID.fullmatch(what):
        return job_state(await hub.job(what))
    project = await hub.project(what)
    if project["job"]:
        return job_state(project["job"])
    if not wait:
        raise HubRefused(f"{what} has had no job yet.", code="no_job")
    sys.stderr.write(f"{what} has had no job yet; waiting for the first.\n")
    async with aclosing(hub.watch(what)) as messages:
        async for message in messages:
            if message["type"] in BODIES:
                return job_state(await hub.job(message["job"]))
            if message["type"] == "snapshot" and message["jobs"]:
                return job_state(message["jobs"][-1])
    raise HubRefused(f"The hub ended the stream of {what}.", code="ended_early")


def _again(what: str, params: Mapping[str, Any], *, from_stage: bool = False) -> Callable[[Hub], Awaitable[JobState]]:
    async def run(hub: Hub) -> JobState:
        job = await _newest_job(hub, what)
        return job_state(await hub.retry(job.id, params, from_stage=from_stage))

    return run


def _wants_credentials(job: JobState) -> bool:
    return job.state is State.FAILED and job.error is not None and job.error.code in credentials.WANTED
