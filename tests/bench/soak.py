"""`python -m tests.bench soak`: a hub under everything at once for a long time, and whether it stays as it is.

Watchers of all transports come, fall silent, and go; publishers speak; clones run, are cancelled and tried again;
projects are made and deleted. Each second the hub's memory, descriptors, threads, tasks and children are looked at.
What grows after the warm-up, beyond doubt and by more than the allowance, fails the run.
"""

import argparse
import asyncio
import contextlib
import itertools
import math
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.delivery.programs import Program, hub_program

SETTINGS: dict[str, Any] = {
    # Small, so that what is bounded has met its bound before the warm-up is over.
    "ring_size": 128, "history_events": 500, "history_jobs": 20, "recent_jobs": 5, "max_running_jobs": 2,
    "heartbeat_s": 2.0, "publish_rate": 0,
    "too_slow_s": 3.0, "request_head_s": 2.0, "drain_s": 0.2, "spare_children": 1,
}  # fmt: skip
BLOCKS = 20
"""The samples after the warm-up are halved into so many medians: neighbours in time are not independent."""
STUDENT_95 = 2.101
"""Two-sided, for BLOCKS - 2 degrees of freedom."""
ALLOWED = {"rss": 0.03, "descriptors": 3.0, "threads": 2.0, "tasks": 5.0, "children": 1.0}
"""Growth over the time measured: a share of the median for `rss`, a number for the others."""
PROJECTS = ("p0", "p1", "p2")
REMEMBERED = 50_000
"""Keys of publishers that a hub keeps in memory, and more than the ends it remembers."""
BATCH = 250
"""Jobs in a request, of two keys each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    name: str
    median: float
    growth: float
    """Over the time measured, by least squares."""
    least: float
    """The growth's lower bound, of 95 % confidence."""
    most: float
    allowed: float

    @property
    def is_flat(self) -> bool:
        return self.least <= self.allowed

    def line(self) -> str:
        unit = 1e6 if self.name == "rss" else 1
        told = (f"{value / unit:+.2f}" for value in (self.growth, self.least, self.most))
        growth, least, most = told
        verdict = "flat" if self.is_flat else "GROWS"
        allowed = f"{self.allowed / unit:.2f}"
        return f"| {self.name} | {self.median / unit:.1f} | {growth} | {least} to {most} | {allowed} | {verdict} |"


def trend(name: str, values: Sequence[float]) -> Trend:
    """Of samples that were taken at even intervals; at least BLOCKS of them."""
    size = len(values) // BLOCKS
    medians = [statistics.median(values[at * size : (at + 1) * size]) for at in range(BLOCKS)]
    times = [at / (BLOCKS - 1) for at in range(BLOCKS)]
    slope, base = statistics.linear_regression(times, medians)
    left = sum((y - base - slope * x) ** 2 for x, y in zip(times, medians, strict=True))
    spread = sum((x - 0.5) ** 2 for x in times)
    doubt = STUDENT_95 * math.sqrt(left / (BLOCKS - 2) / spread)
    median = statistics.median(values)
    allowed = ALLOWED[name] * (median if name == "rss" else 1)
    return Trend(name=name, median=median, growth=slope, least=slope - doubt, most=slope + doubt, allowed=allowed)


