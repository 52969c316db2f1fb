"""`progress-hub watch-link`: what is under way, to be shown to somebody who has no token."""

import argparse
import asyncio
import json
from typing import Any

from hub.access import watch_links
from hub.cli import codes, credentials
from hub.cli.configuration import traced_settings
from hub.cli.tables import moment
from hub.cli.token import add_folder, span
from hub.client.operations import Operations
from hub.settings import SettingsError

EXAMPLES = """\
Whoever has the link may watch this one project, or this one job of it, until it expires, and nothing else. Links cannot
be taken back one by one: --rotate, on the hub's machine, makes all of them void at once.

examples:
  progress-hub watch-link repo
  progress-hub watch-link repo --job JOB --expires 12h
  progress-hub watch-link --rotate"""


def add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("project", metavar="PROJECT", nargs="?", help="what may be watched")
    command.add_argument("--job", metavar="JOB", help="only this job of it")
    command.add_argument("--expires", type=span, metavar="TIME", default="7d", help="such as 12h or 90d (default 7d)")
    command.add_argument("--rotate", action="store_true", help="make every link void that was ever made")
    add_folder(command)


def run(options: argparse.Namespace) -> int:
    if options.rotate == bool(options.project):
        raise SettingsError("watch-link takes either a PROJECT or --rotate")
    if options.rotate:
        watch_links.rotate(traced_settings(options)[0].data_path)
        print("Every watch link is void.")
        return codes.SUCCEEDED

    async def ask() -> dict[str, Any]:
        async with Operations(options.hub, token=credentials.hub_token(options)) as hub:
            return await hub.watch_link(options.project, options.job, options.expires)

    made = asyncio.run(ask())
    print(json.dumps(made) if options.json else f"{made['url']}\nUntil {moment(made['expires'])}.")
    return codes.SUCCEEDED
