"""The hub, the whole of it: its routes, its journal on disk, its tracker. An event is told once it is committed."""

import asyncio
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hub.core.events import Event, LogBody
from tests.bench.orders import obey, run, say
from tests.bench.peer import PAYLOAD_BYTES, Peer, Setup, Started, sse, websocket
from tests.hubs import Running, running

PROJECT, JOB, KIND = "p", "j1", "clone"


def start(setup: Setup) -> Started:
    settings = {"max_watchers": setup.watchers + 10, **setup.settings}
    options = json.dumps({"loop": setup.loop, "settings": settings})
    return Started(command=[sys.executable, "-m", "tests.bench.peers.hub", options])


PEER = Peer(name="hub", title="the hub", start=start, watch={"ws": websocket, "sse": sse})


def padded() -> LogBody:
    """A body with which an event is PAYLOAD_BYTES of JSON while its number has three digits."""
    event = Event(project=PROJECT, seq=100, at=1_700_000_000_000, job=JOB, kind=KIND, body=_body(""))
    size = len(json.dumps(event.to_wire(), separators=(",", ":")))
    return _body("x" * (PAYLOAD_BYTES - size))


def _body(message: str) -> LogBody:
    return LogBody(level="info", message=message, stage="fetch")


@dataclass(slots=True)
class HubPublisher:
    made: Running
    body: LogBody

    def watchers(self) -> int:
        return self.made.hub.tracker.watchers_of(PROJECT)

    async def burst(self, events: int, burst: int) -> None:
        publish, settle = self.made.hub.ledger.publish, self.made.settle
        for n in range(events):
            publish(PROJECT, JOB, KIND, self.body)
            if n % burst == burst - 1 or n == events - 1:
                await settle()  # in the journal before anybody is told; the flush is in the next turn
                await asyncio.sleep(0)

    def one(self) -> None:
        self.made.hub.ledger.publish(PROJECT, JOB, KIND, self.body)

    def state(self) -> dict[str, Any]:
        load = self.made.hub.tracker.load()
        return {
            "watchers": load.watchers.total(),
            "slow": load.slow,
            "backlog_bytes": load.backlog_bytes,
        }


async def main(settings: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with running(Path(folder), **settings) as made:
            await made.make_project(PROJECT)
            await made.begin(PROJECT, JOB)
            say(port=int(made.url.rpartition(":")[2]), path=f"/api/v1/projects/{PROJECT}/events")
            await obey(HubPublisher(made, padded()))


if __name__ == "__main__":
    options = json.loads(sys.argv[1])
    run(main(options["settings"]), options["loop"])
