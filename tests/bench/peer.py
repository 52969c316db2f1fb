"""Who can be measured: the contract of a peer, and how its watchers introduce themselves.

A peer is a program that prints `{"port", "path"?, "pids"?}` and obeys lines on its input until that ends:

- `wait N`: once N watchers are subscribed, say `{"watchers": N}`.
- `burst EVENTS BURST`: publish EVENTS as fast as it goes, BURST to a turn of the loop; say `{"began_ns"}`, on
  CLOCK_MONOTONIC.
- `one`: publish one event now, and say nothing.
- `state` (the hub alone): say `{"watchers", "slow", "backlog_bytes"}`.

Every event is 260 bytes of JSON that begin with MARK.
"""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PAYLOAD_BYTES = 260


MARK = '{"type":"log"'
"""What the load side knows an event by, whatever a transport wraps around it."""


def payload() -> dict[str, str]:
    """An event of exactly PAYLOAD_BYTES as compact JSON."""
    empty = {"type": "log", "message": ""}
    size = len(json.dumps(empty, separators=(",", ":")))
    return empty | {"message": "x" * (PAYLOAD_BYTES - size)}


def payload_text() -> str:
    return json.dumps(payload(), separators=(",", ":"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a peer is started for."""

    folder: Path
    """For compiled programs, configuration and the like; outlives the peer."""
    watchers: int
    loop: str = "uvloop"
    """Of Python peers: `uvloop` where it is installed, or `asyncio`."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of the hub."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    command: Sequence[Any]
    env: Mapping[str, str] = field(default_factory=dict)
    is_driver: bool = False
    """The program only drives the server that is measured, and so belongs to the load's core."""


Step = tuple[bytes, str]
"""What a watcher says, and what it then waits for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    name: str
    title: str
    start: Callable[[Setup], Started]
    """Raises MissingError when the machine lacks what it needs."""
    watch: Mapping[str, Callable[[str], Sequence[Step]]]
    """By transport, the steps with which a watcher comes in, given the path that the program said."""
    mark: str = MARK


def websocket(path: str) -> list[Step]:
    key = base64.b64encode(b"the sample nonce").decode()
    return [(_request(path, Upgrade="websocket", Connection="Upgrade", **_version(key)), "\r\n\r\n")]


def sse(path: str) -> list[Step]:
    return [(_request(path, Accept="text/event-stream"), "\r\n\r\n")]


def socket_io(path: str) -> list[Step]:
    """Engine.IO 4 straight over WebSocket, then Socket.IO's own CONNECT to the main namespace."""
    return [*websocket(path), (masked_text(b"40"), '40{"sid"')]


def masked_text(text: bytes) -> bytes:
    """A frame as a client sends it (RFC 6455, 5.3); a mask of zeros leaves the text as it is."""
    return bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text


def _version(key: str) -> dict[str, str]:
    return {"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key}


def _request(path: str, **headers: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
