"""The process that a job runs in: `python -m hub.jobs.child`.

It is told one task on standard input and reports on standard output, a JSON object a line each way; the engine on the
other side is `hub.jobs.engine`. Anything may happen in here: a crash, a leak, a hang in a C library, `kill -9`.
"""

import errno
import json
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from hub.core.errors import HubError
from hub.core.redaction import Redactor, mapped, unicode
from hub.jobs import memory
from hub.jobs.base import Cancelled, JobFailed, Place, Rules, Target, Task, Workspace
from hub.jobs.folders import kept_folder
from hub.jobs.kinds import KINDS
from hub.jobs.quota import Quota
from hub.jobs.reporter import Reporter, disk_full

LONGEST_LOG = 2000
LONGEST_FAILURE = 1000
"""Characters of a message or hint."""
LONGEST_PROGRESS = 200
"""Characters of a message or of a text in the detail; sent 20 times a second."""
SHORTEST_IN_RESULT = 8
"""Characters. A shorter secret, such as the word `main`, is left alone in results: masking it there would make names
wrong that say nothing of it."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Also what turns the direction of text around."""

Clean = Callable[[str], str]


def main() -> NoReturn:
    """Say `{"ready": true}`, take a task, run it, say how it ended, exit with 0. Ends with the hub, too."""
    _own_group()
    memory.limit()
    wire = _Wire()
    inbox = _Inbox()
    threading.Thread(target=inbox.read, daemon=True).start()
    wire.send({"ready": True})
    task = inbox.wait()
    wire.keep_secret(task.secrets, user=task.params.get("username") or "")
    reporter = Reporter(
        wire.send,
        is_cancelled=inbox.cancelled.is_set,
        free_bytes=_disk(task),
        min_free_bytes=task.rules.min_free_bytes,
        check_memory=memory.check,
    )
    reporter.keep_fresh()
    last = outcome(task, reporter, wire)
    reporter.close()
    wire.send(last)
    # Not sys.exit: a thread may be left inside a C library, and the interpreter would wait for it.
    os._exit(0)


def outcome(task: Task, reporter: Reporter, wire: "_Wire") -> Mapping[str, Any]:
    """Run the task; the last line to say about it."""
    try:
        task.workspace.work.mkdir(parents=True, exist_ok=True)
        reporter.check()
        return {"result": dict(KINDS[task.kind].run(task, reporter))}
    except Cancelled:
        return {"cancelled": True}
    except JobFailed as exc:
        return _failed(exc)
    except HubError as exc:  # the gate's refusals
        return _failed(JobFailed(exc.narrow_code, exc.message, retry=exc.retry))
    except OSError as exc:
        if exc.errno in {errno.ENOSPC, errno.EDQUOT}:
            return _failed(disk_full("The disk is full."))
        return _crashed(exc, wire)
    except Exception as exc:  # noqa: BLE001 - the edge of the process: whatever it was, the hub hears of it
        return _crashed(exc, wire)


def _failed(exc: JobFailed) -> Mapping[str, Any]:
    failure = exc.failure
    return {"failed": {"code": failure.code, "message": failure.message, "hint": failure.hint, "retry": failure.retry}}


def _crashed(exc: Exception, wire: "_Wire") -> Mapping[str, Any]:
    trace = "".join(traceback.format_exception(exc))
    print(wire.redactor.text(trace), file=sys.stderr, flush=True)  # noqa: T201 - the engine keeps it for its log
    return _failed(
        JobFailed("crashed", f"The job broke: {type(exc).__name__}: {exc}", hint="Please report this.", retry=True)
    )


class _Wire:
    """Standard output for JSON lines alone; what anything else prints goes to standard error.

    What leaves is Unicode, free text in it is without secrets, and only then cut: half a secret is not recognized.
    """

    def __init__(self) -> None:
        self._file = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)
        self.redactor = Redactor()
        self._in_result = Redactor()
        self._lock = threading.Lock()

    def keep_secret(self, secrets: Mapping[str, str], user: str) -> None:
        self.redactor.add(secrets.values(), user=user)
        self._in_result.add([text for text in secrets.values() if len(text) >= SHORTEST_IN_RESULT], user=user)

    def send(self, message: Mapping[str, Any]) -> None:
        clean = presentable(mapped(dict(message), unicode), self.redactor.text, self._in_result.text)
        line = json.dumps(clean, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            view = memoryview(line)
            while view:
                view = view[self._file.write(view) :]


def presentable(message: Mapping[str, Any], clean: Clean, clean_result: Clean) -> Mapping[str, Any]:
    """The message with its free texts cleaned of secrets, and then cut.

    Keys, stages, levels, units, codes and numbers are the hub's own words, and stay.
    """

    def short(text: str, longest: int) -> str:
        text = clean(_CONTROL.sub(" ", text))
        return text if len(text) <= longest else text[: longest - 1] + "…"

    match message:
        case {"log": log}:
            return {"log": {**log, "message": short(log["message"], LONGEST_LOG)}}
        case {"progress": progress}:
            texts = {name: mapped(progress[name], lambda text: short(text, LONGEST_PROGRESS)) for name in _OF_PROGRESS}
            return {"progress": {**progress, **texts}}
        case {"failed": failure}:
            texts = {name: short(failure[name], LONGEST_FAILURE) for name in _OF_FAILURE if failure[name]}
            return {"failed": {**failure, **texts}}
        case {"result": result}:
            return {"result": mapped(result, clean_result)}
    return message


_OF_PROGRESS = ("message", "detail")
_OF_FAILURE = ("message", "hint")


class _Inbox:
    """Standard input: the task, then perhaps `cancel`, and its end, which means that the hub is gone.

    Its end is noticed by a thread of its own, whatever the main thread is at, and ends the whole group. (The kernel's
    own notice, PR_SET_PDEATHSIG, would end this process alone, and git would outlive it.)
    """

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self._arrived = threading.Event()
        self._line = b""

    def read(self) -> None:
        with os.fdopen(os.dup(0), "rb") as lines:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # no program started from here shall read the hub's words
            for line in lines:
                if not self._arrived.is_set():
                    self._line = line
                    self._arrived.set()
                elif line.strip() == b"cancel":
                    self.cancelled.set()
        if not self._arrived.is_set():
            os._exit(0)
        os.killpg(0, signal.SIGKILL)

    def wait(self) -> Task:
        self._arrived.wait()
        return _task(json.loads(self._line))


def _task(wire: Mapping[str, Any]) -> Task:
    rules: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in wire["rules"].items()
    }
    return Task(
        job=wire["job"],
        kind=wire["kind"],
        target=Target(**wire["target"]),
        params=wire["params"],
        secrets=wire["secrets"],
        workspace=Workspace(work=Path(wire["workspace"]["work"]), home=Path(wire["workspace"]["home"])),
        rules=Rules(**rules),
        places=tuple(Place(target=Target(**place["target"]), home=Path(place["home"])) for place in wire["places"]),
        resumed=wire["resumed"],
    )


def _own_group() -> None:
    """Lead a process group: whoever kills it gets this process and all it started."""
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)


def _disk(task: Task) -> Callable[[], int]:
    """Tells what the run's disk has left; raises JobFailed once the project has more of it than it may."""
    home, work, most = task.workspace.home, task.workspace.work, task.rules.max_project_bytes
    if not most or KINDS[task.kind].frees:
        return lambda: _free_bytes(work)
    quota = Quota((home, kept_folder(home), work), most)

    def free_bytes() -> int:
        free = _free_bytes(work)
        quota.check(free)
        return free

    return free_bytes


def _free_bytes(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


if __name__ == "__main__":
    main()
