"""Which trigrams a text must hold to match a regex, found out from the regex alone.

After Russ Cox, "Regular Expression Matching with a Trigram Index" (2012): of every part of the regex, the exact texts
that it can match while they are few, else how its matches can begin and end, and what they must hold in between.
"""

import importlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from hub.index import trigrams

parser: Any = importlib.import_module("re._parser")
"""The parser that `re` itself uses. It has no public name, and no other has its every rule."""
sre: Any = importlib.import_module("re._constants")

_MOST_TEXTS = 24
_LONGEST_TEXT = 48
_EDGE = 3
"""Bytes that are kept of how matches begin and end: enough to make the trigrams that cross an edge."""


@dataclass(frozen=True, slots=True)
class All:
    """Every one of these trigrams, and every one of these plans."""

    trigrams: frozenset[int] = frozenset()
    plans: tuple["AnyOf", ...] = ()

    @property
    def is_everything(self) -> bool:
        return not self.trigrams and not self.plans


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of these."""

    plans: tuple[All, ...]


EVERYTHING = All()


def literal(text: str, *, ignore_case: bool) -> All:
    """The plan for a text as it is."""
    return of_tree([(sre.LITERAL, ord(char)) for char in text], re.IGNORECASE if ignore_case else re.RegexFlag(0))


def regex(pattern: str, flags: re.RegexFlag) -> All:
    """The plan for a regex that `re.compile` takes. Raises re.error, RecursionError, OverflowError."""
    tree = parser.parse(pattern, int(flags))
    return of_tree(tree, re.RegexFlag(tree.state.flags))


def of_tree(tree: Iterable[tuple[Any, Any]], flags: re.RegexFlag) -> All:
    return _required(_sequence(tree, flags))


@dataclass(frozen=True, slots=True)
class _Part:
    """What is known of a part of the regex."""

    exact: frozenset[bytes] | None
    """All texts it can match; None when they are too many."""
    prefixes: frozenset[bytes] = frozenset({b""})
    suffixes: frozenset[bytes] = frozenset({b""})
    plan: All = EVERYTHING


_EMPTY = _Part(frozenset({b""}))
_UNKNOWN = _Part(None)


def _sequence(items: Iterable[tuple[Any, Any]], flags: re.RegexFlag) -> _Part:
    whole = _EMPTY
    for operation, argument in items:
        whole = _joined(whole, _part(operation, argument, flags))
    return whole


def _part(operation: Any, argument: Any, flags: re.RegexFlag) -> _Part:
    if operation is sre.LITERAL:
        return _letters([argument], flags)
    if operation is sre.IN:
        return _letters(_members(argument), flags)
    if operation is sre.BRANCH:
        return _either([_sequence(branch, flags) for branch in argument[1]])
    if operation is sre.SUBPATTERN:
        _, added, removed, inner = argument
        return _sequence(inner, (flags | added) & ~removed)
    if operation is sre.ATOMIC_GROUP:
        return _sequence(argument, flags)
    if operation in {sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT}:
        least, most, inner = argument
        return _repeated(_sequence(inner, flags), int(least), int(most))
    if operation in {sre.AT, sre.ASSERT, sre.ASSERT_NOT}:
        return _EMPTY  # they take up no text; what a look-around wants is left to the check
    return _UNKNOWN


def _members(items: Iterable[tuple[Any, Any]]) -> list[int]:
    """The letters of a class; empty when they are too many, or are said by what they are not."""
    found: list[int] = []
    for operation, argument in items:
        if operation is sre.LITERAL:
            found.append(argument)
        elif operation is sre.RANGE and argument[1] - argument[0] < _MOST_TEXTS:
            found += range(argument[0], argument[1] + 1)
        else:
            return []
    return found


def _letters(codes: list[int], flags: re.RegexFlag) -> _Part:
    """One of these letters. The index knows no case of ASCII, and nothing of other letters' case."""
    if not codes or len(codes) > _MOST_TEXTS or any(_is_unsure(code) for code in codes):
        return _UNKNOWN
    if flags & re.IGNORECASE and any(code > 127 for code in codes):
        return _UNKNOWN
    return _Part(frozenset(trigrams.folded(chr(code).encode()) for code in codes))


