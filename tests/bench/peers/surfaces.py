"""The hub with one job under way, which is watched in a surface's words or in the hub's own.

Every event is one progress report, told to everybody: cadences, which would merge them, are left out.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hub.core.events import Body, JobBody, ProgressBody, State
from hub.core.progress import Meter
from hub.jobs.kinds import KINDS
from hub.surfaces import ingest, sync
from hub.surfaces.clone import COUNTERS
from tests.bench.orders import obey, run, say
from tests.bench.peer import Peer, Setup, Started, Step
from tests.bench.peers.hub import HubPublisher
from tests.conftest import until
from tests.hubs import Running, running

PROJECT, JOB = "p", "j1"
TOTAL = 10**9
FOLDER = "work"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """`path` and `mark`: of its stream, and of what its events begin with."""

    stage: str
    path: str
    mark: str
    counters: Sequence[str] = ()
    """Of the detail."""
    project: str = PROJECT
    body: Callable[[str], dict[str, Any]] | None = None
    """Of the POST that its watchers come in with, given the folder; None: they come with a GET."""


SURFACES = {
    "clone": Surface(
        stage="receiving",
        path="/repos/clone-progress?url=https://example.org/p.git",
        mark='{"type":"progress"',
        counters=COUNTERS,
    ),
    "sync": Surface(
        stage="scanning",
        path="/api/sync/git/progress",
        mark='{"phase":"scanning"',
        counters=(*sync.SCANNING, *sync.CORRELATING),
        project=sync.ALL,
    ),
    "index": Surface(
        stage="parsing",
        path="/mcp/index/stream",
        mark='{"type":"progress","stage":"indexing"',
        project=FOLDER,
        body=lambda folder: {"project_path": folder},
    ),
    "snapshot": Surface(
        stage="compressing",
        path=f"/api/v1/projects/{PROJECT}/progress/stream",
        mark='{"projectId"',
        counters=("fileCount", "totalSize"),
    ),
    "ingest": Surface(stage="parsing", path=f"/api/v1/ingest/{JOB}/stream", mark='{"stage":"Parsing"'),
}
NATIVE = '{"type":"progress"'


def started(kind: str) -> Callable[[Setup], Started]:
    def start(setup: Setup) -> Started:
        settings = {"max_watchers": setup.watchers + 10, "high_water_bytes": 2**24, **setup.settings}
        options = json.dumps({"loop": setup.loop, "kind": kind, "settings": settings})
        return Started(command=[sys.executable, "-m", "tests.bench.peers.surfaces", options])

    return start


def native(kind: str) -> Peer:
    path = f"/api/v1/projects/{SURFACES[kind].project}/events?job={JOB}"
    return Peer(name="hub", title="native SSE", start=started(kind), watch={"sse": _get(path)}, mark=NATIVE)


def surface(kind: str) -> Peer:
    """The path that the program says is the folder's."""
    it = SURFACES[kind]
    watch = _get(it.path) if it.body is None else _post(it)
    return Peer(name="hub", title=f"{kind} surface", start=started(kind), watch={"sse": watch}, mark=it.mark)


def _get(path: str) -> Callable[[str], list[Step]]:
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n"
    return lambda _: [(head.encode(), "\r\n\r\n")]


def _post(it: Surface) -> Callable[[str], list[Step]]:
    def steps(folder: str) -> list[Step]:
        assert it.body is not None
        body = json.dumps(it.body(folder)).encode()
        head = f"POST {it.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
        return [(head.encode() + body, "\r\n\r\n")]

    return steps


class SurfacePublisher(HubPublisher):
    def __init__(self, made: Running, kind: str, folder: str) -> None:
        self.made, self._kind, self._it = made, kind, SURFACES[kind]
        plan = KINDS[kind].stages
        meter = Meter(plan, started=0.0)
        self._publish(JobBody(state=State.QUEUED, plan=plan))
        self._publish(JobBody(state=State.RUNNING))
        for stage in plan:
            self._publish(meter.enter(stage.name))
            if stage.name == self._it.stage:
                break
        self._count = 1
        self._report: ProgressBody = meter.advance(0.0, 1, TOTAL, "files", "Under way", self._detail())
        self.folder = folder

    def watchers(self) -> int:
        return self.made.hub.tracker.watchers_of(self._it.project)

    async def burst(self, events: int, burst: int) -> None:
        for n in range(events):
            self.one()
            if n % burst == burst - 1 or n == events - 1:
                await self.made.settle()
                await asyncio.sleep(0)

    def one(self) -> None:
        self._count += 1
        self._publish(replace(self._report, current=self._count, detail=self._detail()))

    def _detail(self) -> dict[str, Any]:
        return dict.fromkeys(self._it.counters, getattr(self, "_count", 1))

    def _publish(self, body: Body) -> None:
        self.made.hub.ledger.publish(self._it.project, JOB, self._kind, body)


async def main(kind: str, settings: dict[str, Any]) -> None:
    sync.CADENCE_MS = ingest.CADENCE_MS = 0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place).resolve() / FOLDER
        folder.mkdir()
        async with running(Path(place) / "data", roots=(str(folder.parent),), **settings) as made:
            await made.make_project(PROJECT)
            assert (await made.call("POST", "/api/v1/projects", {"path": str(folder), "id": FOLDER}))[0] == 201
            await made.call("POST", "/api/sync/git")  # makes the project that it is of
            await until(lambda: not made.hub.ledger.live_jobs(), 30)
            publisher = SurfacePublisher(made, kind, str(folder))
            await made.settle()
            say(port=int(made.url.rpartition(":")[2]), path=str(folder))
            await obey(publisher)


if __name__ == "__main__":
    options = json.loads(sys.argv[1])
    run(main(options["kind"], options["settings"]), options["loop"])
