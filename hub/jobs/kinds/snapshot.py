"""snapshot: a folder, or the files of a clone, into the object store; only what is new there is sent."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hub.core.errors import BadParams
from hub.core.events import Stage
from hub.core.report import Report
from hub.jobs import gate
from hub.jobs.base import Accepted, JobFailed, Kind, Rules, Target, Task
from hub.jobs.git import landing
from hub.jobs.kinds import stored
from hub.snapshots import environment

PLAIN: Mapping[str, type] = {"full": bool, "dry_run": bool, "exclude": list, "quiet_s": float, "wait_s": float}
MOST_PATTERNS = 100
LONGEST_WAIT_S = 24 * 3600.0


def check(params: Mapping[str, Any], target: Target, rules: Rules) -> Accepted:
    given = stored.given("snapshot", params, PLAIN)
    for name in ("quiet_s", "wait_s"):
        if not 0 <= given.get(name, 0) <= LONGEST_WAIT_S:
            raise BadParams(f"{name} must be a number of seconds from 0 to {LONGEST_WAIT_S:g}.")
    patterns = given.get("exclude", [])
    if len(patterns) > MOST_PATTERNS or not all(isinstance(one, str) and 0 < len(one) <= 500 for one in patterns):
        raise BadParams(f"exclude must be a list of at most {MOST_PATTERNS} shell patterns.")
    if target.path is not None:
        gate.check(target.path, rules)
    return Accepted(params=given)


def run(task: Task, report: Report) -> Mapping[str, Any]:
    # Here and not above: the hub's own process knows every kind, and has no use for their libraries.
    from hub.snapshots import exclusion, opening, taking  # noqa: PLC0415

    params, home = task.params, task.workspace.home
    folder, source = _source(task)
    with stored.explained():
        store = stored.store(task, report)
        mine = [home.parents[1]]  # the hub's own data is no part of anybody's folder
        if (local := stored.location(task).whole) is not None:
            mine.append(local)  # with the parts of other projects, which may have this one's in theirs
        skipped = exclusion.within(folder.resolve(), [place.resolve() for place in mine])
        if task.target.path is None:
            skipped.append(b".git")
        wanted = taking.Wanted(
            folder=folder,
            project=task.target.id,
            source=source,
            job=task.job,
            quiet_s=params.get("quiet_s", task.rules.snapshot_quiet_s),
            longest_wait_s=params.get("wait_s", task.rules.snapshot_wait_s),
            full=params.get("full", False),
            dry_run=params.get("dry_run", False),
            skip=exclusion.skipping(params.get("exclude", ()), skipped),
        )
        places = taking.Places(work=task.workspace.work, state=opening.state(home))
        return taking.Taking(wanted, store, places, report).run()


def _source(task: Task) -> tuple[Path, str]:
    """The folder, and what to call it. Raises JobFailed, UrlRefused."""
    if task.target.path is not None:
        return gate.local_path(gate.parse(task.target.path), task.rules), task.target.path
    clone = task.workspace.home / landing.PLACE
    if not clone.exists():
        raise JobFailed("not_cloned", "The project has not been cloned yet.", hint="Run a clone of it first.")
    return clone, task.target.url or str(clone)


SNAPSHOT = Kind(
    name="snapshot",
    title="Snapshot",
    # 16, 33, 66 and 83 percent are what other systems' clients know these stages by.
    stages=(
        Stage(name="opening", title="Opening the store", weight=16),
        Stage(name="waiting", title="Waiting for quiet", weight=17),
        Stage(name="browsing", title="Browsing files", weight=33),
        Stage(name="compressing", title="Compressing", weight=17),
        Stage(name="uploading", title="Uploading", weight=12),
        Stage(name="verifying", title="Verifying", weight=5),
    ),
    check=check,
    run=run,
    keeps_work=True,
    stall_s=1200.0,  # twice of what an upload over a slow line may take
    environment=environment.SECRETS,
    learns=False,
)
