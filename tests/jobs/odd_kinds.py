"""Kinds that a test needs and nobody else: quick ones that do as they are told, and hostile ones."""

import contextlib
import os
import re
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hub.core.events import Stage
from hub.core.report import Report
from hub.jobs.base import Accepted, Cancelled, JobFailed, Kind, Task
from hub.jobs.standstill import changing

LASTING_S = 40.0
"""Seconds that something lasts which is never meant to end by itself."""


def _check(params, target, rules):
    secrets = {name: value for name, value in params.items() if name == "token"}
    return Accepted(params={name: value for name, value in params.items() if name not in secrets}, secrets=secrets)


def steps(task: Task, report: Report) -> Mapping[str, Any]:
    """`count` steps in each stage, each after `pause_s`; `until` names a file that ends the last stage."""
    params = task.params
    for stage in ("one", "two"):
        report.stage(stage)
        for step in range(params.get("count", 3)):
            time.sleep(params.get("pause_s", 0.0))
            report.progress(step + 1, params.get("count", 3), "steps")
    while "until" in params and not Path(params["until"]).exists():
        report.check()
        time.sleep(0.01)
    return {"places": [[place.target.id, str(place.home)] for place in task.places]}


def ticks(task: Task, report: Report) -> Mapping[str, Any]:
    """Counts without end, in a file and in its reports; with `children`, a grandchild counts in another file, too."""
    report.stage("one")
    home = task.workspace.home
    if task.params.get("children"):
        subprocess.Popen(["/bin/sh", "-c", f"while true; do echo x >> {home}/grandchild; sleep 0.02; done"])
    for tick in range(10**9):
        with (home / "ticks").open("a") as file:
            file.write("x")
        report.progress(tick + 1, 100_000, "ticks")
        time.sleep(0.01)
    return {}


def changer(task: Task, report: Report) -> Mapping[str, Any]:
    """Changes a file in its home all the time: it says `half` within each change, and `whole` for an instant after."""
    report.stage("one")
    file = task.workspace.home / "state"
    for change in range(10**9):
        with changing(task.workspace.work):
            file.write_text("half")
            time.sleep(task.params.get("lasts_s", 0.03))
            file.write_text("whole")
        report.progress(change + 1)
    return {}


def keeper(task: Task, report: Report) -> Mapping[str, Any]:
    """Leaves a file in its work folder, and ends or lasts as `then` says; resumed, it tells what it found."""
    report.stage("one")
    notes = task.workspace.work / "notes"
    found = notes.read_text() if notes.exists() else None
    notes.write_text(f"{found or ''}{task.job}\n")
    report.stage("two")
    report.progress(1, 2)
    then = "succeed" if task.resumed and "again" not in task.params else task.params.get("then", "succeed")
    if then == "fail":
        raise JobFailed(task.params.get("code", "unlucky"), "It did not work.", retry=task.params.get("hopeful", True))
    while then == "last":
        report.check()
        time.sleep(0.01)
    return {"resumed": task.resumed, "found": found}


def silent(task: Task, report: Report) -> Mapping[str, Any]:
    """Two quick reports, and then never a word again."""
    report.stage("one")
    report.progress(10, 100, "things")
    report.progress(20, 100, "things")
    time.sleep(LASTING_S)
    return {}


def same(task: Task, report: Report) -> Mapping[str, Any]:
    """Says the same again and again; only a number in the detail moves, for `moves_s`."""
    report.stage("one")
    began = time.monotonic()
    while True:
        moved = min(time.monotonic() - began, task.params["moves_s"])
        report.progress(10, 100, "things", "Working", {"bytes": int(moved * 100), "name": "x"})
        time.sleep(0.02)


# -- hostile ----------------------------------------------------------------------------------------------------------


def deaf(task: Task, report: Report) -> Mapping[str, Any]:
    report.stage("one")
    while True:
        with contextlib.suppress(Cancelled):
            report.check()
        time.sleep(0.01)


def spin(task: Task, report: Report) -> Mapping[str, Any]:
    """In C, with the interpreter's lock: no other thread of the process gets to do anything."""
    report.stage("one")
    re.match(r"(a+)+$", "a" * 60 + "b")
    return {}


def locker(task: Task, report: Any) -> Mapping[str, Any]:
    report.stage("one")
    with report._lock:
        time.sleep(LASTING_S)
    return {}


def breeder(task: Task, report: Report) -> Mapping[str, Any]:
    """Programs in its group, one that left it and holds its error output, and a twin that holds every file it has."""
    subprocess.Popen(["/bin/sh", "-c", "trap '' TERM INT HUP; while true; do sleep 1; done"])
    left = subprocess.Popen(["sleep", "30"], start_new_session=True)
    twin = os.fork()
    if twin == 0:
        os.setsid()
        time.sleep(LASTING_S)
        os._exit(0)
    (task.workspace.home / "escaped").write_text(f"{left.pid} {twin}")
    report.stage("one")
    return deaf(task, report)


def messy(task: Task, report: Report) -> Mapping[str, Any]:
    """Takes for ever to clean up."""
    report.stage("one")
    try:
        while True:
            report.check()
            time.sleep(0.01)
    finally:
        time.sleep(LASTING_S)


class _Endless(Mapping):
    def __iter__(self):
        time.sleep(LASTING_S)
        return iter(())

    def __getitem__(self, key):
        raise KeyError(key)

    def __len__(self):
        return 1


def writer(task: Task, report: Report) -> Mapping[str, Any]:
    """Never done with its result."""
    report.stage("one")
    return _Endless()


HOSTILE = ("deaf", "spin", "locker", "breeder", "messy", "writer")
PLAN = (Stage(name="one", title="One", weight=1), Stage(name="two", title="Two", weight=3))


def _kind(run, **options) -> Kind:
    return Kind(name=run.__name__, title=run.__name__.title(), stages=PLAN, check=_check, run=run, **options)


KINDS = {
    kind.name: kind
    for kind in (
        _kind(steps, spans=True), _kind(ticks, stall_s=20), _kind(keeper, keeps_work=True), _kind(changer),
        _kind(silent, stall_s=4.0), _kind(same, stall_s=1.5),
        *(_kind(run) for run in (deaf, spin, locker, breeder, messy, writer)),
    )
}  # fmt: skip
