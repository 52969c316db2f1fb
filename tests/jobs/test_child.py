"""The shell around a run: what a crash, a stray print and odd exceptions look like from outside."""

import errno
import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from hub.core.errors import UrlRefused
from hub.core.redaction import Redactor
from hub.jobs import child as shell
from hub.jobs.base import Cancelled, JobFailed, Kind, Place, Rules, Target, Task, Workspace
from hub.jobs.reporter import Reporter


class Wire:
    redactor = Redactor()


@pytest.fixture
def outcome(tmp_path, monkeypatch) -> Callable:
    def run(work):
        kind = Kind(name="odd", title="Odd", stages=(), check=lambda *_: None, run=work)
        monkeypatch.setattr(shell, "KINDS", {"odd": kind})
        target = Target(id="p", name="p")
        task = Task(
            job="j", kind="odd", target=target, params={}, secrets={},
            workspace=Workspace(work=tmp_path / "work", home=tmp_path), rules=Rules(),
            places=(Place(target=target, home=tmp_path),),
        )  # fmt: skip
        return shell.outcome(task, Reporter(lambda message: None), Wire())

    return run


def raising(exc: BaseException) -> Callable:
    def run(task, report):
        raise exc

    return run


@pytest.mark.parametrize(
    ("exc", "code"),
    [
        (JobFailed("refused", "No."), "refused"),
        (UrlRefused("Not there."), "url_refused"),
        (UrlRefused("Not so.", code="credentials_in_url"), "credentials_in_url"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk_full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "disk_full"),
        (PermissionError(errno.EACCES, "Permission denied"), "crashed"),
        (ValueError("a bug"), "crashed"),
        (MemoryError(), "crashed"),
    ],
)
def test_every_exception_has_a_code(outcome, exc, code, capsys):
    assert outcome(raising(exc))["failed"]["code"] == code
    assert ("Traceback" in capsys.readouterr().err) is (code == "crashed")


def test_cancelled_is_an_end_of_its_own(outcome):
    assert outcome(raising(Cancelled())) == {"cancelled": True}


def test_a_result_is_passed_on(outcome):
    assert outcome(lambda task, report: {"head": None}) == {"result": {"head": None}}


def test_the_work_folder_is_there(outcome, tmp_path):
    assert outcome(lambda task, report: {"is": task.workspace.work.is_dir()}) == {"result": {"is": True}}


def test_a_crash_shows_no_secret(outcome, capsys, monkeypatch):
    redactor = Redactor()
    redactor.add(["hunter2-hunter2"])
    monkeypatch.setattr(Wire, "redactor", redactor)
    outcome(raising(ValueError("it was hunter2-hunter2")))
    assert "hunter2" not in capsys.readouterr().err


def test_all_text_that_leaves_is_unicode():
    sent = {"log": {"level": "info", "message": "caf\udce9"}}, {"result": {"branch": "\ud800", "list": ["\udce9"]}}
    line = "import sys; from hub.jobs.child import _Wire; wire = _Wire()\nfor one in eval(sys.argv[1]): wire.send(one)"
    done = subprocess.run([sys.executable, "-c", line, ascii(sent)], capture_output=True, check=True)
    assert [json.loads(said) for said in done.stdout.splitlines()] == [
        {"log": {"level": "info", "message": "caf\\udce9"}}, {"result": {"branch": "\\ud800", "list": ["\\udce9"]}},
    ]  # fmt: skip


def test_long_texts_are_cut_and_control_characters_taken_out():
    def shown(message):
        return shell.presentable(message, str, str)

    assert shown({"log": {"level": "info", "message": "a\x00b\u202e" + "x" * 9000}}) == {
        "log": {"level": "info", "message": "a b " + "x" * (shell.LONGEST_LOG - 5) + "…"}
    }
    progress = {
        "current": 1,
        "total": None,
        "unit": "objects",
        "message": "y" * 9000,
        "detail": {"a": 1, "b": "z" * 999},
    }
    said = shown({"progress": progress})["progress"]
    assert (len(said["message"]), len(said["detail"]["b"]), said["detail"]["a"]) == (200, 200, 1)
    failure = {"code": "c" * 2000, "message": "m" * 2000, "hint": None, "retry": True}
    said = shown({"failed": failure})["failed"]
    assert (len(said["code"]), len(said["message"]), said["hint"]) == (2000, shell.LONGEST_FAILURE, None)


def test_a_task_that_makes_no_sense_breaks_the_process(child):
    run = child("https://example.org/a.git", rules={"unknown_rule": 1})
    with pytest.raises(AssertionError):
        run.end()  # the process breaks: nobody may be told an end that is not one
    assert "unknown_rule" in run.stderr
    assert isinstance(run.messages[0], dict)
