"""`track`: an iterable as a job, in the manner of progress bars."""

import functools
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import TypeVar, Unpack, overload

from hub.client.asynchronous import AsyncClient
from hub.client.words import JobWords

T = TypeVar("T")


@overload
def track(iterable: Iterable[T], kind: str, **words: Unpack[JobWords]) -> Iterator[T]: ...
@overload
def track(iterable: AsyncIterable[T], kind: str, **words: Unpack[JobWords]) -> AsyncIterator[T]: ...
def track(
    iterable: Iterable[T] | AsyncIterable[T], kind: str, **words: Unpack[JobWords]
) -> Iterator[T] | AsyncIterator[T]:
    """`Client.track` on the hub that `HUB_URL` names, or else on this machine's."""
    return _client().track(iterable, kind, **words)


@functools.cache
def _client() -> AsyncClient:
    return AsyncClient()
