"""A job as the program that does the work sees it: say how far it is, and never wait for the hub."""

import asyncio
import concurrent.futures
import logging
import operator
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from hub.client import values, words
from hub.client.count import Count
from hub.client.ending import ending
from hub.client.errors import JobCancelled
from hub.client.outbox import Outbox
from hub.client.values import LONGEST_TEXT
from hub.core import ids
from hub.core.events import State

T = TypeVar("T")

log = logging.getLogger("hub.client")

LEVELS = frozenset({"debug", "info", "warning", "error"})


class Desk(Protocol):
    """Who sees to it that the hub hears of jobs."""

    @property
    def flush_s(self) -> float: ...

    def begin(self, job: "Job") -> None: ...

    def wake(self) -> None: ...

    def is_ours(self) -> bool:
        """False in a forked child, whose parent it is that speaks for the jobs it had."""


class Job:
    """One run of one kind, done by this program. A context manager, async or not; from any thread.

    Its block ends the job: left as usual it `succeeded`, by an exception it `failed` with that exception's text, by
    KeyboardInterrupt or CancelledError it was `cancelled`. Nothing here waits for the hub but the end of the block,
    which waits for `flush_s` at most and then warns through `logging`.

    In a forked child a job of the parent is the parent's: what the child says about it goes nowhere.
    """

    __slots__ = (
        "_desk", "_is_warned", "_on_cancel", "_raises", "_state", "_stop", "beat_s", "cancelled", "count", "end_state",
        "error", "id", "kind", "outbox", "plan", "project", "result", "said_at", "told",
    )  # fmt: skip

    def __init__(self, desk: Desk, kind: str, given: words.JobWords) -> None:
        """Raises ValueError, TypeError."""
        words.checked(kind, given)
        self.kind = kind
        self.project = given["project"]
        self.id = given.get("id") or ids.job_id()
        self.result: Mapping[str, Any] | None = None
        """What came of it, as JSON: set it before the job succeeds."""
        self.cancelled = False
        """Somebody has cancelled it on the hub."""
        self.error: str | None = None
        """Why the hub takes nothing of it any more; None while it does."""
        self.end_state: State | None = None
        self._is_warned = False
        self._state = State.RUNNING
        silence_s = given.get("silence_s", words.SILENCE_S)
        self.beat_s = min(silence_s / 4, max(silence_s / words.BEATS, 1.0))
        self.plan = values.plan(given, silence_s)
        self.outbox = Outbox()
        self.said_at = float("-inf")
        self.told: concurrent.futures.Future[bool] = concurrent.futures.Future()
        """Done when its end is on the hub (True) or never will be (False)."""
        self._desk = desk
        self._raises = given.get("raises", True)
        self._on_cancel: Callable[[], object] | None = None
        self._stop = False
        self.count = Count(given.get("total"), given.get("unit", ""))

    def __repr__(self) -> str:
        return f"<Job {self.kind} {self.id} of {self.project}>"

    # -- how far it is ------------------------------------------------------------------------------------------------

    def update(
        self,
        current: float | None = None,
        *,
        total: float | None = None,
        unit: str | None = None,
        message: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """It is at `current` (of `total`); what is left out stays as it was.

        Cheap: only the newest is sent, a few times a second. Raises JobCancelled.
        """
        count = self.count
        if total is None and unit is None and message is None and detail is None:
            if current is not None:
                count.current = current
        else:
            count.set(current, total, unit, message, detail)
        if not count.changed:
            count.changed = True
            self._desk.wake()
        if self._stop:
            self.check()

    def advance(self, by: float = 1) -> None:
        """It is `by` further. From several threads, none is lost. Raises JobCancelled."""
        with self.count.lock:
            self.count.current += by
        self._touch()
        if self._stop:
            self.check()

    def set_total(self, total: float | None) -> None:
        """How much there is to do; None: not known."""
        self.count.total = total
        self._touch()

    def stage(self, name: str, title: str | None = None, *, total: float | None = None, unit: str = "") -> None:
        """It enters a stage, and counts from 0 again. Raises JobCancelled."""
        name = words.name(name)
        with self.count.lock:
            self._sample(is_last=True)
            self._say({"type": "stage", "stage": name, **({"title": words.name(title)} if title else {})})
            self.count.enter(name, total, unit)
        self.check()

    def log(self, message: str, level: str = "info") -> None:
        """A line worth keeping. The hub takes 50 a second, and says how many it left out. Raises JobCancelled."""
        self._say(
            {"type": "log", "level": level if level in LEVELS else "info", "message": str(message)[:LONGEST_TEXT]}
        )
        self.check()

    def track(self, iterable: Iterable[T], total: float | None = None) -> Iterator[T]:
        """The same items, each counted when the next is asked for. Raises JobCancelled."""
        count = self.count
        if total is not None:
            count.total = total
        elif count.total is None:
            count.total = operator.length_hint(iterable) or None
        with count.lock:
            count.tracked += 1
        self._desk.wake()
        done = count.current
        try:
            for item in iterable:
                yield item
                done += 1
                count.current = done
                if self._stop:
                    self.check()
        finally:
            with count.lock:
                count.tracked -= 1
            self._touch()

    async def track_async(self, iterable: AsyncIterable[T], total: float | None = None) -> AsyncIterator[T]:
        """`track` for `async for`."""
        if total is not None:
            self.count.total = total
        async for item in iterable:
            yield item
            self.advance()

    def check(self) -> None:
        """Raises JobCancelled once somebody has cancelled the job, unless it was begun with `raises=False`."""
        if self._stop and self._raises and self.end_state is None:
            raise JobCancelled(f"The job {self.kind} of {self.project} was cancelled on the hub.")

    def on_cancel(self, call: Callable[[], object]) -> None:
        """Have `call` called, in a thread of the client's own, when somebody cancels the job on the hub."""
        self._on_cancel = call
        if self._stop:
            call()

    # -- begin and end ------------------------------------------------------------------------------------------------

    def begin(self) -> Self:
        """What entering the block does. Until then there is nothing to say. Once is enough."""
        self._desk.begin(self)
        return self

    def plan_stages(self, *stages: words.Stage | str) -> None:
        """The stages to come, where they are known only now. Without effect once there are any."""
        self._say({"type": "job", "state": "running", "stages": values.stages(stages)})

    def pause(self, silence_s: float = words.LONGEST_SILENCE_S) -> None:
        """It stands still, perhaps with its whole process, and may be silent for so long."""
        self._state = State.PAUSED  # first: no sign of life may take back what was said
        self._say({"type": "job", "state": State.PAUSED, "silence_s": silence_s})

    def resume(self) -> None:
        """It goes on after `pause`."""
        self._state = State.RUNNING
        self._say({"type": "job", "state": State.RUNNING, "silence_s": self.plan["silence_s"]})

    def sign(self) -> dict[str, Any]:
        """The event that says no more than that it lives."""
        return {"type": "job", "state": self._state}

    def end(self, state: State, error: Mapping[str, Any] | None = None) -> None:
        """What leaving the block does, but for the waiting. The first end counts."""
        if self.end_state is not None or not self._desk.is_ours():
            return
        state = State(state)
        self._sample(is_last=True)
        event: dict[str, Any] = {"type": "job", "state": state.value}
        if error is not None:
            event["error"] = {
                name: text[:LONGEST_TEXT] if isinstance(text, str) else text for name, text in error.items()
            }
        if self.result is not None and state is State.SUCCEEDED:
            event["result"] = values.json_object(self.result) or {"text": repr(self.result)[:LONGEST_TEXT]}
        if self.outbox.end(event):
            self.end_state = state
            self._desk.wake()

    def flush(self, timeout_s: float | None = None) -> bool:
        """Wait until the hub knows how it ended; False when it does not after `timeout_s` (by default, `flush_s`)."""
        if not self._desk.is_ours():
            return True
        try:
            told = self.told.result(self._desk.flush_s if timeout_s is None else timeout_s)
        except TimeoutError:
            told = False
        if not told:
            self._warn()
        return told

    def __enter__(self) -> Self:
        return self.begin()

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave(exc)
        if not isinstance(exc, GeneratorExit):
            self.flush()

    async def __aenter__(self) -> Self:
        return self.begin()

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave(exc)
        if not self._desk.is_ours():
            return
        told = asyncio.wrap_future(self.told)
        await asyncio.wait({told}, timeout=self._desk.flush_s)
        if not told.done() or not told.result():
            self._warn()

    def _leave(self, exc: BaseException | None) -> None:
        how = ending(exc, self.count)
        if how.log is not None:
            self._say({"type": "log", "level": "error", "message": how.log})
        self.end(how.state, how.error)

    def _warn(self) -> None:
        if self._is_warned:
            return
        self._is_warned = True
        why = self.error or f"the hub was not told within {self._desk.flush_s:g} s"
        log.warning("The end of %r may be lost: %s; %d events wait.", self, why, len(self.outbox))

    # -- for the sender -----------------------------------------------------------------------------------------------

    def sample(self) -> None:
        """Take the newest progress, if there is any."""
        if self.end_state is None:
            self._sample()

    def stop(self) -> None:
        """The hub says that somebody has cancelled it."""
        if not self._stop:
            self.cancelled = self._stop = True
            if self._on_cancel is not None:
                self._on_cancel()

    def begun(self) -> dict[str, Any]:
        """The event that begins it."""
        return {"type": "job", "state": "running", **self.plan}

    def where(self) -> list[dict[str, Any]]:
        """The events that bring a job of another id to where this one is."""
        events = [self.begun()]
        if self.count.stage is not None:
            events.append({"type": "stage", "stage": self.count.stage})
        return [*events, self.count.event()]

    def _touch(self) -> None:
        if not self.count.changed:
            self.count.changed = True
            self._desk.wake()

    def _sample(self, *, is_last: bool = False) -> None:
        with self.count.lock:
            if self._desk.is_ours() and (event := self.count.take(is_last=is_last)) is not None:
                self.outbox.progress(event)

    def _say(self, event: Mapping[str, Any]) -> None:
        if self.end_state is None and self._desk.is_ours():
            self.outbox.say(event)
            self._desk.wake()
