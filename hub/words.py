"""A job's numbers and times in words, for terminals and plain pages. Pure."""

import math
import unicodedata
from collections.abc import Mapping
from typing import Any

from hub.core.events import ProgressBody, State
from hub.core.job import JobState

STALLED_S = 10.0
"""Nothing has moved for so long: then it is worth a word."""
ETA_ROUNDING = ((120, 1, 10, "s"), (7200, 60, 1, "min"), (math.inf, 3600, 1, "h"))
"""Up to how many seconds: the unit in seconds, the step, the unit's name."""


def clean(text: str) -> str:
    """Foreign text as one line that can neither move the cursor nor turn the line around."""
    return " ".join("".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text).split())


def percent_of(job: JobState) -> int:
    """Floored; 100 only for what succeeded."""
    return 100 if job.state is State.SUCCEEDED else min(99, math.floor(job.percent))


def doing(job: JobState) -> str:
    """What it does now, in a few words."""
    if job.state is State.QUEUED:
        if job.starts_at is not None and job.retry is not None:
            return f"Waiting for try {job.retry.attempt} of {job.retry.attempts}"
        return f"Waiting, number {job.queue} in the queue" if job.queue else "Waiting"
    return {State.PAUSED: "Paused", State.CANCELLING: "Cancelling"}.get(job.state, title(job) or "Starting")


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


def _size_unit(value: float) -> tuple[int, str]:
    for power, name in ((3, "GiB"), (2, "MiB"), (1, "KiB")):
        if value >= 1024**power:
            return 1024**power, name
    return 1, "bytes"


def title(job: JobState) -> str:
    """Of the stage it is in, or ended in; empty before the first."""
    return next((clean(stage.title) for stage in job.stages if stage.stage == job.stage), "")


def _progress(job: JobState) -> ProgressBody | None:
    """The newest progress, unless it is about an earlier stage."""
    return job.progress if job.progress and job.progress.stage == job.stage else None
