"""Snapshots of a project: list, show, compare, download, delete."""

import asyncio
import contextlib
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from aiohttp import hdrs, web

from hub.core.errors import BadRequest, Unavailable
from hub.core.ports import Project
from hub.snapshots import environment
from hub.transports.ask import whole
from hub.web.assembly import Hub
from hub.web.bodies import PAGE_LIMIT, PAGE_MAX, paging
from hub.web.keys import HUB
from hub.web.resources import downloads
from hub.web.resources.jobs import accepted

if TYPE_CHECKING:  # loaded when a snapshot is first asked for: a hub that has none starts without
    from hub.snapshots.backend import Location
    from hub.snapshots.requests import Reader
    from hub.snapshots.streamer import Streamed

T = TypeVar("T")

READERS = 4
MOST_READERS = 50
"""Projects whose manifests are kept at hand."""
MOST_STREAMS = 8
CONNECT_S, SILENCE_S = 5.0, 20.0
"""Of the store, while somebody waits for an answer."""
PAUSES_S = (0.3, 1.0)
TYPES = ("file", "dir", "link", "left_out")
LONGEST_PATH = 16 * 1024
NO_STORE = {"Cache-Control": "no-store"}


class Shelf:
    """What the application holds for snapshots."""

    def __init__(self) -> None:
        self.threads = ThreadPoolExecutor(READERS, "snapshots-read")
        self.readers: dict[tuple[str, int], Reader] = {}
        self.streams = 0


SHELF = web.AppKey("SHELF", Shelf)


async def shelving(app: web.Application) -> AsyncIterator[None]:
    """For `cleanup_ctx`."""
    app[SHELF] = Shelf()
    yield
    app[SHELF].threads.shutdown(wait=False, cancel_futures=True)


async def list_(request: web.Request) -> web.Response:
    limit, cursor = paging(request)
    return _json(await _read(request, lambda reader: reader.list(limit, cursor)))


async def show(request: web.Request) -> web.Response:
    id_ = request.match_info["snapshot"]
    return _json(await _read(request, lambda reader: reader.show(id_)))


async def files(request: web.Request) -> web.Response:
    """`?path=` is what paths begin with, `?type=` one of file, dir, link, left_out."""
    id_, (limit, cursor) = request.match_info["snapshot"], paging(request)
    kind = request.query.get("type")
    if kind is not None and kind not in TYPES:
        raise BadRequest(f"type must be one of: {', '.join(TYPES)}.")
    prefix = _path(request, needed=False)
    return _json(await _read(request, lambda reader: reader.files(id_, prefix, kind, limit, cursor)))


async def diff(request: web.Request) -> web.Response:
    one, other = request.match_info["snapshot"], request.match_info["other"]
    limit = whole(request.query, "limit", 1, PAGE_MAX, PAGE_LIMIT)
    cursor = request.query.get("cursor")
    return _json(await _read(request, lambda reader: reader.diff(one, other, limit, cursor)))


async def delete(request: web.Request) -> web.Response:
    """Starts the job that removes it, and what no other snapshot needs."""
    hub = request.app[HUB]
    project, id_ = hub.catalog.get(request.match_info["project"]), request.match_info["snapshot"]
    await _read(request, lambda reader: reader.exists(id_))
    return accepted(hub, await hub.engine.submit(project, "prune", {"snapshots": [id_]}))


async def archive(request: web.Request) -> web.StreamResponse:
    """All of it as `.tar.zst`, made while it is sent; `?path=` for a part."""
    project, id_ = _project(request), request.match_info["snapshot"]
    prefix = _path(request, needed=False).strip(b"/")
    made = await _read(request, lambda reader: reader.snapshot(id_))
    part = f"-{hashlib.sha256(prefix).hexdigest()[:16]}" if prefix else ""
    # Weak: what is in it is always the same, its bytes depend on the compressor's version.
    etag = f'W/"{made.root}{part}"'
    headers = {
        "ETag": etag,
        "Content-Type": "application/zstd",
        "Content-Disposition": downloads.disposition(f"{project.name}-{id_}.tar.zst"),
        "Accept-Ranges": "none",
        "Cache-Control": "private, no-cache",
    }
    if downloads.is_known(request, etag):
        return web.Response(status=304, headers={"ETag": etag})
    if request.method == hdrs.METH_HEAD:
        return web.Response(headers=headers)
    asked = {"snapshot": id_, "top": f"{project.id}-{id_}", "prefix": prefix.hex()}
    return await _send(request, asked, web.StreamResponse(headers=headers))


