"""Options of every command that starts jobs: when the hub tries again by itself."""

import argparse
from typing import Any

from hub.core.retries import LONGEST_S, MOST_ATTEMPTS
from hub.settings import SettingsError


def add_options(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("trying again")
    group.add_argument(
        "--attempts",
        type=_attempts,
        metavar="N",
        help="tries in all, while it fails and may yet succeed",
    )
    group.add_argument(
        "--backoff", type=_seconds, metavar="S", help="seconds before the second try, then twice as long"
    )


def given(options: argparse.Namespace) -> dict[str, Any] | None:
    """As a request says it; None: the hub's own policy. Raises SettingsError."""
    if options.attempts is None:
        if options.backoff is not None:
            raise SettingsError("--backoff needs --attempts")
        return None
    return {"attempts": options.attempts} | ({"backoff_s": options.backoff} if options.backoff is not None else {})


def _attempts(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_ATTEMPTS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {MOST_ATTEMPTS}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= LONGEST_S:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0 to {LONGEST_S:g}")
    return value
