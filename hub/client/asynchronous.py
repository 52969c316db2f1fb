"""The async face: jobs of this program, jobs of the hub, and watching both."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing
from typing import Any, NoReturn, Self, TypeVar, Unpack, overload

from hub.client.api import DEFAULT_URL, Hub
from hub.client.errors import HubRefused
from hub.client.fold import fold, job_state
from hub.client.job import Job
from hub.client.link import Link, Pace
from hub.client.publisher import FLUSH_S, Publisher
from hub.client.words import JobWords
from hub.core.job import JobState

T = TypeVar("T")

PAGE = 100


class AsyncClient:
    """One hub, at `url` (by default `HUB_URL`, else this machine's), with `token` (by default `HUB_TOKEN`) where it
    wants one. An async context manager.

    `job` and `track` say how far a job of this program is, from any thread and without ever waiting; a hub that is away
    is told later. The other calls ask the hub, and raise HubUnreachable, NotAHub or HubRefused. Leaving the block waits
    until the hub knows of every end, `flush_s` at most.

    After a fork the child may use the client for jobs of its own.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        pace: Pace | None = None,
        flush_s: float = FLUSH_S,
    ) -> None:
        """Raises WrongUrl, WrongToken."""
        self._hub = Hub(url or os.environ.get("HUB_URL") or DEFAULT_URL, pace=pace, token=token)
        self.publisher = Publisher(self._hub.base, pace or Pace(), flush_s, token)

    @property
    def url(self) -> str:
        return self._hub.base

    def __enter__(self) -> NoReturn:
        raise TypeError("Use `async with Client(...)`, or `with Client.sync(...)` in a program without an event loop.")

    def __exit__(self, *_: object) -> None: ...

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        try:
            await asyncio.to_thread(self.publisher.close)
        finally:
            await self.close_calls()

    async def close_calls(self) -> None:
        """Close the connections that calls go through."""
        await self._hub.close()

    # -- jobs of this program -----------------------------------------------------------------------------------------

    def job(self, kind: str, **words: Unpack[JobWords]) -> Job:
        """A job that this program does, begun by its block: `async with hub.job("train", project="x") as job`.

        Raises ValueError for what no hub would take.
        """
        return Job(self.publisher.desk(), kind, words)

    @overload
    def track(self, iterable: Iterable[T], kind: str, **words: Unpack[JobWords]) -> Iterator[T]: ...
    @overload
    def track(self, iterable: AsyncIterable[T], kind: str, **words: Unpack[JobWords]) -> AsyncIterator[T]: ...
    def track(
        self, iterable: Iterable[T] | AsyncIterable[T], kind: str, **words: Unpack[JobWords]
    ) -> Iterator[T] | AsyncIterator[T]:
        """The same items, as a job that counts them. It has succeeded when they are used up; a loop that is left before
        cancels it, because why it was left cannot be seen: where that matters, use `job` and `job.track`.
        """
        job = self.job(kind, **words)
        return _tracked_async(job, iterable) if isinstance(iterable, AsyncIterable) else _tracked(job, iterable)

    # -- jobs of the hub ----------------------------------------------------------------------------------------------

    async def create_project(self, **what: str | None) -> dict[str, Any]:
        """A project from `url`, `path` or neither, with `id`, `name` if given; the one that is, when there is one."""
        return await self._hub.create_project(**what)

    async def project(self, project: str) -> dict[str, Any]:
        return await self._hub.project(project)

    async def start(
        self, kind: str, *, project: str, params: Mapping[str, Any] | None = None, key: str | None = None
    ) -> JobState:
        """Have the hub run a job, such as a `clone`. The same `key` twice starts one job only.

        HubRefused `already_running` has the running job's id in `detail["job"]`.
        """
        return job_state(await self._hub.start(project, kind, params, key=key))

    async def state(self, job: str) -> JobState:
        """How a job is now."""
        return job_state(await self._hub.job(job))

    async def jobs(
        self, *, project: str | None = None, kind: str | None = None, state: str | None = None, limit: int = PAGE
    ) -> list[JobState]:
        """The newest first, at most `limit`."""
        found: list[JobState] = []
        cursor: str | None = None
        while len(found) < limit:
            count = min(limit - len(found), PAGE)
            page = await self._hub.jobs(project=project, kind=kind, state=state, limit=count, cursor=cursor)
            found += map(job_state, page["items"])
            cursor = page.get("next")
            if cursor is None or not page["items"]:
                break
        return found[:limit]

    async def cancel(self, job: str) -> JobState:
        return job_state(await self._hub.cancel(job))

    async def pause(self, job: str) -> JobState:
        return job_state(await self._hub.pause(job))

    async def resume(self, job: str) -> JobState:
        return job_state(await self._hub.resume(job))

    async def retry(self, job: str, params: Mapping[str, Any] | None = None, *, from_stage: bool = False) -> JobState:
        """Run an ended job of the hub's again; the new job."""
        return job_state(await self._hub.retry(job, params, from_stage=from_stage))

    # -- watching -----------------------------------------------------------------------------------------------------

    def watch(
        self,
        project: str | None = None,
        *,
        job: str | None = None,
        since: str | None = None,
        min_interval_ms: int = 0,
        on_link: Callable[[Link], None] | None = None,
    ) -> AsyncGenerator[dict[str, Any], None]:
        """The messages of a project, or of one job until its end; see `Hub.watch`. Reconnects for ever."""
        return self._hub.watch(project, job=job, since=since, min_interval_ms=min_interval_ms, on_link=on_link)

    async def wait(self, job: str) -> JobState:
        """The state in which `job` ends, however long that takes: put a timeout around it."""
        state: JobState | None = None
        async with aclosing(self.watch(job=job, min_interval_ms=1000)) as messages:
            async for message in messages:
                state = fold(state, message, job)
        if state is None or not state.state.is_end:
            state = await self.state(job)
        if not state.state.is_end:
            raise HubRefused(f"The hub ended the stream of {job}, which is {state.state}.", code="ended_early")
        return state


def _tracked(job: Job, iterable: Iterable[T]) -> Iterator[T]:
    with job:
        yield from job.track(iterable)


async def _tracked_async(job: Job, iterable: AsyncIterable[T]) -> AsyncIterator[T]:
    async with job:
        async for item in job.track_async(iterable):
            yield item
