"""A command among others: its name, its help, and what runs it."""

import argparse
from typing import Any


class Command(argparse.ArgumentParser):
    takes_any_order = False
    """Options may stand between its other arguments, too."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if not self.takes_any_order:
            return super().parse_known_args(args, namespace)
        self.takes_any_order = False  # for what comes back here
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self.takes_any_order = True


def add_command(commands: Any, name: str, about: str, run: Any, epilog: str = "") -> Command:
    command: Command = commands.add_parser(
        name, help=about, description=about + ".", epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.set_defaults(run=run)
    return command
