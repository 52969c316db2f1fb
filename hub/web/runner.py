"""What the application is run with: connections that are counted, and have deadlines, in handshakes of TLS too."""

import asyncio
from typing import Any

from aiohttp import web

from hub.web.connections import Caller, Connections

KEEP_ALIVE_S = 75.0
"""An idle connection is kept this long for the next request: longer than common proxies keep theirs, so that none sends
one into a connection that closes."""
LINGER_S = 2.0
"""How long what is left of a body is read after its answer, so that the peer gets to read that."""


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

    @property
    def handshake_s(self) -> float:
        """The longest that a handshake of TLS may take."""
        return self._connections.head_s


class Site(web.SockSite):
    """Where a Runner listens. aiohttp gives a handshake of TLS a minute, in which nobody can see or count it."""

    async def start(self) -> None:
        await web.BaseSite.start(self)
        runner = self._runner
        assert isinstance(runner, Runner)
        self._server = await asyncio.get_running_loop().create_server(
            runner.server,
            sock=self._sock,
            ssl=self._ssl_context,
            backlog=self._backlog,
            ssl_handshake_timeout=runner.handshake_s if self._ssl_context is not None else None,
        )
