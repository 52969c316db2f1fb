"""Sessions out of a folder of logs: one `.jsonl` file a session, an object a line, of which some hold a `timestamp`
(ISO 8601, or Unix seconds or milliseconds) and a `cwd`.

The session is the file's path in the folder, without `.jsonl`, or its whole path where another folder has a file of
that name, too. Its place is the first `cwd`, and it lasts from the first timestamp to the last. A commit action is a
line of type `commit`, and a call of a tool that commits: a shell command with `git commit` in it, or a skill named
`commit`. A file that has its old size and time of change is not read again.
"""

import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from hub.commits.database import SQL, Database
from hub.commits.records import COMMIT, Event, Session
from hub.commits.sessions import LATEST_MS, LONGEST_ID, LONGEST_PATH, MOST_EVENTS

SUFFIX = ".jsonl"
LONGEST_LINE_BYTES = 16 * 1024 * 1024
MOST_FILES = 100_000
DEEPEST = 8
CHECK_LINES = 1000
MILLISECONDS_FROM = 100_000_000_000
"""Larger numbers are milliseconds: as seconds this is the year 5138, as milliseconds 1973."""

LONGEST_COMMAND = 100_000
"""Characters that are looked at."""
# Each `git` is followed over a few options only: without an end, `git -x git -x ...` takes time by its square.
_GIT_COMMIT = re.compile(r"\bgit\b(?:\s++-\S++(?:\s++[^-\s;&|]\S*+)?){0,20}\s++commit\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFile:
    path: Path
    size: int
    changed: int
    """Nanoseconds."""


@dataclass(slots=True)
class Read:
    """What one file says."""

    first: int | None = None
    last: int | None = None
    cwd: str | None = None
    commits: set[int] = field(default_factory=set)
    broken: int = 0
    """Lines that are no JSON object, or whose timestamp is none."""

    def session(self, id_: str) -> Session | None:
        """None where no line has a time."""
        if self.first is None or self.last is None:
            return None
        events = tuple(Event(at=at, type=COMMIT) for at in sorted(self.commits)[:MOST_EVENTS])
        return Session(id=id_, start=self.first, end=self.last, path=self.cwd, events=events)


def log_files(folder: Path, warn: Callable[[str], None]) -> Iterator[LogFile]:
    """Every log below the folder, symlinks left aside, in order of their names. `warn` is told what is left out."""
    count = 0
    for here, folders, names in os.walk(folder, onerror=lambda exc: warn(f"A folder was left out: {exc}")):
        if folders and len(Path(here).relative_to(folder).parts) >= DEEPEST:
            warn(f"Folders more than {DEEPEST} deep were left out: those in {here}")
            folders.clear()
        folders.sort()
        for name in sorted(names):
            found = _log_file(Path(here, name)) if name.endswith(SUFFIX) else None
            if found is None:
                continue
            if count >= MOST_FILES:
                warn(f"Only the first {MOST_FILES:,} logs were looked at")
                return
            count += 1
            yield found


def _log_file(path: Path) -> LogFile | None:
    """None for what is no file, or is not there any more."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return LogFile(path=path, size=found.st_size, changed=found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


def opened(file: LogFile) -> IO[bytes]:
    """Raises OSError. What has taken the file's place since is neither followed nor waited for."""
    flags = os.O_NOFOLLOW | os.O_NONBLOCK
    return open(file.path, "rb", opener=lambda path, mode: os.open(path, mode | flags))


class FileTable:
    """The logs as they were when they were last read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def broken_lines(self, file: LogFile) -> int | None:
        """How many the file has; None where it is new, or has changed since."""
        with self._database.reading() as db:
            row = db.execute(SQL["session_file"], (_name(file),)).fetchone()
        return row[2] if row is not None and row[:2] == (file.size, file.changed) else None

    def session_id(self, file: LogFile, folder: Path) -> str:
        """The one that the file had before; never that of another file which is still there."""
        wanted = _shortened(str(file.path.relative_to(folder)).removesuffix(SUFFIX))
        with self._database.reading() as db:
            row = db.execute(SQL["session_file"], (_name(file),)).fetchone()
            others = db.execute(SQL["files_of_session"], (wanted,)).fetchall()
        if row is not None:
            return str(row[3])
        is_taken = any(os.path.exists(path) for (path,) in others)  # noqa: PTH110 - Path raises where it may not look
        return _shortened(str(file.path).removesuffix(SUFFIX)) if is_taken else wanted

    def keep(self, file: LogFile, broken: int, session: str) -> None:
        with self._database.writing() as db:
            db.execute(SQL["put_session_file"], (_name(file), file.size, file.changed, broken, session))


def _shortened(name: str) -> str:
    """As an id; where that is too long, a digest stands for its beginning, as two may end alike."""
    data = name.encode(errors="replace")
    text = data.decode()
    if len(text) <= LONGEST_ID:
        return text
    digest = hashlib.sha256(data).hexdigest()[:16]
    return f"{digest}/{text[len(digest) + 1 - LONGEST_ID :]}"


def _name(file: LogFile) -> str:
    return str(file.path).encode(errors="replace").decode()


def read(file: IO[bytes], check: Callable[[], None]) -> Read:
    """`check` may raise to end this at once."""
    found = Read()
    for number, line in enumerate(_lines(file)):
        if number % CHECK_LINES == 0:
            check()
        if not line.strip():
            continue
        try:
            _take(found, line)
        except (ValueError, OverflowError, RecursionError):
            found.broken += line.endswith(b"\n")  # without, it is still being written
    return found


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """Lines; of one that is too long what is enough to be broken."""
    while line := file.readline(LONGEST_LINE_BYTES):
        yield line
        while line and not line.endswith(b"\n") and len(line) == LONGEST_LINE_BYTES:
            line = file.readline(LONGEST_LINE_BYTES)


def _take(found: Read, line: bytes) -> None:
    """Raises ValueError for a broken line."""
    value = json.loads(line)
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - like the decoder's own error
    cwd = value.get("cwd")
    if found.cwd is None and isinstance(cwd, str) and cwd.startswith("/") and cwd.isprintable():
        found.cwd = os.path.normpath(cwd)[:LONGEST_PATH]
    if "timestamp" not in value:
        return
    at = _milliseconds(value["timestamp"])
    found.first = at if found.first is None else min(found.first, at)
    found.last = at if found.last is None else max(found.last, at)
    if b"commit" in line and _is_commit(value):
        found.commits.add(at)


def _milliseconds(value: Any) -> int:
    """Raises ValueError."""
    if isinstance(value, str):
        moment = datetime.fromisoformat(value)
        at = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        at = int(value if abs(value) >= MILLISECONDS_FROM else value * 1000)
    else:
        raise ValueError("not a time")  # noqa: TRY004 - one error for all that is none
    if abs(at) > LATEST_MS:
        raise ValueError("not a time that can be meant")
    return at


def _is_commit(value: dict[str, Any]) -> bool:
    if value.get("type") == COMMIT:
        return True
    message = value.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    for part in content if isinstance(content, list) else ():
        given = part.get("input") if isinstance(part, dict) and part.get("type") == "tool_use" else None
        if isinstance(given, dict):
            command = given.get("command")
            said = command[:LONGEST_COMMAND] if isinstance(command, str) else ""
            if given.get("skill") == COMMIT or _GIT_COMMIT.search(said):
                return True
    return False
