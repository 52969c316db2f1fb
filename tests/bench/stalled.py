"""A watcher that stops reading: what it costs until it is let go, and what the others feel of it."""

import contextlib
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass

from tests.bench.contest import in_turn
from tests.bench.figures import Figures, Goal, Line, Plan, Row, median
from tests.bench.machine import BrokenError, kernel_bytes, raise_file_limit
from tests.bench.peer import Setup
from tests.bench.session import Server, percentile, serving, watching

BURST = 10
RATE = 20
WITHIN_S = 60.0
RECEIVE_BYTES = 4096
"""Asked of the stalled side's kernel, so that it is the server's buffers that fill."""
RING_EVENTS = 1200
"""Published beforehand: the ring is full, and what grows afterwards is the watchers'."""
FILLING_STEPS = 2000
KEEP = {"too_slow_s": 120.0, "heartbeat_s": 120.0, "mailbox_events": 100_000}
"""So that the hub does not let go of the stalled watcher while the others beside it are measured."""
MEMORY_GOAL = Goal(bound=300, unit=" KB")
OTHERS_GOAL = Goal(bound=1.1)


@dataclass(slots=True)
class Peak:
    """In bytes, of one watcher, at the moment when both together were most."""

    user: float = 0.0
    kernel: float = 0.0

    def take(self, user: float, kernel: float) -> None:
        if user + kernel > self.user + self.kernel:
            self.user, self.kernel = user, kernel


def measure(plan: Plan) -> Figures:
    raise_file_limit(plan.watchers + plan.stalled + 200)
    found: dict[str, list[dict[str, float]]] = {}

    def once(variant: str) -> dict[str, float]:
        match variant:
            case "hub:memory":
                peak = memory(plan)
                return {"user": peak.user, "kernel": peak.kernel}
            case "hub:without":
                return {"p99_ms": others_p99_ms(plan, stalled=0)}
            case _:
                return {"p99_ms": others_p99_ms(plan, stalled=1)}

    found, _ = in_turn(plan.rounds, ("hub:memory", "hub:without", "hub:beside"), once)
    return {"watchers": plan.watchers, "stalled": plan.stalled, "samples": found}


@contextlib.contextmanager
def stalling(server: Server, count: int) -> Iterator[None]:
    """So many WebSocket watchers that never read past the answer's head."""
    [(request, head)] = server.peer.watch["ws"](server.path)
    with contextlib.ExitStack() as sockets:
        for _ in range(count):
            watcher = sockets.enter_context(socket.socket())
            watcher.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
            watcher.settimeout(10)
            watcher.connect(("127.0.0.1", server.port))
            watcher.sendall(request)
            answer = b""
            while head.encode() not in answer:
                if not (data := watcher.recv(256)):
                    raise BrokenError("a stalled watcher was refused")
                answer += data
        yield


def memory(plan: Plan) -> Peak:
    """Many stall at once. What they hold is the same bytes, and so counts once in the process; each counts with its own
    backlog here, as it would alone."""
    peak, count = Peak(), plan.stalled
    with serving("hub", Setup(folder=plan.folder, watchers=count)) as server:
        server.burst(RING_EVENTS, BURST, WITHIN_S)
        server.expect(count)
        with stalling(server, count):
            server.expected()
            before, kernel_before = server.rss_bytes(), kernel_bytes(server.port)
            for _ in range(FILLING_STEPS):
                server.burst(BURST, BURST, WITHIN_S)
                state = server.state()
                user = max(server.rss_bytes() - before, state["backlog_bytes"])
                if state["watchers"] < count:
                    return peak
                peak.take(user / count, (kernel_bytes(server.port) - kernel_before) / count)
    raise BrokenError("watchers that do not read are never let go")


def others_p99_ms(plan: Plan, stalled: int) -> float:
    """Of those who read, beside so many who do not and are still held on to at the end."""
    setup = Setup(folder=plan.folder, watchers=plan.watchers + stalled, settings=KEEP)
    with serving("hub", setup) as server, stalling(server, stalled):
        fill(server, stalled)
        with watching(server, setup, count=plan.watchers) as watchers:
            watchers.burst(server, RATE, 1, WITHIN_S)
            found = watchers.latencies_ms(server, max(1, round(plan.seconds * RATE)), RATE, WITHIN_S)
        if stalled and server.state()["slow"] != stalled:
            raise BrokenError("the stalled watcher was let go while the others were measured")
    return percentile(found, 0.99)


def fill(server: Server, stalled: int) -> None:
    deadline = time.monotonic() + WITHIN_S
    while server.state()["slow"] < stalled:
        server.burst(BURST, BURST, WITHIN_S)
        if time.monotonic() > deadline:
            raise BrokenError("a watcher that does not read never counts as slow")


def lines(figures: Figures) -> Iterator[Line]:
    samples = figures["samples"]
    user, kernel = (median(sample[side] / 1024 for sample in samples["hub:memory"]) for side in ("user", "kernel"))
    yield Line(
        what="stalled watcher, kernel and user memory until it is let go",
        hub=f"{user + kernel:.0f} KB ({kernel:.0f} + {user:.0f})",
        value=user + kernel,
        goal=MEMORY_GOAL,
    )
    beside, without = (median(s["p99_ms"] for s in samples[f"hub:{side}"]) for side in ("beside", "without"))
    yield Line(
        what=f"p99 of {figures['watchers']:,} others beside a stalled watcher",
        hub=f"{beside:.1f} ms",
        peer=f"without one: {without:.1f} ms",
        ratio=beside / without,
        goal=OTHERS_GOAL,
    )


ROW = Row(name="stalled", title="A stalled watcher", measure=measure, lines=lines)
