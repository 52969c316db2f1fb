"""Other people's clients, each as messages of one connection (or of all, where the client comes back by itself)."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import picows
import websockets
from httpx_sse import aconnect_sse

from hub.client.rungs import unpacked
from tests.conftest import missing

SCRIPTS = Path(__file__).parent / "foreign"
DEBIAN_MODULES = "/usr/share/nodejs"
SSE = {"Accept": "text/event-stream"}
LOST = (OSError, EOFError, aiohttp.ClientError, httpx.HTTPError, websockets.WebSocketException, picows.WSError)
"""What these clients raise when a connection is cut."""
Messages = AsyncGenerator[dict[str, Any], None]


def since(url: str, cursor: str | None) -> str:
    return f"{url}&since={cursor}" if cursor else url


def resumed(cursor: str | None) -> dict[str, str]:
    return SSE | ({"Last-Event-ID": cursor} if cursor else {})


async def websockets_client(url: str, cursor: str | None) -> Messages:
    async with websockets.connect(since(url.replace("http", "ws", 1), cursor), proxy=None) as socket:
        async for text in socket:
            yield json.loads(text)


async def picows_client(url: str, cursor: str | None) -> Messages:
    heard: asyncio.Queue[str | None] = asyncio.Queue()

    class Listener(picows.WSListener):  # type: ignore[misc]
        def on_ws_frame(self, transport: Any, frame: Any) -> None:
            if frame.msg_type == picows.WSMsgType.TEXT:
                heard.put_nowait(frame.get_payload_as_utf8_text())

    transport, _ = await picows.ws_connect(Listener, since(url.replace("http", "ws", 1), cursor))
    # Its `on_ws_disconnected` is not called for a connection that was cut within the handshake.
    over = asyncio.ensure_future(transport.wait_disconnected())
    over.add_done_callback(lambda _: heard.put_nowait(None))
    try:
        while (text := await heard.get()) is not None:
            yield json.loads(text)
    finally:
        transport.disconnect()
        await asyncio.wait([over])


async def aiohttp_websocket(url: str, cursor: str | None) -> Messages:
    async with aiohttp.ClientSession() as session, session.ws_connect(since(url, cursor)) as socket:
        async for frame in socket:
            yield json.loads(frame.data)


async def aiohttp_stream(url: str, cursor: str | None) -> Messages:
    async with aiohttp.ClientSession() as session, session.get(url, headers=resumed(cursor)) as response:
        async for message in events(response.content):
            yield message


async def httpx_sse(url: str, cursor: str | None) -> Messages:
    async with (
        httpx.AsyncClient(timeout=20, trust_env=False) as client,
        aconnect_sse(client, "GET", url, headers=resumed(cursor)) as source,
    ):
        if source.response.status_code == 204:
            return
        async for event in source.aiter_sse():
            yield json.loads(event.data)


async def curl(url: str, cursor: str | None, *flags: str) -> Messages:
    headers = [word for name, value in resumed(cursor).items() for word in ("-H", f"{name}: {value}")]
    async with aclosing(lines("curl", "-sN", *flags, *headers, url)) as printed:
        async for message in events(printed):
            yield message


async def curl_http_1_0(url: str, cursor: str | None) -> Messages:
    async with aclosing(curl(url, cursor, "--http1.0")) as messages:
        async for message in messages:
            yield message


async def node_ws(url: str, cursor: str | None) -> Messages:
    async with aclosing(node("ws", url.replace("http", "ws", 1))) as printed:
        async for line in printed:
            yield json.loads(line)


async def node_eventsource(url: str, cursor: str | None) -> Messages:
    async with aclosing(node("eventsource", url)) as printed:
        async for line in printed:
            yield json.loads(line)


async def node_poll(url: str, cursor: str | None) -> Messages:
    async with aclosing(node("poll", url)) as printed:
        async for line in printed:
            answer = json.loads(line)
            for message in unpacked(answer["body"], "p", answer["since"]):
                yield message


async def events(source: AsyncIterable[bytes]) -> Messages:
    """Server-sent events, read by whoever has no library for it."""
    async for line in source:
        if line.startswith(b"data: ") and line.endswith(b"\n"):
            yield json.loads(line[6:])


def node(script: str, url: str) -> AsyncGenerator[bytes, None]:
    return lines("node", str(SCRIPTS / f"{script}.cjs"), url)


async def lines(program: str, *words: str) -> AsyncGenerator[bytes, None]:
    """What a program prints; it is killed when nobody wants more."""
    if shutil.which(program) is None:
        missing(program)
    path = os.pathsep.join(filter(None, (os.environ.get("NODE_PATH"), DEBIAN_MODULES)))
    process = await asyncio.create_subprocess_exec(
        program, *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"NODE_PATH": path, "no_proxy": "*"}, limit=1 << 22,
    )  # fmt: skip
    try:
        async with aclosing(_lines(process)) as printed:
            async for line in printed:
                yield line
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _lines(process: asyncio.subprocess.Process) -> AsyncGenerator[bytes, None]:
    assert process.stdout is not None
    assert process.stderr is not None
    async for line in process.stdout:
        yield line
    complaint = (await process.stderr.read()).decode()
    if "Cannot find module" in complaint:
        missing(complaint.partition("Cannot find module")[2].split()[0])


CLIENTS = {
    "websockets": websockets_client,
    "picows": picows_client,
    "aiohttp's WebSocket": aiohttp_websocket,
    "aiohttp's stream": aiohttp_stream,
    "httpx-sse": httpx_sse,
    "curl -N": curl,
    "curl -N --http1.0": curl_http_1_0,
    "node ws": node_ws,
    "node eventsource": node_eventsource,
    "node fetch": node_poll,
}
"""All take the URL of a stream that has a query already."""
STREAMS = {"aiohttp's stream", "httpx-sse", "curl -N", "curl -N --http1.0", "node eventsource"}
"""Those that are told by the end of the stream, and a 204 after it, that nothing more will come."""
