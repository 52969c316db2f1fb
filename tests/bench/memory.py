"""Memory: what a watcher that has nothing to read costs the hub's process."""

import importlib.util
import time
from collections.abc import Iterator

from tests.bench.contest import in_turn
from tests.bench.figures import Figures, Goal, Line, Plan, Row, median
from tests.bench.machine import raise_file_limit
from tests.bench.peer import Setup
from tests.bench.session import Server, serving, watching

BEAT_S = 2.0
"""Of the hub's heartbeat: what the first one leaves behind is part of a watcher's cost."""
SETTLED = 0.002
"""Growth between two looks below which it counts as settled."""
LONGEST_SETTLE_S = 15.0
VARIANTS = ("hub:ws:uvloop", "hub:ws:asyncio", "hub:sse:uvloop", "hub:sse:asyncio")
GOALS = {"ws": Goal(bound=16, unit=" KB"), "sse": Goal(bound=14, unit=" KB")}
WORDS = {"ws": "WebSocket", "sse": "SSE"}


def measure(plan: Plan) -> Figures:
    raise_file_limit(plan.idle + 200)
    has_uvloop = importlib.util.find_spec("uvloop") is not None
    variants = [name for name in VARIANTS if has_uvloop or not name.endswith("uvloop")]

    def once(variant: str) -> float:
        _, transport, loop = variant.split(":")
        setup = Setup(folder=plan.folder, watchers=plan.idle, loop=loop, settings={"heartbeat_s": BEAT_S})
        with serving("hub", setup) as server:
            before = server.rss_bytes()
            with watching(server, setup, transport):
                return (settled_rss(server) - before) / plan.idle

    samples, _ = in_turn(plan.few_rounds, variants, once)
    return {"watchers": plan.idle, "samples": samples, "rounds": plan.few_rounds}


def settled_rss(server: Server) -> int:
    """Once a heartbeat has gone out and the growth has stopped."""
    time.sleep(BEAT_S + 0.5)
    deadline = time.monotonic() + LONGEST_SETTLE_S
    last, now = 0, server.rss_bytes()
    while abs(now - last) > SETTLED * now and time.monotonic() < deadline:
        time.sleep(0.5)
        last, now = now, server.rss_bytes()
    return now


def lines(figures: Figures) -> Iterator[Line]:
    for variant, found in figures["samples"].items():
        _, transport, loop = variant.split(":")
        what = f"idle {WORDS[transport]} watcher, RSS, at {figures['watchers']:,} ({loop})"
        size = median(found) / 1024
        yield Line(what=what, hub=f"{size:.1f} KB", value=size, goal=GOALS[transport])


ROW = Row(name="memory", title="Memory of idle watchers", measure=measure, lines=lines)
