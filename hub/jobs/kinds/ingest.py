"""ingest: a shallow clone and an index, as one job."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pygit2

from hub.core.errors import BadParams, HubError
from hub.core.events import Stage
from hub.core.report import Report
from hub.jobs import sources
from hub.jobs.base import Accepted, Cancelled, JobFailed, Kind, Rules, Target, Task
from hub.jobs.git import ENGINES, cloning, landing, leftover
from hub.jobs.git.base import Wanted
from hub.jobs.git.cloning import REPO
from hub.jobs.git.failures import failed
from hub.jobs.git.leftover import Leftover
from hub.jobs.kinds import clone, index

OWN: Mapping[str, type] = {"source": str, "repository": str, "incremental": bool}
OF_CLONE = ("branch", "depth", "engine", "username", *clone.SECRETS)
ASKED = ("branch", "depth", "incremental")
"""Parameters that decide what is cloned."""
INDEXING = "indexing"
"""A file in the work folder: the index has been begun by this run or the one that it goes on with. It holds whether it
was to be made anew, so that nobody does that twice."""
MOST_LANGUAGES = 30


# -- what may be asked ------------------------------------------------------------------------------------------------


def check(params: Mapping[str, Any], target: Target, rules: Rules) -> Accepted:
    """All parameters may be left out: the project says where from."""
    if unknown := sorted(set(params) - set(OWN) - set(OF_CLONE)):
        raise BadParams(f"An ingest has no parameter {unknown[0]!r}; it takes {', '.join((*OWN, *OF_CLONE))}.")
    given = {name: value for name, value in params.items() if value is not None and value != ""}
    for name, wanted in OWN.items():
        if name in given and type(given[name]) is not wanted:
            raise BadParams(f"{name} must be {'true or false' if wanted is bool else 'a text'}.")
    own = {name: given[name] for name in OWN if name in given}
    source = _source(own, target)
    of_clone = {name: value for name, value in given.items() if name not in OWN}
    if target.path is not None:
        if of_clone:
            raise BadParams(
                f"This project is a folder, which is indexed where it is: it takes no {min(of_clone)}. "
                "As a project by its file:// URL it would be cloned."
            )
        index.check({}, target, rules)
        return Accepted(params=own)
    host = sources.HOSTS.get(source or "")
    if "token" in of_clone and host is not None:
        of_clone.setdefault("username", host.user)
    accepted = clone.check(of_clone, target, rules)
    return Accepted(params={**own, **accepted.params}, secrets=accepted.secrets)


def _source(own: Mapping[str, Any], target: Target) -> str | None:
    """Where the project comes from. Raises BadParams when that is not what the parameters say, UrlRefused."""
    source: str | None = own.get("source")
    repository: str | None = own.get("repository")
    if target.url is None and target.path is None:
        raise BadParams("This project comes from nowhere; make one for the repository.", code="no_origin")
    found = sources.LOCAL if target.path is not None else sources.source_of(target.url or "")
    if source is None:
        if repository is not None:
            raise BadParams(f"repository needs its source: one of {', '.join(sources.SOURCES)}.")
        return found
    # Somebody's own host may be any source, and a source is then no more than how tokens are given there.
    named = sources.locate(source, repository) if repository is not None else None
    is_it = named is None or (named.path == target.path and (target.url is None or target.url in named.spellings()))
    if not is_it or found not in {None, source}:
        raise BadParams(
            f"This project is {target.url or target.path}, and not what source and repository say. "
            "Leave them out, or make a project for them.",
            code="other_repository",
        )
    return source


# -- the work ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Whence:
    """What the result tells of where the files came from."""

    path: str
    branch: str | None = None
    engine: str | None = None
    objects: int = 0
    received_bytes: int = 0
    is_update: bool = False


def run(task: Task, report: Report) -> Mapping[str, Any]:
    try:
        report.stage("connect")
        whence = _whence(task, report)
        indexed = {**_index(task, report), **_contents(task)}
    except Cancelled:  # what is left goes with the work folder, or is looked through by the retry
        raise
    except JobFailed as exc:
        _tidy(task, is_worth=exc.failure.retry)
        raise
    except HubError as exc:
        _tidy(task, is_worth=exc.retry)
        raise
    except BaseException:
        _tidy(task, is_worth=True)
        raise
    return {
        **indexed,
        "path": whence.path,
        "branch": whence.branch,
        "updated": whence.is_update,
        "engine": whence.engine,
        "objects": whence.objects,
        "received_bytes": whence.received_bytes,
    }


def _whence(task: Task, report: Report) -> _Whence:
    if task.target.path is not None:
        report.log(f"The files are read where they are, in {task.target.path}")
        return _Whence(path=task.target.path)
    found = _cloned(task, report)
    return _Whence(
        path=str(task.workspace.home / landing.PLACE),
        branch=found.branch,
        engine=found.engine,
        objects=found.objects,
        received_bytes=found.bytes,
        is_update=found.is_update,
    )


def _cloned(task: Task, report: Report) -> Leftover:
    """Have the repository in its place, with what an earlier run has left of that work done already."""
    work, home = task.workspace.work, task.workspace.home
    current = landing.find(home, cloning.origin(task))
    asked = {"url": task.target.url, **{name: task.params.get(name) for name in ASKED}}
    found = Leftover.find(work, home, asked) if task.resumed else None
    if found is None:
        leftover.clear(work)
        found = _fetched(task, current, asked, report)
    else:
        report.log("Going on with what the earlier run has received")
    if not found.has_landed(home):
        report.stage("checkout")
        repo = work / REPO
        if not pygit2.Repository(str(repo)).is_bare:
            leftover.without_files(repo)
            cloning.write_files(ENGINES[found.engine], repo, found.head, task.rules, report)
        landing.land(repo, home)
    return found


def _fetched(task: Task, current: pygit2.Repository | None, asked: Mapping[str, Any], report: Report) -> Leftover:
    if not task.params.get("incremental", True):
        current = None
    wanted = Wanted(
        depth=task.params.get("depth", _depth(task, current)),
        branch=task.params.get("branch"),
        bare=current is not None and current.is_bare,
    )
    brought = cloning.fetch(task, wanted, current, report)
    if brought.fetched.head is None:
        raise failed("empty_repository")
    repo = brought.repo
    if current is not None and cloning.is_current(current, repo):
        report.log("Nothing is new, so the clone stays as it is")
        repo = task.workspace.home / landing.PLACE
    found = Leftover.of(brought, repo, asked)
    found.note(task.workspace.work)
    return found


def _depth(task: Task, current: pygit2.Repository | None) -> int | None:
    """The newest commit is enough for an index; but whoever has cloned all of them here wants them all.

    From a disk all come as fast, and libgit2 can't take a part.
    """
    is_whole = current is not None and not current.is_shallow
    return None if is_whole or cloning.origin(task).scheme == "file" else 1


def _index(task: Task, report: Report) -> Mapping[str, Any]:
    begun = task.workspace.work / INDEXING
    is_anew = not task.params.get("incremental", True)
    is_begun = begun.exists() and begun.read_bytes() == str(is_anew).encode()
    begun.write_text(str(is_anew))
    try:
        return index.run(replace(task, params={"force": True} if is_anew and not is_begun else {}), report)
    except (JobFailed, HubError) as exc:
        code = exc.failure.code if isinstance(exc, JobFailed) else exc.narrow_code
        if code != "index_broken":
            raise
        hint = "Run it again with `incremental` false, which makes everything anew."
        raise JobFailed("index_broken", "The index file cannot be read.", hint=hint) from exc


def _contents(task: Task) -> Mapping[str, Any]:
    """`languages`, each with its files and bytes, largest first; `reasons` why files are left out, and how many."""
    # Here and not above: the hub's own process knows every kind, and has no use for the index's libraries.
    from hub.index import place  # noqa: PLC0415
    from hub.index.requests import Place  # noqa: PLC0415
    from hub.index.state import state  # noqa: PLC0415

    found = state(Place(id=task.target.id, index=str(place(task.workspace.home))), {"limit": 1})
    return {"languages": found["languages"][:MOST_LANGUAGES], "reasons": found["left_out"]["reasons"]}


def _tidy(task: Task, *, is_worth: bool) -> None:
    """Leave in the work folder what a retry can go on with, and nothing else."""
    work = task.workspace.work
    kept: set[str] = set()
    if is_worth and (work / INDEXING).exists():
        kept |= {leftover.NOTE, INDEXING}  # what is called `repo` now is the clone that was replaced
    elif is_worth and (work / leftover.NOTE).exists():
        kept |= {leftover.NOTE, REPO}
    leftover.clear(work, keep=frozenset(kept))


INGEST = Kind(
    name="ingest",
    title="Ingest",
    # 25, 40 and 35 for cloning, parsing and indexing are what other systems' clients know an ingest by.
    stages=(
        Stage(name="connect", title="Connecting", weight=1),
        Stage(name="receiving", title="Receiving objects", weight=15),
        Stage(name="resolving", title="Resolving deltas", weight=4),
        Stage(name="checkout", title="Writing files", weight=4),
        Stage(name="collecting", title="Collecting files", weight=1),
        Stage(name="parsing", title="Parsing files", weight=40),
        Stage(name="indexing", title="Indexing", weight=26),
        Stage(name="optimizing", title="Optimizing", weight=9),
    ),
    check=check,
    run=run,
    keeps_work=True,
    learns=False,
)
