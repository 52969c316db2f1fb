"""Definitions in a source text: what is called how, from where to where, within what."""

import importlib
import re
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import tree_sitter

from hub.index.languages import BY_NAME

KINDS = (
    "class", "constant", "enum", "field", "function", "interface", "macro", "method", "module", "struct", "trait",
    "type", "union", "variable",
)  # fmt: skip
"""Their places in here are what the database keeps, so new ones go to the end."""
CONTAINER = "container"
"""A capture of our queries for what has members and is no definition, such as Rust's `impl`."""

_CLASS_LIKE = frozenset({"class", "struct", "union", "interface", "trait", "enum", CONTAINER})
_HOLDS = _CLASS_LIKE | {"module", "function", "method"}
_CALLABLE = frozenset({"function", "method"})
_FLAT = frozenset({"module"})
_TIMEOUT_S = 2.0
_DEEPEST_START = {"python": 10, "c": 12}
"""Levels of the syntax tree in which a definition may begin; the statements further down need no visit. Of 10,285
definitions in Python's library one lies deeper, and 31 of 37,940 in C headers."""
_DEEPEST_START_ELSE = 24
"""Namespaces, templates and classes lie within each other: of 25,874 definitions in C++ headers, 1,596 lie deeper
than 12 levels."""
_LONGEST_NAME = 200
_MOST = 20_000
"""Symbols of one file; more is a table, not a program."""


class ParserSlow(Exception):
    """The parser was stopped."""


class Symbol(NamedTuple):
    """No dataclass: there are thousands in every megabyte, and this is made in a third of the time."""

    name: str
    kind: str
    line: int
    """From 1."""
    end_line: int
    parent: str = ""
    """Name of what it is defined in; empty at the top."""


@cache
def _tools(language: str) -> tuple[tree_sitter.Parser, tree_sitter.Query] | None:
    spec = BY_NAME[language]
    if spec.grammar is None:
        return None
    module, function = spec.grammar
    grammar = tree_sitter.Language(getattr(importlib.import_module(module), function)())
    return tree_sitter.Parser(grammar), tree_sitter.Query(grammar, query_text(spec.queries or spec.name))


def query_text(name: str) -> str:
    return (Path(__file__).parent / "queries" / f"{name}.scm").read_text(encoding="utf-8")


def symbols(language: str, text: bytes) -> list[Symbol]:
    """The definitions in `text`, in its order; none for a language without a parser. Raises ParserSlow."""
    tools = _tools(language) if language else None
    if tools is None:
        return []
    parser, query = tools
    deadline = time.process_time() + _TIMEOUT_S  # not of the clock on the wall: a paused job is not slow
    is_late, looks = False, 0

    def look(_offset: int, _has_error: bool) -> bool:
        nonlocal is_late, looks
        looks += 1
        if looks % _LOOKS == 0:  # it is asked ten thousand times a second, and a clock takes longer than the answer
            is_late = time.process_time() > deadline
        return is_late

    def read(offset: int, _: object) -> bytes:
        return text[offset : offset + _CHUNK]

    try:
        tree = parser.parse(read, progress_callback=look)
    except ValueError as exc:
        parser.reset()
        raise ParserSlow from exc
    if is_late:
        parser.reset()
        raise ParserSlow
    cursor = tree_sitter.QueryCursor(query)
    cursor.set_max_start_depth(_DEEPEST_START.get(language, _DEEPEST_START_ELSE))
    # Without a callback to stop it: py-tree-sitter 0.26.1 crashes with one. A query that hangs is its process's death.
    found = _definitions(language, text, cursor.matches(tree.root_node))
    if language in _PREPROCESSED:
        found = sorted([*found, *_macros(text, tree.root_node)], key=_in_order)
    return _nested(found)


_CHUNK = 256 * 1024
_LOOKS = 32


_Matches = list[tuple[int, dict[str, list[tree_sitter.Node]]]]


