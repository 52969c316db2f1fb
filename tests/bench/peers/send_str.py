"""What a hand-made aiohttp handler does: `send_str` to each socket in turn."""

import asyncio
import sys
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.bench.orders import obey, run, say
from tests.bench.peer import Peer, Setup, Started, payload_text, websocket


def start(setup: Setup) -> Started:
    return Started(command=[sys.executable, "-m", "tests.bench.peers.send_str", setup.loop])


PEER = Peer(name="send_str", title="plain aiohttp send_str", start=start, watch={"ws": websocket})


@dataclass(slots=True)
class SendStr:
    sockets: list[web.WebSocketResponse] = field(default_factory=list)
    text: str = field(default_factory=payload_text)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        self.sockets.append(socket)
        await socket.receive()
        return socket

    def watchers(self) -> int:
        return len(self.sockets)

    async def tell(self) -> None:
        for socket in self.sockets:
            await socket.send_str(self.text)

    async def burst(self, events: int, burst: int) -> None:
        for n in range(events):
            await self.tell()
            if n % burst == burst - 1:
                await asyncio.sleep(0)

    def one(self) -> None:
        task = asyncio.create_task(self.tell())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def state(self) -> dict[str, Any]:
        return {"watchers": len(self.sockets)}


async def main() -> None:
    publisher = SendStr()
    app = web.Application()
    app.router.add_get("/", publisher.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    say(port=runner.addresses[0][1], path="/")
    await obey(publisher)


if __name__ == "__main__":
    run(main(), sys.argv[1])
