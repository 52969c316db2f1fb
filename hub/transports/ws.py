"""WebSocket: one connection that follows any number of projects."""

import asyncio
import json
import logging
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from hub.core.errors import BadRequest, EndReason, HubError, NotFound
from hub.core.subscription import Subscription
from hub.transports.ask import Ask, cadence
from hub.transports.encodings import WS, ws_frame
from hub.transports.outlet import SocketOutlet, prepare_socket
from hub.transports.stream import Delivery, follow

log = logging.getLogger(__name__)

CLOSE_CODES = {
    EndReason.DONE: 1000,
    EndReason.RESTARTING: 4000,
    EndReason.TOO_SLOW: 4001,
    EndReason.LOST_POSITION: 4002,
    EndReason.UNAUTHORISED: 4500,
    EndReason.FORBIDDEN: 4501,
    EndReason.BAD_REQUEST: 4502,
    EndReason.GONE: 4503,
}
"""4000-4499: come back with the cursor. 4500-4999: stay away."""
ANSWERS_BYTES = 64 * 1024
ID_LENGTH = 64
CLOSE_S = 2.0
"""Longest wait for the peer's half of the closing handshake."""


async def serve_ws(request: web.Request, delivery: Delivery, ask: Ask) -> web.WebSocketResponse:
    """Talk until either side ends it. Raises NotFound before the upgrade, so a wrong address is a plain 404."""
    if ask.project is not None:
        delivery.tracker.channel(ask.project)
    socket = web.WebSocketResponse(compress=False, max_msg_size=delivery.max_frame_bytes, timeout=CLOSE_S)
    await socket.prepare(request)
    conversation = Conversation(request, socket, delivery)
    try:
        await conversation.run(ask)
    except ConnectionError:
        pass  # the watcher left: nobody to tell
    except Exception:  # past the upgrade there is no status to answer with
        log.exception("a WebSocket broke", extra={"action": "stream_broke"})
        await socket.close(code=WSCloseCode.INTERNAL_ERROR)
    finally:
        conversation.close()
    return socket


