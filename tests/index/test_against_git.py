"""Searches against `git grep` over Python's own library, and over texts made up: the same files, the same lines."""

import random
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.index.errors import BadQuery
from tests.index.samples import commit, find, git, indexed, left_out
from tests.jobs.conftest import needs

pytestmark = pytest.mark.timeout(180)

PACKAGES = ("asyncio", "email", "encodings", "json", "xml", "unittest")
GENERATED = 40
"""Queries of each sort, out of the files themselves."""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Python's own library, as a repository and its index."""
    needs("git")
    base = tmp_path_factory.mktemp("library")
    source = Path(sysconfig.get_paths()["stdlib"])
    tree = base / "tree"
    tree.mkdir()
    for name in PACKAGES:
        shutil.copytree(source / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    git(tree, "init", "-q", "-b", "main", ".")
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", "all")
    index = base / "home" / "index.sqlite3"
    indexed(index, tree)
    return tree, index, left_out(index).keys()


def everything(index, q, **wanted):
    """Line numbers by path, over all pages."""
    found, cursor = {}, None
    while True:
        page = find(index, q, limit=200, lines=1000, cursor=cursor, **wanted)
        for item in page["items"]:
            assert item["path"] not in found
            assert item["matches"] == len(item["lines"]) or item["matches"] > 1000
            found[item["path"]] = [line["line"] for line in item["lines"]][:1000]
        cursor = page.get("next")
        if cursor is None:
            return found


def by_git(tree, out, *arguments):
    """The same of git, without the files that are left `out`."""
    done = git(tree, "grep", "-n", "-I", "-z", *arguments, "HEAD", "--")
    found: dict[str, list[int]] = {}
    for line in filter(None, done.split(b"\n")):
        path, number, _ = line.split(b"\0", 2)
        found.setdefault(path.decode().removeprefix("HEAD:"), []).append(int(number))
    return {path: numbers[:1000] for path, numbers in found.items() if path not in out}


@pytest.fixture(scope="module")
def perl(library):
    """Is there a git that knows Perl's regexes, which are nearly Python's?"""
    done = subprocess.run(["git", "-C", library[0], "grep", "-P", "x", "HEAD"], capture_output=True, check=False)
    if done.returncode > 1:
        pytest.skip("this git has no Perl regexes")


def pieces():
    """Parts of lines of the library, the same in every run."""
    dice = random.Random(5)
    folder = Path(sysconfig.get_paths()["stdlib"])
    lines = [
        line.strip()
        for name in PACKAGES
        for path in sorted((folder / name).glob("*.py"))
        for line in path.read_text(encoding="utf-8", errors="ignore").splitlines()
        if len(line.strip()) > 3 and '"' not in line
    ]
    for _ in range(GENERATED):
        line = dice.choice(lines)
        at = dice.randrange(len(line) - 1)
        yield line[at : at + dice.randrange(1, 16)], dice


LITERALS = ["if", '"', "\\", "ü", "    ", "zz", *(text for text, _ in pieces() if text.strip())]


def regexes():
    """Those parts with something in them made vague, left out, repeated, or put beside another."""
    others = [text for text, _ in pieces()]
    for text, dice in pieces():
        at = dice.randrange(len(text))
        a, one, b = re.escape(text[:at]), re.escape(text[at]), re.escape(text[at + 1 :])
        other = re.escape(dice.choice(others))
        yield dice.choice(
            [
                f"{a}.{b}", f"{a}(?:{one})?{b}", f"{a}{one}+{b}", f"{a}[{one}x-z]{b}", f"{a}[^{one}]{b}",
                f"^\\s*{a}{one}",
                f"{one}{b}$", f"(?:{a}{one}{b}|{other})", f"\\b{a}{one}", f"{a}{one}{{1,3}}{b}", f"{a}.*{b}",
                f"(?i){a}{one}{b}", f"(?:{a}{one}|{other})\\w*", f"{a}(?={one}){one}{b}", f"{a}(?!{other}){one}",
                f"(?<=\\w){one}{b}", f"(?:{a}|{other}){one}?{b}", f"(?i:{a}){one}{b}", f"{a}{one}*?{b}",
            ]
        )  # fmt: skip


REGEXES = [
    r"def \w+\(self\)", r"^class \w+", r"^\s*return$", r"(async|await) def", r"[A-Z]{3,}_[A-Z]+", r"x[0-9a-f]{2}.*\\x",
    "^$", r"raise (Type|Value)Error\(", r"(?i)todo|xxx", r"\bin\b.*\bnot\b", r"[^\x00-\x7f]", r"^.{79,}$",
    r"self\.(_\w+) = \1$", *regexes(),
]  # fmt: skip


@pytest.mark.parametrize("q", LITERALS)
def test_a_literal_is_found_as_git_grep_finds_it(library, q):
    tree, index, out = library
    assert everything(index, f'"{q}"') == by_git(tree, out, "-F", "-e", q)


@pytest.mark.parametrize("q", [text for text in LITERALS if text.isascii()][::3])
def test_a_literal_is_found_in_any_case_as_git_grep_finds_it(library, q):
    tree, index, out = library
    assert everything(index, f'"{q}"', case="insensitive") == by_git(tree, out, "-F", "-i", "-e", q)


@pytest.mark.parametrize("q", REGEXES)
def test_a_regex_is_found_as_git_grep_finds_it(library, perl, q):
    tree, index, out = library
    try:
        found = everything(index, f'"{q}"', kind="regex")
    except BadQuery:
        with pytest.raises(re.error):
            re.compile(q)
        return
    assert found == by_git(tree, out, "-P", "-e", q)


TEXTS = st.text("abcABC _-.(\n\té\u212a\u017f\u0130", max_size=40)
ATOMS = st.sampled_from(
    ["a", "b", "c", "ab", "bca", "é", "k", "s", "i", ".", "[a-c]", "[^b]", r"\w", r"\s", r"\b", "^", "$", "_"]
)


def combined(inner):
    return st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda two: f"(?:{two[0]}|{two[1]})"),
        st.tuples(inner, st.sampled_from(["?", "*", "+", "{2}", "{1,2}", "{0,1}", "*?", "+?"])).map(
            lambda two: f"(?:{two[0]}){two[1]}"
        ),
        inner.map(lambda one: f"(?={one})"),
        inner.map(lambda one: f"(?!{one})"),
        inner.map(lambda one: f"(?i:{one})"),
        inner.map(lambda one: f"({one})"),
    )


PATTERNS = st.recursive(ATOMS, combined, max_leaves=8)


@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(st.lists(TEXTS, min_size=1, max_size=6), st.lists(PATTERNS, min_size=1, max_size=12), st.booleans())
@pytest.mark.timeout(240)
def test_any_regex_over_any_texts_finds_the_lines_that_match(tmp_path_factory, texts, patterns, ignore_case):
    base = tmp_path_factory.mktemp("made")
    files = {f"{n}.txt": text.encode() for n, text in enumerate(texts)}
    index = base / "home" / "index.sqlite3"
    indexed(index, commit(base / "repo", files))
    case = "insensitive" if ignore_case else "sensitive"
    for pattern in patterns:
        compiled = re.compile(pattern, re.MULTILINE | (re.IGNORECASE if ignore_case else 0))
        expected = {}
        for path, data in files.items():
            text = data.decode()
            lines = text.removesuffix("\n").split("\n") if text else []
            numbers = [number for number, line in enumerate(lines, 1) if compiled.search(line)]
            if numbers:
                expected[path] = numbers
        assert everything(index, f'"{pattern}"', kind="regex", case=case) == expected, pattern