class Crowd:
    """Everybody who uses the hub."""

    def __init__(self, base: str, session: aiohttp.ClientSession, repository: Path, seed: int) -> None:
        self.base = base
        self.session = session
        self.repository = repository
        self.rng = random.Random(seed)
        self.done: dict[str, int] = {}

    def members(self) -> list[Callable[[], Awaitable[None]]]:
        """What is done again and again, each by one member."""
        return [
            *[self.watch] * 20, *[self.stall] * 4, *[self.poll] * 6, *[self.publish] * 3,
            self.clone, self.index, self.come_and_go, self.look, self.blunder,
        ]  # fmt: skip

    async def repeat(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                async with asyncio.timeout(60):
                    await work()
                self.done[work.__name__] = self.done.get(work.__name__, 0) + 1
            except (aiohttp.ClientError, ConnectionError, TimeoutError, EOFError):
                await asyncio.sleep(0.1)

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        async with self.session.request(method, f"{self.base}/api/v1/{path}", json=body) as response:
            return await response.json() if response.content_type == "application/json" else await response.read()

    async def fill(self) -> None:
        """Have the hub remember at once what it comes to remember in an hour, by names as long as those to come."""
        for _ in range(0, REMEMBERED // 2, BATCH):
            said = [{"job": self.new_job(), "kind": "soak", "type": "job"} for _ in range(BATCH)]
            events = [event | {"key": "11"} for event in said]
            events += [event | {"key": "12", "state": "succeeded"} for event in said]
            await self.call("POST", f"projects/{self.project()}/publish", {"events": events})

    def project(self) -> str:
        return self.rng.choice(PROJECTS)

    def new_job(self) -> str:
        return f"job-{self.rng.getrandbits(60):015x}"

    async def watch(self) -> None:
        """A visit by WebSocket or event stream, which may end in any way."""
        path = self.rng.choice(
            [f"projects/{self.project()}/events", "events", f"projects/{self.project()}/events?since=x"]
        )
        seconds = self.rng.uniform(0.1, 4)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                if self.rng.random() < 0.5:
                    async with self.session.ws_connect(f"{self.base}/api/v1/{path}") as opened:
                        async for _ in opened:
                            pass
                else:
                    headers = {"Accept": "text/event-stream"}
                    async with self.session.get(f"{self.base}/api/v1/{path}", headers=headers) as response:
                        async for _ in response.content:
                            pass

    async def stall(self) -> None:
        """A stream of which nothing is read."""
        host, port = self.base.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port), limit=1024)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        path = f"/api/v1/projects/{self.project()}/events"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n\r\n".encode())
        await asyncio.sleep(self.rng.uniform(1, 8))
        writer.transport.abort()

    async def poll(self) -> None:
        path = f"projects/{self.project()}/events"
        cursor = (await self.call("GET", path))["cursor"]
        for _ in range(self.rng.randint(1, 5)):
            cursor = (await self.call("GET", f"{path}?since={cursor}&wait=1"))["cursor"]

    async def publish(self) -> None:
        """One job elsewhere, from its beginning to its end."""
        job, path = self.new_job(), f"projects/{self.project()}/publish"
        for n in range(self.rng.randint(3, 20)):
            events = [{"job": job, "kind": "soak", "type": "progress", "current": n + k, "total": 40} for k in range(5)]
            log = {"job": job, "kind": "soak", "type": "log", "message": f"line {n}", "key": f"{n}"}
            await self.call("POST", path, {"events": [*events, log]})
            await asyncio.sleep(self.rng.uniform(0, 0.1))
        state = self.rng.choice(["succeeded", "failed", "cancelled"])
        await self.call("POST", path, {"events": [{"job": job, "kind": "soak", "type": "job", "state": state}]})

    async def clone(self) -> None:
        """A real one; sometimes cancelled, paused or tried again."""
        await self.call("POST", "projects", {"url": self.repository.as_uri(), "id": "real"})
        job = await self.call("POST", "projects/real/jobs", {"kind": "clone"})
        if (name := job.get("id")) is None:
            await asyncio.sleep(1)
            return
        if (chance := self.rng.random()) < 0.2:
            await self.call("POST", f"jobs/{name}/cancel")
        elif chance < 0.4:
            await self.call("POST", f"jobs/{name}/pause")
            await self.call("POST", f"jobs/{name}/resume")
        while (state := await self.call("GET", f"jobs/{name}")).get("ended") is None:
            await asyncio.sleep(0.1)
        if state["state"] != "succeeded":
            await self.call("POST", f"jobs/{name}/retry", {})
        await asyncio.sleep(0.5)

    async def index(self) -> None:
        await self.call("POST", "projects/real/jobs", {"kind": self.rng.choice(["index", "sync"])})
        await self.call("GET", "search?q=def&project=real")
        await asyncio.sleep(2)

    async def come_and_go(self) -> None:
        """A project with a watcher, a job and a short life."""
        project = f"short-{self.rng.getrandbits(40):x}"
        await self.call("POST", "projects", {"id": project})
        async with self.session.ws_connect(f"{self.base}/api/v1/projects/{project}/events") as opened:
            events = [{"job": project, "kind": "k", "type": "job", "state": "succeeded"}]
            await self.call("POST", f"projects/{project}/publish", {"events": events})
            await opened.receive()
            await self.call("DELETE", f"projects/{project}")
        await asyncio.sleep(0.2)

    async def look(self) -> None:
        """What pages and scrapers ask for."""
        for path in ("jobs", "projects", "watchers", f"projects/{self.project()}/history", "statistics", "kinds"):
            await self.call("GET", path)
        async with self.session.get(f"{self.base}/metrics") as response:
            await response.read()
        async with self.session.get(f"{self.base}/") as response:
            await response.read()
        await asyncio.sleep(1)

    async def blunder(self) -> None:
        """Requests that are none, half ones, and ones for nothing that is there."""
        host, port = self.base.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(self.rng.choice([b"\0\xff\r\n\r\n", b"GET / HTTP/1.1\r\nHo", b"GET /" + b"a" * 9999, b""]))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.rng.uniform(0.1, 3)):
                await reader.read()
        writer.transport.abort()
        await self.call("GET", f"nothing/{self.rng.random()}")


