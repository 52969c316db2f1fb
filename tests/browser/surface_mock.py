"""The five surfaces as a test wants them: it serves the page's own files and says only what it is told to say."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Self

from aiohttp import web

from hub.assets import static_dir
from hub.web import page
from tests.conftest import until

STREAMS = {
    "clone": ("GET", "/repos/clone-progress"),
    "clone-again": ("POST", "/repos/clone-progress"),
    "sync": ("GET", "/api/sync/git/progress"),
    "index": ("POST", "/mcp/index/stream"),
    "snapshot": ("GET", "/api/v1/projects/{project}/progress/stream"),
    "ingest": ("POST", "/api/v1/ingest/{source:github|gitlab|bitbucket|local}"),
    "ingest-job": ("GET", "/api/v1/ingest/{job}/stream"),
}
ANSWERS = {
    "sync-start": ("POST", "/api/sync/git"),
    "sync-status": ("GET", "/api/status"),
    "sync-interval": ("PUT", "/api/settings/git-sync-interval"),
    "index-cancel": ("DELETE", "/mcp/index/stream"),
    "snapshot-start": ("POST", "/api/v1/projects/{project}/snapshot"),
    "snapshot-poll": ("GET", "/api/v1/projects/{project}/progress"),
}


class Stream:
    """One surface's event stream, with whoever listens to it."""

    def __init__(self, headers: dict[str, str]) -> None:
        self.headers = headers
        self.refusal: tuple[int, Any] | None = None
        """Status and body of the answer in place of a stream."""
        self.asked: list[tuple[dict[str, str], Any]] = []
        """The query and the body of every request."""
        self._open: dict[web.StreamResponse, asyncio.Event] = {}
        self._told = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((dict(request.query), await request.json() if request.can_read_body else None))
        if self.refusal is not None:
            status, body = self.refusal
            return web.json_response(body, status=status)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **self.headers})
        await response.prepare(request)
        over = self._open[response] = asyncio.Event()
        try:
            await response.write(b": hello\n\n")
            await over.wait()
        finally:
            del self._open[response]
        return response

    @property
    def listeners(self) -> int:
        return len(self._open)

    async def tell(self, data: dict[str, Any], event: str | None = None) -> None:
        await until(lambda: self._open)
        self._told += 1
        name = f"event: {event}\n" if event else ""
        for response in list(self._open):
            await response.write(f"id: 0a1b-{self._told}\n{name}data: {json.dumps(data)}\n\n".encode())

    async def end(self) -> None:
        await until(lambda: self._open)
        for over in self._open.values():
            over.set()
        await until(lambda: not self._open)


class SurfaceMock:
    """An async context. `streams` and `answers` by the names above; an answer is (status, body)."""

    def __init__(self) -> None:
        self.streams = {name: Stream({"X-Job-Id": "job-7"} if "ingest" in name else {}) for name in STREAMS}
        self.answers: dict[str, tuple[int, Any]] = dict.fromkeys(ANSWERS, (200, {}))
        self.asked: list[tuple[str, Any]] = []

    def __getitem__(self, name: str) -> Stream:
        return self.streams[name]

    async def __aenter__(self) -> Self:
        app = web.Application()
        app[page.ASSETS] = page.load(static_dir())
        app.on_response_prepare.append(page.harden)
        app.router.add_get("/static/{path:.+}", page.static)
        for name, (method, path) in STREAMS.items():
            app.router.add_route(method, path, self.streams[name].answer)
        for name, (method, path) in ANSWERS.items():
            app.router.add_route(method, path, self._answering(name))
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/static/examples/"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    def _answering(self, name: str) -> Callable[[web.Request], Any]:
        async def answer(request: web.Request) -> web.Response:
            self.asked.append((name, await request.json() if request.can_read_body else dict(request.query)))
            status, body = self.answers[name]
            return web.json_response(body, status=status)

        return answer
