"""The side that is measured: `python -m tests.bench.server PEER WATCHERS EVENTS BURST`.

PEER is `hub`, the whole of it with its journal on disk, or `send_str`, what a hand-made aiohttp handler does. Prints
the port, waits for the watchers, publishes, prints when it began.
"""

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from aiohttp import web

from hub.core.events import LogBody
from tests.hubs import running

PAYLOAD_BYTES = 260
TEXT = "x" * 110
"""With it, an event is 260 bytes of JSON, as in the design's measurement."""
SETTLE_S = 0.3


def say(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


async def hub(watchers: int, events: int, burst: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with running(Path(folder), max_watchers=watchers + 10) as made:
            await made.make_project()
            await made.begin()
            say(port=int(made.url.rpartition(":")[2]), path="/api/v1/projects/p/events")
            while made.hub.tracker.watchers_of("p") < watchers:
                await asyncio.sleep(0.05)
            await asyncio.sleep(SETTLE_S)
            ledger, body = made.hub.ledger, LogBody(level="info", message=TEXT, stage="fetch")
            began = time.monotonic_ns()
            for n in range(events):
                ledger.publish("p", "j1", "clone", body)
                if n % burst == burst - 1:
                    await made.settle()  # a burst is what one commit holds; the flush is in the next turn
                    await asyncio.sleep(0)
            say(began_ns=began)
            await asyncio.sleep(3600)


async def send_str(watchers: int, events: int, burst: int) -> None:
    sockets: list[web.WebSocketResponse] = []

    async def handle(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        sockets.append(socket)
        await socket.receive()
        return socket

    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    say(port=runner.addresses[0][1], path="/")
    while len(sockets) < watchers:
        await asyncio.sleep(0.05)
    await asyncio.sleep(SETTLE_S)
    text = json.dumps({"type": "log", "message": ""}, separators=(",", ":"))
    text = text[:-2] + "x" * (PAYLOAD_BYTES - len(text)) + text[-2:]
    began = time.monotonic_ns()
    for n in range(events):
        for socket in sockets:
            await socket.send_str(text)
        if n % burst == burst - 1:
            await asyncio.sleep(0)
    say(began_ns=began)
    await asyncio.sleep(3600)


def main() -> None:
    peer, watchers, events, burst = sys.argv[1], *map(int, sys.argv[2:])
    run = {"hub": hub, "send_str": send_str}[peer](watchers, events, burst)
    try:
        import uvloop  # noqa: PLC0415 - as the hub itself does: used when it is there
    except ImportError:
        asyncio.run(run)
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run)


if __name__ == "__main__":
    main()
