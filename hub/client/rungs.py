"""The three ways to a hub's messages, each an async generator that ends or raises when its connection does.

`Blocked`: this way does not work here, the next one may. `Ended`: the hub says that nothing more will come. `Lost`:
only a snapshot helps. HubRefused, NotAHub: no way will work. TimeoutError, ValueError, aiohttp.ClientError: the
connection was lost.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from hub.client.errors import FINAL_STATUSES, HubRefused, refusal, retry_after_s
from hub.core.events import Position

Messages = AsyncGenerator[dict[str, Any], None]

POLL_PAUSE_S = 0.2
"""Between two polls, so that a fast job is not asked about fifty times a second."""
HEALTH_S = 3.0
LARGEST_MESSAGE_BYTES = 64 * 1024 * 1024
WHILE_IT_LASTS = aiohttp.ClientTimeout(total=None)


class Blocked(Exception):
    """Something on the way answers, but not with what this transport needs."""

    def __init__(self, why: str, retry_s: float | None = None) -> None:
        """`retry_s`: when the hub asks to be asked again, where it says so."""
        super().__init__(why)
        self.retry_s = retry_s


class Lost(Exception):
    """Numbers are missing from an answer that is meant to be whole: asking again with the same cursor is of no use."""


class Ended(Exception):
    """Nothing more will come."""


@dataclass(slots=True, kw_only=True)
class Ask:
    """What is asked of the hub, from where on, and how long its answers may take."""

    session: aiohttp.ClientSession
    base: str
    project: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    cursor: str | None = None
    """Moved by whoever takes the messages."""
    patience_s: float = 3.0
    """Longest silence of a stream, the time to its first message included."""
    wait_s: float = 20.0
    """How long a poll may hang when there is nothing to say."""

    @property
    def url(self) -> str:
        return self.base + self.path

    @property
    def params(self) -> dict[str, str]:
        return self.query | ({"since": self.cursor} if self.cursor else {})

    async def is_healthy(self) -> bool:
        try:
            timeout = aiohttp.ClientTimeout(total=HEALTH_S)
            async with self.session.get(f"{self.base}/healthz", timeout=timeout) as response:
                return bool((await response.json())["status"] == "ok")
        except (aiohttp.ClientError, OSError, ValueError, KeyError, TypeError):
            return False


async def websocket(ask: Ask) -> Messages:
    try:
        async with asyncio.timeout(ask.patience_s):
            socket = await ask.session.ws_connect(ask.url, params=ask.params, max_msg_size=LARGEST_MESSAGE_BYTES)
    except aiohttp.WSServerHandshakeError as exc:
        # Never final by itself: what stands between may not know WebSockets. The next rung hears the hub's own words.
        raise Blocked(f"the WebSocket was answered with {exc.status}") from exc
    async with socket:
        while True:
            async with asyncio.timeout(ask.patience_s):
                frame = await socket.receive()
            if frame.type is not aiohttp.WSMsgType.TEXT:
                break
            yield _message(frame.data)
        code = socket.close_code or 0
        if 4500 <= code <= 4999:
            raise HubRefused(f"The hub ended the stream for good ({code} {frame.extra or ''}).", code=f"closed_{code}")


async def sse(ask: Ask) -> Messages:
    headers = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}
    async with asyncio.timeout(ask.patience_s):
        response = await ask.session.get(ask.url, params=ask.params, headers=headers, timeout=WHILE_IT_LASTS)
    async with response:
        await _check(response)
        if response.content_type != "text/event-stream":
            raise Blocked(f"the event stream came as {response.content_type}")
        waiting = b""
        while True:
            async with asyncio.timeout(ask.patience_s):
                chunk = await response.content.readany()
            if not chunk:
                return
            *blocks, waiting = (waiting + chunk).split(b"\n\n")
            for block in blocks:
                if data := [line[5:] for line in block.split(b"\n") if line.startswith(b"data:")]:
                    yield _message(b"\n".join(data))


async def polling(ask: Ask) -> Messages:
    while True:
        wait = {"wait": str(int(ask.wait_s))} if ask.cursor else {}
        timeout = aiohttp.ClientTimeout(total=ask.wait_s + 10)
        headers = {"Accept": "application/json"}
        async with ask.session.get(ask.url, params=ask.params | wait, headers=headers, timeout=timeout) as response:
            await _check(response)
            answer = await response.json()
        for message in unpacked(answer, ask.project, ask.cursor):
            yield message
        await asyncio.sleep(POLL_PAUSE_S)


def unpacked(answer: dict[str, Any], project: str, since: str | None) -> list[dict[str, Any]]:
    """A finite answer as the messages that a stream would have sent, a heartbeat last.

    The answer says how many numbers were merged, not which: each that is not in it is told where a stream would have
    told it. Raises Lost when more are missing than were merged.
    """
    if not isinstance(answer, dict) or not isinstance(answer.get("cursor"), str) or "events" not in answer:
        raise Blocked("the answer to a poll was not the hub's")
    messages: list[dict[str, Any]] = []
    if reset := answer.get("reset"):
        messages.append(reset)
    if snapshot := answer.get("snapshot"):
        messages.append(snapshot | {"type": "snapshot"})
        since = snapshot["cursor"]
    at = Position.parse(since or "")
    last = at.seq if at else 0
    missing = 0

    def account(upto: int) -> None:
        nonlocal missing
        if upto > last:
            missing += upto - last
            messages.append({"type": "merged", "project": project, "count": upto - last, "upto": upto})

    for event in answer["events"]:
        account(event["seq"] - 1)
        messages.append(event)
        last = max(last, event["seq"])
    end = Position.parse(answer["cursor"])
    account(end.seq if end else 0)
    if missing > answer.get("merged", 0):
        raise Lost
    messages.append({"type": "heartbeat", "cursors": {project: answer["cursor"]}})
    return messages


def _message(text: str | bytes) -> dict[str, Any]:
    """Raises ValueError."""
    message = json.loads(text)
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise ValueError("what came was not the hub's")  # noqa: TRY004 - what JSON it is, is a matter of value
    return message


async def _check(response: aiohttp.ClientResponse) -> None:
    if response.status == 204:
        raise Ended
    if response.status in FINAL_STATUSES:
        raise await refusal(response)
    if response.status != 200:
        raise Blocked(f"the hub answered with {response.status}", retry_after_s(response))


@dataclass(frozen=True, slots=True)
class Rung:
    name: str
    messages: Callable[[Ask], Messages]


RUNGS = (Rung("websocket", websocket), Rung("sse", sse), Rung("polling", polling))
"""Best first."""
