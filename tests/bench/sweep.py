"""The same against the number of watchers: deliveries a second, latency, memory. What the plots show."""

from collections.abc import Iterator

from tests.bench.contest import absences, in_turn, title
from tests.bench.figures import Figures, Line, Plan, Row, amount, median
from tests.bench.machine import raise_file_limit
from tests.bench.peer import Setup
from tests.bench.session import percentile, serving, watching

BURST = 10
RATE = 20
WITHIN_S = 120.0
FEWEST_EVENTS, MOST_EVENTS = 20, 2000
VARIANTS = ("limit", "nchan", "socket.io", "hub", "hub:sse")
FIELDS = ("deliveries_s", "p99_ms", "rss_bytes")


def measure(plan: Plan) -> Figures:
    raise_file_limit(max(plan.sizes) + 200)

    def once(step: str) -> dict[str, float]:
        variant, size = step.rsplit("@", 1)
        name, _, transport = variant.partition(":")
        count = int(size)
        setup = Setup(folder=plan.folder, watchers=count)
        events = max(FEWEST_EVENTS, min(MOST_EVENTS, plan.deliveries // count // BURST * BURST))
        with serving(name, setup) as server:
            before = server.rss_bytes()
            with watching(server, setup, transport or "ws") as watchers:
                rss_bytes = server.rss_bytes() - before
                watchers.burst(server, FEWEST_EVENTS, BURST, WITHIN_S)
                run = watchers.burst(server, events, BURST, WITHIN_S)
                found = watchers.latencies_ms(server, max(1, round(plan.seconds * RATE)), RATE, WITHIN_S)
        return {"p99_ms": percentile(found, 0.99), "rss_bytes": float(rss_bytes), **run.to_json()}

    variants = plan.among(*VARIANTS)
    samples, absent = in_turn(plan.few_rounds, [f"{name}@{size}" for size in plan.sizes for name in variants], once)
    return {
        "sizes": list(plan.sizes),
        "rounds": plan.few_rounds,
        "samples": samples,
        "absent": {step.partition("@")[0]: why for step, why in absent.items()},
    }


def points(figures: Figures, variant: str, field: str) -> list[tuple[int, float]]:
    """Watchers, and the median of `field`; a size that was not measured is left out."""
    return [
        (size, median(sample[field] for sample in found))
        for size in figures["sizes"]
        if (found := figures["samples"].get(f"{variant}@{size}"))
    ]


def measured(figures: Figures) -> list[str]:
    """The variants, in the order in which they were measured."""
    return list(dict.fromkeys(step.rsplit("@", 1)[0] for step in figures["samples"]))


def lines(figures: Figures) -> Iterator[Line]:
    for size in figures["sizes"]:
        hub, peer = (_at(figures, name, size) for name in ("hub", "limit"))
        if hub is None:
            continue
        for field, unit, word in (
            ("deliveries_s", "deliveries/s", f"bursts of {BURST}"),
            ("p99_ms", "ms", f"p99 at {RATE} events/s"),
        ):
            yield Line(
                what=f"{size:,} watchers, {word}",
                hub=amount(hub[field], unit),
                peer=f"{title('limit')}: {amount(peer[field], unit)}" if peer else "",
                ratio=hub[field] / peer[field] if peer else None,
            )
        each = f"{hub['rss_bytes'] / size / 1024:.1f} KB a watcher"
        yield Line(what=f"{size:,} watchers, RSS", hub=f"{hub['rss_bytes'] / 2**20:.0f} MB, {each}")


def _at(figures: Figures, variant: str, size: int) -> dict[str, float] | None:
    found = {field: dict(points(figures, variant, field)).get(size) for field in FIELDS}
    return None if None in found.values() else {field: value for field, value in found.items() if value is not None}


ROW = Row(name="sweep", title="Against the number of watchers", measure=measure, lines=lines, notes=absences)
