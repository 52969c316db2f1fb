"""A job's state as lines for a terminal. Pure: what is drawn where, and how often, is the caller's matter."""

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.core.events import ProgressBody, State
from hub.core.job import JobState, StageState

EIGHTHS = " ▏▎▍▌▋▊▉"
SMALLEST_BAR, LARGEST_BAR = 8, 30
GREEN, RED, YELLOW, CYAN = 32, 31, 33, 36
ASCII = str.maketrans("…✓✗·", "~+x-")
GAP = "  "
STALLED_S = 10.0
"""Nothing has moved for so long: then it is worth a word."""
ETA_ROUNDING = ((120, 1, 10, "s"), (7200, 60, 1, "min"), (math.inf, 3600, 1, "h"))
"""Up to how many seconds: the unit in seconds, the step, the unit's name."""


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


def clean(text: str) -> str:
    """Foreign text as one line that can neither move the cursor nor turn the line around."""
    return " ".join("".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text).split())


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
        where = f" in {_title(job)}" if _title(job) else ""
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


def percent_of(job: JobState) -> int:
    """Floored; 100 only for what succeeded."""
    return 100 if job.state is State.SUCCEEDED else min(99, math.floor(job.percent))


def doing(job: JobState) -> str:
    """What it does now, in a few words."""
    if job.state is State.QUEUED:
        if job.starts_at is not None and job.retry is not None:
            return f"Waiting for try {job.retry.attempt} of {job.retry.attempts}"
        return f"Waiting, number {job.queue} in the queue" if job.queue else "Waiting"
    title = _title(job) or "Starting"
    return {State.PAUSED: "Paused", State.CANCELLING: "Cancelling"}.get(job.state, title)


def counts(job: JobState) -> str:
    """`1,234 of 2,870 objects`, and how many bytes that was where the kind says."""
    progress = _progress(job)
    if progress is None or not (progress.current or progress.total):
        return ""
    text = amount(progress.current, progress.unit, progress.total)
    received = progress.detail.get("received_bytes")
    if progress.unit == "objects" and isinstance(received, int) and received:
        text += f", {amount(received, 'bytes')}"
    return text


def rate(job: JobState) -> str:
    progress = _progress(job)
    if progress is None or not progress.rate or job.state is not State.RUNNING:
        return ""
    return f"{amount(progress.rate, progress.unit)}/s"


def eta(job: JobState) -> str:
    """`20 to 40 s left`: a range, rounded to what it is worth; or that nothing moves."""
    progress = _progress(job)
    still_s = progress.stalled_s or 0.0 if progress is not None else 0.0
    if still_s >= STALLED_S and job.state is State.RUNNING:
        return f"stalled: nothing moved for {duration(still_s)}"
    if progress is None or progress.eta_s is None or job.state is not State.RUNNING:
        return ""
    low_s, high_s = progress.eta_s
    if high_s < 10:
        return "a few seconds left"
    unit_s, step, unit = next(row[1:] for row in ETA_ROUNDING if high_s < row[0])
    low, high = (max(1, round(seconds / unit_s / step)) * step for seconds in (low_s, high_s))
    return f"{low} to {high} {unit} left" if low < high else f"about {high} {unit} left"


def amount(value: float, unit: str, total: float | None = None) -> str:
    """`1,234 objects`, `12.3 MiB`, `12.3 of 40.0 MiB`."""
    if unit == "bytes":
        size, name = _size_unit(value if total is None else total)
        digits = 0 if size == 1 else 1
        value, unit = value / size, name
        return f"{value:,.{digits}f}" + ("" if total is None else f" of {total / size:,.{digits}f}") + f" {unit}"
    whole = f"{math.floor(value):,}" + ("" if total is None else f" of {math.floor(total):,}")
    return f"{whole} {clean(unit)}".rstrip()


def duration(seconds: float) -> str:
    """`0.8 s`, `42 s`, `1 min 5 s`, `2 h 3 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    hours, minutes_left = divmod(minutes, 60)
    return f"{hours} h {minutes_left} min" if hours else f"{minutes} min {rest} s"


def result_text(result: Mapping[str, Any]) -> str:
    """What came of it, in one line, from the results that kinds commonly have."""
    parts = []
    if result.get("branch") or result.get("head"):
        parts.append(
            " at ".join(clean(str(part)) for part in (result.get("branch"), str(result.get("head") or "")[:7]) if part)
        )
    parts += [amount(result[unit], unit) for unit in ("files", "objects", "bytes") if isinstance(result.get(unit), int)]
    if result.get("path"):
        parts.append(clean(str(result["path"])))
    return " · ".join(parts)


def _took(started_ms: int | None, ended_ms: int | None) -> str:
    return "" if started_ms is None or ended_ms is None else duration((ended_ms - started_ms) / 1000)


def _size_unit(value: float) -> tuple[int, str]:
    for power, name in ((3, "GiB"), (2, "MiB"), (1, "KiB")):
        if value >= 1024**power:
            return 1024**power, name
    return 1, "bytes"


def _title(job: JobState) -> str:
    """Of the stage it is in, or ended in; empty before the first."""
    return next((clean(stage.title) for stage in job.stages if stage.stage == job.stage), "")


def _steps(job: JobState, word: str = "") -> str:
    step = next((n for n, stage in enumerate(job.stages, 1) if stage.stage == job.stage), 0)
    return f"{word}{step} of {len(job.stages)}" if step and len(job.stages) > 1 else ""


def _progress(job: JobState) -> ProgressBody | None:
    """The newest progress, unless it is about an earlier stage."""
    return job.progress if job.progress and job.progress.stage == job.stage else None


def _mark(mark: str, color: int, style: Style) -> str:
    return style.paint(style.plain(mark), color)
