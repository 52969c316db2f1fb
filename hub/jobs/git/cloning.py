"""The steps of a clone, for every kind that needs one: the objects come into the work folder, then the files."""

from dataclasses import dataclass, replace
from pathlib import Path

import pygit2

from hub.core.report import Report
from hub.jobs import gate
from hub.jobs.base import Rules, Task
from hub.jobs.gate import RemoteUrl
from hub.jobs.git import ENGINES, landing, preflight, tree
from hub.jobs.git.base import Credentials, Engine, Fetched, Source, Wanted
from hub.jobs.git.failures import failed

REPO = "repo"
"""The repository's name in the work folder, until it lands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """A repository that has come into the work folder, and has no files yet."""

    repo: Path
    fetched: Fetched
    source: Source
    engine: Engine
    is_update: bool


def origin(task: Task) -> RemoteUrl:
    """Where the task's project comes from. Raises UrlRefused."""
    assert task.target.url is not None
    return gate.check(task.target.url, task.rules)


def fetch(task: Task, wanted: Wanted, current: pygit2.Repository | None, report: Report) -> Brought:
    """Bring what is `wanted`, starting from what `current` has (None: from nothing).

    Goes on in the stage connect, and through receiving and resolving. Raises JobFailed, UrlRefused.
    """
    remote, repo = origin(task), task.workspace.work / REPO
    source = _connect(remote, task, report)
    engine = choose_engine(task.params.get("engine", "auto"), source, wanted)
    if current is not None:
        landing.copy(current, repo, report)
    report.log(f"{'Updating' if current is not None else 'Cloning'} {remote.text} with {engine.name}")
    fetched = engine.fetch(source, wanted, repo, report)
    report.log(f"Received {fetched.objects:,} objects, {fetched.bytes:,} bytes")
    landing.settle(repo, remote)
    return Brought(repo=repo, fetched=fetched, source=source, engine=engine, is_update=current is not None)


def write_files(engine: Engine, repo: Path, head: str, rules: Rules, report: Report) -> int:
    """Write the files of the commit `head`, HEAD's, into the empty working tree; how many. Raises JobFailed."""
    report.progress(0, None, "files", "Measuring the files")
    size = tree.measure(pygit2.Repository(str(repo)), head, report)
    size.check()
    tree.check_room(size, repo, rules)
    engine.checkout(repo, report)
    report.progress(size.files, size.files, "files", "Writing files")
    return size.files


def is_current(current: pygit2.Repository, repo: Path) -> bool:
    """Whether what has come into `repo` is what is in its place, with every file as it was written."""
    if not landing.is_same(current, pygit2.Repository(str(repo))):
        return False
    try:
        return current.is_bare or not current.status(untracked_files="all")
    except pygit2.GitError:  # something is broken, and written anew
        return False


def choose_engine(name: str, source: Source, wanted: Wanted) -> Engine:
    """The engine of that name, or for `auto` the first that can do it. Raises JobFailed."""
    reasons = []
    for engine in ENGINES.values():
        if name in {"auto", engine.name}:
            reason = engine.why_not(source, wanted)
            if reason is None:
                return engine
            reasons.append(reason)
    raise failed("protocol", " ".join(reasons), hint="Choose another engine, or leave the choice to auto.", retry=False)


def _connect(remote: RemoteUrl, task: Task, report: Report) -> Source:
    credentials = Credentials.of(task.params, task.secrets)
    if remote.scheme == "ssh" and remote.user is None:
        remote = replace(remote, user=credentials.username or "git")
    return preflight.connect(remote, credentials, task.rules, report)
