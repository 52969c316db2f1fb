"""A job's state as lines for a terminal. Pure: what is drawn where, and how often, is the caller's matter."""

import math
import unicodedata
from dataclasses import dataclass

from hub.core.events import State
from hub.core.job import JobState, StageState
from hub.words import amount, clean, counts, doing, duration, eta, percent_of, rate, result_text, title

EIGHTHS = " ▏▎▍▌▋▊▉"
SMALLEST_BAR, LARGEST_BAR = 8, 30
GREEN, RED, YELLOW, CYAN = 32, 31, 33, 36
ASCII = str.maketrans("…✓✗·", "~+x-")
GAP = "  "


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """What the terminal can do."""

    columns: int = 80
    unicode: bool = True
    color: bool = False

    def paint(self, text: str, color: int) -> str:
        return f"\x1b[{color}m{text}\x1b[0m" if self.color and text else text

    def plain(self, text: str) -> str:
        """`text` in characters that the terminal's encoding has."""
        return text if self.unicode else text.translate(ASCII).encode("ascii", "replace").decode()


def cells(text: str) -> int:
    """Columns that `text` takes."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def fit(text: str, columns: int) -> str:
    if cells(text) <= columns:
        return text
    while text and cells(text) > columns - 1:
        text = text[:-1]
    return text + "…" if columns > 0 else ""


def live_line(job: JobState, style: Style) -> str:
    """One line for now, never wider than the terminal: the less important goes first when room is short."""
    columns = style.columns - 1  # a full line makes some terminals wrap
    percent = f"{percent_of(job):3d} %"
    # Made plain before it is measured: a mark that takes no column may become one that does.
    extras = {"counts": style.plain(counts(job)), "rate": style.plain(rate(job)), "eta": eta(job)}
    head, steps = style.plain(f"{clean(job.project)}{GAP}{doing(job)}"), _steps(job)
    for dropped in ((), ("rate",), ("rate", "counts"), ("rate", "counts", "eta"), ("rate", "counts", "eta", "steps")):
        title = head + (f" ({steps})" if steps and "steps" not in dropped else "")
        tail = "".join(GAP + text for name, text in extras.items() if text and name not in dropped)
        room = columns - cells(title) - cells(GAP + GAP + percent + tail)
        if room >= SMALLEST_BAR:
            drawn = style.paint(bar(job.percent / 100, min(room, LARGEST_BAR), style), CYAN)
            return title + GAP + drawn + GAP + percent + tail
    return style.plain(fit(head, columns - cells(GAP + percent)) + GAP + percent)[:columns]


def plain_line(job: JobState) -> str:
    """The same for where lines stay: a log, a pipe."""
    parts = [doing(job), _steps(job, "step "), f"{percent_of(job)} %", counts(job), rate(job), eta(job)]
    return f"{clean(job.project)}: " + ", ".join(part for part in parts if part)


def stage_line(stage: StageState, style: Style) -> str:
    """A stage that is done."""
    took = _took(stage.started, stage.ended)
    much = amount(stage.current, stage.unit or "") if stage.current else ""
    parts = (_mark("✓", GREEN, style), clean(stage.title), much, took)
    return GAP + style.plain(GAP.join(part for part in parts if part))


def summary(job: JobState, style: Style) -> list[str]:
    """How it ended, why, and what to do about it."""
    took = f" after {_took(job.started, job.ended)}" if job.started is not None else ""
    what = f"{clean(job.project)}: {clean(job.kind)}"
    again = [] if job.is_outside else [f"{GAP}Run it again: progress-hub retry {job.id}"]
    if job.state is State.SUCCEEDED:
        lines = [f"{_mark('✓', GREEN, style)} {what} succeeded{took}"]
        if text := result_text(job.result or {}):
            lines.append(GAP + text)
    elif job.state is State.FAILED:
        where = f" in {title(job)}" if title(job) else ""
        lines = [f"{_mark('✗', RED, style)} {what} failed{took}{where}"]
        if job.error:
            lines.append(f"{GAP}{clean(job.error.message)}")
            if job.error.hint:
                lines.append(f"{GAP}What to do: {clean(job.error.hint)}")
        lines += again
    elif job.state is State.CANCELLED:
        lines = [f"{_mark('✗', YELLOW, style)} {what} was cancelled{took}"]
    else:
        why = "" if job.is_outside else ": the hub stopped under it"
        lines = [f"{_mark('✗', YELLOW, style)} {what} was interrupted{took}{why}", *again]
    return [style.plain(line) for line in lines]


def bar(fraction: float, columns: int, style: Style) -> str:
    """Full only at 1; eighths of a column where the encoding has them."""
    if not style.unicode:
        done = math.floor(fraction * columns)
        return "#" * done + "-" * (columns - done)
    whole, eighths = divmod(math.floor(fraction * columns * 8), 8)
    partly = EIGHTHS[eighths] if eighths else ""
    return "█" * whole + partly + "░" * (columns - whole - len(partly))


def _took(started_ms: int | None, ended_ms: int | None) -> str:
    return "" if started_ms is None or ended_ms is None else duration((ended_ms - started_ms) / 1000)


def _steps(job: JobState, word: str = "") -> str:
    step = next((n for n, stage in enumerate(job.stages, 1) if stage.stage == job.stage), 0)
    return f"{word}{step} of {len(job.stages)}" if step and len(job.stages) > 1 else ""


def _mark(mark: str, color: int, style: Style) -> str:
    return style.paint(style.plain(mark), color)
