"""A plan may let too much through, and never too little: whatever a regex matches holds what its plan requires."""

import re

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from hub.index import plans
from hub.index.plans import All
from hub.index.trigrams import Trigrams, of_literal

FINDER = Trigrams()
REGEXES = (
    "abc",
    "abcd?e",
    "(abc|abd)x",
    "a[bc]d+e",
    "abc.*def",
    "(?:abc){2,3}",
    "x*abc",
    "(abc)?def",
    "[a-c]bc",
    "a.c",
    "ab|cdef",
    "",
    "a{3}",
    "(?i)AbC",
    "(?i:ab)C",
    "^abc$",
    r"\babc\b",
    "abc(?=def)",
    "abc(?!d)",
    "(?<=a)bcd",
    "a(b(c|d)e)f",
    "abc|",
    "(a|b|c)(d|e|f)(a|b)",
    "[^a]bcd",
    "é+abc",
    "(?i)éabc",
    "abc++d",
    "(?>abc|ab)c",
    r"(abc)\1",
    "ab{0,2}c",
    "ab{2,}c",
    "(?:a|bc){3}",
    "(?x) a b c  # words",
    "k[is]s",
    "(?i)kiss",
    "(?i:k)\u017fab",
    "(?i:k)[\u017f\u0131]ab",
    "\ufffdabc",
    "a(?-i:b)(?i:kis)c",
    r"abc(?=\bd)?d",
    "(?:abc)*?def",
    "(?:abc|)+def",
    "(?:ab{1,2}){2}c",
    "(?:a(?:b|cd)?e){1,2}f",
    "((?:ab)+c|de*f)+abc",
    "(?s)ab.cd",
    "(?a)ab\\wcd",
    "[a-z]bcd",
    "a|b",
    "abcdefghijklmnop" * 4,
)


def holds(plan: All, codes: set[int]) -> bool:
    return plan.trigrams <= codes and all(any(holds(one, codes) for one in choice.plans) for choice in plan.plans)


@pytest.mark.parametrize("pattern", REGEXES)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(data=st.data())
def test_a_text_that_matches_holds_what_the_plan_requires(pattern, data):
    compiled = re.compile(pattern, re.MULTILINE)
    around = st.just("") | st.text("abcdefkis\u017f\u212a\u0130é ", max_size=4)
    middle = data.draw(st.from_regex(compiled).filter(lambda text: "\n" not in text))
    text = data.draw(around) + middle + data.draw(around)
    assume(compiled.search(text) and not re.search("[\ud800-\udfff]", text))
    assert holds(plans.regex(pattern, re.MULTILINE), set(FINDER.of(text.encode()).tolist()))


@settings(deadline=None)
@given(st.text("abAB \u017f\u212a", min_size=1, max_size=12), st.text("abKkSs", max_size=4))
def test_a_literal_without_case_is_found_in_every_case(literal, after):
    plan = plans.literal(literal, ignore_case=True)
    for text in (literal, literal.upper(), literal.lower(), literal.swapcase()):
        if re.search(re.escape(literal), text + after, re.IGNORECASE):
            assert holds(plan, set(FINDER.of((text + after).encode()).tolist()))


@pytest.mark.parametrize(
    ("pattern", "required"),
    [
        ("strbuf_add", b"strbuf_add"),
        ("strbuf_[a-z]+_bytes", b"strbuf_"),
        ("foo.*barbaz", b"barbaz"),
        ("(abcdef)+", b"abcdef"),
        ("x?commit", b"commit"),
        ("(red|blue)house", b"house"),
        (r"\bmain\s*\(", b"main"),
    ],
)
def test_a_plan_requires_the_texts_that_must_be_there(pattern, required):
    found = plans.regex(pattern, re.RegexFlag(0))
    branches = [found, *(branch for choice in found.plans for branch in choice.plans)]
    assert any(of_literal(required) <= branch.trigrams | found.trigrams for branch in branches)


@pytest.mark.parametrize("pattern", ["a", ".*", r"\w+\s\w+", "a|bcd", "(?:abc)?", "[^x]{5}", "(?i)ÄÖÜ"])
def test_a_regex_without_required_letters_has_no_plan(pattern):
    assert plans.regex(pattern, re.RegexFlag(0)).is_everything
