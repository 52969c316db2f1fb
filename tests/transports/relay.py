"""A relay on the way to a hub that cuts connections after a number of bytes, in the middle of whatever passes."""

import asyncio
from collections.abc import Iterable
from typing import Self

PIECE_BYTES = 64 * 1024


class Relay:
    """An async context. Connections in turn may bring so many bytes from the hub as `budgets` say; later ones any."""

    def __init__(self, target: str, budgets: Iterable[int] = ()) -> None:
        host, port = target.removeprefix("http://").split(":")
        self._target = host, int(port)
        self._budgets = iter(budgets)
        self.connections = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        end = writer.close if self.connections % 2 else writer.transport.abort
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        self._writers |= {writer, far_writer}
        there = asyncio.create_task(_pump(reader, far_writer, None))
        await _pump(far_reader, writer, next(self._budgets, None))
        end()  # half of the cuts are resets, half are ends that look orderly
        far_writer.transport.abort()
        await there
        self._writers -= {writer, far_writer}


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, budget: int | None) -> None:
    """Until the source ends, or `budget` bytes have passed."""
    try:
        while budget != 0 and (data := await reader.read(min(budget or PIECE_BYTES, PIECE_BYTES))):
            writer.write(data)
            await writer.drain()
            if budget is not None:
                budget -= len(data)
    except ConnectionError:
        pass
