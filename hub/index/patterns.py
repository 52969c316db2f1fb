"""From what is asked to what decides whether a line matches, and where."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from hub.index import line_breaks, plans
from hub.index.errors import BadQuery
from hub.index.plans import parser

LONGEST = 1000
"""Characters of a query."""
MOST_MARKS = 50
"""Of one line."""
MOST_COUNTED = 100_000
"""Matching lines of one file."""

_SPANNING = "The query wants a line break; a match never spans lines."
_GLOBAL_FLAGS = re.compile(r"(?:\(\?[aiLmsux]+\))*")
"""They may only stand at the front of a regex."""

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Line:
    number: int
    """From 1."""
    text: str
    marks: tuple[Span, ...]
    """Where the matches are, in characters (code points) of `text`."""


@dataclass(frozen=True, slots=True)
class Found:
    """In one file: how many lines match, and the first of them."""

    count: int
    lines: tuple[Line, ...]


class Pattern:
    """A query that was understood. Matches never reach over the end of a line, as with grep."""

    def __init__(self, query: str, *, is_regex: bool, ignore_case: bool, word: bool) -> None:
        """Raises BadQuery."""
        if not query:
            raise BadQuery("The query is empty.")
        if len(query) > LONGEST:
            raise BadQuery(f"The query is longer than {LONGEST} characters.")
        if any(0xD800 <= ord(char) < 0xE000 for char in query):
            raise BadQuery("The query holds characters that are no Unicode.")
        if not is_regex and "\n" in query:
            raise BadQuery(_SPANNING)
        self.query = query
        self.is_regex = is_regex
        self.ignore_case = ignore_case
        flags = re.MULTILINE | (re.IGNORECASE if ignore_case else re.RegexFlag(0))
        source = query if is_regex else re.escape(query)
        try:
            self.plan = plans.regex(query, flags) if is_regex else plans.literal(query, ignore_case=ignore_case)
            self._compiled = re.compile(source, flags)
            if word:
                self._compiled = re.compile(_as_word(source, is_verbose=bool(self._compiled.flags & re.VERBOSE)), flags)
            tree = parser.parse(source, int(flags))
            self._sees_lines = line_breaks.may_be_seen(tree)
        except (re.error, RecursionError, OverflowError) as exc:
            raise BadQuery(f"The regex cannot be understood: {exc}.") from exc
        if line_breaks.are_needed(tree):
            raise BadQuery(_SPANNING)
        # U+FFFD stands for bytes that are no UTF-8, so it is found in the decoded text only.
        is_in_bytes = not (is_regex or ignore_case or word or "\ufffd" in query)
        self._needle = query.encode() if is_in_bytes else None

    def in_name(self, name: str) -> Span | None:
        found = self._compiled.search(name)
        return found.span() if found else None

    def is_whole(self, name: str) -> bool:
        return self._compiled.fullmatch(name) is not None

    def in_names(self, names: str) -> Iterator[int]:
        """Where matches begin in names that a line break parts. Only for what `sees_lines` is not true of."""
        return (match.start() for match in self._compiled.finditer(names))

    @property
    def sees_lines(self) -> bool:
        """Could it see what is before or after a line, so that lines must be tried one at a time?"""
        return self._sees_lines

    def find(self, text: bytes, most: int) -> Found:
        """The matching lines of a UTF-8 text, `most` of them with their text."""
        if self._needle is not None and self._needle not in text:
            return Found(0, ())
        spans = self._spans_of_needle(text) if self._needle is not None else None
        if spans is not None:
            return _gathered(text, spans, most)
        decoded = text.decode(errors="replace")
        if self._sees_lines:
            return self._line_by_line(decoded, most)
        return _gathered(decoded, self._spans(decoded), most)

    def _spans_of_needle(self, text: bytes) -> Iterator[Span]:
        assert self._needle is not None
        at, size = text.find(self._needle), len(self._needle)
        while at >= 0:
            yield at, at + size
            at = text.find(self._needle, at + size)

    def _spans(self, text: str) -> Iterator[Span]:
        end = len(text)
        for match in self._compiled.finditer(text):
            # After the last line break there is no line any more.
            if match.start() == end and (not text or text[-1] == "\n"):
                return
            yield match.span()

    def _line_by_line(self, text: str, most: int) -> Found:
        count, lines = 0, list[Line]()
        whole = text.removesuffix("\n")
        for number, line in enumerate(whole.split("\n") if text else (), 1):
            if self._compiled.search(line) is None:
                continue
            count += 1
            if len(lines) < most:
                spans = [
                    match.span() for match, _ in zip(self._compiled.finditer(line), range(MOST_MARKS), strict=False)
                ]
                lines.append(Line(number, line, tuple(spans)))
        return Found(count, tuple(lines))


def _as_word(source: str, *, is_verbose: bool) -> str:
    """The regex with nothing of a word on either side of its matches."""
    flags = _GLOBAL_FLAGS.match(source)
    lead = flags[0] if flags else ""
    end = "\n" if is_verbose else ""  # or a comment would hide the bracket
    return rf"{lead}(?<!\w)(?:{source[len(lead) :]}{end})(?!\w)"


def _gathered(text: "str | bytes", spans: Iterator[Span], most: int) -> Found:
    """Spans, in order and none over a line's end, as lines."""
    newline: Any = "\n" if isinstance(text, str) else b"\n"
    count, number, seen, end = 0, 1, 0, -1
    lines: list[Line] = []
    begin, marks = 0, list[Span]()

    def close() -> None:
        if count and len(lines) < most:
            piece = text[begin:end]
            if isinstance(piece, bytes):
                lines.append(Line(number, piece.decode(errors="replace"), tuple(_in_characters(piece, marks))))
            else:
                lines.append(Line(number, piece, tuple(marks)))

    for start, stop in spans:
        if start <= end:
            if len(marks) < MOST_MARKS:
                marks.append((start - begin, stop - begin))
            continue
        close()
        if count >= MOST_COUNTED:
            break
        count += 1
        if len(lines) < most:
            number += text.count(newline, seen, start)
        begin = text.rfind(newline, 0, start) + 1
        end = text.find(newline, start)
        end = len(text) if end < 0 else end
        seen, marks = start, [(start - begin, stop - begin)]
    else:
        close()
    return Found(count, tuple(lines))


def _in_characters(line: bytes, spans: Iterable[Span]) -> Iterator[Span]:
    for start, stop in spans:
        if line.isascii():
            yield start, stop
        else:
            before = len(line[:start].decode(errors="replace"))
            yield before, before + len(line[start:stop].decode(errors="replace"))
