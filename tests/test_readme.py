"""What README says is so."""

import dataclasses
import re
import shlex
from pathlib import Path

import pytest

from hub.cli.options import parser
from hub.settings import Settings
from hub.web.routes import ROUTES
from hub.words import amount

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHELL_LINES = [
    line
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line and not line.startswith("#")
]


def settings_table() -> str:
    rows = [
        f"| `{field.name}` | {shown(field.default, field.metadata['unit'])} | {field.metadata['help']} |"
        for field in dataclasses.fields(Settings)
    ]
    return "\n".join(["| setting | default | what it is |", "|---|---|---|", *rows])


def shown(default: object, unit: str) -> str:
    if isinstance(default, bool):
        return "on" if default else "off"
    if unit == "bytes":
        return amount(default, unit).replace(".0 ", " ")
    text = ", ".join(default) if isinstance(default, tuple) else f"{default:g}" if unit else str(default)
    return f"{text} {unit}".strip() or "-"


def test_every_setting_is_in_the_table():
    assert settings_table() in README, f"README's settings table should be:\n{settings_table()}"


@pytest.mark.parametrize(
    "line", [line for line in SHELL_LINES if line.startswith("progress-hub") and "serve" not in line]
)
def test_the_commands_are_ones_that_exist(line):
    assert parser().parse_args(shlex.split(line)[1:]).run


@pytest.mark.parametrize("line", [line for line in SHELL_LINES if "$HUB" in line and line.startswith("curl")])
def test_the_curl_examples_ask_for_routes_that_exist(line):
    words = shlex.split(line)
    path = next(word for word in words if word.startswith("$HUB")).replace("$HUB", "/api/v1").partition("?")[0]
    method = words[words.index("-X") + 1] if "-X" in words else "POST" if "-d" in words else "GET"
    asked = [re.fullmatch(re.sub(r"{\w+}", "[^/]+", route.path), path) for route in ROUTES if route.method == method]
    assert any(asked), f"there is no {method} {path}"


def test_the_code_table_names_every_part_of_the_package():
    table = README.partition("## The code")[2].partition("## Why")[0]
    parts = [path for path in (ROOT / "hub").iterdir() if path.is_dir() and (path / "__init__.py").exists()]
    assert parts
    for part in parts:
        assert f"`hub/{part.name}/`" in table, f"README's code table does not tell what lives in hub/{part.name}/"


@pytest.mark.parametrize("named", sorted(set(re.findall(r"`((?:hub|static|tests)/[\w./]*)`", README))))
def test_what_is_named_exists(named):
    assert (ROOT / named).exists()
