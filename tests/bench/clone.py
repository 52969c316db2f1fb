"""Clone: the hub's wall time against `git clone` of the same URL, and what the hub's loop feels of it."""

import asyncio
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench import figures
from tests.bench.figures import Goal, Line, Plan, Row
from tests.bench.machine import MissingError, process, said
from tests.hubs import Running, Watch, read_sse, running

FILES, COMMITS, FILE_BYTES = 1500, 300, 60_000
"""About 100 MB of pack: text that compresses as source does not, so that bytes and not only deltas count."""
TICK_S = 0.01


def measure(plan: Plan) -> figures.Figures:
    if shutil.which("git") is None:
        raise MissingError("no git (apt install git)")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = Path(plan.repository) if plan.repository else _made(folder / "made.git")
        with process([sys.executable, "-m", "tests.bench.git_side", path, folder], core=None) as server:
            return asyncio.run(_measure(said(server.stdout)["url"], path, folder, plan.rounds))


async def _measure(url: str, path: Path, folder: Path, rounds: int) -> figures.Figures:
    times: dict[str, list[float]] = {"plain": [], "git": [], "libgit2": []}
    firsts: list[float] = []
    lags: list[float] = []
    for n in range(rounds):
        began = time.monotonic()
        command = ["git", "clone", "--quiet", url, str(folder / f"plain{n}")]
        await (await asyncio.create_subprocess_exec(*command)).wait()
        times["plain"].append(time.monotonic() - began)
        await asyncio.to_thread(shutil.rmtree, folder / f"plain{n}")
        for engine in ("git", "libgit2"):
            async with running(folder / f"hub{n}{engine}", spare_children=1) as hub:
                ticking = asyncio.create_task(_tick(lags))
                took, first = await _clone(hub, url, engine)
                ticking.cancel()
            times[engine].append(took)
            firsts.append(first)
            await asyncio.to_thread(shutil.rmtree, folder / f"hub{n}{engine}")
    lags.sort()
    return {
        "megabytes": sum(pack.stat().st_size for pack in path.glob("**/*.pack")) / 1e6,
        "plain_s": statistics.median(times["plain"]),
        "git_s": statistics.median(times["git"]),
        "libgit2_s": statistics.median(times["libgit2"]),
        "first_event_ms": statistics.median(firsts),
        "lag_p50_ms": lags[len(lags) // 2],
        "lag_p99_ms": lags[int(len(lags) * 0.99)],
    }


async def _clone(hub: Running, url: str, engine: str) -> tuple[float, float]:
    """Seconds from POST to the end event at a watcher, milliseconds from POST to the first event."""
    await asyncio.sleep(1.0)  # the spare child is ready, as in a hub that has been up for a moment
    _, project, _ = await hub.call("POST", "/api/v1/projects", {"url": url})
    watch, first = Watch(), 0.0
    path = f"{hub.url}/api/v1/projects/{project['id']}"
    async with hub.session.get(f"{path}/events", headers={"Accept": "text/event-stream"}) as response:
        stream = read_sse(response, watch)
        while (await anext(stream))["type"] != "snapshot":
            pass
        began = time.monotonic()
        async with hub.session.post(f"{path}/jobs", json={"kind": "clone", "params": {"engine": engine}}) as answer:
            assert answer.status == 202, await answer.text()
        async for message in stream:
            first = first or (time.monotonic() - began) * 1000
            if watch.ended:
                assert message["state"] == "succeeded", message
                break
    return time.monotonic() - began, first


async def _tick(lags: list[float]) -> None:
    """How much later than asked this loop, which is the hub's, comes back to a task."""
    while True:
        began = time.monotonic()
        await asyncio.sleep(TICK_S)
        lags.append((time.monotonic() - began - TICK_S) * 1000)


def _made(path: Path) -> Path:
    """A repository with a history, by git's own fast-import; the same at every run."""
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", path], check=True)
    chance = random.Random(8470)
    words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(3, 9))) for _ in range(20_000)]

    def text(size: int) -> bytes:
        count = size // 7
        return "\n".join(" ".join(chance.choices(words, k=10)) for _ in range(count // 10)).encode()

    with subprocess.Popen(["git", "-C", path, "fast-import", "--quiet"], stdin=subprocess.PIPE) as importer:
        assert importer.stdin is not None
        out = importer.stdin
        for commit in range(COMMITS):
            out.write(b"commit refs/heads/main\ncommitter A <a@example.org> %d +0000\n" % (1_700_000_000 + commit * 60))
            message = b"change %d" % commit
            out.write(b"data %d\n%b\n" % (len(message), message))
            for n in range(commit, FILES, COMMITS) if commit else range(FILES):
                data = text(FILE_BYTES)
                out.write(b"M 100644 inline d%d/f%d.txt\ndata %d\n%b\n" % (n % 40, n, len(data), data))
    return path


def lines(found: figures.Figures) -> Iterator[Line]:
    plain = found["plain_s"]
    for engine, goal in (("git", Goal(bound=1.05)), ("libgit2", None)):
        took = found[f"{engine}_s"]
        yield Line(
            what=f"clone of a {found['megabytes']:.0f} MB pack over smart HTTP on loopback, `{engine}` engine",
            hub=f"{took:.2f} s",
            peer=f"`git clone`: {plain:.2f} s",
            ratio=took / plain,
            goal=goal,
        )
    first, lag = found["first_event_ms"], found["lag_p99_ms"]
    yield Line(what="first event after POST", hub=f"{first:.0f} ms", value=first, goal=Goal(bound=200, unit=" ms"))
    yield Line(
        what="the loop's lag during a clone, p99", hub=f"{lag:.1f} ms", value=lag, goal=Goal(bound=5, unit=" ms")
    )


ROW = Row(name="clone", title="Clone", measure=measure, lines=lines)
