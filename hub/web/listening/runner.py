"""What the application is run with: connections that are counted, and have deadlines, in handshakes of TLS too."""

import asyncio
import socket
import ssl
from typing import Any

from aiohttp import web

from hub.web.listening.connections import Caller, Connections
from hub.web.listening.greetings import Greetings

KEEP_ALIVE_S = 75.0
"""An idle connection is kept this long for the next request: longer than common proxies keep theirs, so that none sends
one into a connection that closes."""
LINGER_S = 2.0
"""How long what is left of a body is read after its answer, so that the peer gets to read that."""

AT_ONCE = 32
"""Connections that asyncio accepts in one turn, before any limit sees the first of them: it takes the number that may
wait in the system for this one, too, and a flood would then have every descriptor. Less than SPARE_DESCRIPTORS."""


class Runner(web.AppRunner):
    """An application's runner whose connections are Callers."""

    def __init__(self, app: web.Application, connections: Connections, *, close_s: float) -> None:
        """`close_s` is the longest wait for open answers when it ends."""
        super().__init__(app, access_log=None, handler_cancellation=True, shutdown_timeout=close_s)
        self._connections = connections

    @property
    def server(self) -> Any:
        """What is called for each connection."""
        theirs = super().server
        if theirs is None:
            return None
        return lambda: Caller(
            theirs, self._connections, access_log=None, keepalive_timeout=KEEP_ALIVE_S, lingering_time=LINGER_S
        )

    def greetings(self, listener: socket.socket, context: ssl.SSLContext) -> Greetings:
        return Greetings(listener, context, self._connections, self.server)


class Site(web.SockSite):
    """Where a Runner listens."""

    async def start(self) -> None:
        await web.BaseSite.start(self)
        runner = self._runner
        assert isinstance(runner, Runner)
        listener, context = self._sock, self._ssl_context
        if context is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(runner.server, sock=listener, backlog=AT_ONCE)
            listener.listen(self._backlog)
        else:
            listener.listen(self._backlog)
            server: Any = runner.greetings(listener, context)
            self._server = server
