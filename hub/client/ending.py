"""How a job ends by the way its block was left."""

import asyncio
import traceback
from dataclasses import dataclass
from typing import Any

from hub.client.count import Count
from hub.client.errors import JobCancelled
from hub.client.values import LONGEST_TEXT
from hub.core.events import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    state: State
    error: dict[str, Any] | None = None
    log: str | None = None
    """A line for the log, before the end."""


def ending(exc: BaseException | None, count: Count) -> Ending:
    if exc is None or (isinstance(exc, SystemExit) and not exc.code):
        return Ending(state=State.SUCCEEDED)
    if isinstance(exc, GeneratorExit):
        of = "" if count.total is None else f" of {count.total:g}"
        message = f"The loop was left after {count.current:g}{of}."
        return Ending(state=State.CANCELLED, error={"code": "left", "message": message})
    if isinstance(exc, JobCancelled | KeyboardInterrupt | asyncio.CancelledError):
        return Ending(state=State.CANCELLED)
    last = traceback.format_exception_only(exc)[-1].strip()
    return Ending(
        state=State.FAILED,
        error={"code": type(exc).__name__, "message": last, "retry": True},
        log="".join(traceback.format_exception(exc))[-LONGEST_TEXT:],
    )
