"""Settings as flags."""

import argparse
import dataclasses
import os
from pathlib import Path
from typing import Any

from hub.settings import Settings, SettingsError, parse


def add_settings(command: argparse.ArgumentParser, usage: str) -> None:
    """`usage` is short: with all settings in it, it would bury the error that it precedes."""
    command.usage = f"%(prog)s {usage}"
    command.add_argument("--config", type=Path, metavar="FILE", help="TOML file with settings (HUB_CONFIG)")
    settings = command.add_argument_group("settings")
    for field in dataclasses.fields(Settings):
        flag = f"--{field.name.replace('_', '-')}"
        about = described(field).replace("%", "%%")
        if isinstance(field.default, bool):
            settings.add_argument(flag, dest=field.name, action=argparse.BooleanOptionalAction, help=about)
        else:
            settings.add_argument(flag, dest=field.name, type=_value(field, flag), metavar=_metavar(field), help=about)


def described(field: "dataclasses.Field[Any]") -> str:
    """Help with the default, as the flags and the README's table show it."""
    default = field.default
    if isinstance(default, bool):
        shown = "on" if default else "off"
    else:
        shown = ", ".join(default) if isinstance(default, tuple) else str(default)
    unit = f" {field.metadata['unit']}" if field.metadata["unit"] else ""
    return f"{field.metadata['help']} (default {shown}{unit})" if shown else field.metadata["help"]


def _metavar(field: "dataclasses.Field[Any]") -> str:
    if isinstance(field.default, tuple):
        return f"A{os.pathsep}B" if field.name == "roots" else "A,B"
    return "N" if isinstance(field.default, int | float) else "TEXT"


def _value(field: "dataclasses.Field[Any]", flag: str) -> Any:
    def value(text: str) -> Any:
        try:
            return parse(field, text, flag)
        except SettingsError as exc:
            raise argparse.ArgumentTypeError(str(exc).removeprefix(f"{flag}: ")) from exc

    return value
