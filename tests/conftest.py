"""What every test may use: deadlines instead of sleeps, and the rule for services that a machine may lack."""

import asyncio
import functools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import aiosqlite.core
import pytest


@pytest.fixture(autouse=True, scope="session")
def _ends() -> Iterator[None]:
    """A test that fails before it has closed its journal leaves a thread; it shall not keep the run from ending."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(aiosqlite.core, "Thread", functools.partial(threading.Thread, daemon=True))
        yield


@pytest.fixture(autouse=True, scope="session")
def _interruptible() -> None:
    """A shell starts what runs in the background deaf to Ctrl-C, and every program started from here would be, too."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


async def until(predicate: Callable[[], Any], timeout_s: float = 10.0) -> Any:
    """Wait until `predicate` is true and return what it said; fail after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not (found := predicate()):
        assert time.monotonic() < deadline, f"not true within {timeout_s} s"
        await asyncio.sleep(0.005)
    return found


def missing(what: str) -> None:
    """A service is not on this machine: a skip on a laptop, a failure in CI."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing, and in CI nothing may be")
    pytest.skip(f"{what} is missing")
