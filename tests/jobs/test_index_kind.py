"""The kind `index` as the engine runs it: in a child process, told what to do, reporting, cancelled, killed."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from hub.core.errors import BadParams, UrlRefused
from hub.index import place
from hub.jobs.base import Rules, Target
from hub.jobs.kinds.index import INDEX
from tests.index.samples import commit, content, find, indexed, paths
from tests.jobs.child_run import ChildRun
from tests.jobs.conftest import needs, until

URL = Target(id="p", name="p", url="https://example.org/r.git")
PROGRAM = """
import hub.jobs.child as child
from hub.jobs.kinds.index import INDEX
child.KINDS = {**child.KINDS, "index": INDEX}
child.main()
"""
FILES = {f"src/file_{n}.py": f"def function_{n}():\n    return {n}\n".encode() for n in range(30)}


class IndexRun(ChildRun):
    """A child on an index task; `path` makes its project a folder."""

    def __init__(self, base, path: str | None = None, *, before: str = "", **options: Any) -> None:
        """`before` is what the child does first."""
        self._path = path
        command = (sys.executable, "-c", before + PROGRAM)
        super().__init__(base, "https://example.org/r.git", command=command, **options)

    def tell(self, line: str) -> None:
        line = line.replace('"kind": "clone"', '"kind": "index"')
        if self._path is not None:
            line = line.replace(
                '"url": "https://example.org/r.git", "path": null', f'"url": null, "path": "{self._path}"'
            )
        super().tell(line)


@pytest.fixture
def run(tmp_path):
    needs("git")
    started = []

    def start(path=None, **options) -> IndexRun:
        started.append(IndexRun(tmp_path, path, number=len(started), **options))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.mark.parametrize("params", [{"force": 1}, {"force": "yes"}, {"depth": 1}, {"force": []}])
def test_parameters_that_are_none_are_refused(params: Mapping[str, Any]) -> None:
    with pytest.raises(BadParams):
        INDEX.check(params, URL, Rules())


def test_parameters_are_kept_as_they_are_meant() -> None:
    assert INDEX.check({"force": True}, URL, Rules()).params == {"force": True}
    assert INDEX.check({"force": None}, URL, Rules()).params == {}


def test_a_folder_outside_of_the_roots_is_refused_at_once() -> None:
    with pytest.raises(UrlRefused):
        INDEX.check({}, Target(id="p", name="p", path="/etc"), Rules(roots=("/srv",)))


def test_the_hubs_own_process_learns_of_the_kind_without_its_libraries() -> None:
    script = "import sys, hub.jobs.kinds.index; print([m for m in sys.modules if m in ('numpy', 'tree_sitter')])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_clone_is_indexed_and_known_the_next_time(tmp_path, run) -> None:
    commit(tmp_path / "home" / "repo", FILES)
    first = run()
    result = first.result()
    assert (result["files"], result["symbols"], result["left_out"], result["fresh"]) == (30, 30, 0, False)
    assert first.stages == ["collecting", "parsing", "indexing", "optimizing"]
    assert {progress["unit"] for progress in first.progress} <= {"files", ""}
    assert paths(find(place(tmp_path / "home"), "function_7()")) == ["src/file_7.py"]
    again = run()
    assert again.result()["fresh"]
    assert any("Already indexed" in message["log"]["message"] for message in again.messages if "log" in message)


def test_a_folder_within_the_roots_is_indexed(tmp_path, run) -> None:
    folder = tmp_path / "roots" / "folder"
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("needle\n")
    assert run(str(folder), rules={"roots": [str(tmp_path / "roots")]}).result()["files"] == 1


def test_a_folder_that_leads_outside_of_the_roots_is_refused(tmp_path, run) -> None:
    (tmp_path / "roots").mkdir()
    (tmp_path / "roots" / "link").symlink_to("/usr")
    failure = run(str(tmp_path / "roots" / "link"), rules={"roots": [str(tmp_path / "roots")]}).failure()
    assert failure["code"] == "url_refused"


def test_a_project_that_was_never_cloned_is_said(run) -> None:
    failure = run().failure()
    assert (failure["code"], failure["hint"]) == ("not_cloned", "Run a clone of it first.")


def test_a_broken_index_is_said_with_what_to_do_and_force_does_it(tmp_path, run) -> None:
    commit(tmp_path / "home" / "repo", FILES)
    place(tmp_path / "home").write_bytes(b"nothing that SQLite knows" * 99)
    failure = run().failure()
    assert (failure["code"], "force" in failure["message"]) == ("index_broken", True)
    assert run(params={"force": True}).result()["files"] == 30


def test_a_disk_that_is_nearly_full_ends_the_job_before_it_is(tmp_path, run) -> None:
    commit(tmp_path / "home" / "repo", FILES)
    assert run(rules={"min_free_bytes": 2**60}).failure()["code"] == "disk_full"
    assert run().result()["files"] == 30


@pytest.mark.parametrize("force", [False, True])
def test_a_disk_that_is_full_in_the_middle_ends_the_job_and_the_next_one_goes_on(tmp_path, run, force) -> None:
    text = "".join(f"def function_{n}(word_{n}):\n    return '{n**9:x}'\n" for n in range(200))
    files = {f"src/file_{n}.py": text.replace("word", f"w{n**7:x}").encode() for n in range(40)}
    repo = commit(tmp_path / "home" / "repo", files)
    index = place(tmp_path / "home")
    if force:
        run().result()
    small_batches = "import hub.index.builder\nhub.index.builder.BATCH_FILES = 4\n"
    full = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))\n"
    failed = run(before=small_batches + full, params={"force": force})
    failure = failed.failure()
    assert (failure["code"], failure["retry"]) == ("disk_full", True)
    coverage = find(index, "function_7(")["coverage"]
    assert coverage["indexed"] == 40 if force else 0 < coverage["indexed"] < coverage["of"] == 40
    assert 0 < run(params={"force": force}).result()["parsed"] < 40
    indexed(tmp_path / "whole.sqlite3", repo)
    assert content(index) == content(tmp_path / "whole.sqlite3")


@pytest.mark.parametrize("how", ["cancel", "kill"])
def test_a_run_that_is_ended_leaves_no_process_and_is_gone_on_with(tmp_path, run, how) -> None:
    many = {f"f{n}.c": f"int function_{n}(void)\n{{\n\treturn {n};\n}}\n".encode() * 40 for n in range(1500)}
    commit(tmp_path / "home" / "repo", many)
    first = run()
    first.wait_for(stage="parsing")
    if how == "cancel":
        first.cancel()
        assert first.end(10) == {"cancelled": True}
        with contextlib.suppress(ProcessLookupError):
            os.killpg(first.process.pid, signal.SIGKILL)  # as the engine does, for what may be left
    else:
        os.killpg(first.process.pid, signal.SIGKILL)
        first.process.wait(10)
    until(first.group_is_gone)
    assert run().result()["files"] == 1500
    whole = content(place(tmp_path / "home"))
    run(params={"force": True}).result()
    assert content(place(tmp_path / "home")) == whole
