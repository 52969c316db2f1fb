"""prune: remove snapshots by name or by what a policy does not keep, and whatever no other snapshot needs."""

from collections.abc import Mapping
from typing import Any

from hub.core.errors import BadParams
from hub.core.events import Stage
from hub.core.report import Report
from hub.jobs.base import Accepted, Kind, Rules, Target, Task
from hub.jobs.kinds import stored
from hub.snapshots import environment

KEEPS = ("keep_last", "keep_daily", "keep_weekly", "keep_monthly")
PLAIN: Mapping[str, type] = {"snapshots": list, **dict.fromkeys(KEEPS, int), "dry_run": bool}
MOST_SNAPSHOTS = 1000
MOST_KEPT = 10_000


def check(params: Mapping[str, Any], target: Target, rules: Rules) -> Accepted:
    given = stored.given("prune", params, PLAIN)
    ids = given.get("snapshots")
    if ids is not None and not (0 < len(ids) <= MOST_SNAPSHOTS and all(isinstance(id_, str) for id_ in ids)):
        raise BadParams(f"snapshots must be a list of 1 to {MOST_SNAPSHOTS} ids.")
    keeps = [name for name in KEEPS if name in given]
    if ids is not None and keeps:
        raise BadParams("Give snapshots to remove, or say which to keep; not both.")
    for name in keeps:
        if not 0 <= given[name] <= MOST_KEPT:
            raise BadParams(f"{name} must be 0 to {MOST_KEPT}.")
    if keeps and not any(given[name] for name in keeps):
        raise BadParams("That would keep nothing. To remove all snapshots, name them.")
    return Accepted(params=given)


def run(task: Task, report: Report) -> Mapping[str, Any]:
    from hub.snapshots import opening, pruning  # noqa: PLC0415 - see the kind `snapshot`
    from hub.snapshots.retention import Policy  # noqa: PLC0415

    params = task.params
    policy = None
    if any(name in params for name in KEEPS):
        policy = Policy(**{name.removeprefix("keep_"): params.get(name, 0) for name in KEEPS})
    wanted = pruning.Wanted(snapshots=params.get("snapshots", ()), policy=policy, dry_run=params.get("dry_run", False))
    with stored.explained():
        where = stored.location(task)
        state = opening.state(task.workspace.home)
        return pruning.Pruning(wanted, stored.store(task, report), state, report, where.folder).run()


PRUNE = Kind(
    name="prune",
    title="Prune snapshots",
    stages=(
        Stage(name="choosing", title="Choosing", weight=10),
        Stage(name="marking", title="Reading manifests", weight=40),
        Stage(name="sweeping", title="Removing", weight=50),
    ),
    check=check,
    run=run,
    environment=environment.SECRETS,
    frees=True,
)
