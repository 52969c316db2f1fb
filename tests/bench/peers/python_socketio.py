"""python-socketio on aiohttp: `emit` to a room that every watcher is in."""

import asyncio
import importlib.util
import sys
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.bench.machine import MissingError
from tests.bench.orders import obey, run, say
from tests.bench.peer import Peer, Setup, Started, payload, socket_io

ROOM = "p"


def start(setup: Setup) -> Started:
    if importlib.util.find_spec("socketio") is None:
        raise MissingError("no python-socketio (pip install 'progress-hub[bench]')")
    return Started(command=[sys.executable, "-m", "tests.bench.peers.python_socketio", setup.loop])


PEER = Peer(name="python-socketio", title="python-socketio", start=start, watch={"ws": socket_io})


@dataclass(slots=True)
class Emitter:
    server: Any
    joined: int = 0
    data: dict[str, str] = field(default_factory=payload)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def connect(self, sid: str, environ: Any, auth: Any = None) -> None:
        await self.server.enter_room(sid, ROOM)
        self.joined += 1

    def watchers(self) -> int:
        return self.joined

    async def burst(self, events: int, burst: int) -> None:
        for n in range(events):
            await self.server.emit("log", self.data, room=ROOM)
            if n % burst == burst - 1:
                await asyncio.sleep(0)

    def one(self) -> None:
        task = asyncio.create_task(self.server.emit("log", self.data, room=ROOM))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def state(self) -> dict[str, Any]:
        return {"watchers": self.joined}


async def main() -> None:
    import socketio  # type: ignore[import-untyped]  # noqa: PLC0415 - the table of peers is read without it, too

    # No pings while it is measured: the load side does not answer them.
    server = socketio.AsyncServer(async_mode="aiohttp", ping_interval=3600, http_compression=False)
    publisher = Emitter(server)
    server.on("connect", publisher.connect)
    app = web.Application()
    server.attach(app)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    say(port=runner.addresses[0][1], path="/socket.io/?EIO=4&transport=websocket")
    await obey(publisher)


if __name__ == "__main__":
    run(main(), sys.argv[1])
