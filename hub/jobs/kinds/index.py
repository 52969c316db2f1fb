"""index: make the text and the symbols of a project's files searchable, or bring that up to date."""

import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hub.core.errors import BadParams, UrlRefused
from hub.core.events import Stage
from hub.core.report import Report
from hub.jobs import gate
from hub.jobs.base import Accepted, JobFailed, Kind, Rules, Target, Task
from hub.jobs.git import landing
from hub.jobs.reporter import disk_full

HINTS: Mapping[str, str] = {
    "index_busy": "Wait until the other run has ended, or cancel it.",
    "index_broken": "Run it again with the parameter `force`, which makes the index anew.",
    "index_gone": "Run it again.",
    "source_gone": "Clone the repository again, or look whether the folder is still there.",
    "outside_roots": "Name the folder that it leads to in the setting `roots`, too.",
}


def check(params: Mapping[str, Any], target: Target, rules: Rules) -> Accepted:
    for name, value in params.items():
        if name != "force":
            raise BadParams(f"An index has no parameter {name!r}; it takes force.")
        if value is not None and type(value) is not bool:
            raise BadParams("force must be true or false.")
    if target.path is not None:
        gate.check(target.path, rules)
    return Accepted(params={"force": True} if params.get("force") else {})


def run(task: Task, report: Report) -> Mapping[str, Any]:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy is there, which would start its threads
    # Here and not above: the hub's own process knows every kind, and has no use for numpy and the parsers.
    from hub.index import place  # noqa: PLC0415
    from hub.index.builder import build  # noqa: PLC0415
    from hub.index.errors import IndexGone  # noqa: PLC0415
    from hub.index.pool import NoWorker  # noqa: PLC0415

    home = task.workspace.home
    folder = _folder(task)
    try:
        summary = build(place(home), folder, report, force=task.params.get("force", False))
    except IndexGone as exc:
        raise JobFailed(exc.code, exc.message, hint=HINTS[exc.code], retry=True) from exc
    except NoWorker as exc:
        raise JobFailed(
            "no_worker", f"No process that reads files can be started: {exc}", hint="See the hub's log.", retry=True
        ) from exc
    except sqlite3.Error as exc:
        raise _explained(exc, home) from exc
    files = f"{summary.indexed:,} files"
    report.log(f"Already indexed: {files}" if summary.fresh else f"Indexed {files}, {summary.symbols:,} symbols")
    if summary.left_out:
        report.log(f"{summary.left_out:,} files are left out; the project's index lists them with the reasons")
    return {
        "head": summary.head,
        "files": summary.indexed,
        "left_out": summary.left_out,
        "bytes": summary.bytes,
        "symbols": summary.symbols,
        "parsed": summary.parsed,
        "fresh": summary.fresh,
    }


def _folder(task: Task) -> Path:
    """Where the project's files are. Raises JobFailed, UrlRefused."""
    from hub.index.errors import SourceGone, SourceRefused  # noqa: PLC0415 - see `run`
    from hub.index.roots import check_inside  # noqa: PLC0415
    from hub.index.source import is_repository  # noqa: PLC0415

    if task.target.path is None:
        clone = task.workspace.home / landing.PLACE
        if not clone.exists():
            raise JobFailed("not_cloned", "The project has not been cloned yet.", hint="Run a clone of it first.")
        return clone
    folder = gate.local_path(gate.parse(task.target.path), task.rules)
    if any(Path(own).resolve().is_relative_to(folder) for own in task.rules.closed) and not is_repository(folder):
        raise UrlRefused("The folder holds the hub's own data, which is not to be searched. Name a folder beside it.")
    try:
        check_inside(folder, task.rules.roots)
    except (SourceRefused, SourceGone) as exc:
        raise JobFailed(exc.code, exc.message, hint=HINTS[exc.code]) from exc
    return folder


def _explained(exc: sqlite3.Error, home: Path) -> JobFailed:
    from hub.index.index_file import is_broken  # noqa: PLC0415 - see `run`

    if not home.exists():
        return JobFailed("index_gone", "The project was removed while it was indexed.", retry=True)
    if getattr(exc, "sqlite_errorcode", 0) in _FULL:
        return disk_full("The disk is full, so the job was stopped.")
    if isinstance(exc, sqlite3.DatabaseError) and is_broken(exc):
        return JobFailed("index_broken", "The index file cannot be read.", hint=HINTS["index_broken"])
    return JobFailed("index_failed", f"The index could not be written: {exc}.", retry=True)


_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE}
"""The second is what a used-up quota is to SQLite."""


INDEX = Kind(
    name="index",
    title="Index",
    stages=(
        Stage(name="collecting", title="Collecting files", weight=5),
        Stage(name="parsing", title="Parsing files", weight=75),
        Stage(name="indexing", title="Indexing", weight=15),
        Stage(name="optimizing", title="Optimizing", weight=5),
    ),
    check=check,
    run=run,
)
