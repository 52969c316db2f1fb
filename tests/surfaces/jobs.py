"""A hub with something to do for every surface, each long enough to be watched."""

import contextlib
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.commits.histories import fill, line
from tests.hubs import Running, running
from tests.jobs.git_server import GitServer
from tests.jobs.repositories import commit_stream, git, init
from tests.proxies.programs import nginx

COMMITS = 3000
FILES = 150
SITE = "server { listen PORT; location / { proxy_pass http://HUB; } }"
WAYS = ["direct", pytest.param("nginx", marks=pytest.mark.proxy)]
SLOWLY = 150_000.0
"""Bytes a second of the git server: the clone takes about two seconds."""


@dataclass(frozen=True)
class Work:
    """What there is to do, and where the surfaces' streams are. `url`: of the hub, or of a proxy before it."""

    hub: Running
    git: GitServer
    folder: Path
    """To be indexed, and, as the project `work`, to be made a snapshot of."""
    url: str

    @property
    def clone_url(self) -> str:
        return f"{self.git.url}/code.git"

    @property
    def clone_stream(self) -> str:
        return f"/repos/clone-progress?url={self.clone_url}"

    @property
    def index_body(self) -> dict[str, Any]:
        return {"project_path": str(self.folder)}

    @property
    def ingest_body(self) -> dict[str, Any]:
        return {"repository": f"{self.git.url}/other.git"}

    def through(self, url: str) -> "Work":
        return Work(hub=self.hub, git=self.git, folder=self.folder, url=url)

    async def starts(self) -> int:
        """How many jobs there have been."""
        return int((await self.hub.call("GET", "/api/v1/jobs?limit=1"))[1]["total"])


@contextlib.contextmanager
def reached(work: Work, way: str, place: Path) -> Iterator[Work]:
    """The same, directly or through nginx."""
    if way == "direct":
        yield work
    else:
        with nginx(place, SITE.replace("HUB", work.hub.url.removeprefix("http://"))) as url:
            yield work.through(url)


def repository(path: Path, seed: int) -> None:
    rnd, parts = random.Random(seed), []
    for number in range(20):
        names = range(FILES) if number == 0 else rnd.sample(range(FILES), 10)
        files = {f"m{n}.py": _module(rnd) for n in names} | {"noise.bin": rnd.randbytes(15_000)}
        parts.append(commit_stream("main", number, files, first=number == 0))
    git(path, "fast-import", "--quiet", data=b"".join(parts))


def _module(rnd: random.Random) -> bytes:
    return b"".join(b"def f%d(a):\n    return a * %d\n\n\n" % (n, rnd.getrandbits(60)) for n in range(60))


@contextlib.asynccontextmanager
async def working(place: Path, **settings: Any) -> AsyncIterator[Work]:
    served, folder = place / "served", place / "open" / "work"
    served.mkdir(parents=True)
    folder.mkdir(parents=True)
    for number, name in enumerate(("code.git", "other.git")):
        repository(init(served / name), number)
    rnd = random.Random(7)
    for n in range(FILES):
        (folder / f"m{n}.py").write_bytes(_module(rnd) * 4)
    with GitServer(served) as server:
        server.behaviour.bytes_per_s = SLOWLY
        values = {"roots": (str(place / "open"),), "spare_children": 1, "snapshot_quiet_s": 1.0} | settings
        async with running(place / "data", **values) as hub:
            status, _, _ = await hub.call("POST", "/api/v1/projects", {"path": str(folder), "id": "work"})
            assert status == 201
            past = str(fill(init(place / "open" / "past"), line(COMMITS)))
            assert (await hub.call("POST", "/api/v1/projects", {"path": past, "id": "past"}))[0] == 201
            yield Work(hub=hub, git=server, folder=folder, url=hub.url)
