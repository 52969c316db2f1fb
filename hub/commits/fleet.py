"""Many repositories at once: as many scans as there are cores, each with as many readers."""

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from hub.commits.database import FULL, CommitsFull, CommitsUnavailable, RepositoryForgotten
from hub.commits.git import GitReader
from hub.commits.libgit2 import Libgit2Reader
from hub.commits.located import Located, RepositoryBroken, shallow_commits
from hub.commits.reader import Stopped
from hub.commits.scan import Counted, scan
from hub.commits.table import CommitTable, Known

log = logging.getLogger(__name__)

TICK_S = 0.05

Opened = GitReader | Libgit2Reader
OpenReader = Callable[[Path, Iterable[bytes]], Opened]
"""Of a common git folder, and the commits at which its history is cut."""


@dataclass(slots=True, kw_only=True)
class Found:
    """A repository to scan, and how that goes."""

    located: Located
    name: str
    """For people."""
    projects: list[str]
    counted: Counted = field(default_factory=Counted)
    known: Known | None = None
    has_commits: bool = False
    error: str | None = None
    is_forgotten: bool = False
    """`error` says so; the projects were deleted while they were scanned."""
    is_done: bool = False


def scan_all(found: Sequence[Found], table: CommitTable, open_reader: OpenReader) -> Generator[None, None, None]:
    """Scan them all; comes back every TICK_S, and once after the last. What is wrong with one is in its `error`.

    Close the iterator to stop: programs are killed, and what is stored is kept. Raises CommitsUnavailable.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    readers = _Readers(open_reader)
    with ThreadPoolExecutor(cores, "scan") as scanners, ThreadPoolExecutor(cores, "read") as pool:
        try:
            waiting = {scanners.submit(_scan, one, readers, table, pool) for one in found}
            while waiting:
                ended, waiting = wait(waiting, TICK_S)
                for future in ended:
                    future.result()
                yield
        finally:
            readers.stop()
            scanners.shutdown(cancel_futures=True)


def _scan(one: Found, readers: "_Readers", table: CommitTable, pool: ThreadPoolExecutor) -> None:
    located = one.located
    try:
        shallow = shallow_commits(located.folder)
        one.known = table.open(located.folder, located.folders, one.projects)
        with readers.reader(located.folder, [bytes.fromhex(line) for line in shallow.splitlines()]) as reader:
            scan(one.known, shallow, reader, table, pool, one.counted)
        one.has_commits = table.has_commits(one.known.id)
    except RepositoryForgotten as exc:
        one.error, one.is_forgotten = exc.message, True
    except (Stopped, CommitsUnavailable, MemoryError):
        raise
    except (RepositoryBroken, OSError, ValueError) as exc:
        if isinstance(exc, OSError) and exc.errno in FULL:  # the hub's disk, and no fault of the repository
            raise CommitsFull from exc
        one.error = str(exc) or type(exc).__name__
    except Exception as exc:  # whatever a stranger's commit holds, the other repositories are none the worse
        log.exception("a repository could not be read", extra={"action": "scan_broke", "repository": one.name})
        one.error = f"It cannot be read: {type(exc).__name__}."
    one.is_done = True


class _Readers:
    """The readers at work, so that all can be stopped."""

    def __init__(self, open_reader: OpenReader) -> None:
        self._open = open_reader
        self._working: set[Opened] = set()
        self._lock = threading.Lock()
        self._stopped = False

    @contextlib.contextmanager
    def reader(self, folder: Path, shallow: Iterable[bytes]) -> Iterator[Opened]:
        made = self._open(folder, shallow)
        with self._lock:
            if self._stopped:
                raise Stopped
            self._working.add(made)
        try:
            yield made
        finally:
            with self._lock:
                self._working.discard(made)

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            for reader in self._working:
                reader.stop()
