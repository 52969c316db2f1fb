"""The face for programs without an event loop: the same words, and they wait."""

import atexit
import contextlib
import weakref
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
)
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack, overload

from hub.client.asynchronous import PAGE, AsyncClient
from hub.client.background import Background, Closed, left_behind
from hub.client.job import Job
from hub.client.link import Link, Pace
from hub.client.publisher import FLUSH_S
from hub.client.words import JobWords
from hub.core.job import JobState

T = TypeVar("T")


_clients: "weakref.WeakSet[SyncClient]" = weakref.WeakSet()
"""Those that have asked something, and have connections to close."""


@atexit.register
def _close() -> None:
    """Where nobody else did."""
    for client in list(_clients):
        client.close()


class SyncClient:
    """One hub; see `Client`. A context manager, for any number of threads, and in a forked child for its own jobs."""

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        pace: Pace | None = None,
        flush_s: float = FLUSH_S,
    ) -> None:
        """Raises WrongUrl, WrongToken."""
        self._client = AsyncClient(url, token=token, pace=pace, flush_s=flush_s)

    @property
    def url(self) -> str:
        return self._client.url

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self in _clients and self._client.publisher.is_running:
            self._client.publisher.background.wait(self._client.close_calls())
        elif self in _clients:
            left_behind(self._client)  # its connections are the parent's
        _clients.discard(self)
        self._client.publisher.close()

    # -- jobs of this program -----------------------------------------------------------------------------------------

    def job(self, kind: str, **words: Unpack[JobWords]) -> Job:
        """See `Client.job`."""
        return self._client.job(kind, **words)

    @overload
    def track(self, iterable: Iterable[T], kind: str, **words: Unpack[JobWords]) -> Iterator[T]: ...
    @overload
    def track(self, iterable: AsyncIterable[T], kind: str, **words: Unpack[JobWords]) -> AsyncIterator[T]: ...
    def track(
        self, iterable: Iterable[T] | AsyncIterable[T], kind: str, **words: Unpack[JobWords]
    ) -> Iterator[T] | AsyncIterator[T]:
        """See `Client.track`."""
        return self._client.track(iterable, kind, **words)

    # -- jobs of the hub ----------------------------------------------------------------------------------------------

    def create_project(self, **what: str | None) -> dict[str, Any]:
        """See `Client.create_project`; and so on."""
        return self._wait(lambda hub: hub.create_project(**what))

    def project(self, project: str) -> dict[str, Any]:
        return self._wait(lambda hub: hub.project(project))

    def start(
        self, kind: str, *, project: str, params: Mapping[str, Any] | None = None, key: str | None = None
    ) -> JobState:
        return self._wait(lambda hub: hub.start(kind, project=project, params=params, key=key))

    def state(self, job: str) -> JobState:
        return self._wait(lambda hub: hub.state(job))

    def jobs(
        self, *, project: str | None = None, kind: str | None = None, state: str | None = None, limit: int = PAGE
    ) -> list[JobState]:
        return self._wait(lambda hub: hub.jobs(project=project, kind=kind, state=state, limit=limit))

    def cancel(self, job: str) -> JobState:
        return self._wait(lambda hub: hub.cancel(job))

    def pause(self, job: str) -> JobState:
        return self._wait(lambda hub: hub.pause(job))

    def resume(self, job: str) -> JobState:
        return self._wait(lambda hub: hub.resume(job))

    def retry(self, job: str, params: Mapping[str, Any] | None = None, *, from_stage: bool = False) -> JobState:
        return self._wait(lambda hub: hub.retry(job, params, from_stage=from_stage))

    # -- watching -----------------------------------------------------------------------------------------------------

    def watch(
        self,
        project: str | None = None,
        *,
        job: str | None = None,
        since: str | None = None,
        min_interval_ms: int = 0,
        on_link: Callable[[Link], None] | None = None,
    ) -> Iterator[dict[str, Any]]:
        """See `Client.watch`. `on_link` is called in the client's own thread."""
        background = self._background()
        messages = self._client.watch(
            project, job=job, since=since, min_interval_ms=min_interval_ms, on_link=on_link
        )  # fmt: skip
        try:
            while (message := background.wait(_next(messages))) is not None:
                yield message
        finally:
            with contextlib.suppress(Closed):
                background.wait(messages.aclose())

    def wait(self, job: str, timeout_s: float | None = None) -> JobState:
        """The state in which `job` ends. Raises TimeoutError after `timeout_s`."""
        return self._wait(lambda hub: hub.wait(job), timeout_s)

    def _wait(self, ask: Callable[[AsyncClient], Coroutine[Any, Any, T]], timeout_s: float | None = None) -> T:
        background = self._background()
        return background.wait(ask(self._client), timeout_s)

    def _background(self) -> Background:
        _clients.add(self)
        return self._client.publisher.background


async def _next(messages: AsyncGenerator[dict[str, Any], None]) -> dict[str, Any] | None:
    return await anext(messages, None)
