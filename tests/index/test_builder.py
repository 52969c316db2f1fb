"""An index is what the project's files say, whatever had happened before."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pygit2
import pytest

from hub.index import builder, guards, pool, segments
from hub.index.errors import IndexBroken, IndexBusy, IndexGone, SourceGone, SourceTooLarge
from hub.index.index_file import reading
from hub.index.store import Store
from tests.index.samples import Watching, commit, content, find, git, indexed, left_out, paths

STEPS = {f"src/file_{n}.py": f"def function_{n}(argument):\n    return {n}\n".encode() for n in range(40)}
MIXED = {**STEPS, "README.md": b"# Words\nfunction_7 is told of here\n", "Makefile": b"all:\n\techo function_3\n"}


@pytest.fixture
def repo(tmp_path):
    return commit(tmp_path / "repo", MIXED)


@pytest.fixture
def index(tmp_path):
    return tmp_path / "home" / "index.sqlite3"


def test_an_index_goes_through_its_stages_and_counts(repo, index):
    watch = Watching()
    summary = indexed(index, repo, watch)
    assert watch.stages == ["collecting", "parsing", "indexing", "optimizing"]
    assert (summary.files, summary.indexed, summary.left_out, summary.symbols) == (42, 42, 0, 40)
    assert summary.bytes == sum(len(text) for text in MIXED.values())
    assert ("parsing", 42, 42) in watch.reports
    assert summary.head == git(repo, "rev-parse", "HEAD").decode().strip()


def test_nothing_is_left_beside_the_index_and_nobody_holds_it(repo, index):
    indexed(index, repo)
    assert sorted(path.name for path in index.parent.iterdir()) == ["index.sqlite3", "index.sqlite3.lock"]
    held = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    assert not [name for name in held if "index.sqlite3" in name]


def test_the_log_is_empty_after_closing_also_while_somebody_reads(repo, index):
    indexed(index, repo)
    reader = sqlite3.connect(index)
    reader.execute("SELECT count(*) FROM files").fetchone()
    commit(repo, {"new.py": b"x = 1\n"})
    indexed(index, repo)
    log = index.with_name("index.sqlite3-wal")
    assert not log.exists() or log.stat().st_size == 0
    reader.close()


def test_an_unchanged_project_is_known_at_once(repo, index):
    indexed(index, repo)
    before = content(index)
    watch = Watching()
    summary = indexed(index, repo, watch)
    assert summary.fresh
    assert summary.parsed == 0
    assert (summary.indexed, summary.symbols) == (42, 40)
    assert content(index) == before
    commit(repo, {}, "nothing but a message")
    assert indexed(index, repo).fresh
    assert content(index)["head"] == git(repo, "rev-parse", "HEAD").decode().strip()


def test_only_what_changed_is_parsed_again(repo, index, tmp_path):
    indexed(index, repo)
    commit(repo, {"src/file_3.py": b"def another():\n    pass\n", "src/file_4.py": None, "copy.md": MIXED["README.md"]})
    summary = indexed(index, repo)
    assert summary.parsed == 1
    assert paths(find(index, "def function_3(")) == []
    assert paths(find(index, "another")) == ["src/file_3.py"]
    assert sorted(paths(find(index, "function_7 is told"))) == ["README.md", "copy.md"]
    assert paths(find(index, "file_4", kind="path")) == []
    indexed(tmp_path / "anew.sqlite3", repo)
    assert content(index) == content(tmp_path / "anew.sqlite3")


def test_a_moved_file_is_not_parsed_again(repo, index):
    indexed(index, repo)
    commit(repo, {"src/file_9.py": None, "moved/file.py": MIXED["src/file_9.py"]})
    assert indexed(index, repo).parsed == 0
    assert paths(find(index, "function_9(")) == ["moved/file.py"]


def test_force_makes_everything_anew(repo, index):
    indexed(index, repo)
    before = content(index)
    summary = indexed(index, repo, force=True)
    assert (summary.fresh, summary.parsed) == (False, 42)
    assert content(index) == before


class Searching(Watching):
    """Searches at every report, and once within the first."""

    def __init__(self, index, q):
        super().__init__()
        self._ask = lambda: find(index, q)
        self.answers = []

    def progress(self, current, total=None, unit="", message="", detail=None):
        super().progress(current, total, unit, message, detail)
        self.answers.append(self._ask())


@pytest.mark.parametrize("why", ["force", "version"])
def test_what_is_made_anew_is_searched_as_it_was_until_it_is_there(why, repo, index):
    indexed(index, repo)
    before = content(index)
    answer = find(index, "function_")
    if why == "version":
        make_older(index)
    inode = index.stat().st_ino
    watch = Searching(index, "function_")
    assert indexed(index, repo, watch, force=why == "force").parsed == 42
    assert len(watch.answers) > 5
    assert all(one == answer for one in watch.answers)
    assert content(index) == before
    assert index.stat().st_ino == inode
    assert sorted(path.name for path in index.parent.iterdir()) == ["index.sqlite3", "index.sqlite3.lock"]
    commit(repo, {"one.more": b"function_7000\n"})
    indexed(index, repo)
    assert paths(find(index, "function_7000")) == ["one.more"]


def make_older(index):
    with sqlite3.connect(index) as database:
        database.execute("UPDATE meta SET value = 'older' WHERE key = 'analysis'")
    database.close()


def test_a_reader_of_the_old_index_goes_on_while_it_is_replaced(repo, index):
    indexed(index, repo)
    with reading(index) as database:
        before = database.execute("SELECT path FROM files ORDER BY path").fetchall()
        commit(repo, dict.fromkeys(MIXED))
        assert indexed(index, repo, force=True).files == 0
        assert database.execute("SELECT path FROM files ORDER BY path").fetchall() == before
    assert find(index, "function_")["items"] == []


@pytest.mark.parametrize("stage", ["parsing", "optimizing"])
def test_a_forced_run_that_was_stopped_leaves_the_old_index_and_is_gone_on_with(repo, index, stage, monkeypatch):
    monkeypatch.setattr(builder, "BATCH_FILES", 5)
    indexed(index, repo)
    before = content(index)

    class Stopping(Watching):
        def progress(self, current, total=None, unit="", message="", detail=None):
            super().progress(current, total, unit, message, detail)
            if self.stages[-1] == stage and (stage == "optimizing" or (detail or {}).get("bytes")):
                raise Stopped

    with pytest.raises(Stopped):
        indexed(index, repo, Stopping(), force=True)
    assert content(index) == before
    assert indexed(index, repo, force=True).parsed < 42
    assert content(index) == before
    with pytest.raises(Stopped):
        indexed(index, repo, Stopping(), force=True)
    assert indexed(index, repo).fresh
    assert not index.with_name("index.sqlite3.new").exists()


def test_another_version_of_the_analysis_looks_at_everything_again(repo, index):
    indexed(index, repo)
    make_older(index)
    assert indexed(index, repo).parsed == 42


def test_many_small_runs_leave_few_segments(tmp_path, index, monkeypatch):
    monkeypatch.setattr(segments, "_FEW", 2)
    repo = commit(tmp_path / "repo", MIXED)
    indexed(index, repo)
    for n in range(12):
        commit(repo, {f"src/file_{n}.py": f"def changed_{n}():\n    pass\n".encode()})
        indexed(index, repo)
    with sqlite3.connect(index) as database:
        assert len(segments.all_of(database)) <= 4
    database.close()
    for n in range(12):
        assert paths(find(index, f"changed_{n}()")) == [f"src/file_{n}.py"]
    indexed(tmp_path / "anew.sqlite3", repo)
    assert content(index) == content(tmp_path / "anew.sqlite3")


def test_a_repository_without_commits_is_an_empty_index(tmp_path, index):
    pygit2.init_repository(str(tmp_path / "empty"), bare=True)
    summary = indexed(index, tmp_path / "empty")
    assert (summary.files, summary.head) == (0, None)
    assert find(index, "anything")["items"] == []
    assert indexed(index, tmp_path / "empty").fresh


def test_a_project_that_lost_all_its_files_is_an_empty_index(repo, index):
    indexed(index, repo)
    commit(repo, dict.fromkeys(MIXED))
    assert indexed(index, repo).files == 0
    assert find(index, "function")["items"] == []


def test_no_repository_is_said(tmp_path, index):
    with pytest.raises(SourceGone):
        indexed(index, tmp_path / "nowhere")
    broken = commit(tmp_path / "broken", MIXED)
    tree = git(broken, "rev-parse", "HEAD^{tree}").decode().strip()
    (broken / "objects" / tree[:2] / tree[2:]).unlink()
    with pytest.raises(SourceGone):
        indexed(index, broken)


def test_a_missing_object_leaves_out_its_file_alone_and_is_tried_again(tmp_path, index):
    repo = commit(tmp_path / "repo", MIXED)
    oid = git(repo, "rev-parse", "HEAD:README.md").decode().strip()
    lost = repo / "objects" / oid[:2] / oid[2:]
    lost.rename(tmp_path / "lost")
    assert indexed(index, repo).indexed == 41
    assert left_out(index)["README.md"][0] == "unreadable"
    assert not indexed(index, repo).fresh
    (tmp_path / "lost").rename(lost)
    assert indexed(index, repo).parsed == 1
    assert left_out(index) == {}
    assert indexed(index, repo).fresh


def test_a_second_writer_is_told_and_changes_nothing(repo, index):
    with Store.open(index), pytest.raises(IndexBusy, match="Another process"):
        indexed(index, repo)
    assert indexed(index, repo).indexed == 42


def test_what_is_no_index_is_said_and_force_replaces_it(repo, index):
    index.parent.mkdir()
    index.write_bytes(b"something else entirely, and long enough to be a header" * 100)
    with pytest.raises(IndexBroken):
        indexed(index, repo)
    assert indexed(index, repo, force=True).indexed == 42


def test_an_index_that_is_removed_meanwhile_is_said(repo, index):
    class Removing(Watching):
        def progress(self, current, total=None, unit="", message="", detail=None):
            super().progress(current, total, unit, message, detail)
            if self.stages[-1] == "parsing":
                index.unlink(missing_ok=True)

    with pytest.raises(IndexGone):
        indexed(index, repo, Removing())


def test_a_repository_that_is_removed_meanwhile_ends_the_run(tmp_path, index):
    repo = commit(tmp_path / "repo", MIXED)

    class Removing(Watching):
        def stage(self, name):
            super().stage(name)
            if name == "parsing":
                repo.rename(tmp_path / "elsewhere")

    with pytest.raises(pool.NoWorker, match="cannot be read"):
        indexed(index, repo, Removing())
    (tmp_path / "elsewhere").rename(repo)
    assert indexed(index, repo).indexed == 42


def test_a_full_disk_stops_the_run_and_the_next_one_goes_on(repo, index, tmp_path, monkeypatch):
    monkeypatch.setattr(builder, "BATCH_FILES", 5)

    class Filling(Watching):
        def __init__(self, store_of):
            super().__init__()
            self._store_of = store_of

        def progress(self, current, total=None, unit="", message="", detail=None):
            super().progress(current, total, unit, message, detail)
            if self.stages[-1] == "parsing" and (detail or {}).get("bytes"):
                database = self._store_of[0].database
                pages = database.execute("PRAGMA page_count").fetchone()[0]
                database.execute(f"PRAGMA max_page_count = {pages}")

    stores = []
    monkeypatch.setattr(builder.Store, "__enter__", lambda store: stores.append(store) or store)
    with pytest.raises(sqlite3.OperationalError, match="full"):
        indexed(index, repo, Filling(stores))
    partly = find(index, "function_")
    assert 0 < partly["coverage"]["indexed"] < partly["coverage"]["of"] == 42
    summary = indexed(index, repo)
    assert 0 < summary.parsed < 42
    indexed(tmp_path / "whole.sqlite3", repo)
    assert content(index) == content(tmp_path / "whole.sqlite3")


class Stopped(Exception):
    pass


def test_a_run_that_is_stopped_has_kept_its_batches_and_left_no_process(repo, index, monkeypatch):
    monkeypatch.setattr(builder, "BATCH_FILES", 5)

    class Stopping(Watching):
        def progress(self, current, total=None, unit="", message="", detail=None):
            super().progress(current, total, unit, message, detail)
            if self.stages[-1] == "parsing" and (detail or {}).get("bytes"):
                raise Stopped

    before = set(children())
    with pytest.raises(Stopped):
        indexed(index, repo, Stopping(), workers=2)
    assert set(children()) <= before
    assert 0 < indexed(index, repo).parsed <= 37


def children():
    tasks = Path("/proc/self/task").iterdir()
    return [pid for task in tasks for pid in (task / "children").read_text().split()]


def test_the_workers_of_a_killed_run_end_too(repo, index, until_gone):
    command = [sys.executable, "-m", "tests.index.killed_build", "parsing", "3", repo, index]
    subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, timeout=50)
    until_gone(f"hub.index.worker {os.fsencode(repo).hex()}")


@pytest.fixture
def until_gone():
    def wait(text, limit_s=10.0):
        deadline = time.monotonic() + limit_s
        while any(text in line for line in command_lines()):
            assert time.monotonic() < deadline, "a process is still there"
            time.sleep(0.05)

    return wait


def command_lines():
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue


# -- what files do to their readers ----------------------------------------------------------------------------------


@pytest.fixture
def bad_worker(monkeypatch):
    monkeypatch.setattr(pool, "WORKER", "tests.index.bad_worker")
    monkeypatch.setattr(pool, "HANG_S", 1.0)


def test_a_crash_of_a_parser_costs_the_symbols_of_one_file(tmp_path, index, bad_worker):
    repo = commit(tmp_path / "repo", {**MIXED, "src/bad.py": b"def good():\n    'CRASH'\n"})
    watch = Watching()
    summary = indexed(index, repo, watch)
    assert (summary.indexed, summary.symbols) == (43, 40)
    assert left_out(index) == {"src/bad.py": ("parser_crashed", None)}
    assert [line for line in watch.logs if "src/bad.py" in line and "crashed" in line]
    assert paths(find(index, "'CRASH'")) == ["src/bad.py"]


def test_a_parser_that_hangs_is_taken_the_file(tmp_path, index, bad_worker):
    repo = commit(tmp_path / "repo", {**MIXED, "src/bad.py": b"def good():\n    'HANG'\n"})
    assert indexed(index, repo, workers=2).indexed == 43
    assert left_out(index) == {"src/bad.py": ("parser_crashed", None)}


def test_a_file_that_nothing_survives_is_left_out_alone(tmp_path, index, bad_worker):
    repo = commit(tmp_path / "repo", {**MIXED, "src/bad.py": b"def good():\n    'DEAD'\n"})
    assert indexed(index, repo).indexed == 42
    assert left_out(index) == {"src/bad.py": ("crashing", None)}


def test_a_language_whose_parser_always_crashes_is_given_up(tmp_path, index, bad_worker, monkeypatch):
    monkeypatch.setattr(pool, "_MOST_CRASHES", 3)
    files = {f"bad_{n}.py": b"# CRASH %d\n" % n for n in range(12)}
    watch = Watching()
    summary = indexed(index, commit(tmp_path / "repo", {**files, "good.c": b"int main(void) { return 0; }\n"}), watch)
    assert (summary.indexed, summary.symbols) == (13, 1)


def test_too_many_files_are_refused(repo, index, monkeypatch):
    monkeypatch.setattr(guards, "MOST_FILES", 10)
    with pytest.raises(SourceTooLarge):
        indexed(index, repo)


def test_a_bomb_of_trees_is_refused_in_time(tmp_path, index, monkeypatch):
    monkeypatch.setattr(guards, "MOST_FILES", 50_000)
    repo = pygit2.init_repository(str(tmp_path / "bomb"), bare=True)
    below, mode = repo.create_blob(b"boom"), pygit2.enums.FileMode.BLOB
    for _ in range(10):
        tree = repo.TreeBuilder()
        for n in range(10):
            tree.insert(f"d{n}", below, mode)
        below, mode = tree.write(), pygit2.enums.FileMode.TREE
    who = pygit2.Signature("A", "a@example.org", 1700000000, 0)
    repo.create_commit("HEAD", who, who, "boom", below, [])
    with pytest.raises(SourceTooLarge):
        indexed(index, tmp_path / "bomb")


def test_the_source_is_kept_relative_to_the_projects_folder(tmp_path):
    repo = commit(tmp_path / "home" / "repo", MIXED)
    index = tmp_path / "home" / "index.sqlite3"
    indexed(index, repo)
    with sqlite3.connect(index) as database:
        (source,) = database.execute("SELECT value FROM meta WHERE key = 'source'").fetchone()
    database.close()
    assert json.loads(source) == {"folder": False, "path": "repo"}
    (tmp_path / "home").rename(tmp_path / "moved")
    assert paths(find(tmp_path / "moved" / "index.sqlite3", "function_7(")) == ["src/file_7.py"]
