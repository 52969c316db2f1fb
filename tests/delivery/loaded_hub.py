"""The real program with a load inside it: `python -m tests.delivery.loaded_hub '{"data_dir": ..., "port": 0}'`.

Listens as `progress-hub serve` does, on the same kind of loop, with the settings given. Says where it listens, then
does what it is asked on stdin: see `Load`.
"""

import asyncio
import contextlib
import ctypes
import gc
import itertools
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from hub.cli.serving import new_event_loop
from hub.core.ports import Journal, Project
from hub.journal.sqlite import SqliteJournal
from hub.settings import Settings
from hub.web import server
from hub.web.assembly import Hub, assembled
from tests.delivery import load
from tests.delivery.programs import obey, say
from tests.delivery.watcher import TIMED
from tests.fakes import job_body, log_body, progress_body, stage_body

LAG_STEP_S = 0.005


class Load:
    """What can be asked of it; each method is an op."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._lag_s = 0.0
        self.tasks: set[asyncio.Task[None]] = set()
        self._start(self._watch_lag())

    async def project(self, project: str = "p") -> bool:
        if not self._hub.tracker.has(project):
            opened = await self._hub.journal.add_project(Project(id=project, name=project, created=0))
            self._hub.catalog.add(opened.project)
            self._hub.tracker.open_project(project, opened.head, opened.floor, opened.jobs)
            self._hub.ledger.open_project(project, opened.head, opened.jobs)
        return True

    async def load(self, seed: object, project: str = "p", pause_s: float = 0.002) -> bool:
        """Random jobs from now on."""
        self._start(load.publish(self._hub.ledger, project, seed, pause_s))
        return True

    async def logs(self, count: int, job: str = TIMED, pause_s: float = 0.0, size: int = 0, project: str = "p") -> int:
        """`count` log lines of `size` letters, each with the time it was published at, each durable before the next."""
        ledger, writer = self._hub.ledger, self._hub.writer
        if ledger.job(job) is None:
            for body in (job_body(), stage_body()):
                ledger.publish(project, job, "load", body)
        for n in range(count):
            ledger.publish(project, job, "load", log_body(f"{time.monotonic_ns()} {'x' * size}"))
            if n % 3 == 0:
                ledger.publish(project, job, "load", progress_body(1, n))
            await writer.durable()
            await asyncio.sleep(pause_s)
        return self._hub.tracker.channel(project).head

    async def trickle(self, project: str, pause_s: float = 0.05) -> bool:
        """One job that does nothing but progress, from now on."""
        ledger = self._hub.ledger

        async def publish() -> None:
            for n in itertools.count():
                ledger.publish(project, "trickle", "load", progress_body(min(99.0, n / 100), n))
                await asyncio.sleep(pause_s)

        for body in (job_body(), stage_body()):
            ledger.publish(project, "trickle", "load", body)
        await self._hub.writer.durable()
        self._start(publish())
        return True

    async def limit_pages(self, pages: int) -> bool:
        """Let the journal grow no further than this, or than it is."""
        journal = self._hub.journal
        assert isinstance(journal, SqliteJournal)
        await journal.limit_pages(pages)
        return True

    async def watchers(self) -> int:
        return self._hub.tracker.watcher_count

    async def stats(self) -> dict[str, Any]:
        """What the process holds, after everything that can be freed has been; the loop's longest lag since last."""
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        lag_s, self._lag_s = self._lag_s, 0.0
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return {
            "rss": pages * os.sysconf("SC_PAGE_SIZE"),
            "descriptors": len(list(Path("/proc/self/fd").iterdir())),
            "tasks": len(asyncio.all_tasks()),
            "watchers": self._hub.tracker.watcher_count,
            "lag_s": lag_s,
        }

    def ops(self) -> dict[str, Any]:
        names = ("project", "load", "logs", "trickle", "limit_pages", "watchers", "stats")
        return {name: getattr(self, name) for name in names}

    def _start(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self.tasks.discard(task)
        if not task.cancelled():
            task.result()

    async def _watch_lag(self) -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(LAG_STEP_S)
            self._lag_s = max(self._lag_s, time.monotonic() - began - LAG_STEP_S)


@contextlib.asynccontextmanager
async def loaded(settings: Settings, journal: Journal | None = None) -> AsyncIterator[Hub]:
    async with assembled(settings, journal) as hub:
        found = Load(hub)
        found._start(obey(found.ops()))
        try:
            yield hub
        finally:
            for task in list(found.tasks):
                task.cancel()
            await asyncio.gather(*found.tasks, return_exceptions=True)


async def tell(url: str) -> None:
    say({"url": url, "port": int(url.rpartition(":")[2]), "pid": os.getpid()})


def main() -> None:
    values = {"port": 0, "spare_children": 0, "log_level": "error"} | json.loads(sys.argv[1])
    server.assembled = loaded  # type: ignore[attr-defined]
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(server.serve(Settings(**values), on_ready=tell))


if __name__ == "__main__":
    main()
