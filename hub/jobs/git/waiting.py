"""Waiting for what cannot be interrupted, without missing a cancel."""

import threading
from collections.abc import Callable
from typing import TypeVar

from hub.core.report import Report
from hub.jobs.git.failures import failed
from hub.jobs.patience import Patience

T = TypeVar("T")

POLL_S = 0.05


def wait_for(
    work: Callable[[], T],
    report: Report,
    *,
    limit_s: float | None = None,
    while_waiting: Callable[[], None] = lambda: None,
) -> T:
    """Run `work` in a thread and return what it returns, or raise what it raises.

    Name resolution and libgit2's delta indexing call nobody back and cannot be told to stop. Here it is the caller
    that stops waiting: when the report says Cancelled, after `limit_s` (JobFailed `timeout`), or when
    `while_waiting`, called about 20 times a second, raises. The thread is then left behind, and ends with the process.
    """
    done = threading.Event()
    outcome: list[T] = []
    trouble: list[BaseException] = []

    def body() -> None:
        try:
            outcome.append(work())
        except BaseException as exc:  # noqa: BLE001 - raised again in the caller's thread
            trouble.append(exc)
        finally:
            done.set()

    patience = Patience()
    threading.Thread(target=body, daemon=True).start()
    while not done.wait(POLL_S):
        report.check()
        while_waiting()
        waited_s = patience.waited_s()
        if limit_s is not None and waited_s > limit_s:
            raise failed("timeout")
    if trouble:
        raise trouble[0]
    return outcome[0]
