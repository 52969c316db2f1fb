"""Greetings: connections in a handshake of TLS, which count and have a deadline like all others.

Given a context, a loop's own server shows a connection to nobody before its handshake is done: whoever opens thousands
and says nothing on any of them would have taken every descriptor, and no limit would know.
"""

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable

from hub.web.listening.connections import Caller, Connections

log = logging.getLogger(__name__)

SHORT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
BREATHER_S = 1.0
"""After a connection for which the system has no descriptor or memory."""


class Greetings:
    """What asyncio.Server is for connections without TLS."""

    def __init__(
        self,
        listener: socket.socket,
        context: ssl.SSLContext,
        connections: Connections,
        call: Callable[[], Caller],
    ) -> None:
        """Begins at once. `call` makes the protocol of a connection, which hears of it after its handshake."""
        listener.setblocking(False)
        self.sockets: tuple[socket.socket, ...] = (listener,)
        self._context = context
        self._connections = connections
        self._call = call
        self._listener = listener
        self._tasks = {asyncio.create_task(self._accept(), name="accept")}

    def close(self) -> None:
        """Accept no more, and wait for no handshake any longer."""
        for task in self._tasks:
            task.cancel()
        for listener in self.sockets:
            asyncio.get_running_loop().call_soon(listener.close)  # not before the loop has let go of it
        self.sockets = ()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, address = await loop.sock_accept(self._listener)
            except OSError as exc:
                if exc.errno in SHORT:
                    log.warning("a connection could not be accepted: %s", exc, extra={"action": "not_accepted"})
                await asyncio.sleep(BREATHER_S if exc.errno in SHORT else 0.01)  # else its peer has left meanwhile
                continue
            share = self._connections.share(str(address[0]))
            if not self._connections.greet(share):
                accepted.close()  # there is no way yet to say why
                continue
            task = asyncio.create_task(self._shake_hands(accepted, share), name="greeting")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _shake_hands(self, accepted: socket.socket, share: str) -> None:
        caller = self._call()
        caller.greeting = share
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: caller, accepted, ssl=self._context, ssl_handshake_timeout=self._connections.head_s
            )
        except OSError as exc:  # an SSLError is one, and so is what comes of a deadline
            log.debug("no handshake of TLS: %s", exc, extra={"action": "handshake_failed"})
        finally:
            caller.end_greeting()
