"""Work beside the requests."""

import asyncio
import contextlib
from collections.abc import Coroutine


class Background:
    """Done as a task while an `async with` block lasts, and cancelled with it; what it had failed with is raised then.

    No asynchronous generator: those are closed in any order when a loop ends in the middle of the block.
    """

    def __init__(self, work: Coroutine[object, object, None], name: str) -> None:
        self._task = asyncio.create_task(work, name=name)

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
