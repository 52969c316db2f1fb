"""What a command prints, as what its job says: progress, stages, a few log lines, and the last words."""

import collections
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Protocol

from hub.client import Stage
from hub.client.output import Line, Lines, Reader, Reading

SHARE, BURST_S = 0.15, 0.1
"""Of the time, what may go into reading; what a command prints faster than that is passed on all the same."""
SLICE_BYTES = 4096
HELD_BYTES = 16 * 1024
"""Of what could not be read, the newest is kept until there is time."""
LOGS_PER_S = 20
LOG_BURST = 20
"""Together under the 50 a second that the hub takes, which would count a line that counts many as one."""
LAST_LINES = 5
LEVELS = (
    ("error", re.compile(r"^\W*(?:fatal|error|ERROR|FAILED|panicked|E:)\b", re.ASCII)),
    ("warning", re.compile(r"^\W*(?:warning|WARNING|warn|WARN|W:)\b", re.ASCII)),
)
RECEIVE = (("Counting objects", 1), ("Compressing objects", 2), ("Receiving objects", 70), ("Resolving deltas", 17),
           ("Updating files", 10))  # fmt: skip
SEND = (("Enumerating objects", 1), ("Counting objects", 4), ("Compressing objects", 15), ("Writing objects", 80))
PLANS = {"clone": RECEIVE, "fetch": RECEIVE, "pull": RECEIVE, "push": SEND}
"""The phases of git's commands, with the share of the time that each takes as a rule."""
SHELLS = frozenset({"sh", "bash", "dash", "zsh", "fish", "ksh", "make", "just", "env", "xargs", "nice", "sudo", "tox"})
"""What runs other programs, so that nobody knows how many bars there will be."""


class Allowance:
    """Time that may be spent: SHARE of what passes, and not more than BURST_S at once."""

    def __init__(self) -> None:
        self._left_s, self._at = BURST_S, time.perf_counter()

    def begin(self) -> bool:
        now = time.perf_counter()
        self._left_s = min(BURST_S, self._left_s + (now - self._at) * SHARE)
        self._at = now
        return self._left_s > 0

    def end(self) -> None:
        now = time.perf_counter()
        self._left_s -= now - self._at
        self._at = now


class Narrated(Protocol):
    """The part of a job that is needed here."""

    def plan_stages(self, *stages: Stage | str) -> None: ...
    def stage(self, name: str, title: str | None = None, *, total: float | None = None, unit: str = "") -> None: ...
    def update(self, current: float, *, unit: str, message: str) -> None: ...
    def set_total(self, total: float | None) -> None: ...
    def log(self, message: str, level: str = "info") -> None: ...


class Narrator:
    """`clean` takes secrets out of every text that leaves here."""

    def __init__(self, job: Narrated, command: Sequence[str], *, logs: bool, clean: Callable[[str], str]) -> None:
        self._job = job
        self._command = command
        self._logs = logs
        self._clean = clean
        self._reader = Reader()
        self._allowance = Allowance()
        self._ears = (Ear(self._take), Ear(self._take))
        self._stage: str | None = None
        self._total: float | None = None
        self._lines, self._lines_at = float(LOG_BURST), time.monotonic()
        self._left_out = 0
        self._last: collections.deque[str] = collections.deque(maxlen=LAST_LINES)

    def out(self, data: bytes) -> None:
        self._hear(self._ears[0], data)

    def err(self, data: bytes) -> None:
        self._hear(self._ears[1], data)

    def quiet(self) -> None:
        """Nothing came for a moment: catch up, and take lines that have not ended as they are."""
        for ear in self._ears:
            self._hear(ear, b"")
            ear.guess()

    def end(self) -> Sequence[str]:
        """All has been said; the last lines of it."""
        for ear in self._ears:
            ear.end()
        self._tell_left_out()
        return list(self._last)

    def _hear(self, ear: "Ear", data: bytes) -> None:
        left_out = ear.hear(data, self._allowance)  # first: lines that are heard may be left out, too
        self._left_out += left_out

    def _take(self, line: Line) -> None:
        line = replace(line, text=self._clean(line.text))  # before numbers are taken out of it for a title
        is_progress, reading = self._reader.read(line)
        if reading is not None:
            self._tell(reading)
        text = line.text.strip()
        if line.stays and not is_progress and text:
            self._last.append(text)
            if self._logs:
                self._log(text)

    def _tell(self, reading: Reading) -> None:
        title = reading.title
        if title != self._stage:
            if self._stage is None and reading.is_whole:
                self._plan(reading)
            self._stage, self._total = title, reading.total
            self._job.stage(_slug(title), title, total=reading.total, unit=reading.unit)
        if reading.total != self._total:
            self._total = reading.total
            self._job.set_total(reading.total)
        self._job.update(reading.current, unit=reading.unit, message=reading.message)

    def _plan(self, reading: Reading) -> None:
        """Say beforehand what is to come, where that is known."""
        words = [PurePath(word).name for word in self._command]
        if reading.program == "git" and words[0] == "git":
            phases = next((PLANS[word] for word in words if word in PLANS), ())
            if any(title == reading.title for title, _ in phases):
                self._job.plan_stages(*(Stage(_slug(title), title, weight) for title, weight in phases))
        elif words[0] not in SHELLS:
            self._job.plan_stages(Stage(_slug(reading.title), reading.title))

    def _log(self, text: str) -> None:
        now = time.monotonic()
        self._lines = min(LOG_BURST, self._lines + (now - self._lines_at) * LOGS_PER_S)
        self._lines_at = now
        if self._lines < (2 if self._left_out else 1):
            self._left_out += 1
            return
        self._lines -= 2 if self._left_out else 1
        self._tell_left_out()
        level = next((level for level, pattern in LEVELS if pattern.search(text)), "info")
        self._job.log(text, level)

    def _tell_left_out(self) -> None:
        if self._left_out and self._logs:
            word = "line" if self._left_out == 1 else "lines"
            self._job.log(f"{self._left_out} {word} left out")
        self._left_out = 0


class Ear:
    """One stream's listener: hands over the lines that there is time for, and of the others the newest."""

    def __init__(self, take: Callable[[Line], None]) -> None:
        self._take = take
        self._lines = Lines()
        self._waiting = b""

    def hear(self, data: bytes, allowance: Allowance) -> int:
        """Returns how many lines are left out."""
        if not self._waiting and b"\n" not in data and b"\r" not in data:
            self._read(data)  # nothing to look at, however much it is
            return 0
        older = 0
        if len(data) < HELD_BYTES or allowance.begin():
            data = self._waiting + data
        else:
            older = self._waiting.count(b"\n")
            older += self._lines.skip()
        place = 0
        while place < len(data) and allowance.begin():
            self._read(data[place : place + SLICE_BYTES])
            allowance.end()
            place += SLICE_BYTES
        cut = len(data) - HELD_BYTES
        if place >= cut:
            self._waiting = data[place:]
            return older
        self._waiting = data[cut:]
        # The line that the cut goes through is lost, too: its end is in what is kept.
        return older + data.count(b"\n", place, cut) + self._lines.skip()

    def guess(self) -> None:
        """Take the line that has not ended as it is."""
        if not self._waiting and (text := self._lines.pending()):
            self._take(Line(text, stays=False))

    def end(self) -> None:
        self._read(self._waiting)
        self._waiting = b""
        for line in self._lines.end():
            self._take(Line(line.text, stays=True))

    def _read(self, data: bytes) -> None:
        for line in self._lines.feed(data):
            self._take(line)


def _slug(title: str) -> str:
    return re.sub(r"\W+", "-", title.lower()).strip("-") or "running"
