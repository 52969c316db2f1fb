"""A journal whose calls wait until the test lets them go on: between what is done on the disk and who hears of it,
anything may happen."""

import asyncio
import collections
from collections.abc import Awaitable, Callable
from typing import Any

from hub.core.errors import JournalUnavailable
from hub.journal.memory import MemoryJournal


def at_once(awaitable: Awaitable[Any]) -> Any:
    """The memory journal never really waits."""
    try:
        awaitable.__await__().send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("the journal waited")


class Call:
    """One call under way: not begun on the disk, done there, or answered."""

    def __init__(self, name: str, work: Callable[[], Any]) -> None:
        self.name = name
        self.is_done = False
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._work = work
        self._outcome: Any = None

    def do(self) -> None:
        if not self.is_done:
            self.is_done = True
            self._outcome = self._work()

    def refuse(self, *, late: bool) -> None:
        """The call fails; `late`: though it was carried out."""
        if late:
            self.do()
        self.is_done = True
        if not self.answer.done():
            self.answer.set_exception(JournalUnavailable("The journal cannot be used just now: the disk is full"))

    def reply(self) -> None:
        self.do()
        if not self.answer.done():
            self.answer.set_result(self._outcome)


class SlowJournal:
    """The journal as one process of the hub sees it. Writes are done in the order of their calls, reads likewise, as
    over SQLite's two connections; a read may pass a write. What is on `disk` outlives the process."""

    WRITES = frozenset({"commit", "add_project", "delete_project", "prune", "give_back"})

    def __init__(self, disk: MemoryJournal) -> None:
        self.disk = disk
        self.is_slow = False
        self.is_full = False
        """Writes are refused."""
        self.writes: collections.deque[Call] = collections.deque()
        self.reads: collections.deque[Call] = collections.deque()

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self.disk, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            queue = self.writes if name in self.WRITES else self.reads
            made = Call(name, lambda: at_once(method(*args, **kwargs)))
            queue.append(made)
            if not self.is_slow:
                self.go_on()
            return await made.answer

        return call

    def go_on(self) -> None:
        """Carry out and answer all that waits."""
        while self.writes:
            write = self.writes.popleft()
            if self.is_full and not write.is_done:
                write.refuse(late=False)
            else:
                write.reply()
        while self.reads:
            self.reads.popleft().reply()
