"""`progress-hub search`: what is printed for a person, for a pipe and for a program."""

import argparse
import asyncio
import json

import pytest

from hub.cli import search as command
from hub.cli.search import lines, marked, notes, parameters, visible
from hub.index import place
from hub.terminal import Style
from tests.hubs import running
from tests.index.samples import commit, indexed

COLORS = Style(color=True)
TEXT = {
    "type": "text", "project": "p", "path": "a.py", "matches": 3,
    "lines": [{"line": 2, "text": "\tdef needle(x):", "marks": [[5, 11]]}],
}  # fmt: skip


def options(*arguments):
    parser = argparse.ArgumentParser()
    command.add_options(parser)
    parser.add_argument("--hub", default="")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


def test_a_pipe_gets_a_line_for_each_match():
    assert list(lines(TEXT, Style())) == ["p:a.py:2:\tdef needle(x):"]


def test_a_terminal_gets_a_heading_and_painted_matches():
    assert list(lines(TEXT, COLORS)) == [
        "\x1b[35mp:a.py\x1b[0m", "\x1b[32m2\x1b[0m:\tdef \x1b[31mneedle\x1b[0m(x):",
        "\x1b[2m... and 2 more lines\x1b[0m", "",
    ]  # fmt: skip


def test_symbols_and_paths_are_a_line_each():
    symbol = {
        "type": "symbol",
        "project": "p",
        "path": "a.py",
        "line": 3,
        "kind": "method",
        "name": "run",
        "parent": "C",
    }
    assert list(lines(symbol, Style())) == ["p:a.py:3:method run in C"]
    assert list(lines({"type": "path", "project": "p", "path": "a.py"}, Style())) == ["p:a.py"]


def test_foreign_text_cannot_move_the_cursor_or_turn_the_line():
    assert visible("a\x1b[2Jb\u202ec\td\r") == "a\ufffd[2Jb\ufffdc\td\ufffd"
    assert marked("x\x1by", [[0, 3]], Style()) == "x\ufffdy"
    assert list(lines({"type": "path", "project": "p", "path": "a\x1b]0;b"}, Style())) == ["p:a ]0;b"]


def test_the_options_are_the_apis_parameters():
    given = options("--project", "a", "--project", "b", "--lang", "c", "--path", "!x/", "-e", "-i", "-w", "q q")
    assert list(parameters(given)) == [
        ("q", "q q"), ("project", "a"), ("project", "b"), ("lang", "c"), ("path", "!x/"), ("kind", "regex"),
        ("case", "insensitive"), ("word", "1"), ("lines", "50"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("page", "found", "words"),
    [
        ({"coverage": {"indexed": 0, "of": 0}, "complete": True}, 0, "Nothing is indexed yet"),
        ({"coverage": {"indexed": 1, "of": 2}, "complete": True}, 0, "1 of 2 files"),
        ({"coverage": {"indexed": 2, "of": 2}, "complete": False}, 3, "The time was up"),
        (
            {"coverage": {"indexed": 2, "of": 2}, "complete": True, "problems": [{"project": "p", "message": "no"}]},
            1,
            "p was not searched: no",
        ),
        (
            {"coverage": {"indexed": 2, "of": 2}, "complete": True, "skipped": [{"project": "p", "path": "a"}]},
            1,
            "p:a was not searched",
        ),
        ({"coverage": {"indexed": 2, "of": 2}, "complete": True, "changed": 3}, 1, "3 of the files"),
    ],
)
def test_what_a_reader_should_know_is_said(page, found, words):
    (note,) = notes(page, found, is_cut=False)
    assert words in note


async def test_a_search_on_a_hub(tmp_path, monkeypatch, capsys):
    async with running(tmp_path / "data", roots=(str(tmp_path),)) as hub:
        await hub.make_project("p")
        home = hub.hub.engine.home("p")
        files = {f"f{n}.txt": b"one needle\n" for n in range(5)}
        await asyncio.to_thread(indexed, place(home), await asyncio.to_thread(commit, home / "repo", files))

        async def ran(*arguments):
            code = await asyncio.to_thread(command.search, options("--hub", hub.url, *arguments))
            return code, capsys.readouterr()

        monkeypatch.setattr(command, "_PAGE", 2)
        code, said = await ran("needle")
        assert (code, said.out.splitlines()) == (0, [f"p:f{n}.txt:1:one needle" for n in range(5)])
        code, said = await ran("needle", "--limit", "3", "--json")
        assert [json.loads(line)["path"] for line in said.out.splitlines()] == ["f0.txt", "f1.txt", "f2.txt"]
        assert "There is more" in said.err
        code, said = await ran("nowhere")
        assert (code, said.out) == (1, "")
