"""Logs: one line a fact, a stable `action` word, and never a secret."""

import logging
import sys

from hub.core.redaction import Redactor

PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class CleanFormatter(logging.Formatter):
    """A sentence, then `key=value` for whatever a call gave in `extra`; all of it redacted, tracebacks included."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        extra = " ".join(f"{key}={value}" for key, value in vars(record).items() if key not in PLAIN)
        first, newline, rest = line.partition("\n")
        return self._redactor.text(f"{first} [{extra}]{newline}{rest}" if extra else line)


def configure(level: str, redactor: Redactor) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(CleanFormatter(redactor))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
