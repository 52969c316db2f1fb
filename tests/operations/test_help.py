"""What `--help` teaches can be typed as it stands."""

import argparse
import re
import shlex

import pytest

from hub.cli.options import parser

WIDEST = 120


def commands(found: argparse.ArgumentParser, path: tuple[str, ...] = ()) -> dict[str, argparse.ArgumentParser]:
    """All commands, and those below them, by what is typed."""
    known = {" ".join(path): found} if path else {}
    for action in found._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                known |= commands(below, (*path, name))
    return known


COMMANDS = commands(parser())
EXAMPLES = sorted(
    {
        line
        for found in [parser(), *COMMANDS.values()]
        # From the name on, whatever is piped into it or set before it, to an explanation, a pipe or a file.
        for line in re.findall(
            r"\b(progress-hub .+?)(?: {2,}| [|>]|$)", (found.epilog or "").partition("examples:")[2], re.MULTILINE
        )
    }
)


@pytest.mark.parametrize("name", [name for name in COMMANDS if " " not in name and name != "version"])
def test_every_command_shows_examples_of_itself(name):
    shown = COMMANDS[name].epilog or ""
    assert re.search(rf"^examples:\n(?:  .*\n)*?  .*progress-hub {name}\b", shown, re.MULTILINE)


@pytest.mark.parametrize("line", EXAMPLES)
def test_what_an_example_shows_is_understood(line):
    typed = shlex.split(line.replace("$(date +%F)", "2026-11-21"))
    assert parser().parse_args(typed[1:]).run


@pytest.mark.parametrize("name", COMMANDS)
def test_all_that_can_be_given_is_explained_and_fits_a_terminal(name, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    found = COMMANDS[name]
    unexplained = [action.dest for action in found._actions if not action.help and action.metavar != "COMMAND"]
    assert not unexplained
    assert not [line for line in found.format_help().splitlines() if len(line) > WIDEST]


@pytest.mark.parametrize("columns", ["40", "20"])
def test_a_narrow_terminal_gets_help_too(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    for found in COMMANDS.values():
        assert "usage: progress-hub" in found.format_help()
