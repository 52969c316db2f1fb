"""How a run's reports leave its process: few enough to be cheap, and never without the ones that matter."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from hub.jobs.base import Cancelled, JobFailed

PROGRESS_INTERVAL_S = 0.05
LOGS_PER_S = 50
DISK_INTERVAL_S = 1.0
MEMORY_INTERVAL_S = 0.1
"""A hostile server fills some 400 MB a second."""

LEVELS = frozenset({"debug", "info", "warning", "error"})


class Reporter:
    """`Report` over a function that sends one message, from any number of threads.

    Progress: the first of a stage at once, then at most 20 a second; the newest one held back goes out when its time
    has come, and always before a stage, the end, or a failure. Its time is noticed by whatever is reported next, and
    where nothing is, by a thread (see `keep_fresh`). Logs: at most 50 in a second, and then how many were left out.
    """

    def __init__(
        self,
        send: Callable[[Mapping[str, Any]], None],
        *,
        is_cancelled: Callable[[], bool] = lambda: False,
        free_bytes: Callable[[], int] | None = None,
        min_free_bytes: int = 0,
        check_memory: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`free_bytes` tells what is left on the disk that the run writes to, `check_memory` raises when the run has
        taken too much; None: nobody looks. Both may raise what ends the run.
        """
        self._send = send
        self._is_cancelled = is_cancelled
        self._free_bytes = free_bytes
        self._min_free_bytes = min_free_bytes
        self._check_memory = check_memory
        self._clock = clock
        self._lock = threading.RLock()
        self._closed = False
        self._held: dict[str, Any] | None = None
        self._holds = threading.Event()
        self._over = threading.Event()
        self._progress_at = float("-inf")
        self._disk_at = float("-inf")
        self._memory_at = float("-inf")
        self._logs_from = float("-inf")
        self._logs = 0
        self._left_out = 0

    def keep_fresh(self) -> None:
        """Send what is held back from a run that has gone silent, too: start a thread that looks after it."""
        threading.Thread(target=self._freshen, daemon=True, name="freshener").start()

    def stage(self, name: str) -> None:
        with self._lock:
            self._disk_at = float("-inf")  # what a short stage has written is looked at before the next one
            self._check()
            self._flush()
            self._send({"stage": name})
            self._progress_at = float("-inf")

    def progress(
        self,
        current: int,
        total: int | None = None,
        unit: str = "",
        message: str = "",
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        with self._lock:
            self._held = {
                "current": current, "total": total, "unit": unit, "message": message, "detail": dict(detail or {}),
            }  # fmt: skip
            self._check()
            if self._held is not None:
                self._holds.set()

    def log(self, message: str, level: str = "info") -> None:
        with self._lock:
            self._check()
            if self._logs >= LOGS_PER_S:
                self._left_out += 1
                return
            self._logs += 1
            self._say(message, level if level in LEVELS else "info")

    def check(self) -> None:
        with self._lock:
            self._check()

    def close(self) -> None:
        """Send what is held back; from now on every call raises Cancelled, whoever still makes one."""
        with self._lock:
            if not self._closed:
                self._flush()
                self._closed = True
                self._over.set()
                self._holds.set()

    def _freshen(self) -> None:
        # One wait an interval, however often the run reports: a wakeup for each report would cost a quick loop dearly.
        while self._holds.wait() and not self._over.wait(PROGRESS_INTERVAL_S):
            self._holds.clear()
            with self._lock:
                now = self._clock()
                if self._held is None or self._closed or self._is_cancelled():
                    continue
                if now - self._progress_at < PROGRESS_INTERVAL_S:
                    self._holds.set()
                else:
                    self._send_held(now)

    def _check(self) -> None:
        if self._closed or self._is_cancelled():
            raise Cancelled
        now = self._clock()
        if now - self._logs_from >= 1.0:
            self._tell_left_out()
            self._logs_from, self._logs = now, 0
        if self._held is not None and now - self._progress_at >= PROGRESS_INTERVAL_S:
            self._send_held(now)
        if self._check_memory is not None and now - self._memory_at >= MEMORY_INTERVAL_S:
            self._memory_at = now
            self._check_memory()
        if self._free_bytes is not None and now - self._disk_at >= DISK_INTERVAL_S:
            self._disk_at = now
            if self._free_bytes() < self._min_free_bytes:
                raise disk_full("The disk is nearly full, so the job was stopped.")

    def _flush(self) -> None:
        if self._held is not None:
            self._send_held(self._clock())
        self._tell_left_out()

    def _send_held(self, now: float) -> None:
        held, self._held, self._progress_at = self._held, None, now
        self._send({"progress": held})

    def _tell_left_out(self) -> None:
        if self._left_out:
            lines, self._left_out = self._left_out, 0
            self._say(f"{lines} {'line' if lines == 1 else 'lines'} left out", "info")

    def _say(self, message: str, level: str) -> None:
        self._send({"log": {"level": level, "message": message}})


def disk_full(message: str) -> JobFailed:
    return JobFailed(
        "disk_full",
        message,
        hint="Free some space on the hub's disk, or lower the setting `min_free_bytes`, and run the job again.",
        retry=True,
    )
