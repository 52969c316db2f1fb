"""Outputs recorded from `git clone --progress`, with what must be understood of them."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.jobs.base import JobFailed
from hub.jobs.git import transfer as transfers
from hub.jobs.git.lines import LEFT_OUT, LONGEST_LINE, Line, Splitter, parse
from hub.jobs.git.transfer import Transfer

RECORDED = (
    "Cloning into 'repo'...\n"
    "remote: Enumerating objects: 419403, done.        \n"
    "remote: Counting objects:   0% (1/1013)        \rremote: Counting objects: 100% (1013/1013), done.        \n"
    "remote: Compressing objects:  43% (109/253)        \rremote: Compressing objects: 100% (253/253), done.\x1b[K\n"
    "Receiving objects:   0% (1/419403)\r"
    "Receiving objects:  43% (180344/419403), 104.98 MiB | 34.98 MiB/s\r"
    "remote: Total 419403 (delta 821), reused 760 (delta 760), pack-reused 418390        \n"
    "Receiving objects: 100% (419403/419403), 303.06 MiB | 33.74 MiB/s, done.\n"
    "Resolving deltas:   0% (0/312045)\rResolving deltas: 100% (312045/312045), done.\n"
    "Updating files:  56% (2738/4846)\rUpdating files: 100% (4846/4846), done.\n"
)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Receiving objects:   0% (1/419403)", Line(
            text="Receiving objects:   0% (1/419403)", title="Receiving objects", current=1, total=419403)),
        ("Receiving objects:  43% (10/23), 1.20 MiB | 3.10 MiB/s", Line(
            text="Receiving objects:  43% (10/23), 1.20 MiB | 3.10 MiB/s", title="Receiving objects", current=10,
            total=23)),
        ("Receiving objects: 100% (3/3), 912 bytes | 912.00 KiB/s, done.", Line(
            text="Receiving objects: 100% (3/3), 912 bytes | 912.00 KiB/s, done.", title="Receiving objects",
            current=3, total=3)),
        ("Receiving objects: 100% (3/3), done.", Line(
            text="Receiving objects: 100% (3/3), done.", title="Receiving objects", current=3, total=3)),
        ("Resolving deltas: 100% (7/7), completed with 3 local objects.", Line(
            text="Resolving deltas: 100% (7/7), completed with 3 local objects.", title="Resolving deltas",
            current=7, total=7)),
        ("remote: Enumerating objects: 5, done.        ", Line(
            text="Enumerating objects: 5, done.", remote=True, title="Enumerating objects", current=5)),
        ("remote: Compressing objects: 100% (2/2)\x1b[K", Line(
            text="Compressing objects: 100% (2/2)", remote=True, title="Compressing objects", current=2, total=2)),
        ("Updating files:  12% (5/40)", Line(
            text="Updating files:  12% (5/40)", title="Updating files", current=5, total=40)),
        ("remote: Welcome: 5 new messages", Line(text="Welcome: 5 new messages", remote=True)),
        ("fatal: unable to access 'https://x/': 12% (1/2) of it", Line(
            text="fatal: unable to access 'https://x/': 12% (1/2) of it")),
        ("warning: You appear to have cloned an empty repository.", Line(
            text="warning: You appear to have cloned an empty repository.")),
    ],
)  # fmt: skip
def test_a_line_is_understood(text, line):
    assert parse(text) == line


def test_a_recorded_clone_is_read_whole():
    lines = [parse(text) for text in Splitter().feed(RECORDED)]
    last = {line.title: line for line in lines if line.title}
    assert last["Receiving objects"].current == 419403
    assert last["Resolving deltas"].total == 312045
    assert last["Updating files"].current == 4846
    assert [line.text for line in lines if line.title is None] == [
        "Cloning into 'repo'...", "Total 419403 (delta 821), reused 760 (delta 760), pack-reused 418390",
    ]  # fmt: skip


@given(st.lists(st.integers(1, len(RECORDED) - 1), max_size=30))
def test_where_the_output_is_cut_does_not_matter(cuts):
    edges = [0, *sorted(cuts), len(RECORDED)]
    splitter, whole = Splitter(), Splitter().feed(RECORDED)
    assert [line for a, b in itertools.pairwise(edges) for line in splitter.feed(RECORDED[a:b])] == whole
    assert splitter.close() == []


def test_the_end_of_the_output_ends_a_line():
    splitter = Splitter()
    assert splitter.feed("fatal: early EOF") == []
    assert splitter.close() == ["fatal: early EOF"]


def test_a_line_without_end_is_left_out():
    splitter = Splitter()
    assert [line for _ in range(20) for line in splitter.feed("x" * 10_000)] == [LEFT_OUT]
    assert splitter.feed("the end\nanother\n") == ["another"]


def test_a_long_line_in_one_piece_is_left_out():
    assert Splitter().feed("x" * (LONGEST_LINE + 1) + "\n" + "y" * LONGEST_LINE + "\n") == [
        LEFT_OUT,
        "y" * LONGEST_LINE,
    ]


class Notes:
    """A report that remembers."""

    def __init__(self) -> None:
        self.calls: list[tuple] = []

    def stage(self, name):
        self.calls.append(("stage", name))

    def progress(self, current, total=None, unit="", message="", detail=None):
        self.calls.append(("progress", current, total, message, dict(detail)))

    def log(self, message, level="info"):
        self.calls.append(("log", message))

    def check(self):
        pass


def test_the_servers_words_are_phases_or_log_lines():
    notes = Notes()
    transfer = Transfer(notes)
    transfer.server_sends("Counting objects: 12\rCounting objects: 24, do")
    transfer.server_sends("ne.\nWelcome to the machine\n")
    assert [call[0] for call in notes.calls] == ["stage", "progress", "progress", "log"]
    assert notes.calls[2][4]["phase"] == "Counting objects: 24, done."
    assert notes.calls[3] == ("log", "server: Welcome to the machine")


def test_a_server_that_talks_without_end_is_stopped(monkeypatch):
    monkeypatch.setattr(transfers, "MOST_WORDS", 1000)
    for say in ("server_sends", "server_says"):
        speak = getattr(Transfer(Notes()), say)
        for _ in range(10):
            speak("x" * 100)
        with pytest.raises(JobFailed) as caught:
            speak("x")
        assert caught.value.failure.code == "too_large"


def test_both_stages_are_entered_even_if_nothing_came():
    notes = Notes()
    Transfer(notes).finish()
    assert notes.calls == [("stage", "receiving"), ("stage", "resolving")]
