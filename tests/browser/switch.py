"""A plug that can be put into another socket while it is in use: TCP from one port to any, or into a black hole."""

import asyncio
import contextlib
from typing import Self


class Switch:
    """An async context: forwards its own port to `port`, None being a black hole, in which everything goes silent."""

    def __init__(self, port: int | None) -> None:
        self._port = port
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self._cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def to(self, port: int | None) -> None:
        """From now on. What was open is cut off, but by a black hole, which says nothing."""
        self._port = port
        if port is not None:
            self._cut()

    def _cut(self) -> None:
        for writer in self._open:
            writer.transport.abort()
        self._open.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._open.add(writer)
        # A cancelled one ends quietly: the server's own callback would report it as an error.
        with contextlib.suppress(OSError, asyncio.CancelledError):
            if self._port is None:
                await asyncio.Event().wait()
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
            self._open.add(far_writer)
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        writer.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await source.read(65_536):
                if self._port is not None:
                    sink.write(piece)
                    await sink.drain()
        if self._port is not None:
            sink.close()
