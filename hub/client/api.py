"""A hub's API as plain async calls. Answers are the API's own JSON objects."""

import os
import ssl
import urllib.parse
from asyncio import AbstractEventLoop, get_running_loop
from asyncio import sleep as pause
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Self

import aiohttp

from hub.client.address import address
from hub.client.background import left_behind
from hub.client.errors import LONGEST_RETRY_S, HubUnreachable, NotAHub, refusal, retry_after_s
from hub.client.link import Link, Pace, Watch
from hub.client.rungs import Ask
from hub.client.token import known_token
from hub.core.events import ENDS, Position

DEFAULT_URL = "http://127.0.0.1:8470"
ANSWER_S = 30.0
PROJECT, JOB, PAGE = ("id", "job"), ("id", "project", "state", "seq"), ("items", "total")
PUBLISHED = ("outcomes", "jobs")
"""What must be in an answer for it to be a hub's."""


class Hub:
    """The bare calls to one hub, at `base`: answers are JSON. For programs there is `Client`.

    An async context manager; every call raises HubUnreachable (or NotAHub) or HubRefused.
    A hub that is busy and says until when is asked again then, for half a minute at most.
    """

    def __init__(self, base: str = DEFAULT_URL, *, pace: Pace | None = None, token: str | None = None) -> None:
        """`token`: for a hub that wants one; by default HUB_TOKEN, if that is set. Raises WrongUrl, WrongToken."""
        self.base = address(base)
        self._token = known_token(token)
        self._pace = pace or Pace()
        self._session: aiohttp.ClientSession | None = None
        self._loop: AbstractEventLoop | None = None
        """What the session's connections belong to."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            if self._loop is get_running_loop():
                await session.close()
            else:
                left_behind(session)

    async def create_project(self, **what: str | None) -> dict[str, Any]:
        """A project from `url` or `path`, with `id` and `name` if given; the one that exists, when there is one."""
        body = {name: text for name, text in what.items() if text is not None}
        return await self._call("POST", "/projects", PROJECT, body)

    async def project(self, project: str) -> dict[str, Any]:
        return await self._call("GET", f"/projects/{_quoted(project)}", PROJECT)

    async def start(
        self,
        project: str,
        kind: str,
        params: Mapping[str, Any] | None = None,
        *,
        key: str | None = None,
        retry: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Start a job; its state object. The same `key` twice starts one job only. `retry` is when to try again by
        itself: `{"attempts", "backoff_s"?, "factor"?, "max_backoff_s"?}`.

        HubRefused `already_running` has the running job's id in `detail["job"]`.
        """
        headers = {"Idempotency-Key": key} if key else {}
        body = {"kind": kind, "params": dict(params or {})} | ({"retry": dict(retry)} if retry else {})
        return await self._call("POST", f"/projects/{_quoted(project)}/jobs", JOB, body, headers=headers)

    async def start_many(
        self,
        projects: Sequence[str] | Mapping[str, str] | str,
        kind: str,
        params: Mapping[str, Any] | None = None,
        *,
        key: str | None = None,
        retry: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Start the same job on many projects: their ids, "all", or a filter by `match` and `last`.

        `{"items": [{project, outcome, job? | error?}], "total"}`; an outcome is accepted, already_running or refused.
        """
        wanted: Any = projects
        if not isinstance(projects, str):
            wanted = dict(projects) if isinstance(projects, Mapping) else list(projects)
        body = {"kind": kind, "params": dict(params or {}), "projects": wanted}
        body |= {"retry": dict(retry)} if retry else {}
        return await self._call("POST", "/jobs", PAGE, body, headers={"Idempotency-Key": key} if key else {})

    async def job(self, job: str) -> dict[str, Any]:
        return await self._call("GET", f"/jobs/{_quoted(job)}", JOB)

    async def jobs(self, **query: str | int | None) -> dict[str, Any]:
        """One page: `{"items", "total", "next"?}`, narrowed by `project`, `kind`, `state`, `limit`, `cursor`."""
        narrowed = urllib.parse.urlencode({name: value for name, value in query.items() if value})
        return await self._call("GET", f"/jobs?{narrowed}" if narrowed else "/jobs", PAGE)

    async def cancel(self, job: str) -> dict[str, Any]:
        return await self._call("POST", f"/jobs/{_quoted(job)}/cancel", JOB, {})

    async def pause(self, job: str) -> dict[str, Any]:
        """Have a job stand still, queued or running, until `resume`."""
        return await self._call("POST", f"/jobs/{_quoted(job)}/pause", JOB, {})

    async def resume(self, job: str) -> dict[str, Any]:
        """Let a paused job go on; it waits for its turn when all places are taken."""
        return await self._call("POST", f"/jobs/{_quoted(job)}/resume", JOB, {})

    async def retry(
        self, job: str, params: Mapping[str, Any] | None = None, *, from_stage: bool = False
    ) -> dict[str, Any]:
        """Run an ended job again, with `params` over its own; the new job's state object.

        `from_stage`: go on with the work it left, where its state says it is `resumable`.
        """
        body: dict[str, Any] = {"params": dict(params)} if params else {}
        if from_stage:
            body["from"] = "stage"
        return await self._call("POST", f"/jobs/{_quoted(job)}/retry", JOB, body)

    async def publish(self, project: str, events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Tell of jobs that run elsewhere: `{"outcomes": [...], "jobs": {...}}`, one outcome an event."""
        return await self._call("POST", f"/projects/{_quoted(project)}/publish", PUBLISHED, {"events": list(events)})

    async def watch(
        self,
        project: str | None = None,
        *,
        job: str | None = None,
        since: str | None = None,
        min_interval_ms: int = 0,
        on_link: Callable[[Link], None] | None = None,
    ) -> AsyncGenerator[dict[str, Any], None]:
        """The messages of a project, or of one job until its end: snapshot, job, stage, progress, log, merged, reset.

        Reconnects for ever, by WebSocket, event stream or long polling, from where it was: nothing is lost or told
        twice. `since` is a cursor to start from; without one the first message is a snapshot. `on_link` hears how the
        connection does. Raises HubRefused or NotAHub when coming back is of no use, HubUnreachable only before the
        first message.
        """
        if job is not None and (project is None or since is not None):
            state = await self.job(job)
            project = str(state["project"])
            if since is not None and _is_told(state, since):
                return
        if project is None:
            raise TypeError("watch needs a project or a job")
        ask = Ask(
            session=self._open(),
            base=self.base,
            project=project,
            path=f"/api/v1/projects/{_quoted(project)}/events",
            query={"job": job} if job else {},
            cursor=since,
        )
        if min_interval_ms:
            ask.query["min_interval_ms"] = str(min_interval_ms)
        async with aclosing(Watch(ask, job, self._pace, on_link).messages()) as messages:
            async for message in messages:
                yield message

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._loop is not get_running_loop():
            left_behind(self._session)
            self._loop = get_running_loop()
            headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_S), headers=headers)
        return self._session

    async def _call(
        self,
        method: str,
        path: str,
        wanted: Sequence[str],
        body: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        url = f"{self.base}/api/v1{path}"
        left_s = LONGEST_RETRY_S
        try:
            while True:
                async with self._open().request(method, url, json=body, headers=headers) as response:
                    retry_s = retry_after_s(response)
                    if retry_s is None or left_s <= 0:
                        return await _answer(response, wanted)
                pause_s = min(max(retry_s, self._pace.shortest_s), left_s)
                left_s -= pause_s
                await pause(pause_s)
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError) as exc:
            raise HubUnreachable(f"No hub answers at {self.base} ({_cause(exc)}).") from exc
        except (aiohttp.ClientError, ValueError) as exc:  # no HTTP, no JSON, or a redirect to nowhere
            raise NotAHub(f"What answers at {self.base} is no Progress Hub.") from exc


