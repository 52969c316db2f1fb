"""A transfer's six counters as stages and progress: the same picture, whichever engine counts."""

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hub.core.report import Report
from hub.jobs.git.failures import failed
from hub.jobs.git.lines import Splitter, parse

_PHASE = re.compile(r"(Enumerating|Counting|Compressing|Finding|Resolving|Reusing|Total)\b")
"""What servers say of their own work; not all say it as git's meters do."""

MOST_OBJECTS = 100_000_000
"""Some four times the largest public repositories; more is an attack or a mistake."""

MOST_WORDS = 16 * 1024**2
"""Characters a server may say besides the pack. Some 10,000 lines of progress, an hour's work, are half a million."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """libgit2's names for how far a transfer is."""

    received_objects: int = 0
    total_objects: int = 0
    received_bytes: int = 0
    indexed_objects: int = 0
    total_deltas: int = 0
    indexed_deltas: int = 0


class PackSize:
    """How much has arrived in a repository since this was made, by the size of its packs, finished or not.

    Exact where git tells three digits and libgit2 nothing.
    """

    def __init__(self, repo: Path) -> None:
        self._folders = (repo / ".git" / "objects" / "pack", repo / "objects" / "pack")
        self._before = {path.name for path in self._packs()}

    def bytes(self) -> int:
        found = 0
        for path in self._packs():
            if path.name not in self._before:
                with contextlib.suppress(FileNotFoundError):  # it was renamed just now; the next look finds it
                    found += path.stat().st_size
        return found

    def _packs(self) -> Iterator[Path]:
        for folder in self._folders:
            with contextlib.suppress(FileNotFoundError):
                yield from (path for path in folder.iterdir() if path.suffix in {"", ".pack"} and "pack" in path.name)


class Transfer:
    """Tells a report how a transfer goes. The stages receiving and resolving are each entered once, in order."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._stage = ""
        self._phase = ""
        self._words = 0
        self._splitter = Splitter()
        self.counters = Counters()

    def server_sends(self, chunk: str) -> None:
        """Text from the server's side, cut anywhere."""
        self._count_words(chunk)
        for text in self._splitter.feed(chunk):
            self._hear(text)

    def server_says(self, text: str) -> None:
        """A line of the server's: one of its own progress meters, or words for whoever asked."""
        self._count_words(text)
        self._hear(text)

    def _count_words(self, text: str) -> None:
        self._words += len(text)
        if self._words > MOST_WORDS:
            raise failed("too_large", "The server talks without end.", hint="The server is broken or hostile.")

    def _hear(self, text: str) -> None:
        line = parse(text)
        if line.title is None and not _PHASE.match(line.text):
            self._report.log(f"server: {line.text}")
            return
        self._enter("receiving")
        self._phase = line.text
        self._tell()

    def count(self, counters: Counters) -> None:
        """The engine is this far."""
        if counters.total_objects > MOST_OBJECTS:
            raise failed("too_large", f"The repository has {counters.total_objects:,} objects.")
        self.counters = counters
        self._enter("receiving")
        received_all = counters.received_objects >= counters.total_objects
        if received_all and counters.total_deltas and counters.total_objects:
            if self._stage == "receiving":
                self._tell_receiving()  # so that the stage ends with its full count
            self._enter("resolving")
        self._tell()

    def finish(self) -> None:
        """Everything has come; both stages have been entered, even if there was nothing to do in them."""
        self._enter("receiving")
        self._enter("resolving")

    def _enter(self, stage: str) -> None:
        order = ("", "receiving", "resolving")
        if order.index(stage) > order.index(self._stage):
            self._stage = stage
            self._report.stage(stage)

    def _tell(self) -> None:
        if self._stage == "resolving":
            now = self.counters
            self._report.progress(now.indexed_deltas, now.total_deltas, "deltas", "Resolving deltas", self._detail())
        else:
            self._tell_receiving()

    def _tell_receiving(self) -> None:
        now = self.counters
        message = "Receiving objects" if now.total_objects else self._phase
        self._report.progress(now.received_objects, now.total_objects or None, "objects", message, self._detail())

    def _detail(self) -> Mapping[str, Any]:
        return asdict(self.counters) | ({"phase": self._phase} if self._phase else {})
