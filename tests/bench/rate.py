"""What a pace costs: CPU of the server at so many events a second."""

from collections.abc import Iterator

from tests.bench.contest import absences, in_turn, title
from tests.bench.figures import Figures, Line, Plan, Row, median
from tests.bench.machine import raise_file_limit
from tests.bench.peer import Setup
from tests.bench.session import serving, watching

WITHIN_S = 120.0
WARM_UP_EVENTS = 20
VARIANTS = ("limit", "nchan", "hub")


def measure(plan: Plan) -> Figures:
    raise_file_limit(plan.watchers + 200)

    def once(variant: str) -> dict[str, float]:
        setup = Setup(folder=plan.folder, watchers=plan.watchers)
        shares = {}
        with serving(variant, setup) as server, watching(server, setup) as watchers:
            watchers.burst(server, WARM_UP_EVENTS, 1, WITHIN_S)
            for rate in plan.rates:
                events = max(1, round(plan.seconds * rate))
                shares[str(rate)] = watchers.cost_s(server, events, rate, WITHIN_S) / (events / rate)
        return shares

    samples, absent = in_turn(plan.rounds, plan.among(*VARIANTS), once)
    return {"watchers": plan.watchers, "rates": list(plan.rates), "samples": samples, "absent": absent}


def of(figures: Figures, variant: str, rate: int) -> float:
    """CPU seconds for each second of events: past 1, one core cannot keep up."""
    return median(sample[str(rate)] for sample in figures["samples"][variant])


def lines(figures: Figures) -> Iterator[Line]:
    peers = [name for name in figures["samples"] if name != "hub"]
    for rate in figures["rates"]:
        what = f"CPU for {rate} event{'s' * (rate > 1)}/s to {figures['watchers']:,} watchers"
        hub = of(figures, "hub", rate)
        if not peers:
            yield Line(what=what, hub=f"{hub:.1%} of a core")
        for peer in peers:
            theirs = of(figures, peer, rate)
            yield Line(what=what, hub=f"{hub:.1%} of a core", peer=f"{title(peer)}: {theirs:.1%}", ratio=hub / theirs)


ROW = Row(name="rate", title="Cost of a pace", measure=measure, lines=lines, notes=absences)
