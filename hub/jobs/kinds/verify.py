"""verify: read everything that a project's store holds, and name what is damaged and which files are hit."""

from collections.abc import Mapping
from typing import Any

from hub.core.events import Stage
from hub.core.report import Report
from hub.jobs.base import Accepted, Kind, Rules, Target, Task
from hub.jobs.kinds import stored
from hub.snapshots import environment


def check(params: Mapping[str, Any], target: Target, rules: Rules) -> Accepted:
    return Accepted(params=stored.given("verify", params, {}))


def run(task: Task, report: Report) -> Mapping[str, Any]:
    from hub.snapshots import opening, verification  # noqa: PLC0415 - see the kind `snapshot`

    with stored.explained():
        state = opening.state(task.workspace.home)
        return verification.Verification(stored.store(task, report), state, report).run()


VERIFY = Kind(
    name="verify",
    title="Verify snapshots",
    stages=(
        Stage(name="listing", title="Listing", weight=5),
        Stage(name="checking", title="Reading every object", weight=90),
        Stage(name="tracing", title="Following damage to files", weight=5),
    ),
    check=check,
    run=run,
    environment=environment.SECRETS,
    frees=True,
)
