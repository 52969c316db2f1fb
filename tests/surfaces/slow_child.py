"""A job's process whose kinds last until their project's home has a file `go`: a sync counts, the others go silent."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import hub.jobs.child
from hub.core.report import Report
from hub.jobs.base import Task
from hub.jobs.kinds import KINDS
from hub.surfaces.sync import CORRELATING, SCANNING

TICK_S = 0.01


def silent(task: Task, report: Report) -> Mapping[str, Any]:
    report.stage("parsing")
    report.progress(1, 10, "files", "Parsing file 1/10")
    _wait(task, report)
    return {"files": 10, "symbols": 0}


def counting(task: Task, report: Report) -> Mapping[str, Any]:
    report.stage("scanning")
    counters = dict.fromkeys((*SCANNING, *CORRELATING), 0) | {"totalRepos": 1}
    while not (task.workspace.home / "go").exists():
        report.check()
        counters["commitsFound"] += 1
        report.progress(counters["commitsFound"], None, "commits", "", dict(counters))
        time.sleep(TICK_S)
    return counters


def _wait(task: Task, report: Report) -> None:
    while not (task.workspace.home / "go").exists():
        report.check()
        time.sleep(TICK_S)


if __name__ == "__main__":
    runs = {"sync": counting, "index": silent, "ingest": silent}
    hub.jobs.child.KINDS = {name: replace(kind, run=runs.get(name, kind.run)) for name, kind in KINDS.items()}
    hub.jobs.child.main()
