"""One real clone, watched at once by every transport and by clients that are not ours: all see one story."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import httpx_sse
import pytest
import websockets

from hub.client import Hub
from hub.core.events import ENDS
from tests.conftest import missing, until
from tests.jobs.git_server import GitServer
from tests.processes import HubProcess

pytestmark = pytest.mark.git
SPEED = 600_000


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare repository of about a megabyte that no compression shrinks."""
    if shutil.which("git") is None:
        missing("git")
    root = tmp_path_factory.mktemp("served")
    source = root / "source"
    source.mkdir()
    for n in range(120):
        (source / f"{n:03}.bin").write_bytes(os.urandom(8_000))
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "all"]):
        subprocess.run(["git", *who, "-C", source, *words], check=True)
    subprocess.run(["git", "clone", "-q", "--bare", source, root / "noise.git"], check=True)
    return root


@pytest.fixture
def git(repository: Path) -> Iterator[GitServer]:
    with GitServer(repository) as server:
        server.behaviour.bytes_per_s = SPEED
        yield server


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubProcess]:
    process = HubProcess(tmp_path / "data", "--drain-s", "0.5")
    yield process
    process.close()


class Seen:
    """What one watcher saw."""

    def __init__(self) -> None:
        self.percents: dict[int, float] = {}
        self.ends: list[int] = []
        self.lossless: list[tuple[int, str]] = []
        self.last = 0

    def take(self, message: dict[str, Any]) -> bool:
        """True once the job has ended."""
        if "seq" in message and message["type"] != "snapshot":
            assert message["seq"] > self.last, "in order, and nothing twice"
            self.last = message["seq"]
            if message["type"] == "progress":
                self.percents[message["seq"]] = message["percent"]
            else:
                self.lossless.append((message["seq"], message["type"]))
            if message["type"] == "job" and message["state"] in ENDS:
                self.ends.append(message["seq"])
        return bool(self.ends)


async def by_websockets(url: str, seen: Seen) -> None:
    async with websockets.connect(url.replace("http:", "ws:")) as socket:
        async for frame in socket:
            if seen.take(json.loads(frame)):
                return


async def by_httpx_sse(url: str, seen: Seen) -> None:
    async with httpx.AsyncClient(timeout=30) as client, httpx_sse.aconnect_sse(client, "GET", url) as source:
        async for event in source.aiter_sse():
            if seen.take(event.json()):
                return


async def by_curl(url: str, seen: Seen) -> None:
    if shutil.which("curl") is None:
        missing("curl")
    command = ["curl", "-sN", "-H", "Accept: text/event-stream", url]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        async for line in process.stdout:
            if line.startswith(b"data: ") and seen.take(json.loads(line[6:])):
                break
    finally:
        os.kill(process.pid, signal.SIGTERM)
        await process.wait()


async def by_polling(url: str, seen: Seen) -> None:
    def ask(query: str) -> Any:
        with urllib.request.urlopen(url + query, timeout=30) as response:
            return json.load(response)

    query = ""
    while True:
        answer = await asyncio.to_thread(ask, query)
        for event in answer["events"]:
            seen.take(event)
        if seen.ends:
            return
        query = f"?wait=10&since={answer['cursor']}"


async def by_our_client(url: str, seen: Seen) -> None:
    base, _, rest = url.partition("/api/v1/projects/")
    async with Hub(base) as client:
        async for message in client.watch(project=rest.split("/")[0]):
            if seen.take(message):
                return


WATCHERS: tuple[Callable[[str, Seen], Awaitable[None]], ...] = (
    by_websockets, by_httpx_sse, by_curl, by_polling, by_our_client,
)  # fmt: skip


async def test_every_watcher_sees_the_same_story(hub: HubProcess, git: GitServer) -> None:
    project = hub.call("POST", "projects", {"url": f"{git.url}/noise.git"})["id"]
    url = f"{hub.url}api/v1/projects/{project}/events"
    all_seen = [Seen() for _ in WATCHERS]
    tasks = [asyncio.create_task(watch(url, seen)) for watch, seen in zip(WATCHERS, all_seen, strict=True)]  # type: ignore[arg-type]
    await until(lambda: _all_watch(hub))
    job = await asyncio.to_thread(hub.call, "POST", f"projects/{project}/jobs", {"kind": "clone"})
    await asyncio.wait_for(asyncio.gather(*tasks), 40)
    assert len({seen.last for seen in all_seen}) == 1
    for seen in all_seen:
        assert len(seen.ends) == 1
        assert seen.ends == [seen.last]
        assert seen.lossless == all_seen[0].lossless
        assert len(seen.percents) > 3
        percents = [seen.percents[seq] for seq in sorted(seen.percents)]
        assert percents == sorted(percents)
        assert percents[-1] < 100
        for other in all_seen:
            common = set(seen.percents) & set(other.percents)
            assert all(seen.percents[seq] == other.percents[seq] for seq in common)
    state = hub.call("GET", f"jobs/{job['id']}")
    assert (state["state"], state["percent"]) == ("succeeded", 100.0)


