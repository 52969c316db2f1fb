"""A real asyncio loop whose turns and time pass only when a test says so: coroutines run as they would, repeatably."""

import asyncio
import collections
from collections.abc import Callable
from typing import Any

from hub.transports.clock import LoopClock


class _NoSockets:
    """Stands in for a selector: nothing ever becomes readable."""

    def select(self, timeout: float | None) -> list[Any]:
        return []


class StepLoop(asyncio.BaseEventLoop):
    def __init__(self, now: float = 1000.0) -> None:
        super().__init__()
        self._ready: collections.deque[asyncio.Handle]  # BaseEventLoop's own
        self._scheduled: list[asyncio.TimerHandle]
        self._selector = _NoSockets()
        self.now = now
        self.errors: list[BaseException | str] = []
        """What broke in a callback or a task of its own, for the test to judge."""
        self.set_exception_handler(self._note)

    def time(self) -> float:
        return self.now

    def turn(self, count: int = 1) -> None:
        """Run what is ready, once."""
        for _ in range(count):
            self.stop()
            self.run_forever()

    def settle(self, most: int = 400) -> None:
        """Run turns until nothing is ready. Time stands still, so timers of the future stay where they are."""
        for _ in range(most):
            if not self._is_busy():
                return
            self.turn()
        raise AssertionError("the loop never comes to rest")

    def step(self, seconds: float, between: Callable[[], None] = lambda: None) -> None:
        """Let time pass, with every timer in it at its time; `between` is called after each."""
        end = self.now + seconds
        self.settle()
        between()
        while (due := self._next_due()) is not None and due <= end:
            self.now = max(self.now, due)
            self.turn()
            self.settle()
            between()
        self.now = end
        self.settle()

    def live_timers(self) -> int:
        return sum(not handle.cancelled() for handle in self._scheduled)

    def drop(self) -> None:
        """The process is gone: every task is cancelled, and what it does in dying reaches nobody."""
        self.set_exception_handler(lambda loop, context: None)
        for _ in range(50):
            if not (tasks := asyncio.all_tasks(self)):
                break
            for task in tasks:
                task.cancel()
                task.add_done_callback(lambda done: done.cancelled() or done.exception())
            self.turn()
        self.close()

    def _is_busy(self) -> bool:
        due = self._next_due()
        return bool(self._ready) or (due is not None and due <= self.now)

    def _next_due(self) -> float | None:
        return min((handle.when() for handle in self._scheduled if not handle.cancelled()), default=None)

    def _note(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.errors.append(context.get("exception") or context["message"])

    def _process_events(self, event_list: list[Any]) -> None: ...

    def _write_to_self(self) -> None: ...


class StepClock(LoopClock):
    """The hub's own clock over such a loop; the wall clock follows its time."""

    def __init__(self, loop: StepLoop) -> None:
        super().__init__(loop)
        self._step_loop = loop

    def now_ms(self) -> int:
        return int(self._step_loop.now * 1000)
