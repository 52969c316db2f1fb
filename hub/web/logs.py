"""Logs: one line a fact, a stable `action` word, and never a secret."""

import datetime as dt
import json
import logging
import sys
from collections.abc import Mapping
from typing import Any

from hub.core.redaction import Redactor, mapped, unicode
from hub.web.requests import REQUEST_ID

PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
FOREIGN = "library"
"""The action of lines that are not the hub's own."""


class _Clean(logging.Formatter):
    """All of a line redacted, tracebacks and `extra` included."""

    def __init__(self, redactor: Redactor, layout: str | None = None) -> None:
        super().__init__(layout)
        self._redactor = redactor

    def _extra(self, record: logging.LogRecord) -> dict[str, Any]:
        """What the call gave besides the sentence, the action first."""
        given = {key: value for key, value in vars(record).items() if key not in PLAIN}
        found = {"action": given.pop("action", FOREIGN)}
        if request := REQUEST_ID.get():
            found["request"] = request
        return found | given

    def _text(self, text: str) -> str:
        return self._redactor.text(unicode(text))


class TextFormatter(_Clean):
    """A sentence, then `key=value` for the rest. Only a traceback takes further lines, and these begin with spaces."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__(redactor, "%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        extra = " ".join(f"{key}={_value(value)}" for key, value in self._extra(record).items())
        record.message = _printable(record.getMessage())
        record.asctime = self.formatTime(record)
        rest = [self.formatException(record.exc_info)] if record.exc_info else []
        if record.stack_info:
            rest.append(self.formatStack(record.stack_info))
        lines = "".join(f"\n    {line}" for text in rest for line in text.splitlines())
        return self._text(f"{self.formatMessage(record)} [{extra}]{lines}")


class JsonFormatter(_Clean):
    """One object a line: `at`, `level`, `logger`, `action`, `message`, what the call gave, `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        at = dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds")
        told: dict[str, Any] = {
            "at": at.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        told |= {key: value for key, value in self._extra(record).items() if key not in told}
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(mapped(_plain(told), self._text), ensure_ascii=True, separators=(",", ":"))


def _plain(told: Mapping[str, Any]) -> dict[str, Any]:
    """JSON's own types stay; all others become text."""
    kept = (str, int, float, bool, type(None))
    return {key: value if isinstance(value, kept) else str(value) for key, value in told.items()}


def _printable(text: str) -> str:
    """With escapes for what would break the line, or steer the terminal that shows it."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _value(value: object) -> str:
    text = str(value)
    return text if text.isprintable() and " " not in text and '"' not in text else json.dumps(text)


FORMATTERS = {"text": TextFormatter, "json": JsonFormatter}


def configure(level: str, redactor: Redactor, layout: str = "text") -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(FORMATTERS[layout](redactor))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