async def file(request: web.Request) -> web.StreamResponse:
    """One file of it, or a range of its bytes."""
    id_, path = request.match_info["snapshot"], _path(request, needed=True)
    entry = await _read(request, lambda reader: reader.file(id_, path))
    name = entry.sha256 or hashlib.sha256(repr(entry.pieces_identity).encode()).hexdigest()
    etag = f'"{name}"'
    headers = {
        "ETag": etag,
        "Content-Type": "application/octet-stream",
        "Content-Disposition": downloads.disposition(os.fsdecode(path.rpartition(b"/")[2])),
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
    }
    if downloads.is_known(request, etag):
        return web.Response(status=304, headers={"ETag": etag})
    start, end, status = 0, entry.size, 200
    if (wanted := downloads.range_of(request, entry.size, etag)) is not None:
        start, end = wanted
        if start >= end:
            error = {"code": "range", "message": f"The file has {entry.size:,} bytes."}
            headers = {"Content-Range": f"bytes */{entry.size}"}
            return web.json_response({"error": error}, status=416, headers=headers)
        status, headers["Content-Range"] = 206, f"bytes {start}-{end - 1}/{entry.size}"
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = end - start
    if request.method == hdrs.METH_HEAD or start == end:
        await response.prepare(request)
        return response
    return await _send(request, {"snapshot": id_, "path": entry.path.hex(), "start": start, "end": end}, response)


# -- inside -----------------------------------------------------------------------------------------------------------


def _project(request: web.Request) -> Project:
    return request.app[HUB].catalog.get(request.match_info["project"])


def _path(request: web.Request, *, needed: bool) -> bytes:
    """`?path=`, or `?path_bytes=` in hexadecimal for a name that is no text."""
    text, raw = request.query.get("path"), request.query.get("path_bytes")
    try:
        path = bytes.fromhex(raw) if raw is not None else (text or "").encode()
    except (ValueError, UnicodeEncodeError) as exc:
        raise BadRequest("That path is not one.") from exc
    if len(path) > LONGEST_PATH or (needed and not path):
        raise BadRequest("path is missing: which file is wanted?" if needed else "That path is too long.")
    return path


async def _read(request: web.Request, ask: "Callable[[Reader], T]") -> T:
    hub, shelf, project = request.app[HUB], request.app[SHELF], _project(request)
    key = (project.id, project.created)

    def read() -> T:
        reader = shelf.readers.get(key)
        if reader is None:
            reader = _reader(hub, project)
            while len(shelf.readers) >= MOST_READERS:
                with contextlib.suppress(KeyError, StopIteration):
                    del shelf.readers[next(iter(shelf.readers))]
            shelf.readers[key] = reader
        return ask(reader)

    return await asyncio.get_running_loop().run_in_executor(shelf.threads, read)


def _reader(hub: Hub, project: Project) -> "Reader":
    from hub.snapshots import opening  # noqa: PLC0415
    from hub.snapshots.backend import ObjectStore  # noqa: PLC0415
    from hub.snapshots.requests import Reader  # noqa: PLC0415
    from hub.snapshots.store import Store  # noqa: PLC0415

    store = Store(ObjectStore(_location(hub, project)), pauses_s=PAUSES_S)
    return Reader(store, opening.state(hub.engine.home(project.id)))


def _location(hub: Hub, project: Project) -> "Location":
    from hub.snapshots import opening  # noqa: PLC0415

    rules, home = hub.rules, hub.engine.home(project.id)
    found = opening.location(rules.store, project.id, home, rules.store_options, environment.secrets(os.environ))
    return replace(
        found,
        connect_timeout_s=min(CONNECT_S, rules.connect_timeout_s),
        silence_timeout_s=min(SILENCE_S, rules.silence_timeout_s),
    )


async def _send(request: web.Request, asked: Mapping[str, Any], response: web.StreamResponse) -> web.StreamResponse:
    from hub.snapshots.streamer import StreamBroke, streamed  # noqa: PLC0415

    hub, shelf = request.app[HUB], request.app[SHELF]
    if shelf.streams >= MOST_STREAMS:
        raise Unavailable("There are as many downloads as the hub takes at once; try again shortly.")
    shelf.streams += 1
    try:
        async with streamed(_location(hub, _project(request)), asked) as stream:
            await response.prepare(request)
            try:
                await _pour(stream, response, hub.rules.silence_timeout_s)
            except (StreamBroke, TimeoutError):
                # The client must not take what it has for all of it: the connection breaks instead of ending.
                if request.transport is not None:
                    request.transport.abort()
                return response
            await response.write_eof()
    finally:
        shelf.streams -= 1
    return response


async def _pour(stream: "Streamed", response: web.StreamResponse, patience_s: float) -> None:
    """Raises StreamBroke, ConnectionError, and TimeoutError for a client that takes nothing."""
    async for part in stream.parts():
        async with asyncio.timeout(patience_s):
            await response.write(part)


def _json(body: Mapping[str, Any]) -> web.Response:
    return web.json_response(body, headers=NO_STORE)
