"""`python -m tests.bench [ROW ...]`: every figure of the README, as ratios out of one run."""

import argparse
import sys

from tests.bench import clone, fanout
from tests.bench.machine import MissingError, described


def show_fanout(options: argparse.Namespace) -> None:
    for burst, goal in ((10, 2.0), (1, 0.6)):
        load = fanout.Load(watchers=options.watchers, burst=burst)
        rates = dict(fanout.measure(load, options.rounds))
        print(f"\nFan-out: {load.watchers} WebSocket watchers, {load.events} events of 260 B, {burst} a turn")
        for peer, rate in rates.items():
            note = f"goal {goal:g}x" if peer == "hub" else ""
            print(f"  {peer:10} {rate:12,.0f} deliveries/s {rate / rates['limit']:6.2f}x the C loop  {note}")


def show_clone(options: argparse.Namespace) -> None:
    figures = clone.measure(options.repository, options.rounds)
    print(f"\nClone: {figures.megabytes:.0f} MB pack over smart HTTP on loopback, median of {options.rounds}")
    print(f"  git clone          {figures.git_s:8.2f} s")
    print(f"  hub, git engine    {figures.hub_s:8.2f} s  {figures.hub_s / figures.git_s:5.2f}x  goal 1.05x")
    print(f"  hub, libgit2       {figures.libgit2_s:8.2f} s  {figures.libgit2_s / figures.git_s:5.2f}x")
    print(f"  first event after POST {figures.first_event_ms:6.0f} ms  goal 200 ms")
    print(f"  loop lag meanwhile: p50 {figures.lag_p50_ms:.2f} ms, p99 {figures.lag_p99_ms:.2f} ms  goal p99 5 ms")


ROWS = {"fanout": show_fanout, "clone": show_clone}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"{', '.join(ROWS)}; all by default")
    parser.add_argument("--rounds", type=int, default=3, help="repetitions, of which the median counts (3)")
    parser.add_argument("--watchers", type=int, default=1000, help="of the fan-out (1000)")
    parser.add_argument("--repository", help="bare repository to clone; by default one of about 100 MB is made")
    options = parser.parse_args()
    if unknown := set(options.rows) - set(ROWS):
        parser.error(f"no row {', '.join(sorted(unknown))}")
    print(described())
    failed = False
    for row in options.rows or ROWS:
        try:
            ROWS[row](options)
        except MissingError as exc:
            print(f"\n{row}: not measured: {exc}")
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
