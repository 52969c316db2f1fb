"""A hub in which there is something of everything, so that every route has something to answer with."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pygit2

from hub.core.errors import JobEnded
from hub.web.assembly import Hub
from hub.web.openapi.projects import SAID_EXAMPLE
from tests.hubs import Running, running

API = "/api/v1"
ENDS = {"succeeded", "failed", "cancelled", "interrupted"}


@contextlib.asynccontextmanager
async def furnished(folder: Path, **settings: Any) -> AsyncIterator["House"]:
    """Jobs have run and run no more: those that are started wait for a turn, and are cancelled instead of having it."""
    place = folder / "open" / "code"
    repository(place)
    values = {
        "roots": (str(folder / "open"),), "allow_networks": (), "heartbeat_s": 0.2, "max_queued_jobs": 10**6,
        "max_schedules": 10**6, "max_webhooks": 10**6, "publish_rate": 0, "snapshot_quiet_s": 0.0,
        "connect_timeout_s": 1.0,
    }  # fmt: skip
    async with running(folder / "data", **(values | settings)) as hub:
        await fill(hub, place)
        made = await asked(
            hub, "POST", "/tokens", {"name": "contract", "roles": ["admin"]}
        )  # from here on one signs in
        hub.hub.engine.turns._most = 0
        hub.hub.keeper.guesses.was_wrong = lambda *_: None
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {made['token']}"}) as session:
            sweeper = asyncio.create_task(sweep(hub.hub))
            try:
                yield House(hub.hub, hub.url, session, made["token"])
            finally:
                sweeper.cancel()


async def sweep(hub: Hub) -> None:
    while True:
        await asyncio.sleep(0.02)
        for job in hub.ledger.live_jobs():
            if not job.is_outside:
                with contextlib.suppress(JobEnded):
                    await hub.engine.cancel(job.id)


class House(Running):
    def __init__(self, hub: Hub, url: str, session: aiohttp.ClientSession, token: str) -> None:
        """`token` may do anything, and `session` comes with it."""
        super().__init__(hub, url, session)
        self.token = token


def repository(place: Path) -> None:
    repo = pygit2.init_repository(place, initial_head="main")
    (place / "src").mkdir()
    (place / "src" / "parser.py").write_text("def parse_request(text):\n    return text.split()\n", encoding="utf-8")
    (place / "README").write_text("hello\n", encoding="utf-8")
    (place / "logo.bin").write_bytes(b"\0" * 100)
    repo.index.add_all()
    repo.index.write()
    who = pygit2.Signature("Ann", "ann@example.org", 1_790_000_100, 0)
    repo.create_commit("refs/heads/main", who, who, "first", repo.index.write_tree(), [])
    repo.free()


async def fill(hub: Running, place: Path) -> None:
    await asked(hub, "POST", "/projects", {"path": str(place), "id": "code"})
    await asked(hub, "POST", "/projects", {"url": "https://example.org/repo.git", "id": "repo"})
    await asked(hub, "POST", "/projects", {"id": "training"})
    session = {"id": "s1", "project": "code", "start": 1_790_000_000_000, "end": 1_790_003_600_000}
    await asked(
        hub, "POST", "/sessions", {"sessions": [session | {"events": [{"at": 1_790_000_090_000, "type": "commit"}]}]}
    )
    await done(hub, "/projects/code/jobs", {"kind": "index"})
    await done(hub, "/projects/code/jobs", {"kind": "snapshot"})
    (place / "README").write_text("hello again\n", encoding="utf-8")
    (place / "link").symlink_to("README")
    await done(hub, "/projects/code/jobs", {"kind": "snapshot"})
    await done(hub, "/sync", {})
    begun = {"events": [event | {"job": "run-7"} for event in SAID_EXAMPLE["events"][:2]]}
    await asked(hub, "POST", "/projects/training/publish", begun)
    log = {"job": "run-7", "kind": "train", "type": "log", "level": "warning", "message": "the loss went up"}
    await asked(hub, "POST", "/projects/training/publish", {"events": [log]})
    await asked(hub, "POST", "/projects/code/schedules", {"kind": "index", "every_s": 3600})
    await asked(hub, "POST", "/webhooks", {"url": "https://ci.example.org/hook", "states": ["failed"]})


async def asked(hub: Running, method: str, path: str, body: Any = None) -> Any:
    status, answer, _ = await hub.call(method, API + path, body)
    assert status < 300, answer
    return answer


async def done(hub: Running, path: str, body: Any) -> Any:
    """A job's end, which has to be a good one."""
    job = await asked(hub, "POST", path, body)
    cursor = ""
    while job["state"] not in ENDS:
        told = await asked(hub, "GET", f"/projects/{job['project']}/events?job={job['id']}&wait=20{cursor}")
        cursor = f"&since={told['cursor']}"
        job = await asked(hub, "GET", f"/jobs/{job['id']}")
    assert job["state"] == "succeeded", job["error"]
    return job
