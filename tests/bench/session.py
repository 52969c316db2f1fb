"""One measurement's two sides: a peer on its core, watchers on the other, and what is asked of both."""

import array
import contextlib
import dataclasses
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench import machine
from tests.bench.contest import PEERS
from tests.bench.machine import LOAD_CORE, SERVER_CORE, BrokenError, answered, compiled, on_core, ordered, process
from tests.bench.peer import Peer, Setup

START_S = 30.0
CONNECTS_A_SECOND = 100
"""Slower than this, bringing the watchers in counts as broken off."""
SETTLE_S = 0.3
LEAD_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What came of one burst; shares are of a core, from the first publish to the last delivery."""

    deliveries_s: float
    load_share: float
    server_share: float

    def to_json(self) -> dict[str, float]:
        return dataclasses.asdict(self)


class Server:
    """A peer that listens."""

    def __init__(self, started: "subprocess.Popen[str]", peer: Peer) -> None:
        self._started = started
        self.peer = peer
        place = answered(started, START_S)
        self.port: int = place["port"]
        self.path: str = place.get("path", "/")
        self.pids: list[int] = place.get("pids", [started.pid])

    def cpu_s(self) -> float:
        return sum(map(machine.cpu_s, self.pids))

    def rss_bytes(self) -> int:
        return sum(map(machine.rss_bytes, self.pids))

    def expect(self, watchers: int) -> None:
        ordered(self._started, f"wait {watchers}")

    def expected(self) -> None:
        """Return once all that were announced by `expect` are subscribed."""
        answered(self._started, START_S)

    def burst(self, events: int, burst: int, within_s: float) -> int:
        """When publishing began, in nanoseconds."""
        ordered(self._started, f"burst {events} {burst}")
        return int(answered(self._started, within_s)["began_ns"])

    def state(self) -> dict[str, int]:
        ordered(self._started, "state")
        return answered(self._started, START_S)

    def paced(self, events: int, rate: float) -> list[int]:
        """Publish one event at a time, at even intervals whether the peer keeps up or not; when each was, in ns."""
        published = []
        with on_core(LOAD_CORE):
            start = time.monotonic() + LEAD_S
            for n in range(events):
                time.sleep(max(0.0, start + n / rate - time.monotonic()))
                published.append(time.monotonic_ns())
                ordered(self._started, "one")
        return published


class Watchers:
    """The load side, connected."""

    def __init__(self, started: "subprocess.Popen[str]", count: int, receipts: Path) -> None:
        self._started = started
        self.count = count
        self._receipts = receipts
        answered(started, START_S + count / CONNECTS_A_SECOND)

    def burst(self, server: Server, events: int, burst: int, within_s: float) -> Run:
        """As fast as it goes. Raises BrokenError unless everything is delivered."""
        self._begin(events, within_s, receipts=False)
        cpu = server.cpu_s()
        began_ns = server.burst(events, burst, within_s)
        end = self._end(events, within_s)
        took_s = (end["last_ns"] - began_ns) / 1e9
        return Run(
            deliveries_s=self.count * events / took_s,
            load_share=end["cpu_ns"] / 1e9 / took_s,
            server_share=(server.cpu_s() - cpu) / took_s,
        )

    def latencies_ms(self, server: Server, events: int, rate: float, within_s: float) -> list[float]:
        """From publish to receipt, one for each delivery, in order of size."""
        self._begin(events, within_s, receipts=True)
        published = server.paced(events, rate)
        self._end(events, within_s)
        receipts = array.array("Q")
        receipts.frombytes(self._receipts.read_bytes())
        return sorted((at - published[n % events]) / 1e6 for n, at in enumerate(receipts))

    def cost_s(self, server: Server, events: int, rate: float, within_s: float) -> float:
        """CPU seconds that the server takes for so many events, to the last delivery."""
        self._begin(events, within_s, receipts=False)
        cpu = server.cpu_s()
        server.paced(events, rate)
        self._end(events, within_s)
        return server.cpu_s() - cpu

    def _begin(self, events: int, within_s: float, *, receipts: bool) -> None:
        ordered(self._started, f"count {events} {within_s} {self._receipts if receipts else '-'}")
        answered(self._started, START_S)

    def _end(self, events: int, within_s: float) -> dict[str, int]:
        end = answered(self._started, within_s + START_S)
        wanted = self.count * events
        if end["deliveries"] != wanted:
            raise BrokenError(f"{end['deliveries']} of {wanted} deliveries came, {end['alive']} watchers are left")
        return end


@contextlib.contextmanager
def serving(name: str, setup: Setup) -> Iterator[Server]:
    """Raises MissingError when the peer cannot be on this machine."""
    peer = PEERS[name]
    start = peer.start(setup)
    core = LOAD_CORE if start.is_driver else SERVER_CORE
    with process(list(start.command), core, dict(start.env)) as started:
        yield Server(started, peer)


@contextlib.contextmanager
def watching(server: Server, setup: Setup, transport: str = "ws", count: int | None = None) -> Iterator[Watchers]:
    """So many watchers, subscribed and settled."""
    count = setup.watchers if count is None else count
    loader = compiled("load", setup.folder)
    steps: list[Path | str] = []
    for n, (say, wait_for) in enumerate(server.peer.watch[transport](server.path)):
        (setup.folder / f"say{n}").write_bytes(say)
        steps += [setup.folder / f"say{n}", wait_for]
    server.expect(count)
    with process([loader, server.port, count, server.peer.mark, *steps], LOAD_CORE) as started:
        watchers = Watchers(started, count, setup.folder / "receipts")
        server.expected()
        time.sleep(SETTLE_S)
        yield watchers


def percentile(ordered_values: Sequence[float], share: float) -> float:
    return ordered_values[min(len(ordered_values) - 1, int(len(ordered_values) * share))]
