"""Fan-out: deliveries a second to many watchers, in bursts and one event a turn, by WebSocket and by SSE."""

from collections.abc import Iterator

from tests.bench.contest import absences, in_turn, title
from tests.bench.figures import Figures, Goal, Line, Plan, Row, amount, median
from tests.bench.machine import raise_file_limit
from tests.bench.peer import Setup
from tests.bench.session import serving, watching

BURST = 10
WITHIN_S = 120.0
WARM_UP = 4
"""A part of the events, published beforehand: the first of all pay for what later ones find ready."""
BUSY = 0.85
"""Of its core, what a server that publishes as fast as it goes takes when nobody else is there."""
VARIANTS = ("limit", "nchan", "socket.io", "python-socketio", "send_str", "hub", "hub:sse")
GOALS = {
    ("bursts", "limit"): Goal(bound=2, is_least=True),
    ("bursts", "nchan"): Goal(bound=4, is_least=True),
    ("turns", "limit"): Goal(bound=0.6, is_least=True),
    ("turns", "nchan"): Goal(bound=1.3, is_least=True),
}
SSE_GOAL = Goal(bound=0.8, is_least=True)


def measure(plan: Plan) -> Figures:
    raise_file_limit(plan.watchers + 200)

    def once(variant: str) -> dict[str, dict[str, float]]:
        name, _, transport = variant.partition(":")
        setup = Setup(folder=plan.folder, watchers=plan.watchers)
        with serving(name, setup) as server, watching(server, setup, transport or "ws") as watchers:
            watchers.burst(server, max(1, plan.events // WARM_UP), BURST, WITHIN_S)
            return {
                what: watchers.burst(server, plan.events, burst, WITHIN_S).to_json()
                for what, burst in (("bursts", BURST), ("turns", 1))
            }

    samples, absent = in_turn(plan.rounds, plan.among(*VARIANTS), once)
    return {"watchers": plan.watchers, "events": plan.events, "samples": samples, "absent": absent}


def of(figures: Figures, variant: str, what: str, field: str = "deliveries_s") -> float:
    return median(sample[what][field] for sample in figures["samples"][variant])


def lines(figures: Figures) -> Iterator[Line]:
    load = f"{figures['watchers']:,} WebSocket watchers, {figures['events']} events of 260 B"
    words = {"bursts": f"{load}, bursts of {BURST}", "turns": "the same, one event a turn, each committed first"}
    for what, said in words.items():
        hub = of(figures, "hub", what)
        peers = [name for name in figures["samples"] if not name.startswith("hub")]
        for peer in peers:
            theirs = of(figures, peer, what)
            yield Line(
                what=said,
                hub=amount(hub, "deliveries/s"),
                peer=f"{title(peer)}: {amount(theirs)}",
                ratio=hub / theirs,
                goal=GOALS.get((what, peer)),
            )
    for what, said in (("bursts", f"SSE, bursts of {BURST}"), ("turns", "SSE, one event a turn")):
        sse, ws = of(figures, "hub:sse", what), of(figures, "hub", what)
        peer = f"WebSocket: {amount(ws)}"
        yield Line(what=said, hub=amount(sse, "deliveries/s"), peer=peer, ratio=sse / ws, goal=SSE_GOAL)


def notes(figures: Figures) -> Iterator[str]:
    for field, side in (("load_share", "The load side's"), ("server_share", "The server's")):
        shares = ", ".join(
            f"{title(name)} {of(figures, name, 'bursts', field):.0%} and {of(figures, name, 'turns', field):.0%}"
            for name in figures["samples"]
        )
        yield f"{side} share of its core, in bursts and one a turn: {shares}."
    if (share := min(of(figures, name, "bursts", "server_share") for name in figures["samples"])) < BUSY:
        yield f"Something else ran on the server's core, or kept it waiting: one had only {share:.0%} of it."
    yield from absences(figures)


ROW = Row(name="fanout", title="Fan-out", measure=measure, lines=lines, notes=notes)
