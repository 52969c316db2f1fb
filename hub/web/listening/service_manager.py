"""The service manager that started the hub (systemd): what it is told, and the sockets that it may hand over.

The protocol of sd_notify(3) is a datagram to the socket in NOTIFY_SOCKET, and that of sd_listen_fds(3) two variables
and descriptors from 3 on; so no library is needed.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Mapping

from hub.web.background import Background

log = logging.getLogger(__name__)

FIRST_DESCRIPTOR = 3


class ServiceManager:
    def __init__(self, environ: Mapping[str, str], pid: int | None = None) -> None:
        """Without its variables nobody is told anything."""
        self._address = environ.get("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):
            self._address = "\0" + self._address[1:]
        pid = pid or os.getpid()
        mine = environ.get("WATCHDOG_PID", str(pid)) == str(pid)
        microseconds = environ.get("WATCHDOG_USEC", "") if mine else ""
        self.watchdog_s = int(microseconds) / 1_000_000 if microseconds.isdigit() else 0.0
        """How long it waits for a sign of life before it ends the hub; 0: for ever."""

    def tell(self, **words: str) -> None:
        """`READY="1"` and the like; a manager that is gone is no reason to fail."""
        if not self._address:
            return
        text = "\n".join(f"{name}={value}" for name, value in words.items())
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.sendto(text.encode(), self._address)

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Tell it within the block, from the loop itself, that the loop turns."""
        async with Background(self._signs(), "watchdog"):
            yield

    async def _signs(self) -> None:
        while self.watchdog_s:
            self.tell(WATCHDOG="1")
            await asyncio.sleep(self.watchdog_s / 3)  # systemd advises half; one may be late


def handed_over(environ: Mapping[str, str], pid: int | None = None) -> list[socket.socket]:
    """The sockets that the service manager listens on already, for this process; none where it does not."""
    if environ.get("LISTEN_PID") != str(pid or os.getpid()) or not environ.get("LISTEN_FDS", "").isdigit():
        return []
    count = int(environ["LISTEN_FDS"])
    found = [socket.socket(fileno=FIRST_DESCRIPTOR + number) for number in range(count)]
    for each in found:
        each.set_inheritable(False)  # or jobs would keep the address
        each.setblocking(False)
    return found
