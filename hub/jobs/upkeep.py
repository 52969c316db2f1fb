"""Upkeep: what the engine has done in the background, and the removing of what nobody needs any more."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from hub.jobs.folders import Folders

log = logging.getLogger(__name__)

EXPIRY_S = 3600.0


class Upkeep:
    """The owner of the engine's tasks. Their trouble is logged; `stop` waits for them."""

    def __init__(self, folders: Folders, keep_work_s: float) -> None:
        """`keep_work_s`: for so long work is kept for a retry."""
        self._folders = folders
        self._keep_work_s = keep_work_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweeping = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Look after kept work now, and every hour."""
        self.spawn(self.expire())
        self._timer = asyncio.get_running_loop().call_later(EXPIRY_S, self.start)

    async def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def expire(self) -> None:
        """Remove work that has been kept for too long."""
        await asyncio.to_thread(self._folders.expire, self._keep_work_s)
        await self.sweep()

    async def drop(self, project: str, kind: str) -> None:
        """Remove the work that is kept for this project and kind."""
        await asyncio.to_thread(self._folders.drop, project, kind)
        await self.sweep()

    async def sweep(self) -> None:
        """Remove what was put out of the way; one sweep at a time, as each may keep a thread busy for long."""
        async with self._sweeping:
            await asyncio.to_thread(self._folders.sweep)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (exc := task.exception()) is not None:
            log.error("a task of the engine broke", extra={"action": "engine_task_broke"}, exc_info=exc)
