"""restore: a snapshot back into a folder."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hub.core.errors import BadParams, UrlRefused
from hub.core.events import Stage
from hub.core.report import Report
from hub.jobs import gate
from hub.jobs.base import Accepted, Kind, Rules, Target, Task
from hub.jobs.kinds import stored
from hub.snapshots import environment

PLAIN: Mapping[str, type] = {"snapshot": str, "to": str, "path": str, "overwrite": bool}


def check(params: Mapping[str, Any], target: Target, rules: Rules) -> Accepted:
    given = stored.given("restore", params, PLAIN)
    for name in ("snapshot", "to"):
        if name not in given:
            raise BadParams(f"{name} is missing: a restore needs a snapshot and the folder it goes to.")
    if not given["to"].startswith("/"):
        raise BadParams("to must be the absolute path of a folder.")
    given["to"] = gate.check(given["to"], rules).path
    return Accepted(params=given)


def run(task: Task, report: Report) -> Mapping[str, Any]:
    from hub.snapshots import restoring  # noqa: PLC0415 - see the kind `snapshot`

    to = _destination(task)
    with stored.explained():
        wanted = restoring.Wanted(
            snapshot=task.params["snapshot"],
            to=to,
            prefix=os.fsencode(task.params.get("path", "").strip("/")),
            overwrite=task.params.get("overwrite", False),
        )
        return restoring.Restoring(wanted, stored.store(task, report), report).run()


def _destination(task: Task) -> Path:
    to = gate.local_path(gate.parse(task.params["to"]), task.rules)
    own = [task.workspace.home.parents[1].resolve(), *(Path(each).resolve() for each in task.rules.closed)]
    if any(to.is_relative_to(each) or each.is_relative_to(to) for each in own):
        raise UrlRefused("A snapshot cannot be restored into, or over, the hub's own data folder or store.")
    return to


RESTORE = Kind(
    name="restore",
    title="Restore",
    stages=(
        Stage(name="reading", title="Reading the manifest", weight=3),
        Stage(name="writing", title="Writing files", weight=90),
        Stage(name="finishing", title="Setting links and times", weight=7),
    ),
    check=check,
    run=run,
    environment=environment.SECRETS,
    frees=True,
)
