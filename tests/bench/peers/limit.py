"""The C loop: one `write()` per delivery of a frame that was made beforehand. The limit without batching."""

from hub.transports.encodings import ws_frame
from tests.bench.machine import compiled
from tests.bench.peer import Peer, Setup, Started, payload_text, websocket


def start(setup: Setup) -> Started:
    frame = setup.folder / "frame"
    frame.write_bytes(ws_frame(payload_text().encode()))
    return Started(command=[compiled("peers/limit", setup.folder), frame])


PEER = Peer(name="limit", title="C loop, one write() each", start=start, watch={"ws": websocket})
