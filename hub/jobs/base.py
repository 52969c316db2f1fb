"""What a kind of job is, and what it may say and ask while it runs.

A kind is one file in `hub/jobs/kinds/` and one row in its table. The hub's process only ever calls `Kind.check`;
`Kind.run` is called in a child process, where it may block, crash or be killed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hub.core.events import Failure, Stage
from hub.core.report import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The project a job is about, as far as a kind needs to know it."""

    id: str
    name: str
    url: str | None = None
    """Without user info; None for a project that is a folder."""
    path: str | None = None
    """The folder of such a project."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one project's files are."""

    target: Target
    home: Path
    """What the project's jobs have made; may not exist. Only of its own project may a job be sure that no other job
    changes anything in there meanwhile, or that the project is not deleted."""


ALL = "all"
"""The id of the reserved project on which a spanning kind covers every other project."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The operator's settings that kinds must keep."""

    roots: tuple[str, ...] = ()
    """Folders under which local paths and `file://` URLs are allowed; none by default."""
    closed: tuple[str, ...] = ()
    """Folders in the roots that are open to no job all the same: the hub's own."""
    allow_networks: tuple[str, ...] = ()
    """CIDRs that the URL gate lets through although they are private, loopback or reserved."""
    connect_timeout_s: float = 20.0
    silence_timeout_s: float = 120.0
    """A server that sends nothing for this long has failed."""
    min_free_bytes: int = 256 * 1024 * 1024
    """The disk floor: a job ends rather than leave less."""
    max_project_bytes: int = 0
    """What a project may have on the hub's disk; 0: any amount."""
    store: str = ""
    """Where snapshots go: a folder, or an `s3://`, `gs://` or `az://` URL; empty: a folder in the project's own."""
    store_options: tuple[str, ...] = ()
    """What the environment says of the store besides secrets, as `NAME=value`."""
    snapshot_quiet_s: float = 2.0
    """A folder is quiet when nothing in it has changed for so long."""
    snapshot_wait_s: float = 120.0
    """The longest that a snapshot waits for that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """Checked parameters: `params` may be stored and shown, `secrets` go to the child's memory and nowhere else."""

    params: Mapping[str, Any]
    secrets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """Where a run may write. `work` is the job's own and removed after; `home` outlives it.

    `work` is empty at the start, unless the task is `resumed`. Both are on one file system, so finished work is renamed
    from the one into the other.
    """

    work: Path
    home: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """All that a child process is told."""

    job: str
    kind: str
    target: Target
    params: Mapping[str, Any]
    secrets: Mapping[str, str]
    workspace: Workspace
    rules: Rules
    places: tuple[Place, ...]
    """Every project that the job covers, by id: its own alone, or for a kind that spans, started on the project `all`,
    every other one that the hub knew when the run began."""
    resumed: bool = False
    """`workspace.work` holds what an earlier run of the same kind and project left there. It may have been killed at
    any instruction, and its parameters may have been others."""


class Cancelled(Exception):
    """The job is to stop now."""


class JobFailed(Exception):
    """The run ends here, for the reason in `failure`; the stage is filled in by the child's shell."""

    def __init__(self, code: str, message: str, *, hint: str | None = None, retry: bool = False) -> None:
        super().__init__(message)
        self.failure = Failure(code=code, message=message, hint=hint, retry=retry)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of job."""

    name: str
    title: str
    stages: tuple[Stage, ...]
    check: Callable[[Mapping[str, Any], Target, Rules], Accepted]
    """Validate parameters, without I/O. Raises BadParams or UrlRefused with a sentence for the caller."""
    run: Callable[[Task, Report], Mapping[str, Any]]
    """Do the work, in a child process; returns the job's result. Raises JobFailed; anything else is a bug."""
    stall_s: float = 180.0
    """No counter moved and nothing was said for this long: the job is stopped as `stalled`."""
    spans: bool = False
    """On the project `all`, a job of this kind covers every project (see `Task.places`)."""
    keeps_work: bool = False
    """A run that failed or was interrupted leaves its work folder to the retry, which goes on where it was."""
    environment: tuple[str, ...] = ()
    """Variables of the hub's own environment that a run is told, among its secrets and under the same names."""
    frees: bool = False
    """It makes room, so it may run where a project has more on the disk than it may."""
    learns: bool = True
    """Earlier runs teach the stages' weights; False: others rely on them as they are."""
