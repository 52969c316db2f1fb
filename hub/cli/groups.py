"""Options that many commands have: the hub, its token, the form of what is printed, credentials for a repository."""

import argparse
import os
from pathlib import Path

from hub.client import DEFAULT_URL


def add_credentials(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("credentials")
    source = group.add_mutually_exclusive_group()
    source.add_argument("--token-env", metavar="VAR", help="environment variable that holds the token or password")
    source.add_argument("--token-stdin", action="store_true", help="read the token or password from standard input")
    group.add_argument("--username", metavar="NAME", help="what is given is this user's password, rather than a token")
    group.add_argument("--ssh-key", type=Path, metavar="FILE", help="private key; what is given is then its passphrase")


def add_hub(command: argparse.ArgumentParser) -> None:
    default = os.environ.get("HUB_URL") or DEFAULT_URL  # which the help does not show: it may hold a password
    command.add_argument(
        "--hub", metavar="URL", default=default, help=f"the hub to talk to (HUB_URL; default {DEFAULT_URL})"
    )
    command.add_argument(
        "--token-file", type=Path, metavar="FILE", help="file with the hub's token, if it wants one (HUB_TOKEN)"
    )


def add_output(command: argparse.ArgumentParser, *, draws: bool = True, detach: bool = False) -> None:
    add_hub(command)
    about = "one JSON object a line: every message as it comes" if draws else "one JSON object a line"
    command.add_argument("--json", action="store_true", help=about)
    if detach:
        command.add_argument("--detach", action="store_true", help="start it, print its id, and leave")
