"""WebSocket: one connection that follows any number of projects."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from aiohttp import HttpVersion11, web

from hub.core import strict_json
from hub.core.errors import BadRequest, EndReason, HubError
from hub.core.messages import Bye
from hub.core.subscription import Subscription
from hub.transports.ask import Ask, cadence
from hub.transports.encodings import WS, text, ws_frame
from hub.transports.frames import close_frame
from hub.transports.handshake import VERSION, WrongVersion, answer_headers
from hub.transports.outlet import SocketOutlet, prepare_socket
from hub.transports.permit import permit_of
from hub.transports.stream import CALLER, Delivery, end_reason, follow
from hub.transports.takeover import take_over
from hub.transports.wire import Wire

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
INTERNAL_ERROR = 1011
ID_LENGTH = 64


async def serve_ws(request: web.Request, delivery: Delivery, ask: Ask) -> web.StreamResponse:
    """Upgrade, and leave the rest to a Conversation, which outlives the request.

    Raises NotFound and BadRequest before the upgrade, so that a wrong address is a plain 404.
    """
    if ask.project is not None:
        delivery.tracker.channel(ask.project)
    if request.version < HttpVersion11:
        raise BadRequest("A WebSocket begins with a request in HTTP/1.1.")
    try:
        headers = answer_headers(request.headers)
    except WrongVersion as exc:
        return web.json_response(exc.to_wire(), status=426, headers={"Sec-WebSocket-Version": VERSION})
    response = web.StreamResponse(status=101, headers=headers)
    await response.prepare(request)
    Conversation(request, delivery).begin(ask)
    return response


async def refuse_ws(request: web.Request, reason: EndReason) -> web.StreamResponse:
    """Upgrade, say why not, and close: a page's script hears nothing of an answer that is no upgrade.

    Raises BadRequest for what is no handshake.
    """
    if request.version < HttpVersion11:
        raise BadRequest("A WebSocket begins with a request in HTTP/1.1.")
    response = web.StreamResponse(status=101, headers=answer_headers(request.headers))
    response.force_close()
    await response.prepare(request)
    bye = Bye(reason=reason.word, retry=reason.come_back)
    await response.write(WS.frame([WS.encode(bye, None)]) + close_frame(CLOSE_CODES[reason], reason.word))
    return response


class Conversation:
    """One open WebSocket: its outlet, its subscriptions by project, and its client's requests."""

    __slots__ = ("_delivery", "_outlet", "_permit", "_reason", "_release", "_subscriptions", "_task", "_wire")

    def __init__(self, request: web.Request, delivery: Delivery) -> None:
        """Takes the connection over. Raises ConnectionError."""
        transport = prepare_socket(request, delivery.send_buffer_bytes, delivery.heartbeat_s)
        self._delivery = delivery
        self._outlet = SocketOutlet(transport, WS, self._on_end)
        self._wire = Wire(transport, delivery.max_frame_bytes, self)
        self._subscriptions: dict[str | None, Subscription] = {}
        self._reason: EndReason | None = None
        self._task: asyncio.Task[None] | None = None
        """A catch-up under way; nothing is heard meanwhile."""
        early = take_over(request, self._wire)
        delivery.tracker.attach(self._outlet, "ws", WS, request.get(CALLER, ""))
        self._permit = permit_of(request)
        self._release = self._permit.hold(self._outlet.end)
        self._wire.hold()
        if early:
            self._wire.data_received(early)

    def begin(self, ask: Ask) -> None:
        self._outlet.send([self._delivery.hello()], "")
        if self._delivery.tracker.is_draining:  # it came over a connection that was open already
            self._outlet.end(EndReason.RESTARTING)
        else:
            self._work(self._subscribe_first(ask))

    # -- what the wire tells ------------------------------------------------------------------------------------------

    def heard(self, said: str) -> None:
        request_id = None
        try:
            request = parse(said)
            request_id = read_id(request)
            self._do(request, request_id)
        except HubError as exc:
            self._refuse(request_id, exc)

    def heard_binary(self) -> None:
        self._outlet.end(EndReason.BAD_REQUEST)

    def closing(self) -> None:
        self._outlet.mute()
        if self._task is not None:
            self._task.cancel()

    def gone(self) -> None:
        self.closing()
        self._release()
        self._delivery.tracker.detach(self._outlet, self._reason)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _on_end(self, reason: EndReason) -> None:
        self._reason = reason
        self._wire.close(CLOSE_CODES[reason], reason.word)
        if self._task is not None:
            self._task.cancel()

    def _do(self, request: dict[str, Any], request_id: str | int | None) -> None:
        match request.get("op"):
            case "subscribe":
                self._work(self._subscribe_and_say(read_subscribe(request), request_id))
            case "unsubscribe":
                project = read_text(request, "project")
                subscription = self._subscriptions.pop(project, None)
                if subscription is not None:
                    self._delivery.tracker.leave(self._outlet, subscription)
                self._say({"type": "unsubscribed", "id": request_id, "project": project})
            case "ping":
                self._say({"type": "pong", "id": request_id, "server_ms": self._delivery.now_ms()})
            case other:
                raise BadRequest(f"There is no op {other!r}; there are subscribe, unsubscribe and ping.")

    def _work(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what waits, and hear nothing meanwhile, so that answers come in the order of what was asked."""
        self._wire.hold()
        self._task = asyncio.create_task(work)
        self._task.add_done_callback(self._on_worked)

    def _on_worked(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if task.cancelled():
            return
        exc = task.exception()
        if exc is None:
            self._wire.release()
        elif not isinstance(exc, ConnectionError):  # a watcher that left: nobody to tell
            log.error("a WebSocket broke", extra={"action": "stream_broke"}, exc_info=exc)
            self._outlet.mute()
            self._wire.close(INTERNAL_ERROR, "internal error")

    async def _subscribe_first(self, ask: Ask) -> None:
        try:
            await self._subscribe(ask)
        except HubError as exc:  # past the upgrade there is no status to answer with
            self._outlet.end(end_reason(exc))

    async def _subscribe_and_say(self, ask: Ask, request_id: str | int | None) -> None:
        try:
            await self._subscribe(ask)
        except HubError as exc:
            self._refuse(request_id, exc)
        else:
            self._say({"type": "subscribed", "id": request_id, "project": ask.project})

    async def _subscribe(self, ask: Ask) -> None:
        """Follow `ask.project`, anew if it was followed already."""
        ask = ask.within(self._permit)
        tracker = self._delivery.tracker
        self._subscriptions = {p: s for p, s in self._subscriptions.items() if tracker.follows(self._outlet, s)}
        old = self._subscriptions.get(ask.project)
        others = self._subscriptions.keys() - {ask.project}
        if others and (ask.project is None or None in others):
            raise BadRequest(
                "One connection follows either the feed of all projects or single projects: unsubscribe first.",
                code="feed_or_projects",
            )
        if len(others) >= self._delivery.max_subscriptions:
            raise BadRequest(
                f"One connection follows at most {self._delivery.max_subscriptions} projects; open another, or poll.",
                code="too_many_subscriptions",
                setting="max_subscriptions",
                limit=self._delivery.max_subscriptions,
            )
        key = ask.key(WS, closes=False)
        if old is not None:
            del self._subscriptions[ask.project]
            tracker.leave(self._outlet, old)
        try:
            subscription = await follow(self._delivery, self._outlet, ask.project, ask.cursor, key)
        except HubError as exc:
            if old is not None:  # it followed until now, and must not go silent: its cursor brings it back
                self._outlet.end(end_reason(exc))
            raise
        self._subscriptions[ask.project] = subscription

    def _refuse(self, request_id: str | int | None, error: HubError) -> None:
        self._say({"type": "error", "id": request_id, **error.to_wire()})

    def _say(self, answer: dict[str, Any]) -> None:
        self._outlet.write(ws_frame(text(answer)))


def parse(said: str) -> dict[str, Any]:
    try:
        request = strict_json.value(said)
    except (ValueError, RecursionError) as exc:
        raise BadRequest("A frame must be one JSON object.") from exc
    if not isinstance(request, dict):
        raise BadRequest("A frame must be one JSON object.")
    return request


def read_id(request: dict[str, Any]) -> str | int | None:
    """The client's own name for its request. Raises BadRequest."""
    request_id = request.get("id")
    if request_id is None or type(request_id) is int or (isinstance(request_id, str) and len(request_id) <= ID_LENGTH):
        return request_id
    raise BadRequest(f"id must be a whole number or a text of at most {ID_LENGTH} characters.")


def read_text(request: dict[str, Any], name: str) -> str | None:
    """Raises BadRequest."""
    value = request.get(name)
    if value is None or isinstance(value, str):
        return value
    raise BadRequest(f"{name} must be a text.")


def read_subscribe(request: dict[str, Any]) -> Ask:
    """Raises BadRequest."""
    project, since, job = (read_text(request, name) for name in ("project", "since", "job"))
    interval, logs = request.get("min_interval_ms", 0), request.get("logs", True)
    if type(interval) is not int or not 0 <= interval <= 60_000:
        raise BadRequest("min_interval_ms must be a whole number from 0 to 60000.")
    if type(logs) is not bool:
        raise BadRequest("logs must be true or false.")
    return Ask(project=project, cursor=since, cadence_ms=cadence(interval), job=job, logs=logs and project is not None)
