"""Bytes into lines: the same whatever the cuts, and never more than a line's worth of them kept."""

import itertools
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.client.output import Line, Lines, Reader
from hub.client.output.lines import LONGEST_BYTES

PIECES = st.sampled_from(
    [b"a", b"\r", b"\n", b"\r\n", b"\x1b[K", b"\x1b[1A", b"\x1b[", b"\x1b]0;t\x07", b"\x08", b"\xff", "━".encode(),
     b"42%", b" 3/7 ", b"\x00", b"Receiving objects:  42% (420/1000)", b"x" * 5000]
)  # fmt: skip
TEXTS = st.lists(st.one_of(PIECES, st.binary(max_size=8)), max_size=40).map(b"".join)


def read(*pieces: bytes) -> list[Line]:
    lines = Lines()
    found = [line for piece in pieces for line in lines.feed(piece)]
    return [*found, *lines.end()]


def readings(lines: list[Line]) -> list[object]:
    reader = Reader()
    return [reader.read(line) for line in lines]


@settings(deadline=None)
@given(TEXTS, st.lists(st.integers(0, 2000), max_size=30))
def test_any_bytes_cut_anywhere_give_the_same_lines_and_the_same_progress(data, cuts):
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    pieces = [data[start:end] for start, end in itertools.pairwise(places)]
    whole = read(data)
    assert read(*pieces) == whole
    assert readings(read(*pieces)) == readings(whole)
    assert all(len(line.text) <= LONGEST_BYTES for line in whole)
    assert not [line for line in whole if any(character in line.text for character in "\r\n\x08\x1b\x00")]


@settings(deadline=None)
@given(TEXTS)
def test_a_byte_at_a_time_is_the_same_as_all_at_once(data):
    assert read(*(data[n : n + 1] for n in range(len(data)))) == read(data)


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"a\nb", [Line("a", stays=True), Line("b", stays=True)]),
        (b"a\rb\n", [Line("a", stays=False), Line("b", stays=True)]),
        (b"a\r\nb\n", [Line("a", stays=False), Line("a", stays=True, again=True), Line("b", stays=True)]),
        (b"\n\n\r\r", []),
        (b"\x1b[1m\x1b[92mBuilding\x1b[0m x\x1b[K\r", [Line("Building x", stays=False)]),
        (b"\x1b]8;;http://a/\x1b\\link\x1b]8;;\x1b\\\n", [Line("link", stays=True)]),
        (b"one\x1b[1A\x1b[2Ktwo\n", [Line("one", stays=False), Line("two", stays=True)]),
        (b"10%\x08\x08\x0820%\n", [Line("10%", stays=False), Line("20%", stays=True)]),
        (b"\x1b]9;4;1;42\x07\n", [Line("[9;4;1;42]", stays=True)]),
        (b"a\xffb\x00c\n", [Line("a\ufffdbc", stays=True)]),
    ],
)  # fmt: skip
def test_what_is_seen_of_a_line_is_what_a_person_sees(data, lines):
    assert read(data) == lines


def test_a_line_without_an_end_is_kept_to_its_beginning_and_no_more():
    lines = Lines()
    piece = b"x" * 1024 * 1024
    assert list(lines.feed(piece)) == []
    tracemalloc.start()
    for _ in range(200):
        assert list(lines.feed(piece)) == []
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000
    assert [line.text for line in lines.feed(b"\nb\n")] == ["x" * LONGEST_BYTES, "b"]


def test_a_long_piece_behind_the_last_end_is_looked_at_once():
    lines = Lines()
    assert [line.text for line in lines.feed(b"a\r" + b"x" * 4_000_000)] == ["a"]  # within the test's time limit


def test_after_bytes_that_were_left_out_the_next_whole_line_is_the_first():
    lines = Lines()
    assert list(lines.feed(b"begun")) == []
    lines.skip()
    assert [line.text for line in lines.feed(b"rest of another")] == []
    assert [line.text for line in lines.feed(b", and its end\nwhole\n")] == ["whole"]


def test_a_line_that_has_not_ended_can_be_looked_at():
    lines = Lines()
    list(lines.feed(b"done\r\x1b[2K 42% of"))
    assert lines.pending() == " 42% of"
    assert [line.text for line in lines.feed(b" it\r")] == [" 42% of it"]
