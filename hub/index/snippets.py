"""A matching line as it is shown: of a long one only what is around the first match."""

from typing import Any

from hub.index.patterns import Line

LONGEST = 300
"""Characters of a line."""
_BEFORE = 80
"""Of a line that is cut, characters in front of the first match."""


def snippet(line: Line) -> dict[str, Any]:
    """`marks` say where the matches are in `text`, in characters; `start` where `text` begins when the line is cut."""
    text, marks = line.text, line.marks
    ended = text.removesuffix("\r")
    if len(ended) <= LONGEST:
        return {"line": line.number, "text": ended, "marks": _within(marks, 0, len(ended))}
    start = max(0, min((marks[0][0] if marks else 0) - _BEFORE, len(ended) - LONGEST))
    end = start + LONGEST
    shown = {"line": line.number, "text": ended[start:end], "marks": _within(marks, start, end)}
    return shown | {"cut": True, "start": start}


def _within(marks: tuple[tuple[int, int], ...], start: int, end: int) -> list[list[int]]:
    return [
        [max(a, start) - start, min(b, end) - start] for a, b in marks if a <= end and b >= start and a < max(end, 1)
    ]
