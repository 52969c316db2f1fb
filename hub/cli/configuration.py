"""Settings as a command line, the environment and a file tell them; and `progress-hub settings`, which shows them."""

import argparse
import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path

from hub.cli import codes
from hub.cli.tables import aligned
from hub.settings import Settings, default_config, unknown_variables

EXAMPLES = """\
What `serve` would use when it is started like this: flags count before the environment, the environment before the
config file, and that before the defaults. The file is what --config or HUB_CONFIG names, else
$XDG_CONFIG_HOME/progress-hub/config.toml (~/.config/progress-hub/config.toml), if it is there.

examples:
  progress-hub settings
  HUB_PORT=9000 progress-hub settings --json"""


def config_path(options: argparse.Namespace) -> Path | None:
    """The config file that counts."""
    if options.config:
        return Path(options.config)
    named = os.environ.get("HUB_CONFIG")
    return Path(named) if named else default_config()


def traced_settings(options: argparse.Namespace) -> tuple[Settings, Mapping[str, str]]:
    """And where each value that is not the default came from. Raises SettingsError."""
    flags = {field.name: getattr(options, field.name, None) for field in dataclasses.fields(Settings)}
    return Settings.traced(flags, config=config_path(options))


def warnings() -> list[str]:
    """About variables that look like settings and are none."""
    return [
        f"{name} is no setting, so it has no effect" + (f"; is {meant} meant?" if meant else ".")
        for name, meant in unknown_variables(os.environ).items()
    ]


def show(options: argparse.Namespace) -> int:
    settings, sources = traced_settings(options)
    fields = dataclasses.fields(Settings)
    if options.json:
        rows = [
            {
                "id": field.name,
                "value": getattr(settings, field.name),
                "unit": field.metadata["unit"] or None,
                "source": sources.get(field.name, "default"),
            }
            for field in fields
        ]
        config = config_path(options)
        told = {"settings": rows, "config": str(config) if config else None, "warnings": warnings()}
        print(json.dumps(told, ensure_ascii=True))
        return codes.SUCCEEDED
    table = [("SETTING", "VALUE", "SOURCE")]
    table += [
        (field.name, _text(getattr(settings, field.name)), sources.get(field.name, "default")) for field in fields
    ]
    print("\n".join(aligned(table)))
    for warning in warnings():
        print(f"warning: {warning}")
    return codes.SUCCEEDED


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ", ".join(value) or "-"
    return f"{value:g}" if isinstance(value, float) else str(value) or "-"
