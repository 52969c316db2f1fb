"""sync: bring the table of commits up to date with the repositories, and link commits to sessions of work."""

import contextlib
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pygit2

from hub.commits import fleet, session_logs
from hub.commits.database import NAME, Database
from hub.commits.fleet import Found
from hub.commits.git import GitReader
from hub.commits.libgit2 import Libgit2Reader
from hub.commits.links import LinkTable
from hub.commits.located import Located, RepositoryBroken, locate
from hub.commits.sessions import SessionElsewhere, SessionTable
from hub.commits.table import CommitTable
from hub.core.errors import BadParams, BadRequest, UrlRefused
from hub.core.events import Stage
from hub.core.report import Report
from hub.jobs import gate, standstill
from hub.jobs.base import ALL, Accepted, JobFailed, Kind, Place, Rules, Target, Task
from hub.jobs.git import command, landing
from hub.jobs.git.environment import environment

ENGINES = ("auto", "git", "libgit2")
PARAMS = ("projects", "sessions_folder", "scheduled", "engine")
MOST_PROJECTS = 1000
MOST_FAILED = 20
"""Repositories named in the result; the log names all."""


def check(params: Mapping[str, Any], target: Target, rules: Rules) -> Accepted:
    if unknown := sorted(set(params) - set(PARAMS)):
        raise BadParams(f"A sync has no parameter {unknown[0]!r}; it takes {', '.join(PARAMS)}.")
    given = {name: value for name, value in params.items() if value is not None}
    projects = given.get("projects", [])
    if not isinstance(projects, list) or not all(isinstance(id_, str) for id_ in projects):
        raise BadParams("projects must be a list of project ids.")
    if "projects" in given and (target.id != ALL or not projects or len(projects) > MOST_PROJECTS):
        raise BadParams(f"projects, 1 to {MOST_PROJECTS} of them, are for a sync of the project {ALL!r}.")
    if "sessions_folder" in given:
        folder = given["sessions_folder"]
        if not isinstance(folder, str) or not folder.startswith("/"):
            raise BadParams("sessions_folder must be the absolute path of a folder.")
        given["sessions_folder"] = gate.check(folder, rules).path
    if type(given.get("scheduled", False)) is not bool:
        raise BadParams("scheduled must be true or false.")
    if given.get("engine", "auto") not in ENGINES:
        raise BadParams(f"engine must be one of {', '.join(ENGINES)}.")
    return Accepted(params=given)


