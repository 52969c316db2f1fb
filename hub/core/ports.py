"""The contracts that `core` needs from the world, each with the guarantees its implementations must keep."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from hub.core.errors import EndReason
from hub.core.events import Event, State
from hub.core.job import JobState
from hub.core.messages import Message
from hub.core.statistics import Ran

T = TypeVar("T")


class Timer(Protocol):
    def cancel(self) -> None: ...


class Clock(Protocol):
    """Time and turns. `hub.core` never asks the operating system for either."""

    def now_ms(self) -> int:
        """Unix milliseconds; may step."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def soon(self, call: Callable[[], None]) -> None:
        """Run `call` in the next turn of the loop."""

    def later(self, delay_s: float, call: Callable[[], None]) -> Timer: ...


class Outlet(Protocol):
    """One watcher's connection, as the core sees it. Nothing here ever waits."""

    def offer(self, data: bytes, high_water_bytes: int) -> bool:
        """Write `data`, unless more than `high_water_bytes` wait to be sent: then do nothing and say False."""

    def write(self, data: bytes) -> None:
        """Hand over bytes, in order. Safe, and without effect, after the end."""

    def backlog(self) -> int:
        """How many of the bytes written have not been taken by the kernel yet."""

    def taken(self) -> int:
        """How many bytes the kernel has taken since the connection began."""

    def end(self, reason: EndReason, reconnect_ms: int = 0) -> None:
        """Say `bye` if the transport can, and close."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How messages become bytes for one transport or surface: two pure functions."""

    name: str
    encode: Callable[[Message, str | None], bytes]
    """One message and the cursor that is right after it (None: it moves none). Empty bytes: nothing to say."""
    frame: Callable[[Sequence[bytes]], bytes] = b"".join
    """Several encoded messages as the one piece that goes to the transport."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A repository or folder the hub knows."""

    id: str
    name: str
    created: int
    url: str | None = None
    path: str | None = None

    def to_wire(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.name, "url": self.url, "path": self.path, "created": self.created}


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """An idempotency key, what was asked with it, and the job that came of it."""

    key: str
    fingerprint: str
    job: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A lossless event that was published from outside under a key; the key is the job's own."""

    job: str
    key: str
    project: str
    seq: int
    fingerprint: str
    """Of what was said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one commit makes durable, all of it or nothing."""

    events: tuple[Event, ...] = ()
    """Lossless ones, in order of their numbers within each project."""
    jobs: tuple[JobState, ...] = ()
    """The new state of each job that changed, its newest progress included."""
    reserved: Mapping[str, int] = field(default_factory=dict)
    """By project: numbers up to here may have been handed out."""
    keys: tuple[Key, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    """Of events in this batch; each is kept as long as its event is."""

    def saved(self) -> dict[str, int]:
        """By project, the number up to which the batch holds all there is to know."""
        saved: dict[str, int] = {}
        facts: tuple[Event | JobState, ...] = (*self.events, *self.jobs)
        for fact in facts:
            saved[fact.project] = max(saved.get(fact.project, 0), fact.seq)
        return saved


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A crash has forgotten what was told after the number `after`, up to `upto`: progress, and nothing else."""

    after: int
    upto: int
    jobs: tuple[JobState, ...]
    """All that the next process found, as in `Opened`, at the number behind `upto`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """One project as a journal finds it when the hub starts."""

    project: Project
    head: int
    """Highest number that may have been handed out."""
    floor: int
    """Lossless events up to here are no longer kept."""
    jobs: tuple[JobState, ...]
    """All that have not ended and the newest that have, oldest first."""
    lost: tuple[Lost, ...] = ()
    """What crashes have forgotten, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """An empty tuple lets everything through; times are Unix milliseconds, both inclusive."""

    project: str | None = None
    kinds: tuple[str, ...] = ()
    states: tuple[State, ...] = ()
    since: int | None = None
    """Of the time at which it was created, as `until`."""
    until: int | None = None
    oldest_first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """An empty tuple lets everything through; times are Unix milliseconds, both inclusive."""

    project: str
    job: str | None = None
    types: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    """Of log lines; nothing else has one."""
    states: tuple[State, ...] = ()
    """That a job came to; only events of the type `job` have one."""
    since: int | None = None
    until: int | None = None
    text: str = ""
    """Part of the message of a log line or of an error. A to Z are the same as a to z."""
    oldest_first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    items: tuple[T, ...]
    total: int
    next: str | None
    """Where the next page starts; None at the end."""


class Journal(Protocol):
    """The memory that survives the process.

    What `commit` has returned from is there after a crash of the process. Reads see every commit that has returned.
    Raises JournalUnavailable where the store cannot be used now; the same call may then be made again.
    """

    async def open(self, *, recent_jobs: int) -> str:
        """Get ready; returns the epoch, which is new only when the numbering starts over.

        After a crash, what was reserved and not saved is a lost range, and the head is one number beyond it: no earlier
        process can have given out a cursor at the head.
        """

    async def close(self) -> None: ...

    async def projects(self) -> list[Opened]:
        """Every project, oldest first."""

    async def add_project(self, project: Project) -> Opened:
        """Keep a new project. One of the same id that was deleted before hands its numbers on, so none is reused.

        It begins one number further, at which no watcher of the old one can stand.
        """

    async def delete_project(self, project: str) -> None:
        """Forget the project, its jobs and events; its highest number is kept."""

    async def commit(self, batch: Batch) -> None: ...

    async def give_back(self, heads: Mapping[str, int]) -> None:
        """By project, the number that was handed out last: those reserved beyond it are free again.

        Only a hub that stops with everything written may say so.
        """

    async def prunable(self, *, events: int, before_ms: int) -> dict[str, int]:
        """By project, the number up to which events are beyond the newest `events` or older than `before_ms`."""

    async def prune(self, floors: Mapping[str, int]) -> None:
        """Drop lossless events up to `floors`. Tell the tracker first: a replay must not take the hole for merged."""

    async def forget_jobs(self, *, keep: int, before_ms: int) -> None:
        """Drop ended jobs beyond the newest `keep` of each project, or that ended before `before_ms`.

        Never one of the newest that `open` was told to know.
        """

    async def events(self, project: str, after: int, upto: int, limit: int, job: str | None = None) -> list[Event]:
        """Lossless events with after < seq <= upto, in order, at most `limit`."""

    async def history(self, wanted: EventFilter, limit: int, cursor: str | None) -> Page[Event]:
        """Lossless events, in the filter's order. Raises BadRequest for a cursor that no page gave out."""

    def history_slices(self, wanted: EventFilter) -> AsyncIterator[Sequence[str]]:
        """All of them that there were when it began, as JSON texts, some at a time.

        Nothing is held between two slices: what is pruned meanwhile does not come, and nothing comes twice.
        """

    async def jobs(self, wanted: JobFilter, limit: int, cursor: str | None) -> Page[JobState]:
        """Jobs by when they were created, in the filter's order. Raises BadRequest as `history` does."""

    def job_slices(self, wanted: JobFilter) -> AsyncIterator[Sequence[JobState]]:
        """All of them that there were when it began, as `history_slices`."""

    async def job_kinds(self, project: str | None, kind: str | None) -> list[tuple[str, str]]:
        """Each project and kind of which there are jobs, in order."""

    async def runs(self, project: str, kind: str, since_ms: int) -> list[Ran]:
        """Jobs that ended at or after `since_ms`, newest first."""

    async def job(self, job: str) -> JobState | None: ...

    async def succeeded(self, project: str, kind: str, limit: int) -> list[JobState]:
        """The jobs of a kind that did, the one that ended last first, whatever its id."""

    async def known(self, jobs: Sequence[str]) -> dict[str, JobState | None]:
        """Of these, the jobs of which anything is kept: None where it is no more than an event."""

    async def recall(self, key: str) -> Key | None:
        """What was committed under an idempotency key."""

    async def receipts(self, wanted: Sequence[tuple[str, str]]) -> list[Receipt]:
        """Those that are kept for these pairs of job and key."""


class Backplane(Protocol):
    """How hubs share what has happened. Every hub's listener gets every event, each project's in order, once."""

    def listen(self, deliver: Callable[[Sequence[Event]], None]) -> None: ...

    def share(self, events: Sequence[Event]) -> None:
        """Give events that are durable (or need not be) to every hub, this one included. Never waits."""
