"""`progress-hub start`: one kind of job on many projects."""

import argparse
import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from hub.cli import codes, jobs, policy
from hub.cli.arguments import param
from hub.settings import SettingsError

EXAMPLES = """\
Starts the jobs and leaves; each line says what became of one. The exit code is 1 when any was refused.

examples:
  progress-hub start index --all
  progress-hub start clone repo other --param depth=1
  progress-hub start clone --last failed --attempts 3 --backoff 60
  progress-hub start ingest --match 'team-*'"""
LASTS = ("never", "succeeded", "failed", "cancelled", "interrupted")


def add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("kind", metavar="KIND", help="clone, index, ingest, or another kind that the hub has")
    command.add_argument("projects", nargs="*", metavar="PROJECT", help="ids of projects")
    command.add_argument("--all", action="store_true", help="every project")
    command.add_argument("--match", metavar="GLOB", help="projects whose id is like this")
    command.add_argument("--last", choices=LASTS, help="projects whose newest job of this kind ended so, or never was")
    command.add_argument(
        "--param", action="append", default=[], type=param, metavar="NAME=VALUE", help="a parameter of the job; repeat"
    )


def start(options: argparse.Namespace) -> int:
    wanted, params, retry = _wanted(options), dict(options.param), policy.given(options)
    key = str(uuid.uuid4())
    answer = jobs.on_hub(options, lambda hub: hub.start_many(wanted, options.kind, params, key=key, retry=retry))
    for item in answer["items"]:
        print(json.dumps(item) if options.json else _line(item))
    if not answer["items"] and not options.json:
        print("No project fits.")
    return codes.FAILED if any(item["outcome"] == "refused" for item in answer["items"]) else codes.SUCCEEDED


def _wanted(options: argparse.Namespace) -> Sequence[str] | Mapping[str, str] | str:
    """Raises SettingsError."""
    filters = {name: text for name in ("match", "last") if (text := getattr(options, name))}
    if sum(map(bool, (options.projects, options.all, filters))) != 1:
        raise SettingsError("name projects, or give --all, or --match and --last: one of the three")
    return "all" if options.all else filters or list(options.projects)


def _line(item: Mapping[str, Any]) -> str:
    if item["outcome"] == "refused":
        return f"{item['project']}: refused: {item['error']['message']}"
    said = "started" if item["outcome"] == "accepted" else f"has one already, {item['job']['state']}"
    return f"{item['project']}: {said}: {item['job']['id']}"
