"""`progress-hub schedules`: jobs that come back by themselves."""

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from hub.cli import codes, credentials, policy
from hub.cli.arguments import param
from hub.cli.tables import aligned, moment
from hub.client.operations import Operations
from hub.words import clean

T = TypeVar("T")

EXAMPLES = """\
examples:
  progress-hub schedules add repo clone --cron '0 3 * * *' --timezone Europe/Berlin
  progress-hub schedules add repo index --every 6h --name 'keep the index fresh'
  progress-hub schedules add all sync --every 15m
  progress-hub schedules list
  progress-hub schedules pause ID"""
ADD_EXAMPLES = """\
The five fields of cron are minute, hour, day of the month, month, and day of the week. A turn whose job goes on still
is left out; of turns that were missed while the hub was down one is made up for. Secrets are not kept, so a job that
needs a token cannot be scheduled.

examples:
  progress-hub schedules add repo clone --cron '0 3 * * MON-FRI' --timezone Europe/Berlin
  progress-hub schedules add repo clone --every 30m --param depth=1
  progress-hub schedules add all sync --every 15m"""
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

Add = Callable[..., argparse.ArgumentParser]


def add_commands(add: Add, output: Callable[..., None]) -> None:
    """`add` makes a subcommand of a name, a sentence and a function; `output` gives it every command's options."""
    command = add("list", "List schedules, oldest first", listing)
    command.add_argument("--project", help="only of this project")
    output(command, draws=False)

    command = add("add", "Have a kind of job come back by itself", make, ADD_EXAMPLES)
    command.add_argument("project", metavar="PROJECT", help="the project's id, or all for kinds that span all projects")
    command.add_argument("kind", metavar="KIND", help="clone, index, or another kind that the hub has")
    when = command.add_mutually_exclusive_group(required=True)
    when.add_argument("--every", type=seconds, metavar="TIME", help="time between turns, such as 90s, 30m, 6h or 1d")
    when.add_argument("--cron", metavar="FIELDS", help="five fields of cron, such as '0 3 * * *'")
    command.add_argument(
        "--timezone", metavar="ZONE", help="in which cron is read, such as Europe/Berlin (default UTC)"
    )
    command.add_argument("--name", help="what it is called in lists")
    command.add_argument(
        "--param", action="append", default=[], type=param, metavar="NAME=VALUE", help="a parameter of the job; repeat"
    )
    command.add_argument("--paused", action="store_true", help="without turns, until it is resumed")
    policy.add_options(command)
    output(command, draws=False)

    for verb, about, run in (
        ("remove", "Remove a schedule; a job that it has started goes on", remove),
        ("pause", "Have a schedule stand still", pause),
        ("resume", "Let a paused schedule go on", resume),
        ("run", "Start a schedule's job now", start),
    ):
        command = add(verb, about, run)
        command.add_argument("schedule", metavar="ID", help="the schedule's id; see `progress-hub schedules list`")
        output(command, draws=False)


def listing(options: argparse.Namespace) -> int:
    found = on_hub(options, lambda hub: hub.schedules(options.project))
    if options.json:
        for each in found:
            print(json.dumps(each))
    elif not found:
        print("No schedules. Make one: progress-hub schedules add PROJECT KIND --cron '0 3 * * *'")
    else:
        heading = ("SCHEDULE", "PROJECT", "KIND", "WHEN", "NEXT", "LAST", "NAME")
        print("\n".join(aligned([heading, *(_row(each) for each in found)])))
    return codes.SUCCEEDED


def make(options: argparse.Namespace) -> int:
    wanted = {"kind": options.kind, "params": dict(options.param), "is_paused": options.paused}
    given = {"every_s": options.every, "cron": options.cron, "timezone": options.timezone, "name": options.name}
    given["retry"] = policy.given(options)
    body = {**wanted, **{name: value for name, value in given.items() if value is not None}}
    made = on_hub(options, lambda hub: hub.add_schedule(options.project, body))
    return _told(options, made)


def remove(options: argparse.Namespace) -> int:
    on_hub(options, lambda hub: hub.remove_schedule(options.schedule))
    print(json.dumps({"id": options.schedule, "removed": True}) if options.json else f"{options.schedule} is removed")
    return codes.SUCCEEDED


def pause(options: argparse.Namespace) -> int:
    return _told(options, on_hub(options, lambda hub: hub.change_schedule(options.schedule, {"is_paused": True})))


def resume(options: argparse.Namespace) -> int:
    return _told(options, on_hub(options, lambda hub: hub.change_schedule(options.schedule, {"is_paused": False})))


def start(options: argparse.Namespace) -> int:
    job = on_hub(options, lambda hub: hub.run_schedule(options.schedule))
    print(json.dumps(job) if options.json else job["id"])
    return codes.SUCCEEDED


def on_hub(options: argparse.Namespace, act: Callable[[Operations], Awaitable[T]]) -> T:
    async def run() -> T:
        async with Operations(options.hub, token=credentials.hub_token(options)) as hub:
            return await act(hub)

    return asyncio.run(run())


def seconds(text: str) -> float:
    """`90`, `90s`, `30m`, `6h`, `1d` as seconds."""
    number, unit = (text[:-1], text[-1]) if text[-1:] in UNITS else (text, "s")
    try:
        return float(number) * UNITS[unit]
    except ValueError as exc:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 90s, 30m, 6h or 1d") from exc


def _told(options: argparse.Namespace, schedule: Mapping[str, Any]) -> int:
    if options.json:
        print(json.dumps(schedule))
        return codes.SUCCEEDED
    runs = ", ".join(moment(at) for at in schedule["next_runs"])
    print(f"{schedule['id']} {'is paused' if schedule['is_paused'] else f'comes next at: {runs}'}")
    return codes.SUCCEEDED


def _row(each: Mapping[str, Any]) -> tuple[str, ...]:
    when = f"{each['cron']} {each['timezone']}" if each["cron"] else f"every {_span(each['every_s'])}"
    last = each["last_outcome"] or "-"
    if last == "started" and each["last_state"]:
        last = each["last_state"]
    following = "paused" if each["is_paused"] else moment(each["next_at"])
    return (each["id"], each["project"], each["kind"], when, following, last, clean(each["name"]))


def _span(value: float) -> str:
    for unit, size in reversed(UNITS.items()):
        if value >= size and not value % size:
            return f"{value / size:g} {unit}"
    return f"{value:g} s"
