"""`progress-hub history`: a project's history, as a person or a program reads it."""

import argparse
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

from hub.cli import codes
from hub.cli.schedules import on_hub
from hub.cli.tables import moment
from hub.client.operations import Operations
from hub.words import clean

EXAMPLES = """\
Times are Unix milliseconds, or such as 2026-01-31 or 2026-01-31T18:00:00+01:00; without a zone they are UTC. In CSV a
text that a spreadsheet would run as a formula has a ' in front.

examples:
  progress-hub history repo --level warning,error
  progress-hub history repo --since 2026-01-01 --format ndjson | jq .message
  progress-hub history repo --format csv --output history.csv"""


def add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("project", metavar="PROJECT", help="the project's id")
    command.add_argument("--format", choices=("text", "ndjson", "csv"), default="text", help="(default: text)")
    command.add_argument("--output", type=Path, metavar="FILE", help="write there, all of it or nothing")
    command.add_argument(
        "--order", choices=("asc", "desc"), default="asc", help="oldest (asc, the default) or newest first"
    )
    command.add_argument("--job", help="only of this job")
    for name, about in (
        ("type", "only job, stage or log"),
        ("level", "only log lines of these levels, such as warning,error"),
        ("state", "only where a job came to these states, such as failed"),
    ):
        command.add_argument(f"--{name}", metavar="A,B", help=about)
    command.add_argument("--since", metavar="TIME", help="only from then on")
    command.add_argument("--until", metavar="TIME", help="only until then")
    command.add_argument("--text", help="only messages that hold this")
    command.add_argument("--limit", type=int, metavar="N", help="at most so many")


def history(options: argparse.Namespace) -> int:
    on_hub(options, lambda hub: _written(hub, options))
    return codes.SUCCEEDED


async def _written(hub: Operations, options: argparse.Namespace) -> None:
    format_ = "ndjson" if options.json or options.format == "text" else options.format
    names = ("order", "job", "type", "level", "state", "since", "until", "text", "limit")
    query = [(name, str(value)) for name in names if (value := getattr(options, name)) is not None]
    as_text = options.format == "text" and not options.json
    beside = options.output.with_name(f"{options.output.name}.part") if options.output else None
    out = open(beside, "wb") if beside else None  # noqa: ASYNC230, PTH123, SIM115 - closed below; a command waits for its file
    try:
        async with aclosing(hub.history(options.project, [*query, ("format", format_)])) as pieces:
            async for piece in _lines(pieces) if as_text else pieces:
                (out or sys.stdout.buffer).write(piece)
        sys.stdout.flush()
    except BaseException:
        if out is not None and beside is not None:
            out.close()
            beside.unlink()
        raise
    if out is not None and beside is not None:
        out.close()
        os.replace(beside, options.output)  # noqa: PTH105 - what was there is replaced


async def _lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    rest = b""
    async for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield f"{text_of(json.loads(line))}\n".encode(sys.stdout.encoding or "utf-8", "replace")


def text_of(event: Mapping[str, Any]) -> str:
    """One event as a line."""
    return " ".join([moment(event["at"]), clean(event["kind"]), event["job"][:8], *_said(event)])


def _said(event: Mapping[str, Any]) -> Iterator[str]:
    if event["type"] == "log":
        yield f"{event['level']}: {clean(event['message'])}"
    elif event["type"] == "stage":
        yield f"stage {event['step']} of {event['steps']}: {clean(event['title'])}"
    else:
        yield event["state"]
        if event.get("error"):
            yield f"({clean(event['error']['message'])})"
