"""Lines match as with grep: each for itself, whatever way the text is searched."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.index.errors import BadQuery
from hub.index.patterns import LONGEST, Line, Pattern
from hub.index.snippets import LONGEST as LONGEST_LINE
from hub.index.snippets import snippet

TEXTS = st.text("abAB _\néK\u212a\r.x1", max_size=60)
QUERIES = st.text("abAB _éK.x1(", min_size=1, max_size=4)
REGEXES = (
    "a",
    "a+",
    "a*",
    "^",
    "$",
    "^$",
    r"\s",
    r"a\s*b",
    "[^a]",
    "[^a]b",
    "a.b",
    "(?s)a.b",
    r"\Aa",
    r"b\Z",
    "a|b",
    r"\bA\b",
    "(?<=a)b",
    "a(?=b)",
    "a(?!b)",
    r"(a)\1",
    r"[\na]b",
    "a\n?b",
    r"(?-m:^a)",
    r"(?-m:b$)",
    r"\Bb",
    "(?x)a b # c",
    "[^\x00-\x7f]b|\ufffd",
    r"\W+",
    "x{0}",
    "(?i)k",
    "(?i)[a-b]é",
    "[a-z\t-\r]",
    "(?:a|\n)b",
)


def lines_of(text):
    return text.removesuffix("\n").split("\n") if text else []


def by_hand(compiled, text):
    found = []
    for number, line in enumerate(lines_of(text), 1):
        spans = tuple(match.span() for match in compiled.finditer(line))
        if spans:
            found.append(Line(number, line, spans))
    return found


@settings(deadline=None)
@pytest.mark.parametrize("ignore_case", [True, False])
@pytest.mark.parametrize("word", [True, False])
@given(query=QUERIES, text=TEXTS)
def test_a_literal_is_found_as_line_by_line(query, text, ignore_case, word):
    pattern = Pattern(query, is_regex=False, ignore_case=ignore_case, word=word)
    source = rf"(?<!\w)(?:{re.escape(query)})(?!\w)" if word else re.escape(query)
    expected = by_hand(re.compile(source, re.IGNORECASE if ignore_case else 0), text)
    found = pattern.find(text.encode(), 1000)
    assert (found.count, list(found.lines)) == (len(expected), expected)


@settings(deadline=None, max_examples=60)
@pytest.mark.parametrize("regex", REGEXES)
@given(text=TEXTS)
def test_a_regex_is_found_as_line_by_line(regex, text):
    pattern = Pattern(regex, is_regex=True, ignore_case=False, word=False)
    expected = by_hand(re.compile(regex, re.MULTILINE), text)
    found = pattern.find(text.encode(), 1000)
    assert (found.count, list(found.lines)) == (len(expected), expected)


@settings(deadline=None, max_examples=60)
@pytest.mark.parametrize(
    ("regex", "plain"),
    [
        ("(?i)A|b_", r"(?i)(?<!\w)(?:A|b_)(?!\w)"),
        ("(?x)a b # x", r"(?<!\w)ab(?!\w)"),
        ("(?i)(?s)k", r"(?i)(?<!\w)k(?!\w)"),
    ],
)
@given(text=TEXTS)
def test_a_whole_word_is_found_also_by_a_regex_with_flags(regex, plain, text):
    found = Pattern(regex, is_regex=True, ignore_case=False, word=True).find(text.encode(), 1000)
    expected = by_hand(re.compile(plain), text)
    assert (found.count, list(found.lines)) == (len(expected), expected)


@pytest.mark.parametrize("ignore_case", [True, False])
def test_what_stands_for_wrong_bytes_is_found_as_it_is_shown(ignore_case):
    pattern = Pattern("gr\ufffdn", is_regex=False, ignore_case=ignore_case, word=False)
    assert [line.text for line in pattern.find(b"a\ngr\xfcn\n", 5).lines] == ["gr\ufffdn"]


@pytest.mark.parametrize("regex", ["a\nb", r"a\nb", r"(a|b)\n+", r"(?:\n|a\n)", r"(?>[\n])"])
def test_a_regex_that_wants_a_line_break_is_told_that_it_cannot_have_one(regex):
    with pytest.raises(BadQuery, match="never spans lines"):
        Pattern(regex, is_regex=True, ignore_case=False, word=False)


@given(TEXTS, st.integers(1, 3))
def test_all_lines_are_counted_and_the_first_are_shown(text, most):
    pattern = Pattern("a", is_regex=False, ignore_case=False, word=False)
    whole, part = pattern.find(text.encode(), 1000), pattern.find(text.encode(), most)
    assert (part.count, part.lines) == (whole.count, whole.lines[:most])


@pytest.mark.parametrize("query", ["", "x" * (LONGEST + 1), "a\nb", "\ud800"])
def test_a_query_that_can_match_nothing_is_refused(query):
    with pytest.raises(BadQuery):
        Pattern(query, is_regex=False, ignore_case=False, word=False)


@pytest.mark.parametrize("regex", ["(", "a{2", "[z-a]", "*", "(?P<n>a)(?P<n>b)", "(" * 400 + ")" * 400, "(?<=a+)b"])
def test_a_regex_that_is_none_is_refused_or_taken_as_python_does(regex):
    try:
        re.compile(regex)
    except (re.error, RecursionError):
        with pytest.raises(BadQuery):
            Pattern(regex, is_regex=True, ignore_case=False, word=False)
    else:
        Pattern(regex, is_regex=True, ignore_case=False, word=False)


@given(st.text("ab é", max_size=900), st.integers(0, 900))
def test_a_snippet_shows_the_first_match_and_its_marks_fit(before, after):
    line = before + "NEEDLE" + "c" * after
    at = len(before)
    shown = snippet(Line(3, line, ((at, at + 6),)))
    (start, end) = shown["marks"][0]
    assert shown["text"][start:end] == "NEEDLE"
    assert len(shown["text"]) <= LONGEST_LINE
    assert shown.get("cut", False) is (len(line) > LONGEST_LINE)
    assert line[shown.get("start", 0) :].startswith(shown["text"])