async def _answer(response: aiohttp.ClientResponse, wanted: Sequence[str]) -> dict[str, Any]:
    """Raises HubRefused, NotAHub, ValueError."""
    if response.status >= 400 or response.content_type != "application/json":
        raise await refusal(response)
    answer = await response.json()
    if not isinstance(answer, dict) or not answer.keys() >= set(wanted) or not isinstance(answer.get("id", ""), str):
        raise NotAHub(f"{response.url.origin()} answered, but not as a hub does; is it a Progress Hub?")
    return answer


def _is_told(job: Mapping[str, Any], since: str) -> bool:
    """Is the end of `job` before `since`? Then a stream would have nothing more to say, and say it for ever."""
    at = Position.parse(since)
    return job["state"] in ENDS and at is not None and at.seq >= job["seq"]


def _quoted(identifier: str) -> str:
    return urllib.parse.quote(identifier, safe="")


def _cause(exc: BaseException) -> str:
    """In the system's words where it has any: aiohttp's name addresses twice."""
    error = getattr(exc, "os_error", exc)
    if isinstance(error, ssl.SSLError):
        return "no TLS there: " + (error.reason or "unknown").replace("_", " ").lower()
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno) if error.errno > 0 else str(error.strerror)  # below 0: name resolution's own
    return str(error) or "it took too long"
