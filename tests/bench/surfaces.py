"""Surfaces: what it costs to tell a job's progress in other systems' words, against the hub's own by SSE."""

import contextlib
from collections.abc import Iterator

from tests.bench.contest import in_turn
from tests.bench.figures import Figures, Goal, Line, Plan, Row, amount, median
from tests.bench.machine import SERVER_CORE, process, raise_file_limit
from tests.bench.peer import Peer, Setup
from tests.bench.peers.surfaces import SURFACES, native, surface
from tests.bench.session import Server, watching

WITHIN_S = 120.0
WARM_UP = 4
"""A part of the events, published beforehand."""
GOAL = Goal(bound=0.8, is_least=True)


@contextlib.contextmanager
def serving(peer: Peer, setup: Setup) -> Iterator[Server]:
    start = peer.start(setup)
    with process(list(start.command), SERVER_CORE, dict(start.env)) as started:
        yield Server(started, peer)


def measure(plan: Plan) -> Figures:
    raise_file_limit(plan.watchers + 200)

    def once(variant: str) -> dict[str, float]:
        _, kind, words = variant.split(":")
        setup = Setup(folder=plan.folder, watchers=plan.watchers)
        peer = native(kind) if words == "native" else surface(kind)
        with serving(peer, setup) as server, watching(server, setup, "sse") as watchers:
            watchers.burst(server, max(1, plan.events // WARM_UP), 1, WITHIN_S)
            return watchers.burst(server, plan.events, 1, WITHIN_S).to_json()

    variants = [f"hub:{kind}:{words}" for kind in SURFACES for words in ("native", "surface")]
    samples, absent = in_turn(plan.rounds, variants, once)
    return {"watchers": plan.watchers, "events": plan.events, "samples": samples, "absent": absent}


def of(figures: Figures, kind: str, words: str) -> float:
    return median(sample["deliveries_s"] for sample in figures["samples"][f"hub:{kind}:{words}"])


def lines(figures: Figures) -> Iterator[Line]:
    load = f"{figures['watchers']:,} watchers, {figures['events']} reports, one a turn"
    for kind in SURFACES:
        theirs, own = of(figures, kind, "surface"), of(figures, kind, "native")
        yield Line(
            what=f"{kind} surface, {load}",
            hub=amount(theirs, "deliveries/s"),
            peer=f"native SSE: {amount(own)}",
            ratio=theirs / own,
            goal=GOAL,
        )


def notes(_: Figures) -> Iterator[str]:
    yield "Cadences, with which two of the surfaces merge reports, were left out."


ROW = Row(name="surfaces", title="Surfaces", measure=measure, lines=lines, notes=notes)