@dataclass(slots=True)
class Counters:
    """What the run tells, under the names that watchers of its detail know."""

    reposScanned: int = 0  # noqa: N815 - these are the names on the wire
    """Repositories in which there are commits."""
    totalRepos: int = 0  # noqa: N815
    commitsFound: int = 0  # noqa: N815
    """New since the last sync."""
    reposProcessed: int = 0  # noqa: N815
    sessionsCorrelated: int = 0  # noqa: N815
    totalCorrelatableSessions: int = 0  # noqa: N815
    """Sessions of repositories in which there are commits."""
    linksCreated: int = 0  # noqa: N815

    def wire(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def run(task: Task, report: Report) -> Mapping[str, Any]:
    pygit2.settings.owner_validation = False  # the operator has opened these folders, whoever owns them
    report.stage("scanning")
    counters = Counters()
    report.progress(0, None, "repositories", "Looking for repositories", counters.wire())
    around = functools.partial(standstill.changing, task.workspace.work)
    with Database(task.workspace.home.parents[1] / NAME, around=around) as database:
        found, broken = _located(task, report)
        counters.totalRepos = len(found) + len(broken)
        counters.reposProcessed = len(broken)
        _scan_all(found, task, database, report, counters)
        for one in found:
            if one.is_forgotten:
                report.log(f"{one.name} was deleted meanwhile")
            elif one.error is not None:
                _tell_broken(one.name, one.error, broken, report)
            elif one.counted.missing_heads:
                report.log(
                    f"{one.name}: {one.counted.missing_heads} branches name commits that are not there", "warning"
                )
        if broken and not any(one.error is None for one in found):
            raise JobFailed("repository_broken", f"{broken[0]['project']}: {broken[0]['message']}", retry=True)
        report.stage("correlating")
        report.progress(0, None, "sessions", "Reading sessions", counters.wire())
        logs = _read_logs(task, database, report, counters)
        SessionTable(database).place(_sight(task))
        scanned = [one for one in found if one.error is None]
        _link_all([one.known.id for one in scanned if one.known and one.has_commits], database, report, counters)
        CommitTable(database).mark_synced([one.known.id for one in scanned if one.known], int(time.time() * 1000))
    report.log(f"{counters.commitsFound:,} new commits, {counters.linksCreated:,} new links")
    return {**counters.wire(), "failedRepos": len(broken), "failed": broken[:MOST_FAILED], **logs}


def _sight(task: Task) -> Callable[[Path], bool]:
    """What may be looked at: the clones, and what the operator has opened."""
    # A root whose path is a symlink opens what it leads to.
    roots = [Path(root).resolve() for root in task.rules.roots]
    roots += [place.home.resolve() for place in task.places]
    return lambda path: any(path.is_relative_to(root) for root in roots)


def _located(task: Task, report: Report) -> tuple[list[Found], list[dict[str, str]]]:
    """Each repository once, and those that are there but broken."""
    wanted = task.params.get("projects")
    is_open = _sight(task)
    found: dict[Path, Found] = {}
    broken: list[dict[str, str]] = []
    for place in task.places:
        report.check()
        if wanted is not None and place.target.id not in wanted:
            continue
        try:
            located = _at(place, is_open)
        except (RepositoryBroken, UrlRefused) as exc:
            _tell_broken(place.target.id, exc.message, broken, report)
            continue
        if located is not None:
            one = found.setdefault(located.folder, Found(located=located, name=place.target.id, projects=[]))
            one.projects.append(place.target.id)
    if not found and not broken and task.target.id != ALL:
        raise JobFailed("no_repository", "This project has no repository to look at.", hint=_missing(task))
    if wanted is not None and (absent := set(wanted) - {place.target.id for place in task.places}):
        report.log(f"There is no project {', '.join(sorted(absent))}", "warning")
    return list(found.values()), broken


def _missing(task: Task) -> str:
    """What to do about a project of which there is no repository."""
    if task.target.url is not None:
        return "Clone it first."
    if task.target.path is not None:
        return "Check the project's path."
    return "It holds nothing but what other programs publish; sync a project that has a URL or a folder."


def _at(place: Place, is_open: Callable[[Path], bool]) -> Located | None:
    if place.target.url is not None:
        return locate(place.home / landing.PLACE, lambda path: path.is_relative_to(place.home.resolve()))
    if place.target.path is None:
        return None
    path = Path(place.target.path)
    if not path.is_dir():
        raise RepositoryBroken(f"There is no folder {path}.")
    if not is_open(path.resolve()):
        raise RepositoryBroken("Its folder is not inside the setting `roots` any more.")
    return locate(path, is_open)


def _tell_broken(name: str, message: str, broken: list[dict[str, str]], report: Report) -> None:
    broken.append({"project": name, "message": message[:500]})
    report.log(f"{name} was left out: {message}", "error")


def _scan_all(found: Sequence[Found], task: Task, database: Database, report: Report, counters: Counters) -> None:
    before = counters.reposProcessed
    work = task.workspace.work
    with environment(None, work) as env:
        scans = fleet.scan_all(found, CommitTable(database), _reading(task.params.get("engine", "auto"), env, work))
        with contextlib.closing(scans):
            for _ in scans:
                counters.reposProcessed = before + sum(one.is_done for one in found)
                counters.reposScanned = sum(one.has_commits for one in found)
                counters.commitsFound = sum(one.counted.stored for one in found)
                _tell_scan(found, report, counters)


def _reading(engine: str, env: Mapping[str, str], scratch: Path) -> fleet.OpenReader:
    if engine == "git" and command.version() is None:
        raise JobFailed("protocol", "git is not installed on the hub's machine.", hint="Leave the engine to auto.")
    if engine == "libgit2" or command.version() is None:
        return lambda folder, shallow: Libgit2Reader(folder, shallow=shallow)
    return lambda folder, shallow: GitReader(folder, env, shallow=shallow, scratch=scratch)


def _tell_scan(found: Sequence[Found], report: Report, counters: Counters) -> None:
    if len(found) == 1:
        counted = found[0].counted
        total = counted.listed if counted.is_listed else None
        report.progress(counted.stored, total, "commits", f"Scanning {found[0].name}", counters.wire())
    else:
        # The commits are in the message so that a long history shows, and is not taken for a stall.
        message = f"Scanning repositories, {counters.commitsFound:,} commits"
        report.progress(counters.reposProcessed, counters.totalRepos, "repositories", message, counters.wire())


def _read_logs(task: Task, database: Database, report: Report, counters: Counters) -> dict[str, int]:
    """Take in the sessions of the folder, if one was given; how many, and how many lines say nothing."""
    wanted = task.params.get("sessions_folder")
    if wanted is None:
        return {}
    folder = gate.local_path(gate.check(wanted, task.rules), task.rules)
    if not folder.is_dir():
        raise JobFailed("no_such_folder", f"There is no folder {wanted}.", hint="Check `sessions_folder`.")
    files, sessions = session_logs.FileTable(database), SessionTable(database)
    seen = taken = broken = 0
    for file in session_logs.log_files(folder, lambda words: report.log(words, "warning")):
        seen += 1
        report.progress(0, None, "sessions", f"Reading session logs, {seen:,} seen", counters.wire())
        known = files.broken_lines(file)
        if known is not None:
            broken += known
            continue
        try:
            with session_logs.opened(file) as log:
                read = session_logs.read(log, report.check)
        except OSError as exc:
            report.log(f"{file.path.name} was left out: {exc}", "warning")
            continue
        id_ = files.session_id(file, folder)
        session = read.session(id_)
        try:
            if session is not None:
                sessions.tell([session])
                taken += 1
        except (SessionElsewhere, BadRequest) as exc:  # as the file is, it will be so the next time
            report.log(f"{file.path.name} was left out: {exc}", "warning")
        broken += read.broken
        files.keep(file, read.broken, id_)
    if broken:
        report.log(f"{broken:,} lines of the session logs could not be read", "warning")
    return {"sessionFiles": seen, "sessionsRead": taken, "brokenLines": broken}


def _link_all(repositories: Sequence[int], database: Database, report: Report, counters: Counters) -> None:
    links = LinkTable(database)
    counters.totalCorrelatableSessions = sum(links.count_sessions(id_) for id_ in repositories)

    def tell() -> None:
        done, total = counters.sessionsCorrelated, counters.totalCorrelatableSessions
        report.progress(done, total, "sessions", "Linking commits", counters.wire())

    tell()
    for repository in repositories:
        for part in links.link(repository, report.check):
            counters.sessionsCorrelated += part.sessions
            # More may have been told meanwhile.
            counters.totalCorrelatableSessions = max(counters.totalCorrelatableSessions, counters.sessionsCorrelated)
            counters.linksCreated += part.created
            tell()


SYNC = Kind(
    name="sync",
    title="Sync",
    stages=(
        Stage(name="scanning", title="Scanning repositories", weight=80),
        Stage(name="correlating", title="Linking sessions", weight=20),
    ),
    check=check,
    run=run,
    spans=True,
)
