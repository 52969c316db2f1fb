"""`python -m tests.bench [ROW ...]`: every figure of the README, as ratios out of one run."""

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.bench import (
    clone,
    commits,
    fanout,
    index,
    kills,
    latency,
    memory,
    newcomer,
    page,
    publish,
    rate,
    snapshot,
    soak,
    stalled,
    surfaces,
    sweep,
    wrap,
)
from tests.bench.contest import PEERS
from tests.bench.figures import Figures, Plan, Row, load, save, table
from tests.bench.machine import HERE, BrokenError, MissingError, described

ROWS: dict[str, Row] = {
    module.ROW.name: module.ROW
    for module in (
        fanout,
        latency,
        memory,
        stalled,
        rate,
        sweep,
        clone,
        commits,
        index,
        publish,
        snapshot,
        surfaces,
        wrap,
        page,
        newcomer,
    )
}
FIGURES = HERE.parents[1] / ".readme" / "figures.json"
EPILOGUE = """
examples:
  python -m tests.bench                              everything, then the tables; about ten minutes
  python -m tests.bench fanout latency --rounds 5    two rows, five times each
  python -m tests.bench rate --peers limit           the hub against the C loop alone
  python -m tests.bench soak --minutes 30            does anything grow? see soak --help
  python -m tests.bench kills --kills 100            is anything lost by kill -9? see kills --help
  python -m tests.bench --plot                       the plots and tables again, from the figures saved last

The hub runs on the first core, the load on the last; anything else that runs meanwhile is in the figures. What a peer
needs and the machine lacks is named, and the peer left out. The exit code is 1 when a row could not be measured.
"""


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=__doc__,
        epilog=EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    defaults = Plan(folder=Path())
    made.add_argument("rows", nargs="*", metavar="ROW", help=f"{', '.join(ROWS)}; all by default")
    made.add_argument("--plot", action="store_true", help="measure nothing: draw and print what is saved")
    made.add_argument("--figures", type=Path, default=FIGURES, metavar="FILE", help=f"saved figures ({FIGURES.name})")
    made.add_argument("--peers", type=_names, default=(), help=f"some of {','.join(set(PEERS) - {'hub'})}")
    for name, unit in (
        ("rounds", "repetitions, of which the median counts"),
        ("watchers", "watchers"),
        ("events", "events of the fan-out"),
        ("idle", "watchers whose memory is measured"),
        ("stalled", "stalled watchers whose memory is measured"),
        ("deliveries", "deliveries of each step of the sweep"),
    ):
        default = getattr(defaults, name)
        made.add_argument(f"--{name}", type=_count, default=default, metavar="N", help=f"{unit} ({default})")
    made.add_argument("--seconds", type=_seconds, default=defaults.seconds, help="of each paced part (%(default)s)")
    made.add_argument("--rates", type=_counts, default=defaults.rates, help="events/s, by commas (1,20,100,500)")
    made.add_argument("--sizes", type=_counts, default=defaults.sizes, help="watchers of the sweep, by commas")
    made.add_argument("--repository", help="bare repository to clone; by default one of about 100 MB is made")
    return made


def _count(text: str) -> int:
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _seconds(text: str) -> float:
    if not 0 < (value := float(text)) <= 60:
        raise argparse.ArgumentTypeError("must be more than 0 and at most 60")
    return value


def _counts(text: str) -> tuple[int, ...]:
    return tuple(sorted(map(_count, text.split(","))))


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := set(names) - set(PEERS):
        raise argparse.ArgumentTypeError(f"no peer {', '.join(sorted(unknown))}; there are {', '.join(PEERS)}")
    return names


def measured(rows: Iterable[Row], plan: Plan, path: Path) -> bool:
    """Measure, save and print row by row, so that what is done is done. False when one could not be measured."""
    complete = True
    for row in rows:
        began = time.monotonic()
        print(f"measuring {row.name} ...", file=sys.stderr)
        try:
            found = row.measure(plan)
        except (MissingError, BrokenError) as exc:
            print(f"\n## {row.title}\n\nNot measured: {exc}.", flush=True)
            complete = False
            continue
        took_s = round(time.monotonic() - began, 1)
        found = {"machine": described(), "rounds": plan.rounds, "took_s": took_s} | found
        save(path, load(path) | {row.name: found})
        show(row, found)
    return complete


def show(row: Row, found: Figures) -> None:
    print(f"\n## {row.title}\n\n{table(row.lines(found))}\n")
    for note in row.notes(found):
        print(note)
    rounds = f"median of {found['rounds']} rounds" if found["rounds"] > 1 else "one round"
    print(f"{rounds}, {found['took_s']:.0f} s; {found['machine']}", flush=True)


def drawn(rows: Iterable[Row], path: Path) -> None:
    """Raises MissingError without saved figures or matplotlib."""
    saved = load(path)
    if not saved:
        raise MissingError(f"there are no figures in {path} yet: run python -m tests.bench")
    for row in rows:
        if row.name in saved:
            show(row, saved[row.name])
    from tests.bench import plot  # noqa: PLC0415 - measuring needs no matplotlib

    for image in plot.draw(saved, path.parent):
        print(f"drawn: {image}")


TRIALS = {"kills": kills.main, "soak": soak.main}
"""They have options of their own, and an exit code instead of figures."""


def main(arguments: Sequence[str] | None = None) -> int:
    words = sys.argv[1:] if arguments is None else arguments
    if words and words[0] in TRIALS:
        return TRIALS[words[0]](words[1:])
    options = parser().parse_args(arguments)
    if unknown := set(options.rows) - set(ROWS):
        parser().error(f"no row {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    rows = [ROWS[name] for name in options.rows or ROWS]
    try:
        if options.plot:
            drawn(rows, options.figures)
            return 0
        with tempfile.TemporaryDirectory() as folder:
            names = set(Plan.__dataclass_fields__) - {"folder"}
            plan = Plan(folder=Path(folder), **{name: getattr(options, name) for name in names})
            return 0 if measured(rows, plan, options.figures) else 1
    except MissingError as exc:
        print(f"tests.bench: {exc}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
    sys.exit(130)
