"""A thread with an event loop of its own, so that what a program publishes does not wait for the program's own loop."""

import asyncio
import concurrent.futures
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

STOP_S = 2.0

_forks = 0


_left_behind: list[object] = []


def left_behind(*things: object) -> None:
    """Keep things from ever being cleaned up: what a fork has copied has sockets that are registered with the parent,
    too, and the loop that connections belong to may be closed.
    """
    _left_behind.extend(thing for thing in things if thing is not None)


def forks() -> int:
    """How many forks lie between the first process and this one. A thread does not live on in a forked child."""
    return _forks


def _count_fork() -> None:
    global _forks  # noqa: PLW0603 - there is one process
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_count_fork)


class Closed(RuntimeError):
    """The client was closed, perhaps by another thread."""


class Background:
    """Started by its first use; a daemon, so it never keeps a program from ending."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True, name="progress-hub")
        self._thread.start()

    def submit(self, work: Coroutine[Any, Any, T]) -> "concurrent.futures.Future[T]":
        """Begin `work` there."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def wait(self, work: Coroutine[Any, Any, T], timeout_s: float | None = None) -> T:
        """What `work` returns or raises; cancelled when this is interrupted, or TimeoutError. Raises Closed."""
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("the hub's own thread cannot wait for itself")
        if self.loop.is_closed():
            work.close()
            raise Closed("the client was closed")
        future = self.submit(work)
        try:
            return future.result(timeout_s)
        except concurrent.futures.CancelledError as exc:
            raise Closed("the client was closed") from exc
        except BaseException:
            future.cancel()
            raise

    def soon(self, call: Callable[[], object]) -> None:
        """Run `call` in that thread; nowhere once it has stopped."""
        try:
            self.loop.call_soon_threadsafe(call)
        except RuntimeError:
            if not self.loop.is_closed():
                raise

    def stop(self) -> None:
        """Cancel what runs there, and wait a moment for it to end."""
        self.soon(self._cancel_all)
        self._thread.join(STOP_S)

    def _cancel_all(self) -> None:
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.call_soon(self._stop_when_idle)

    def _stop_when_idle(self) -> None:
        if asyncio.all_tasks(self.loop):
            self.loop.call_later(0.01, self._stop_when_idle)
        else:
            self.loop.stop()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        finally:
            self.loop.close()