class Conversation:
    """One open WebSocket: its outlet, its subscriptions by project, and its client's requests."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse, delivery: Delivery) -> None:
        self._delivery = delivery
        self._socket = socket
        self._transport = prepare_socket(request, delivery.send_buffer_bytes, delivery.heartbeat_s)
        self._outlet = SocketOutlet(self._transport, WS, self._on_end)
        self._subscriptions: dict[str | None, Subscription] = {}
        self._task = asyncio.current_task()
        self._reason: EndReason | None = None
        delivery.tracker.attach(self._outlet, "ws")

    async def run(self, ask: Ask) -> None:
        try:
            await self._listen(ask)
        except asyncio.CancelledError:
            if self._reason is None or self._task is None or self._task.uncancel():
                raise  # the watcher left, or the server stops
        if self._reason is not None:
            await self._end(self._reason)

    async def _listen(self, ask: Ask) -> None:
        self._outlet.send([self._delivery.hello()], "")
        try:
            await self._subscribe(ask)
        except HubError as exc:  # past the upgrade there is no status to answer with
            self._outlet.end(EndReason.GONE if isinstance(exc, NotFound) else EndReason.RESTARTING)
        async for message in self._socket:
            if message.type is WSMsgType.TEXT:
                await self._answer(message.data)
                # Who asks without reading is not read from either, so what waits for it stays bounded.
                await self._outlet.drained(ANSWERS_BYTES)
            elif message.type is WSMsgType.BINARY:
                self._outlet.end(EndReason.BAD_REQUEST)

    def close(self) -> None:
        self._delivery.tracker.detach(self._outlet, self._reason)

    def _on_end(self, reason: EndReason) -> None:
        # Closing beside a receive() that waits would not wait for the peer's half of the handshake.
        self._reason = reason
        if self._task is not None:
            self._task.cancel()

    async def _end(self, reason: EndReason) -> None:
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._socket.close(code=CLOSE_CODES[reason], message=reason.word.encode())
        except (TimeoutError, ConnectionError):
            self._transport.abort()

    async def _answer(self, text: str) -> None:
        request_id = None
        try:
            frame = parse(text)
            request_id = read_id(frame)
            await self._do(frame)
        except HubError as exc:
            self._say({"type": "error", "id": request_id, **exc.to_wire()})

    async def _do(self, frame: dict[str, Any]) -> None:
        match frame.get("op"):
            case "subscribe":
                ask = read_subscribe(frame)
                await self._subscribe(ask)
                self._say({"type": "subscribed", "id": frame.get("id"), "project": ask.project})
            case "unsubscribe":
                project = read_text(frame, "project")
                subscription = self._subscriptions.pop(project, None)
                if subscription is not None:
                    self._delivery.tracker.leave(self._outlet, subscription)
                self._say({"type": "unsubscribed", "id": frame.get("id"), "project": project})
            case "ping":
                self._say({"type": "pong", "id": frame.get("id"), "server_ms": self._delivery.now_ms()})
            case other:
                raise BadRequest(f"There is no op {other!r}; there are subscribe, unsubscribe and ping.")

    async def _subscribe(self, ask: Ask) -> None:
        """Follow `ask.project`, anew if it was followed already."""
        tracker = self._delivery.tracker
        self._subscriptions = {p: s for p, s in self._subscriptions.items() if tracker.follows(self._outlet, s)}
        old = self._subscriptions.pop(ask.project, None)
        if old is not None:
            tracker.leave(self._outlet, old)
        if self._subscriptions and (ask.project is None or None in self._subscriptions):
            raise BadRequest(
                "One connection follows either the feed of all projects or single projects: unsubscribe first.",
                code="feed_or_projects",
            )
        if len(self._subscriptions) >= self._delivery.max_subscriptions:
            raise BadRequest(
                f"One connection follows at most {self._delivery.max_subscriptions} projects; open another, or poll.",
                code="too_many_subscriptions",
            )
        key = ask.key(WS, closes=False)
        subscription = await follow(self._delivery, self._outlet, ask.project, ask.cursor, key)
        self._subscriptions[ask.project] = subscription

    def _say(self, answer: dict[str, Any]) -> None:
        self._outlet.write(ws_frame(json.dumps(answer, separators=(",", ":")).encode()))


def parse(text: str) -> dict[str, Any]:
    try:
        frame = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as exc:
        raise BadRequest("A frame must be one JSON object.") from exc
    if not isinstance(frame, dict):
        raise BadRequest("A frame must be one JSON object.")
    return frame


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not a JSON number")


def read_id(frame: dict[str, Any]) -> str | int | None:
    """The client's own name for its request. Raises BadRequest."""
    request_id = frame.get("id")
    if request_id is None or type(request_id) is int or (isinstance(request_id, str) and len(request_id) <= ID_LENGTH):
        return request_id
    raise BadRequest(f"id must be a whole number or a text of at most {ID_LENGTH} characters.")


def read_text(frame: dict[str, Any], name: str) -> str | None:
    """Raises BadRequest."""
    value = frame.get(name)
    if value is None or isinstance(value, str):
        return value
    raise BadRequest(f"{name} must be a text.")


def read_subscribe(frame: dict[str, Any]) -> Ask:
    """Raises BadRequest."""
    project, since, job = (read_text(frame, name) for name in ("project", "since", "job"))
    interval, logs = frame.get("min_interval_ms", 0), frame.get("logs", True)
    if type(interval) is not int or not 0 <= interval <= 60_000:
        raise BadRequest("min_interval_ms must be a whole number from 0 to 60000.")
    if type(logs) is not bool:
        raise BadRequest("logs must be true or false.")
    return Ask(project=project, cursor=since, cadence_ms=cadence(interval), job=job, logs=logs and project is not None)
