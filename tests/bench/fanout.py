"""Fan-out: deliveries a second to many WebSocket watchers, as a ratio to one C `write()` per delivery."""

import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hub.transports.encodings import ws_frame
from tests.bench.machine import LOAD_CORE, SERVER_CORE, compiled, process, said
from tests.bench.server import PAYLOAD_BYTES

LONGEST_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    watchers: int = 1000
    events: int = 200
    burst: int = 10


def measure(load: Load, rounds: int) -> Iterator[tuple[str, float]]:
    """Peer and median deliveries a second, all peers in turn in each round, so that the machine's moods hit all."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        programs = compiled("load", folder), compiled("limit", folder)
        head = b'{"type":"log","message":"'
        payload = head + b"x" * (PAYLOAD_BYTES - len(head) - 2) + b'"}'
        (folder / "frame").write_bytes(ws_frame(payload))
        rates: dict[str, list[float]] = {}
        for _ in range(rounds):
            for peer in ("limit", "hub", "send_str"):
                rates.setdefault(peer, []).append(_once(peer, load, folder, *programs))
    for peer, found in rates.items():
        yield peer, statistics.median(found)


def _once(peer: str, load: Load, folder: Path, loader: Path, limit: Path) -> float:
    if peer == "limit":
        command = [limit, load.watchers, load.events, folder / "frame"]
    else:
        command = [sys.executable, "-m", "tests.bench.server", peer, load.watchers, load.events, load.burst]
    with process(command, SERVER_CORE) as server:
        place = said(server.stdout)
        request = (
            f"GET {place.get('path', '/')} HTTP/1.1\r\nHost: 127.0.0.1:{place['port']}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        (folder / "request").write_bytes(request.encode())
        ask = [loader, "127.0.0.1", place["port"], load.watchers, folder / "request", load.events, LONGEST_S]
        with process(ask, LOAD_CORE) as watchers:
            said(watchers.stdout)
            began = said(server.stdout)["began_ns"]
            end = said(watchers.stdout)
    wanted = load.watchers * load.events
    if end["deliveries"] != wanted:
        raise RuntimeError(f"{peer}: {end['deliveries']} of {wanted} deliveries came, {end['alive']} watchers left")
    return wanted / ((end["last_ns"] - began) / 1e9)
