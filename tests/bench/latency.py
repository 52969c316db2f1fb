"""Latency: from the instant of publishing to receipt, at a pace that nobody is busy with."""

from collections.abc import Iterator

from tests.bench.contest import absences, in_turn, title
from tests.bench.figures import Figures, Goal, Line, Plan, Row, median
from tests.bench.machine import raise_file_limit
from tests.bench.peer import Setup
from tests.bench.session import percentile, serving, watching

RATE = 20
WITHIN_S = 60.0
WARM_UP_EVENTS = 20
VARIANTS = ("limit", "nchan", "socket.io", "python-socketio", "hub", "hub:sse")
GOAL = Goal(bound=2)


def measure(plan: Plan) -> Figures:
    raise_file_limit(plan.watchers + 200)

    def once(variant: str) -> dict[str, float]:
        name, _, transport = variant.partition(":")
        setup = Setup(folder=plan.folder, watchers=plan.watchers)
        with serving(name, setup) as server, watching(server, setup, transport or "ws") as watchers:
            watchers.burst(server, WARM_UP_EVENTS, 1, WITHIN_S)
            found = watchers.latencies_ms(server, max(1, round(plan.seconds * RATE)), RATE, WITHIN_S)
            return {"p50_ms": percentile(found, 0.5), "p99_ms": percentile(found, 0.99)}

    samples, absent = in_turn(plan.rounds, plan.among(*VARIANTS), once)
    return {"watchers": plan.watchers, "samples": samples, "absent": absent}


def of(figures: Figures, variant: str, field: str) -> float:
    return median(sample[field] for sample in figures["samples"][variant])


def lines(figures: Figures) -> Iterator[Line]:
    ours = [name for name in figures["samples"] if name.startswith("hub")]
    peers = [name for name in figures["samples"] if not name.startswith("hub")]
    for field in ("p50_ms", "p99_ms"):
        for variant in ours:
            transport = "SSE" if variant.endswith("sse") else "WebSocket"
            what = f"latency at {RATE} events/s to {figures['watchers']:,} {transport} watchers, {field[:3]}"
            hub = of(figures, variant, field)
            if not peers:
                yield Line(what=what, hub=f"{hub:.1f} ms")
            for peer in peers if variant == "hub" else [name for name in peers if name == "limit"]:
                theirs = of(figures, peer, field)
                goal = GOAL if (peer, field) == ("limit", "p99_ms") else None
                said = f"{title(peer)}: {theirs:.1f} ms"
                yield Line(what=what, hub=f"{hub:.1f} ms", peer=said, ratio=hub / theirs, goal=goal)


ROW = Row(name="latency", title="Latency", measure=measure, lines=lines, notes=absences)
