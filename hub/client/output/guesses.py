"""Percents and counts in forms that no table knows: believed only when they behave as progress does."""

import re
from dataclasses import dataclass

from hub.client.output.reading import Reading, percent

ANY = "any"
"""The program of a reading that no row of the table gave."""

_PERCENT = re.compile(r"(?<![\w.,/%-])(\d{1,3}(?:[.,]\d{1,2})?) ?%(?![\w%])")
_COUNT = re.compile(r"(?<![\w./:,%-])(\d{1,12}) ?(?:/| of ) ?(\d{1,12})(?![\w/%-]|[.,:]\d)")
_OTHER_SHARES = re.compile(
    r"accura|\bacc\b|precision|recall|\bcpu\b|\bmem|\bram\b|\bgpu\b|\bdisk\b|\bused?\b|usage|utili|\bload\b|cover|ratio"
    r"|\brate\b|\bloss|similar|confiden|discount|\boff\b|batter|humid|\bp\d\d\b|passed|failed|failing|fail\b|succe|\bhit"
    r"|\bmiss|\bfree\b|full\b|faster|slower|smaller|larger|saved|score|version|probab|error|warn|\bbusy\b|\bidle\b"
    r"|\bheap\b|\brss\b|\bfan\b|\btemp(?:erature)?\b|quota|connection|queue|capacity|\bcap\b|\bvat\b|\btax|attempt"
    r"|retr(?:y|ies)|threads?\b|\blevel|volume|of max|limit|occupan|latency|percentile|threshold|quality|opacity|growth"
    r"|people|users?\b",
    re.IGNORECASE,
)
"""What percents and fractions are of when they are not of work done: before them, or right after."""
_NEXT_WORDS = re.compile(r" *\w*(?: \w+)?")
_DRAWN = re.compile(r"[\[(|]?[#=>█▉▊▋▌▍▎▏░▒▓━╸╺─•●○*+.\-]{3,}[\])|]?")
_NUMBERS = re.compile(r"(?<![^\W\d_])\d+(?:[.,:]\d+)*")
"""Those that may change from line to line; one that ends a word (`core0`) is a part of its name."""
_SPACES = re.compile(r"\s+")

PROOFS_STAYING, PROOFS_OVERWRITTEN = 4, 2
"""Growing values before lines that stay, and lines written over each other, are believed."""
LATEST_START = 0.1
"""Of the whole: progress in lines that stay begins at its beginning, and what is written there of something else
seldom does.
"""
FORMS = 64
"""How many forms of line are followed at once; the one unseen for longest makes room."""
LONGEST = 300
"""Characters. Progress is short."""


@dataclass(slots=True)
class Form:
    """Lines that are the same but for their numbers."""

    total: int
    value: int = -1
    grown: int = 0
    is_believed: bool = False
    is_wrong: bool = False
    """It went down, began late, or was full before it was believed: whatever it is, it is no progress."""


class Guesses:
    """Fed lines, tells those that it takes for progress."""

    def __init__(self) -> None:
        self._forms: dict[str, Form] = {}

    def read(self, text: str, *, stays: bool) -> Reading | None:
        found = _found(text)
        if found is None:
            return None
        key, value, total, unit = found
        form = self._form(key, total)
        if form.is_wrong:
            return None
        is_late = stays and form.value < 0 and value > max(1, total * LATEST_START)
        if value < form.value or total != form.total or is_late:
            form.is_wrong = True
            return None
        if value > form.value:
            form.grown += form.value >= 0
            form.value = value
        # The first value counts, too: one that grew once are two growing values.
        if form.grown + 1 < (PROOFS_STAYING if stays else PROOFS_OVERWRITTEN):
            form.is_wrong = value >= total
            return None
        if not form.is_believed:
            form.is_believed = value < total
            form.is_wrong = not form.is_believed
            if form.is_wrong:
                return None
        words = key.rpartition("\0")[0].replace("#", "").replace("~", " ")
        title = _SPACES.sub(" ", words).strip(" :-|.").rstrip("([ ")[:60]
        return Reading(program=ANY, title=title or "Running", current=value, total=total, unit=unit)

    def _form(self, key: str, total: int) -> Form:
        form = self._forms.pop(key, None) or Form(total=total)
        self._forms[key] = form
        if len(self._forms) > FORMS:
            del self._forms[next(iter(self._forms))]
        return form


def _found(text: str) -> tuple[str, int, int, str] | None:
    """The form of the line, the value in it, what that is of, and the unit; None for what cannot be progress."""
    if len(text) > LONGEST:
        return None
    counts = _COUNT.findall(text) if "/" in text or " of " in text else []
    percents = _PERCENT.findall(text) if "%" in text else []
    if not (counts or percents):
        return None
    if len(counts) == 1 and len(percents) <= 1:
        value, total = map(int, counts[0])
        where, unit = _COUNT.search(text), ""
    elif len(percents) == 1 and not counts:
        value, total = percent(percents[0]), 100
        where, unit = _PERCENT.search(text), "%"
    else:
        return None
    assert where is not None
    following = _NEXT_WORDS.match(text, where.end())
    if _OTHER_SHARES.search(text[: where.start()]) or (following and _OTHER_SHARES.search(following[0])):
        return None
    if total < 2 or value > total or (unit and float(percents[0].replace(",", ".")) > 100):
        return None
    before = _SPACES.sub(" ", _NUMBERS.sub("#", _DRAWN.sub("~", text[: where.start()])))
    return f"{before}\0{unit}{'' if unit else total}", value, total, unit
