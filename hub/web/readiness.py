"""Can the hub do its work? Its journal takes what is published, its disk has room, and it does not go just now."""

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path

from aiohttp import web

from hub.journal.writer import Writer

OK = "ok"


class Readiness:
    def __init__(self, writer: Writer, folder: Path, floor_bytes: int) -> None:
        self._writer = writer
        self._folder = folder
        self.floor_bytes = floor_bytes
        self.is_draining = False
        self.free_bytes = 0
        """When it was looked at last."""

    async def look(self) -> Mapping[str, str]:
        """By part, `ok` or what is wrong with it."""
        disk = await self._disk()
        return {
            "journal": self._writer.trouble or OK,
            "disk": disk,
            "drain": "The hub is about to stop." if self.is_draining else OK,
        }

    async def _disk(self) -> str:
        try:
            self.free_bytes = (await asyncio.to_thread(shutil.disk_usage, self._folder)).free
        except OSError as exc:
            return f"The data folder cannot be looked at: {exc.strerror}."
        if self.free_bytes < self.floor_bytes:
            return f"{self.free_bytes} bytes are free, and min_free_bytes is {self.floor_bytes}."
        return OK


READINESS = web.AppKey("READINESS", Readiness)
