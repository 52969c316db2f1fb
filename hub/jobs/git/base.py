"""The contract of the git engines: bring a repository's objects here, then write its files. Two keep it."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from hub.core.report import Report
from hub.jobs.base import Rules
from hub.jobs.gate import RemoteUrl

WHOLE_HISTORY = 2**31 - 1
"""The depth that git and libgit2 both read as "make a shallow repository whole"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What the job was given to prove who it is; all None: nothing."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    """A password or a token: the same thing over http."""
    ssh_key: str | None = field(default=None, repr=False)
    """A private key, as text."""
    ssh_passphrase: str | None = field(default=None, repr=False)

    def __bool__(self) -> bool:
        return self.password is not None or self.ssh_key is not None

    def basic(self) -> str | None:
        """The value of an http Authorization header; None without a password."""
        if self.password is None:
            return None
        return "Basic " + base64.b64encode(f"{self.username or ''}:{self.password}".encode()).decode()

    @classmethod
    def of(cls, params: Mapping[str, str | None], secrets: Mapping[str, str]) -> "Credentials":
        """From a clone's parameters. A token without a user name gets the one that hosts take with any token."""
        token = secrets.get("token")
        return cls(
            username=params.get("username") or ("x-access-token" if token else None),
            password=token or secrets.get("password"),
            ssh_key=secrets.get("ssh_key"),
            ssh_passphrase=secrets.get("ssh_passphrase"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A remote that was found to be there, and the only address at which an engine may look for it."""

    remote: RemoteUrl
    address: str | None
    """None for a local folder."""
    credentials: Credentials
    rules: Rules
    folder: str | None = None
    """The git folder of a local one, which was found to lead nowhere else; an engine left to look for it itself could
    find another beside it."""

    @property
    def url(self) -> str:
        """As an engine is given it."""
        return replace(self.remote, path=self.folder).text if self.folder else self.remote.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How much of a repository."""

    depth: int | None = None
    """Commits from each tip; None: the whole history."""
    branch: str | None = None
    """A branch or tag; None: what the remote's HEAD names."""
    bare: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What came. `head` None: the remote is empty. `branch` None: the head is on no branch."""

    head: str | None
    branch: str | None
    objects: int
    bytes: int


class Engine(Protocol):
    """One way to speak git. Engines raise JobFailed with a code of `failures`, and Cancelled out of the report."""

    name: str

    def why_not(self, source: Source, wanted: Wanted) -> str | None:
        """What keeps this engine from the request, as a sentence; None when nothing does."""

    def fetch(self, source: Source, wanted: Wanted, repo: Path, report: Report) -> Fetched:
        """Bring objects and refs into `repo`, and set its HEAD; no files are written.

        `repo` does not exist yet, or is a repository to bring up to date. Goes through the stages receiving and
        resolving. After a failure `repo` may hold anything.
        """

    def checkout(self, repo: Path, report: Report) -> None:
        """Write the files of HEAD into the empty working tree of `repo`."""