async def soaked(folder: Path, minutes: float, warm_up: float, seed: int) -> dict[str, list[float]]:
    """Samples, a second apart, from the warm-up on."""
    repository = folder / "repository"
    make_repository(repository)
    samples: dict[str, list[float]] = {name: [] for name in ALLOWED}
    settings = SETTINGS | {"roots": [str(folder)], "min_free_bytes": 1}
    async with hub_program(folder / "data", **settings) as hub, aiohttp.ClientSession() as session:
        base = (await hub.start())["url"]
        crowd = Crowd(base, session, repository, seed)
        for project in PROJECTS:
            await crowd.call("POST", "projects", {"id": project})
        await crowd.fill()
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(crowd.repeat(work)) for work in crowd.members()]
            for second in itertools.count():
                await asyncio.sleep(max(began + second - time.monotonic(), 0))
                found = await looked(hub)
                passed = (time.monotonic() - began) / 60
                if passed >= warm_up:
                    for name, value in found.items():
                        samples[name].append(value)
                if second % 30 == 0:
                    print(f"{passed:6.1f} min {found} {dict(sorted(crowd.done.items()))}", file=sys.stderr, flush=True)
                if passed >= minutes:
                    break
            for task in tasks:
                task.cancel()
    return samples


async def looked(hub: Program) -> dict[str, float]:
    stats = await hub.ask("stats")
    assert hub.process is not None
    process = Path(f"/proc/{hub.process.pid}")
    children = (process / "task" / str(hub.process.pid) / "children").read_text().split()
    return {
        "rss": stats["rss"],
        "descriptors": stats["descriptors"],
        "threads": len(list((process / "task").iterdir())),
        "tasks": stats["tasks"],
        "children": len(children),
    }


def make_repository(folder: Path) -> None:
    """A small one, with a history."""
    folder.mkdir(parents=True)
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    for n in range(20):
        (folder / f"file{n}.py").write_text(f"def function_{n}():\n    return {n}\n" * 20)
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "-q", "-m", f"commit {n}"], check=True)


def main(words: Sequence[str]) -> int:
    made = argparse.ArgumentParser(prog="python -m tests.bench soak", description=__doc__)
    made.add_argument("--minutes", type=float, default=30.0, help="in all (%(default)g)")
    made.add_argument("--warm-up", type=float, help="minutes before anything counts; a third by default")
    made.add_argument("--seed", type=int, default=1, help="of what is done when (%(default)d)")
    options = made.parse_args(words)
    warm_up = options.minutes / 3 if options.warm_up is None else options.warm_up
    if (options.minutes - warm_up) * 60 < 2 * BLOCKS:
        made.error(f"at least {2 * BLOCKS} s are needed after the warm-up")
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        samples = asyncio.run(soaked(Path(folder), options.minutes, warm_up, options.seed))
    trends = [trend(name, values) for name, values in samples.items()]
    counted = len(samples["rss"])
    print(
        f"{counted} samples in {options.minutes - warm_up:.1f} minutes, after a warm-up of {warm_up:.1f}; rss in MB\n"
    )
    print("| what | median | growth | of 95 % | allowed | |\n|---|---|---|---|---|---|")
    for each in trends:
        print(each.line())
    return 0 if all(each.is_flat for each in trends) else 1
