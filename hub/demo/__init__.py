"""Something to look at for `serve --demo`: a real repository, and a slow git server that has it and nothing else."""

import asyncio
import shutil
from pathlib import Path
from typing import Self

from hub.demo.git_server import GitServer
from hub.demo.repository import make_repository

BYTES_PER_S = 160 * 1024
"""Slow enough to see the bar move, and still to see its end."""


class Demo:
    """An async context manager; while it is open, `ready` has the URL of the repository.

    Without `git` on the machine there is nobody to serve it, and the URL is a `file://` one. `roots` and `networks` are
    what the hub's settings of the same meaning must let through. `ready` alone touches `folder`: until the hub holds
    its data folder, that may be another's.
    """

    def __init__(self, folder: Path, *, bytes_per_s: int | None = BYTES_PER_S) -> None:
        self._folder = folder
        self._repository = folder / "harbour.git"
        self._address = folder / "address"
        self._server = GitServer(self._repository, bytes_per_s) if shutil.which("git") else None

    async def __aenter__(self) -> Self:
        if self._server:
            await self._server.start(self._address)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server:
            await self._server.stop()

    @property
    def roots(self) -> tuple[str, ...]:
        return () if self._server else (str(self._folder),)

    @property
    def networks(self) -> tuple[str, ...]:
        return (f"{self._server.host}/32",) if self._server else ()

    async def ready(self) -> str:
        """The URL to clone from. Makes the repository if this is the first time."""
        self._folder.mkdir(parents=True, exist_ok=True)
        if self._server:
            self._server.remember(self._address)
        if not self._repository.exists():
            await asyncio.to_thread(make_repository, self._repository)
        return self._server.url if self._server else self._repository.as_uri()
