"""A hub's API as plain async calls. Answers are the API's own JSON objects."""

import os
import urllib.parse
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any, Self

import aiohttp

from hub.client.errors import HubRefused, HubUnreachable
from hub.client.link import Link, Pace, Watch
from hub.client.rungs import Ask
from hub.core.events import ENDS, Position

DEFAULT_URL = "http://127.0.0.1:8470"
ANSWER_S = 30.0


class Hub:
    """One hub, at `base`. An async context manager; every call raises HubUnreachable or HubRefused."""

    def __init__(self, base: str = DEFAULT_URL, *, pace: Pace | None = None) -> None:
        self.base = base.rstrip("/")
        self._pace = pace or Pace()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        if self._session:
            await self._session.close()
            self._session = None

    async def create_project(self, **what: str | None) -> dict[str, Any]:
        """A project from `url` or `path`, with `id` and `name` if given; the one that exists, when there is one."""
        return await self._call("POST", "/projects", {name: text for name, text in what.items() if text is not None})

    async def project(self, project: str) -> dict[str, Any]:
        return await self._call("GET", f"/projects/{_quoted(project)}")

    async def start(
        self, project: str, kind: str, params: Mapping[str, Any] | None = None, *, key: str | None = None
    ) -> dict[str, Any]:
        """Start a job; its state object. The same `key` twice starts one job only.

        HubRefused `already_running` has the running job's id in `detail["job"]`.
        """
        headers = {"Idempotency-Key": key} if key else {}
        body = {"kind": kind, "params": dict(params or {})}
        return await self._call("POST", f"/projects/{_quoted(project)}/jobs", body, headers=headers)

    async def job(self, job: str) -> dict[str, Any]:
        return await self._call("GET", f"/jobs/{_quoted(job)}")

    async def jobs(self, **query: str | int | None) -> dict[str, Any]:
        """One page: `{"items", "total", "next"?}`, narrowed by `project`, `kind`, `state`, `limit`, `cursor`."""
        return await self._call("GET", "/jobs", query={name: str(value) for name, value in query.items() if value})

    async def cancel(self, job: str) -> dict[str, Any]:
        return await self._call("POST", f"/jobs/{_quoted(job)}/cancel", {})

    async def retry(self, job: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Run an ended job again, with `params` over its own; the new job's state object."""
        return await self._call("POST", f"/jobs/{_quoted(job)}/retry", {"params": dict(params)} if params else {})

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
        connection does. Raises HubRefused when coming back is of no use, HubUnreachable only before the first message.
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
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_S))
        return self._session

    async def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        url = f"{self.base}/api/v1{path}"
        try:
            async with self._open().request(method, url, json=body, params=query, headers=headers) as response:
                if response.status >= 400 or response.content_type != "application/json":
                    raise await HubRefused.read(response)
                answer: dict[str, Any] = await response.json()
                return answer
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError) as exc:
            raise HubUnreachable(f"No hub answers at {self.base} ({_cause(exc)}).") from exc
        except aiohttp.InvalidURL as exc:
            raise HubUnreachable(f"{self.base!r} is not the URL of a hub.") from exc


def _is_told(job: Mapping[str, Any], since: str) -> bool:
    """Is the end of `job` before `since`? Then a stream would have nothing more to say, and say it for ever."""
    at = Position.parse(since)
    return job["state"] in ENDS and at is not None and at.seq >= job["seq"]


def _quoted(identifier: str) -> str:
    return urllib.parse.quote(identifier, safe="")


def _cause(exc: BaseException) -> str:
    """In the system's words where it has any: aiohttp's name addresses twice."""
    error = getattr(exc, "os_error", exc)
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno) if error.errno > 0 else str(error.strerror)  # below 0: name resolution's own
    return str(error) or "it took too long"
