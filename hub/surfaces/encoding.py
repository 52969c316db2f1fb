"""How states of jobs become another system's event stream: what all surfaces have in common. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from hub.core.events import Body
from hub.core.job import Folded, JobState
from hub.core.messages import Heartbeat, Message, Snapshot
from hub.transports.encodings import text
from hub.transports.sse import Dialect

HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
KEEP_ALIVE = b": keep-alive\n"
"""Without an empty line: some clients take the one after a comment for the end of an event, and give an empty one."""
REFUSED = "refused"
"""The id of an event that is a stream of its own: there is no job in which it would have a place."""


@dataclass(frozen=True, slots=True)
class Said:
    data: Mapping[str, Any]
    event: str | None = None
    """None: unnamed."""


Tell = Callable[[JobState, Body | None], Iterable[Said]]
"""What is said of a job in that state, and of what brought it there; None is said to a watcher that joins it."""


def dialect(name: str, tell: Tell) -> Dialect:
    def encode(message: Message, cursor: str | None) -> bytes:
        if isinstance(message, Folded):
            return _blocks(tell(message.state, message.body), cursor)
        if isinstance(message, Snapshot):
            return b"".join(_blocks(tell(state, None), cursor) for state in message.states)
        return KEEP_ALIVE if isinstance(message, Heartbeat) else b""

    return Dialect.of(name, encode, HEADERS)


def block(said: Said, cursor: str) -> bytes:
    """One event. Its id comes after its data: see `encodings.sse_event`."""
    name = f"event: {said.event}\n" if said.event is not None else ""
    return b"%bdata: %b\nid: %b\n\n" % (name.encode(), text(said.data), cursor.encode())


def refusal(said: Said) -> web.Response:
    """A stream of one event, for what has come to no job."""
    return web.Response(body=block(said, REFUSED), headers=HEADERS)


def iso(at_ms: int) -> str:
    """RFC 3339, in UTC and to the millisecond."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _blocks(said: Iterable[Said], cursor: str | None) -> bytes:
    return b"".join(block(one, cursor or REFUSED) for one in said)
