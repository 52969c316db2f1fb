"""The values that commits, sessions and links are."""

from dataclasses import dataclass, field
from typing import NamedTuple

SEPARATOR = "//"
"""Between the paths of a commit: no path in git has an empty part."""


class Row(NamedTuple):
    """A commit as it is stored. Hundreds of thousands go straight into a statement, so it is a tuple."""

    id: bytes
    parents: int
    author_name: str
    author_email: str
    authored: int
    committed: int
    subject: str
    files_total: int | None
    """None where the parent's files are not here to compare with: a shallow or partial clone. 0 for merges."""
    files: str
    """The first of them, each with SEPARATOR before and after it; empty without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    at: int
    """Unix milliseconds."""
    type: str
    """COMMIT for a commit action; any other word is kept and counted."""


COMMIT = "commit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A span of work, as it was told; times are Unix milliseconds."""

    id: str
    start: int
    end: int
    project: str | None = None
    path: str | None = None
    author: str | None = None
    """A name, an e-mail address, or `Name <address>`; None: whoever committed."""
    events: tuple[Event, ...] = field(default=())
