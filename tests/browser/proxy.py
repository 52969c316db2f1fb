"""A reverse proxy that spoils the way to a hub, as real ones do. Not a browser route: those see no worker's traffic."""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Self

import aiohttp
from aiohttp import WSMsgType, web

HOP_BY_HOP = {"connection", "upgrade", "transfer-encoding", "content-length", "keep-alive"}


@dataclass
class Manners:
    """How the proxy treats what passes; tests change it while it runs."""

    refuses_ws: bool = False
    """Answers an upgrade as a proxy that never heard of it."""
    swallows_ws: bool = False
    """Takes an upgrade and never answers."""
    holds_streams: bool = False
    """Passes an answer on only once it is whole, as scanners do."""
    is_down: bool = False
    """Answers everything with a page of its own."""
    prefix: str = ""
    """Path under which the hub lives here; taken off before it is asked."""


class Proxy:
    """An async context: forwards `url` to `target`."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.manners = Manners()
        self.requests: list[str] = []
        """What came: "ws", "sse" or "GET /path"."""
        self.streams = 0
        """Event streams that are open."""
        self._sockets: set[web.WebSocketResponse] = set()

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(auto_decompress=False)
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        await self._runner.cleanup()

    def cut(self) -> None:
        """Break every WebSocket that is open, without a closing handshake."""
        for socket in list(self._sockets):
            if socket._req is not None and socket._req.transport is not None:
                socket._req.transport.abort()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        is_ws = request.headers.get("Upgrade", "").lower() == "websocket"
        is_sse = "event-stream" in request.headers.get("Accept", "")
        self.requests.append("ws" if is_ws else "sse" if is_sse else f"{request.method} {request.path}")
        if self.manners.is_down:
            return web.Response(status=502, text="<h1>Bad gateway</h1>", content_type="text/html")
        if is_ws and self.manners.refuses_ws:
            return web.Response(status=400, text="what is an upgrade?")
        if is_ws and self.manners.swallows_ws:
            await asyncio.sleep(3600)
        return await (self._socket(request) if is_ws else self._forward(request))

    def _far(self, request: web.Request) -> str:
        return self.target + str(request.rel_url).removeprefix(self.manners.prefix)

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        body = await request.read()
        url = self._far(request)
        timeout = aiohttp.ClientTimeout(total=None)
        async with self._session.request(request.method, url, headers=headers, data=body, timeout=timeout) as answer:
            passed = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP}
            if self.manners.holds_streams:
                return web.Response(status=answer.status, headers=passed, body=await answer.read())
            response = web.StreamResponse(status=answer.status, headers=passed)
            await response.prepare(request)
            self.streams += answer.content_type == "text/event-stream"
            try:
                async for piece in answer.content.iter_any():
                    await response.write(piece)
            finally:
                self.streams -= answer.content_type == "text/event-stream"
            await response.write_eof()
            return response

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        origin = {"Host": request.host, "Origin": request.headers.get("Origin", "")}
        async with self._session.ws_connect(self._far(request), headers=origin) as far:
            near = web.WebSocketResponse()
            await near.prepare(request)
            self._sockets.add(near)
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(_pump(near, far))
                    tasks.create_task(_pump(far, near))
            finally:
                self._sockets.discard(near)
        return near


async def _pump(source: web.WebSocketResponse, sink: aiohttp.ClientWebSocketResponse) -> None:
    with contextlib.suppress(ConnectionError):
        async for message in source:
            if message.type is WSMsgType.TEXT:
                await sink.send_str(message.data)
        await sink.close(code=source.close_code or 1000)