class _Definition(NamedTuple):
    begin: int
    end: int
    name: str
    kind: str
    line: int
    end_line: int
    parent: str


def _definitions(language: str, text: bytes, matches: _Matches) -> "list[_Definition]":
    """In the order of the text, the outer ones first."""
    found: dict[int, _Definition] = {}
    for _, captures in matches:
        nodes = captures.get("name")
        kind = next((name for name in captures if name not in {"name", "parent"}), None)
        if not nodes or kind is None:
            continue
        parents = captures.get("parent")
        whole = captures[kind][0]
        for node in nodes:
            begin = node.start_byte
            # Two patterns may know the same definition: a function that is a variable's value is a function.
            if begin in found and found[begin].kind != "variable":
                continue
            name, parent = text[begin : node.end_byte].decode(errors="replace"), ""
            if language == "cpp":
                name, parent = _split(name)
            if parents:
                parent = text[parents[0].start_byte : parents[0].end_byte].decode(errors="replace")
            if not name:
                continue
            line = node.start_point[0] + 1
            row, column = whole.end_point
            end_line = max(line, row + 1 if column else row)  # it may end with its line break
            found[begin] = _Definition(
                whole.start_byte, whole.end_byte, name[:_LONGEST_NAME], kind, line, end_line, parent[:_LONGEST_NAME]
            )
    return sorted(found.values(), key=_in_order)


def _in_order(one: _Definition) -> tuple[int, int]:
    return one.begin, -one.end


_PREPROCESSED = frozenset({"c", "cpp"})
_DEFINE = re.compile(rb"^[ \t]*#[ \t]*define[ \t]+(\w+)(?:[^\n]*\\\r?\n)*", re.MULTILINE)


def _macros(text: bytes, root: tree_sitter.Node) -> Iterator[_Definition]:
    """Found by their lines: to the grammar each `#elif` lies within the one before, and where macros stand for parts of
    declarations it makes no sense of what follows.
    """
    line, seen = 1, 0
    for match in _DEFINE.finditer(text):
        line, seen = line + text.count(b"\n", seen, match.start(1)), match.start(1)
        name = match[1].decode(errors="replace")
        node = root.descendant_for_byte_range(seen, seen + 1)
        if node is None or node.type != "comment":
            end_line = line + match[0].count(b"\n")
            yield _Definition(match.start(), match.end(), name[:_LONGEST_NAME], "macro", line, end_line, "")


def _split(name: str) -> tuple[str, str]:
    """The last part of a C++ name such as `Outer::name`, and what is before it."""
    name = _ARGUMENTS.sub("", " ".join(name.split()))
    head, _, last = name.rpartition("::")
    return last, head


_ARGUMENTS = re.compile(r"(?<!operator)(?<!operator )\(.*$")
"""Of a conversion such as `operator bool() const`, which is one piece to the grammar."""


def _nested(found: list[_Definition]) -> list[Symbol]:
    """With parents out of the nesting. A function in a class is a method."""
    out: list[Symbol] = []
    around: list[_Definition] = []
    flat = ""
    for one in found:
        while around and around[-1].end <= one.begin:
            around.pop()
        inside = next((above for above in reversed(around) if above.begin <= one.begin and one.end <= above.end), None)
        is_local = one.kind == "variable" and inside is not None and inside.kind in _CALLABLE
        if one.kind != CONTAINER and not is_local and len(out) < _MOST:
            parent = one.parent or ((inside.name if inside else flat) if one.kind != "macro" else "")
            is_method = one.kind == "function" and inside is not None and inside.kind in _CLASS_LIKE
            out.append(Symbol(one.name, "method" if is_method else one.kind, one.line, one.end_line, parent))
        if one.kind in _HOLDS:
            around.append(one)
        if one.kind in _FLAT and one.line == one.end_line and inside is None:
            flat = one.name  # `package x;` holds all that follows
    return out