def _is_unsure(code: int) -> bool:
    """Surrogates are in no text; U+FFFD stands for any wrong bytes; look-alikes are kept in two ways, never mixed."""
    return 0xD800 <= code < 0xE000 or code == 0xFFFD or chr(code) in trigrams.LOOK_ALIKES


def _repeated(part: _Part, least: int, most: int) -> _Part:
    if least == 0:
        if most == 1 and part.exact is not None:
            return _Part(part.exact | {b""})
        return _UNKNOWN
    whole = part
    for _ in range(min(least, 8) - 1):
        whole = _joined(whole, part)
    return whole if least == most and least <= 8 else _open(whole)


def _open(part: _Part) -> _Part:
    """The same, with something unknown in its middle: it may have gone on."""
    closed = _closed(part)
    return replace(closed, exact=None)


def _closed(part: _Part) -> _Part:
    """The same without exact texts: as beginnings, ends and what is required."""
    if part.exact is None:
        return part
    return _Part(
        None,
        _bounded(frozenset(text[:_EDGE] for text in part.exact)),
        _bounded(frozenset(text[-_EDGE:] for text in part.exact)),
        _of_texts(part.exact),
    )


def _joined(left: _Part, right: _Part) -> _Part:
    if left.exact is not None and right.exact is not None and len(left.exact) * len(right.exact) <= _MOST_TEXTS:
        texts = frozenset(one + other for one in left.exact for other in right.exact)
        if max(map(len, texts)) <= _LONGEST_TEXT:
            return _Part(texts)
    crossing = _of_texts(_crossed(_ends(left), _beginnings(right)))
    a, b = _closed(left), _closed(right)
    prefixes, suffixes = a.prefixes, b.suffixes
    if left.exact is not None:
        prefixes = _bounded(frozenset(text[:_EDGE] for text in _crossed(left.exact, b.prefixes)))
    if right.exact is not None:
        suffixes = _bounded(frozenset(text[-_EDGE:] for text in _crossed(a.suffixes, right.exact)))
    return _Part(None, prefixes, suffixes, _both(_both(a.plan, b.plan), crossing))


def _ends(part: _Part) -> frozenset[bytes]:
    return part.suffixes if part.exact is None else frozenset(text[-_EDGE:] for text in part.exact)


def _beginnings(part: _Part) -> frozenset[bytes]:
    return part.prefixes if part.exact is None else frozenset(text[:_EDGE] for text in part.exact)


def _either(parts: list[_Part]) -> _Part:
    if all(part.exact is not None for part in parts):
        texts = frozenset[bytes]().union(*(part.exact or () for part in parts))
        if len(texts) <= _MOST_TEXTS:
            return _Part(texts)
    parts = [_closed(part) for part in parts]
    return _Part(
        None,
        _bounded(frozenset[bytes]().union(*(part.prefixes for part in parts))),
        _bounded(frozenset[bytes]().union(*(part.suffixes for part in parts))),
        _one_of([part.plan for part in parts]),
    )


def _crossed(left: frozenset[bytes], right: frozenset[bytes]) -> frozenset[bytes]:
    if len(left) * len(right) > _MOST_TEXTS**2:
        return frozenset({b""})
    return frozenset(one + other for one in left for other in right)


def _bounded(texts: frozenset[bytes]) -> frozenset[bytes]:
    return texts if len(texts) <= _MOST_TEXTS else frozenset({b""})


def _of_texts(texts: frozenset[bytes]) -> All:
    return _one_of([All(frozenset(trigrams.of_literal(text))) for text in texts])


def _required(part: _Part) -> All:
    return _closed(part).plan


def _both(left: All, right: All) -> All:
    plans = dict.fromkeys((*left.plans, *right.plans))
    return All(left.trigrams | right.trigrams, tuple(plans))


def _one_of(plans: list[All]) -> All:
    if any(plan.is_everything for plan in plans):
        return EVERYTHING
    distinct = tuple(dict.fromkeys(plans))
    if len(distinct) == 1:
        return distinct[0]
    common = frozenset[int].intersection(*(plan.trigrams for plan in distinct))
    return All(common, (AnyOf(distinct),))
