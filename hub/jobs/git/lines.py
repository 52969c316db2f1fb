"""Reading git's own progress lines, such as `Receiving objects:  43% (10/23), 1.20 MiB | 3.10 MiB/s`."""

import re
from dataclasses import dataclass

_METER = re.compile(
    r"(?P<title>[A-Z][\w .'-]*?): +(?:\d{1,3}% \((?P<current>\d+)/(?P<total>\d+)\)|(?P<count>\d+))(?:, .*)?\s*"
)
_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
LONGEST_LINE = 64 * 1024
LEFT_OUT = f"(a line of more than {LONGEST_LINE:,} characters was left out)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of git's standard error. `title` and the counts are there only if it is a progress meter."""

    text: str
    remote: bool = False
    """The server said it (`remote: ` in front, taken off)."""
    title: str | None = None
    current: int = 0
    total: int | None = None


def parse(text: str) -> Line:
    """Understand one line, without its end."""
    text = _ESCAPES.sub("", text).rstrip()  # git pads the server's lines with "erase to end of line" or spaces
    remote = text.startswith("remote: ")
    text = text.removeprefix("remote: ")
    match = _METER.fullmatch(text)
    if match is None:
        return Line(text=text, remote=remote)
    return Line(
        text=text,
        remote=remote,
        title=match["title"],
        current=int(match["current"] or match["count"]),
        total=int(match["total"]) if match["total"] else None,
    )


class Splitter:
    """Whole lines out of chunks. A line ends with CR, LF or both.

    One that is too long is left out altogether: half of it could end in half a secret, which nobody would recognize.
    """

    def __init__(self) -> None:
        self._rest = ""
        self._leaving_out = False

    def feed(self, chunk: str) -> list[str]:
        *lines, self._rest = re.split(r"[\r\n]+", self._rest + chunk)
        if lines and self._leaving_out:
            self._leaving_out = False
            del lines[0]
        lines = [line if len(line) <= LONGEST_LINE else LEFT_OUT for line in lines if line.strip()]
        if self._leaving_out:
            self._rest = ""
        elif len(self._rest) > LONGEST_LINE:
            self._leaving_out = True
            self._rest = ""
            lines.append(LEFT_OUT)
        return lines

    def close(self) -> list[str]:
        """What came after the last line's end."""
        rest, self._rest = self._rest, ""
        return [rest] if rest.strip() else []
