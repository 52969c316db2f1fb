"""What a regex has to do with the ends of lines, told from its syntax tree.

A match never spans lines, so where a regex could tell that there are any others, lines are tried one at a time; and
where it wants a line break, nothing can match.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from hub.index.plans import sre

_NEWLINE = 10
_REPEATS = {sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT}
_SEEING = {sre.NOT_LITERAL, sre.ASSERT, sre.ASSERT_NOT, sre.GROUPREF_EXISTS, sre.ANY_ALL}
_ENDS_OF_TEXT = {sre.AT_BEGINNING_STRING, sre.AT_END_STRING}
_CATEGORIES = {sre.CATEGORY_SPACE, sre.CATEGORY_NOT_DIGIT, sre.CATEGORY_NOT_WORD, sre.CATEGORY_LINEBREAK}


def may_be_seen(tree: Any) -> bool:
    """Can a match hold a line break, or look beyond its line?"""
    waiting = [tree]
    while waiting:
        part = waiting.pop()
        for operation, argument in part:
            if _sees(operation, argument, part.state.flags):
                return True
            waiting += _inside(operation, argument)
    return False


def are_needed(tree: Any) -> bool:
    """Does every match hold a line break?"""
    for operation, argument in tree:
        if operation is sre.LITERAL:
            is_needed = argument == _NEWLINE
        elif operation in _REPEATS and argument[0] == 0:
            is_needed = False
        else:
            inner = _inside(operation, argument)
            is_needed = bool(inner) and all(map(are_needed, inner))
        if is_needed:
            return True
    return False


def _sees(operation: Any, argument: Any, flags: int) -> bool:
    if operation in _SEEING:
        return True
    if operation is sre.ANY:
        return bool(flags & re.DOTALL)
    if operation is sre.LITERAL:
        return bool(argument == _NEWLINE)
    if operation is sre.AT:
        return argument in _ENDS_OF_TEXT
    if operation is sre.IN:
        return _class_holds_newline(argument)
    # Without MULTILINE `^` and `$` are the ends of the text, not of the line.
    return operation is sre.SUBPATTERN and bool(argument[1] & re.DOTALL or argument[2] & re.MULTILINE)


def _inside(operation: Any, argument: Any) -> Sequence[Any]:
    if operation is sre.BRANCH:
        return list(argument[1])
    if operation is sre.SUBPATTERN:
        return [argument[3]]
    if operation is sre.ATOMIC_GROUP:
        return [argument]
    return [argument[2]] if operation in _REPEATS else []


def _class_holds_newline(items: Iterable[tuple[Any, Any]]) -> bool:
    return any(
        operation is sre.NEGATE
        or (operation is sre.LITERAL and argument == _NEWLINE)
        or (operation is sre.RANGE and argument[0] <= _NEWLINE <= argument[1])
        or (operation is sre.CATEGORY and argument in _CATEGORIES)
        for operation, argument in items
    )
