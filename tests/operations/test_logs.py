"""Logs: one line a fact, in two formats, with stable words, without secrets, nothing twice."""

import ast
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from hub.core.actions import ACTIONS
from hub.core.redaction import Redactor
from hub.web import logs
from hub.web.requests import HEADER
from tests.hubs import running
from tests.operations.conftest import ROOT

HUB = ROOT / "hub"
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
OF_COMMANDS = {"cli", "client", "demo"}
"""They speak to whoever called them, on their terminal."""


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Any]:
    """What the hub's log has, a line each, as `configure` leads it to standard error."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield lambda: capsys.readouterr().err.splitlines()  # noqa: PLW0108 - what was said until then
    root.handlers[:], root.level = before, level


def said() -> Iterator[tuple[str, ast.Call]]:
    """Every call of a logger in the hub."""
    for path in HUB.rglob("*.py"):
        if path.relative_to(HUB).parts[0] in OF_COMMANDS:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {f"log.{level}" for level in LEVELS}:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def words() -> dict[str, list[str]]:
    """The actions in the code, with where they stand."""
    found: dict[str, list[str]] = {}
    for path in HUB.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and key.value == "action" and isinstance(value, ast.Constant):
                        found.setdefault(value.value, []).append(f"{path.relative_to(ROOT)}:{value.lineno}")
    return found


def test_every_line_of_the_hub_has_an_action() -> None:
    bare = [where for where, call in said() if not any(keyword.arg == "extra" for keyword in call.keywords)]
    assert bare == []


def test_the_list_of_actions_is_the_actions_that_are_said() -> None:
    assert set(words()) | {logs.FOREIGN} == set(ACTIONS)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", word) for word in ACTIONS)


def test_the_readme_lists_every_action() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme.partition("| action | says |")[2].partition("\n\n")[0]
    told = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|$", table, re.MULTILINE))
    assert told == ACTIONS


@pytest.mark.parametrize("layout", ["text", "json"])
def test_secrets_are_masked_wherever_they_stand(layout: str, lines: Any) -> None:
    redactor = Redactor()
    redactor.add(["s3cret-token"])
    logs.configure("info", redactor, layout)
    try:
        int("s3cret-token in a traceback")
    except ValueError:
        logging.getLogger("hub.x").exception(
            "%s in a sentence", "s3cret-token", extra={"action": "x", "url": "https://s3cret-token@h", "n": 3}
        )
    told = lines()
    assert "s3cret-token" not in "\n".join(told)
    assert "\n".join(told).count("[redacted]") >= 3


def test_json_is_one_object_a_line_whatever_is_said(lines: Any) -> None:
    logs.configure("info", Redactor(), "json")
    hostile = 'line\nbreak " \x1b[31m \udcff {"level": "info"}'
    logging.getLogger("hub.x").warning("%s", hostile, extra={"action": "x", "path": Path("/a"), "none": None, "n": 1.5})
    logging.getLogger("somebody.else").info("hello")
    first, second = map(json.loads, lines())
    assert first["message"] == hostile.replace("\udcff", "\\udcff")
    assert (first["level"], first["logger"], first["action"]) == ("warning", "hub.x", "x")
    assert (first["path"], first["none"], first["n"]) == ("/a", None, 1.5)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first["at"])
    assert second["action"] == logs.FOREIGN


def test_text_cannot_be_forged_by_what_is_said(lines: Any) -> None:
    logs.configure("info", Redactor(), "text")
    try:
        pytest.fail("x\n2026-01-01 00:00:00,000 INFO    hub: forged")
    except pytest.fail.Exception:
        logging.getLogger("hub.x").exception(
            "one\n2026-01-01 INFO forged", extra={"action": "x", "path": "a b]\n2026 forged"}
        )
    first, *rest = lines()
    assert first.endswith(r'one\n2026-01-01 INFO forged [action=x path="a b]\n2026 forged"]')
    assert rest
    assert all(line.startswith("    ") for line in rest)


def test_text_cannot_steer_the_terminal_that_shows_it(lines: Any) -> None:
    logs.configure("info", Redactor(), "text")
    logging.getLogger("hub.x").info("GET /\x1b[2J\u202e\x00é", extra={"action": "x"})
    assert r"GET /\x1b[2J\u202e\x00é" in lines()[0]


async def test_a_request_is_logged_once_with_its_id_and_without_its_query(tmp_path: Path, lines: Any) -> None:
    async with running(tmp_path / "data", access_log=True) as hub:
        logs.configure("info", Redactor(), "json")
        status, _, headers = await hub.call(
            "GET", "/api/v1/jobs?access_token=t0p-secret", headers={HEADER: "from-the-proxy.1"}
        )
        assert (status, headers[HEADER]) == (200, "from-the-proxy.1")
        _, _, forged = await hub.call("GET", "/nowhere", headers={HEADER: "no spaces; please"})
        told = [json.loads(line) for line in lines()]
    asked = [line for line in told if line["action"] == "request"]
    assert [(line["request"], line["method"], line["path"], line["status"]) for line in asked] == [
        ("from-the-proxy.1", "GET", "/api/v1/jobs", 200),
        (forged[HEADER], "GET", "/nowhere", 404),
    ]
    assert re.fullmatch(r"[\w.-]+", forged[HEADER])
    assert {line["client"] for line in asked} == {"127.0.0.1"}
    assert "t0p-secret" not in json.dumps(told)


async def test_without_the_setting_no_request_is_logged(tmp_path: Path, lines: Any) -> None:
    async with running(tmp_path / "data") as hub:
        logs.configure("debug", Redactor(), "json")
        await hub.call("GET", "/healthz")
        assert not [line for line in lines() if '"action":"request"' in line]


async def test_what_breaks_is_logged_once_and_names_its_request(
    tmp_path: Path, lines: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path / "data") as hub:

        def broken(*_: object) -> None:
            raise RuntimeError("unforeseen")

        monkeypatch.setattr(hub.hub.tracker, "introspect", broken)
        logs.configure("info", Redactor(), "json")
        status, _, headers = await hub.call("GET", "/api/v1/watchers")
        told = [json.loads(line) for line in lines()]
    assert status == web.HTTPInternalServerError.status_code
    assert [line["action"] for line in told if "unforeseen" in json.dumps(line)] == ["request_broke"]
    assert [line["request"] for line in told if line["action"] == "request_broke"] == [headers[HEADER]]


def test_configuring_twice_says_nothing_twice(lines: Any) -> None:
    for _ in range(2):
        logs.configure("info", Redactor(), "text")
    logging.getLogger("hub.x").info("once", extra={"action": "x"})
    assert len(lines()) == 1
