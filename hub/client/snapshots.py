"""Snapshots of a hub's projects as plain async calls."""

import urllib.parse
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from hub.client.api import JOB, PAGE, Hub
from hub.client.errors import HubUnreachable, NotAHub, refusal

SILENCE_S = 120.0
PIECE_BYTES = 64 * 1024


class Snapshots(Hub):
    """Answers are the API's own JSON objects."""

    async def snapshots(self, project: str, **query: str | int | None) -> dict[str, Any]:
        """A page, newest first: `limit`, `cursor`."""
        return await self._call("GET", _path(project, query=query), PAGE)

    async def snapshot(self, project: str, id_: str) -> dict[str, Any]:
        return await self._call("GET", _path(project, id_), ("id", "files"))

    async def files(self, project: str, id_: str, **query: str | int | None) -> dict[str, Any]:
        """A page of the manifest: `path`, `type`, `limit`, `cursor`."""
        return await self._call("GET", _path(project, id_, "files", query=query), PAGE)

    async def differences(self, project: str, one: str, other: str, **query: str | int | None) -> dict[str, Any]:
        """A page of what `other` has differently from `one`."""
        return await self._call("GET", _path(project, one, "diff", other, query=query), PAGE)

    async def delete(self, project: str, id_: str) -> dict[str, Any]:
        """The state object of the job that removes it."""
        return await self._call("DELETE", _path(project, id_), JOB)

    async def archive(self, project: str, id_: str, path: str | None = None) -> AsyncIterator[bytes]:
        """The `.tar.zst`, piece by piece. Raises HubUnreachable when it breaks off."""
        url = f"{self.base}/api/v1{_path(project, id_, 'archive', query={'path': path})}"
        timeout = aiohttp.ClientTimeout(total=None, sock_read=SILENCE_S)
        try:
            async with self._open().get(url, timeout=timeout) as response:
                if response.status >= 400 or response.content_type != "application/zstd":
                    raise await refusal(response)
                async for part in response.content.iter_chunked(PIECE_BYTES):
                    yield part
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError) as exc:
            raise HubUnreachable(f"The download from {self.base} broke off, so it is not whole ({exc}).") from exc
        except aiohttp.ClientError as exc:
            raise NotAHub(f"What answers at {self.base} is no Progress Hub.") from exc


def _path(project: str, *parts: str, query: dict[str, str | int | None] | None = None) -> str:
    path = "/".join(urllib.parse.quote(part, safe="") for part in ("projects", project, "snapshots", *parts))
    narrowed = urllib.parse.urlencode({name: value for name, value in (query or {}).items() if value})
    return f"/{path}?{narrowed}" if narrowed else f"/{path}"
