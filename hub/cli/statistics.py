"""`progress-hub statistics`: how long jobs take, and how often they succeed."""

import argparse
import json
from collections.abc import Mapping
from typing import Any

from hub.cli import codes
from hub.cli.schedules import on_hub
from hub.cli.tables import aligned
from hub.words import clean, duration

EXAMPLES = """\
Durations are of runs that succeeded, without the time that they were paused. The trend holds the newest ten against the
ten before.

examples:
  progress-hub statistics
  progress-hub statistics --project repo --kind clone --days 7 --stages"""
HEADING = ("PROJECT", "KIND", "RUNS", "SUCCEEDED", "MEDIAN", "P90", "LONGEST", "WAIT", "TREND")


def add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--project", help="only of this project")
    command.add_argument("--kind", help="only of this kind")
    command.add_argument(
        "--days", type=float, default=30.0, metavar="N", help="of jobs that ended so lately (default 30)"
    )
    command.add_argument("--stages", action="store_true", help="the medians of stages, too")


def statistics(options: argparse.Namespace) -> int:
    query = [
        (name, str(value)) for name in ("project", "kind", "days") if (value := getattr(options, name)) is not None
    ]
    page = on_hub(options, lambda hub: hub.statistics(query))
    if options.json:
        for item in page["items"]:
            print(json.dumps(item))
    elif not page["items"]:
        print(f"No job has ended within {options.days:g} days.")
    else:
        print("\n".join(aligned([HEADING, *(_row(item) for item in page["items"])])))
        if options.stages:
            _print_stages(page["items"])
    return codes.SUCCEEDED


def _row(item: Mapping[str, Any]) -> tuple[str, ...]:
    took = item["duration_s"] or {}
    spans = [duration(took[name]) if name in took else "-" for name in ("p50", "p90", "max")]
    wait = "-" if item["queue_wait_s"] is None else duration(item["queue_wait_s"])
    trend = item["trend"]
    said = "-" if trend is None else trend["direction"]
    if trend is not None and trend["ratio"] is not None and said != "steady":
        said += f" ({trend['ratio'] - 1:+.0%})"
    share = f"{item['success_share']:.0%}"
    return (item["project"], clean(item["kind"]), str(item["runs"]), share, *spans, wait, said)


def _print_stages(items: list[Mapping[str, Any]]) -> None:
    rows = [
        (item["project"], clean(item["kind"]), clean(stage["title"]), str(stage["count"]), duration(stage["p50"]))
        for item in items
        for stage in item["stages"]
    ]
    if rows:
        print()
        print("\n".join(aligned([("PROJECT", "KIND", "STAGE", "RUNS", "MEDIAN"), *rows])))
