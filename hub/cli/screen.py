"""Where a watched job is drawn: a bar in a terminal, lines in a pipe, messages as JSON."""

import json
import os
import shutil
import sys
from collections.abc import Mapping
from typing import Any, Protocol, TextIO

from hub.client import Link
from hub.core.events import LogBody
from hub.core.job import JobState
from hub.terminal import Style, live_line, plain_line, stage_line, summary
from hub.words import clean, percent_of

CLEAR_LINE = "\r\x1b[K"
DRAW_EVERY_MS = 100


class Screen(Protocol):
    interval_ms: int
    """How often it is worth hearing of progress."""

    def message(self, message: Mapping[str, Any]) -> None: ...
    def show(self, job: JobState) -> None: ...
    def link(self, link: Link) -> None: ...
    def note(self, text: str) -> None:
        """A sentence beside the progress."""

    def end(self, job: JobState) -> None: ...


def screen(*, as_json: bool, out: TextIO | None = None) -> Screen:
    """The one that suits what standard output is."""
    out = out or sys.stdout
    if as_json:
        return JsonScreen(out)
    is_terminal = out.isatty() and os.environ.get("TERM") != "dumb"
    return TerminalScreen(out) if is_terminal else PlainScreen(out)


class JsonScreen:
    """Messages as the hub sent them, one a line."""

    interval_ms = 0

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def message(self, message: Mapping[str, Any]) -> None:
        self._out.write(json.dumps(message, ensure_ascii=True, separators=(",", ":")) + "\n")
        self._out.flush()

    def show(self, job: JobState) -> None:
        pass

    def link(self, link: Link) -> None:
        pass

    def note(self, text: str) -> None:
        sys.stderr.write(f"{text}\n")

    def end(self, job: JobState) -> None:
        pass


class PlainScreen:
    """Lines that stay: one at each stage and each tenth."""

    interval_ms = 1000

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._style = Style(unicode=has_unicode(out))
        self._said: tuple[object, ...] = ()
        self._was_live = True

    def message(self, message: Mapping[str, Any]) -> None:
        if message["type"] == LogBody.type and message["level"] in {"warning", "error"}:
            self.note(f"{message['level']}: {message['message']}")

    def show(self, job: JobState) -> None:
        saying = (job.state, job.stage, percent_of(job) // 10)
        if saying != self._said and not job.state.is_end:
            self._said = saying
            self.note(plain_line(job))

    def link(self, link: Link) -> None:
        if link.live != self._was_live:
            self._was_live = link.live
            self.note("The hub is back." if link.live else f"Connection lost ({link.why}); trying again.")

    def note(self, text: str) -> None:
        self._out.write(self._style.plain(clean(text)) + "\n")
        self._out.flush()

    def end(self, job: JobState) -> None:
        self._out.write("\n".join(summary(job, self._style)) + "\n")
        self._out.flush()


class TerminalScreen:
    """One line that moves; what is done stays above it."""

    interval_ms = DRAW_EVERY_MS

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._unicode = has_unicode(out)
        self._color = not os.environ.get("NO_COLOR")
        self._line = ""
        self._done: set[str] = set()

    @property
    def _style(self) -> Style:
        columns = shutil.get_terminal_size().columns  # asked each time: windows are resized
        return Style(columns=columns, unicode=self._unicode, color=self._color)

    def message(self, message: Mapping[str, Any]) -> None:
        if message["type"] == LogBody.type and message["level"] in {"warning", "error"}:
            self.note(f"{message['level']}: {message['message']}")

    def show(self, job: JobState) -> None:
        for stage in job.stages:
            if stage.state == "done" and stage.stage not in self._done:
                self._done.add(stage.stage)
                self._above(stage_line(stage, self._style))
        if not job.state.is_end:
            self._draw(live_line(job, self._style))

    def link(self, link: Link) -> None:
        if link.live:
            return
        wait = f"trying again in {link.retry_s:.0f} s" if link.retry_s else "trying again"
        self._draw(self._style.plain(clean(f"Connection lost ({link.why}), {wait}"))[: self._style.columns - 1])

    def note(self, text: str) -> None:
        self._above(self._style.plain(clean(text)))

    def end(self, job: JobState) -> None:
        self._draw("")
        self._above("\n".join(summary(job, self._style)))

    def _above(self, text: str) -> None:
        self._out.write(f"{CLEAR_LINE}{text}\n{self._line}")
        self._out.flush()

    def _draw(self, line: str) -> None:
        if line != self._line:
            self._line = line
            self._out.write(CLEAR_LINE + line)
            self._out.flush()


def has_unicode(out: TextIO) -> bool:
    try:
        "█░✓…·".encode(out.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
