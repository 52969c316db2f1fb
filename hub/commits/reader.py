"""What a scan asks of a repository; `hub.commits.git` and `hub.commits.libgit2` answer it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from hub.commits.records import Row

MOST_FILES = 500
"""Paths kept of one commit; how many there were is kept, too. Those with more are imports and mass renames."""
MOST_FILES_BYTES = 32 * 1024
LONGEST_SUBJECT = 500
LONGEST_NAME = 200
FARTHEST_S = 8_640_000_000_000
"""Seconds that JavaScript can still make a date of (ECMA-262, 21.4.1.1)."""


class Stopped(Exception):
    """The scan is to end; whoever asked for that knows why."""


class Reader(Protocol):
    """Reads one repository, in any number of threads. Every method raises RepositoryBroken and Stopped."""

    def heads(self) -> set[bytes]:
        """The ids that local and remote branches and HEADs have, whatever they are of."""

    def commits_among(self, ids: Iterable[bytes]) -> set[bytes]:
        """Those of `ids` that are commits, and are there."""

    def reachable(self, heads: Iterable[bytes], without: Iterable[bytes] = ()) -> Iterator[list[bytes]]:
        """The commits that `heads` lead to and `without` do not, in pieces as they are found."""

    def read(self, ids: Sequence[bytes]) -> Iterator[list[Row]]:
        """The commits, in pieces as they are read."""


OpenReader = Callable[[], Reader]


def text(data: bytes, longest: int) -> str:
    """Text of whatever encoding, as Unicode that SQLite and JSON take; `data` has no NUL."""
    if len(data) <= longest:
        return data.decode("utf-8", "replace")
    decoded = data[: 4 * longest].decode("utf-8", "replace")
    return decoded if len(decoded) <= longest else decoded[: longest - 1] + "…"


def seconds(value: int) -> int:
    return value if -FARTHEST_S <= value <= FARTHEST_S else FARTHEST_S if value > 0 else -FARTHEST_S


def joined(paths: Sequence[bytes]) -> str:
    """The first paths as one text, in which `//path/` finds a file or anything in a folder."""
    if not paths:
        return ""
    data = b"//".join(paths[:MOST_FILES])
    if len(data) > MOST_FILES_BYTES:
        data = data[:MOST_FILES_BYTES].rpartition(b"//")[0]
    return f"//{data.decode('utf-8', 'replace')}//" if data else ""
