"""Threads that are waited for with an eye on whether the work is to stop.

The standard library's executors join their threads when the interpreter ends; one that hangs in a store which answers
no more would keep the process. These are daemons: nobody waits for them but who wants their answer.
"""

import contextlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, TimeoutError  # noqa: A004 - the builtin's other name since 3.11
from typing import Any, TypeVar

T = TypeVar("T")

LOOK_S = 0.1
"""Between two looks at whether the work is to stop."""


class Hands:
    """At most `most` threads, started when they are needed."""

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._tasks: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._busy = 0

    def submit(self, work: Callable[[], T]) -> "Future[T]":
        future: Future[T] = Future()
        with self._lock:
            self._busy += 1
            if self._busy > self._threads and self._threads < self._most:
                self._threads += 1
                threading.Thread(target=self._work, name=f"{self._name}-{self._threads}", daemon=True).start()
        self._tasks.put((future, work))
        return future

    def close(self) -> None:
        """What was submitted is still done; then the threads end."""
        for _ in range(self._threads):
            self._tasks.put(None)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            future, work = task
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work())
                except BaseException as exc:  # noqa: BLE001 - it belongs to whoever waits
                    future.set_exception(exc)
            del task, future, work  # what it held is not kept until the next one comes
            with self._lock:
                self._busy -= 1


def awaited(future: "Future[T]", check: Callable[[], None]) -> T:
    """What it comes to; `check` is called meanwhile, and what it raises ends the waiting."""
    while True:
        with contextlib.suppress(TimeoutError):
            return _result(future)
        check()


def _result(future: "Future[T]") -> T:
    try:
        return future.result(LOOK_S)
    except TimeoutError:
        if future.done():  # it was the work's own
            raise RuntimeError("the work took too long") from None
        raise
