"""What every test may use: deadlines instead of sleeps, and the rule for services that a machine may lack."""

import asyncio
import os
import time
from collections.abc import Callable
from typing import Any

import pytest


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
