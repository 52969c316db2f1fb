"""One account of progress out of everything that is printed: which of the bars in sight is the job's."""

from dataclasses import replace

from hub.client.output.formats import FORMATS, Format
from hub.client.output.guesses import ANY, Guesses
from hub.client.output.lines import Line
from hub.client.output.programs import SILENT, Memory
from hub.client.output.reading import Reading

PATIENCE = 200
"""Readings of others after which a bar that has not been heard of is taken for left."""
LONGEST = 1000
"""Characters of a line that may be a bar: more than any terminal is wide."""
STAGES = 40
"""Titles that are told apart; later ones do not become stages of their own."""


class Reader:
    """Fed lines in order, tells what each says about the job's progress.

    A bar is the job's until it is full, or another has been alone for long; so in nested bars the outer one is. One
    that is left unfinished and comes back was the outer one all along. Nothing begins with a full bar: `100%` alone is
    a word like any other.
    """

    def __init__(self) -> None:
        self._guesses = Guesses()
        self._memories: dict[str, Memory] = {}
        self._proofs: dict[tuple[str, str], tuple[int, int]] = {}
        self._titles: dict[str, None] = {}
        self._bar: Reading | None = None
        self._others = 0
        self._left: set[tuple[str, str]] = set()
        """Bars that were unfinished when another took their place."""
        self._is_outer = False
        """The bar had been left, and came back."""

    def read(self, line: Line) -> tuple[bool, Reading | None]:
        """Is the line about progress at all? And the job's progress, where the line tells it."""
        text = line.text.rstrip()
        if len(text) > LONGEST:
            return False, None
        for format_ in FORMATS:
            if format_.sign in text and (match := format_.pattern.search(text)):
                reading = format_.read(match, self._memories.setdefault(format_.program, {}))
                if reading is None:
                    continue
                if line.again or reading is SILENT or not self._is_proven(reading, format_.proofs):
                    return True, None
                return True, self._chosen(reading, format_)
        if line.again:
            return False, None
        guess = self._guesses.read(text, stays=line.stays)
        return guess is not None and not line.stays, self._chosen(guess, None) if guess else None

    def _is_proven(self, reading: Reading, wanted: int) -> bool:
        """Has its count grown often enough, from below its end?"""
        key = _key(reading)
        grown, value = self._proofs.get(key, (0, -1))
        if grown < wanted:
            if reading.current < value or len(self._proofs) > 1000:
                grown, value = 0, -1
            if reading.current > value and not (value < 0 and reading.is_over):
                grown, value = grown + 1, reading.current
            self._proofs[key] = (grown, value)
        return grown >= wanted

    def _chosen(self, reading: Reading, format_: Format | None) -> Reading | None:
        bar, key = self._bar, _key(reading)
        if bar is None or key == _key(bar):
            return self._taken(reading)
        if format_ is not None and format_.titles and bar.program == format_.program:
            order = {title: place for place, title in enumerate(format_.titles)}
            is_later = order.get(reading.title, len(order)) >= order.get(bar.title, len(order))
            return self._taken(reading) if is_later and not reading.is_over else None
        self._others += 1
        if not bar.is_over:
            if reading.is_over or (reading.program == ANY and bar.program != ANY):
                return None
            if key not in self._left:
                if self._is_outer or (bar.total is not None and bar.program != ANY and self._others <= PATIENCE):
                    return None
                self._left.add(_key(bar))
        self._is_outer = key in self._left
        return self._taken(reading)

    def _taken(self, reading: Reading) -> Reading:
        self._bar, self._others = reading, 0
        if reading.title not in self._titles:
            if len(self._titles) >= STAGES:
                return replace(reading, title=next(reversed(self._titles)), is_whole=False)
            self._titles[reading.title] = None
        return reading


def _key(reading: Reading) -> tuple[str, str]:
    return reading.program, reading.title
