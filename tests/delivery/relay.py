"""A TCP relay that counts: it passes exactly as many bytes of an answer as the request's `X-Cut` says, and is gone."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator

RESET = struct.pack("ii", 1, 0)
"""For SO_LINGER: close with a reset, and send nothing more."""


@contextlib.asynccontextmanager
async def relay(port: int) -> AsyncIterator[int]:
    """Leads to `port`; yields its own. `X-Cut: 120 fin` ends after 120 bytes, `120 rst` with a reset."""
    busy: set[asyncio.Task[None]] = set()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        busy.add(task)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            count, how = _cut(head)
            there, back = await asyncio.open_connection("127.0.0.1", port)
            back.write(head)
            try:
                await _pass(there, writer, count)
                if how == "rst":
                    sock = writer.get_extra_info("socket")
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                writer.close()
            finally:
                back.transport.abort()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            busy.discard(task)
            if not writer.is_closing():
                writer.transport.abort()

    server = await asyncio.start_server(pass_on, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)


async def _pass(there: asyncio.StreamReader, writer: asyncio.StreamWriter, count: int) -> None:
    while count:
        data = await there.read(min(count, 65536))
        if not data:
            return
        count -= len(data)
        writer.write(data)
        await writer.drain()


def _cut(head: bytes) -> tuple[int, str]:
    for line in head.decode().split("\r\n"):
        if line.startswith("X-Cut: "):
            count, how = line.removeprefix("X-Cut: ").split()
            return int(count), how
    return 1 << 60, "fin"