async def test_a_clone_that_nobody_watches_any_more_finishes(hub: HubProcess, git: GitServer) -> None:
    project = hub.call("POST", "projects", {"url": f"{git.url}/noise.git"})["id"]
    url = f"{hub.url}api/v1/projects/{project}/events"
    all_seen = [Seen() for _ in WATCHERS]
    tasks = [asyncio.create_task(watch(url, seen)) for watch, seen in zip(WATCHERS, all_seen, strict=True)]  # type: ignore[arg-type]
    job = await asyncio.to_thread(hub.call, "POST", f"projects/{project}/jobs", {"kind": "clone"})
    await until(lambda: all(seen.percents for seen in all_seen))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    state = await until(lambda: _ended(hub, job["id"]), 30)
    assert state["state"] == "succeeded"
    assert len(list(Path(state["result"]["path"]).glob("*.bin"))) == 120
    await until(lambda: hub.call("GET", "watchers")["items"] == [])


def _all_watch(hub: HubProcess) -> bool:
    transports = Counter(row["transport"] for row in hub.call("GET", "watchers")["items"])
    return transports == {"ws": 2, "sse": 2, "poll": 1}


def _ended(hub: HubProcess, job: str) -> Any:
    state = hub.call("GET", f"jobs/{job}")
    return state if state["state"] in ENDS else None


async def test_kill_9_of_the_hub_in_mid_clone_leaves_the_truth(hub: HubProcess, git: GitServer) -> None:
    """The watcher comes back by itself with its cursor, and hears the end that a restarted hub gives the job."""
    git.behaviour.bytes_per_s = 50_000
    project = hub.call("POST", "projects", {"url": f"{git.url}/noise.git"})["id"]
    url = f"{hub.url}api/v1/projects/{project}/events"
    seen = Seen()
    watching = asyncio.create_task(by_our_client(url, seen))
    job = await asyncio.to_thread(hub.call, "POST", f"projects/{project}/jobs", {"kind": "clone"})
    await until(lambda: len(seen.percents) > 2)
    children = _children(hub.pid)
    hub.stop(signal.SIGKILL)
    await until(lambda: not any(Path(f"/proc/{child}").exists() for child in children))
    hub.start()
    await asyncio.wait_for(watching, 30)
    assert len(seen.ends) == 1
    state = hub.call("GET", f"jobs/{job['id']}")
    assert (state["state"], state["error"]["retry"]) == ("interrupted", True)
    assert list((hub.data_dir / "work").glob("*")) == []
    git.behaviour.bytes_per_s = None
    again = hub.call("POST", f"jobs/{job['id']}/retry")
    done = await until(lambda: _ended(hub, again["id"]), 30)
    assert (done["state"], done["attempt"], done["retry_of"]) == ("succeeded", 2, job["id"])


async def test_sigterm_in_mid_clone_tells_everybody_and_exits_in_time(hub: HubProcess, git: GitServer) -> None:
    git.behaviour.bytes_per_s = 50_000
    project = hub.call("POST", "projects", {"url": f"{git.url}/noise.git"})["id"]
    hub.call("POST", f"projects/{project}/jobs", {"kind": "clone"})
    said: list[dict[str, Any]] = []

    async def listen() -> None:
        url = f"{hub.url}api/v1/projects/{project}/events".replace("http:", "ws:")
        async with websockets.connect(url) as socket:
            async for frame in socket:
                said.append(json.loads(frame))  # noqa: PERF401 - read while it still comes in

    listening = asyncio.create_task(listen())
    await until(lambda: any(message["type"] == "progress" for message in said))
    began = asyncio.get_running_loop().time()
    assert await asyncio.to_thread(hub.stop) == 0
    assert asyncio.get_running_loop().time() - began < 6
    with pytest.raises(websockets.ConnectionClosed) as closed:
        await listening
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4000
    assert [message["type"] for message in said[-2:]] == ["job", "bye"]
    assert said[-2]["state"] == "interrupted"
    assert said[-1]["retry"] is True


def _children(pid: int) -> list[int]:
    """Every process below `pid`."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *_children(int(child))]
    return found
