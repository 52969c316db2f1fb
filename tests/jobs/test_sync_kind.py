"""The sync as a job: what it takes, what it tells, and that no way of ending it harms what is stored."""

import itertools
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from hub.commits.database import NAME, Database
from hub.commits.git import GitReader
from hub.commits.listing import Listing
from hub.commits.records import Session
from hub.commits.sessions import SessionTable
from hub.commits.table import CommitTable, Known
from hub.core.errors import BadParams, UrlRefused
from hub.jobs.base import ALL, Cancelled, JobFailed, Place, Rules, Target, Task, Workspace
from hub.jobs.kinds.sync import SYNC
from tests.commits.histories import START, Change, fill, git, init, line, listed, stored, whole
from tests.jobs.child_run import ChildRun
from tests.jobs.conftest import needs

CHILD = (
    "from hub.jobs.kinds import KINDS; from hub.jobs.kinds.sync import SYNC; KINDS['sync'] = SYNC\n"
    "from hub.jobs.child import main; main()"
)


@pytest.fixture(autouse=True)
def needs_git() -> None:
    needs("git")


class Heard:
    """A report that keeps what it is told."""

    def __init__(self, on_progress: Callable[["Heard"], None] = lambda heard: None) -> None:
        self.stages: list[str] = []
        self.logs: list[tuple[str, str]] = []
        self.told: list[tuple[int, int | None, str, dict[str, Any]]] = []
        self._on_progress = on_progress

    def stage(self, name: str) -> None:
        self.stages.append(name)

    def progress(self, current: int, total: int | None = None, unit="", message="", detail=None) -> None:
        self.told.append((current, total, unit, dict(detail or {})))
        self._on_progress(self)

    def log(self, message: str, level: str = "info") -> None:
        self.logs.append((level, message))

    def check(self) -> None:
        pass


class Hub:
    """A data folder with projects that are folders."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.projects: dict[str, Target] = {}

    def add(self, name: str, path: Path) -> Path:
        self.projects[name] = Target(id=name, name=name, path=str(path))
        return path

    def task(self, project: str = ALL, **params: Any) -> Task:
        work = self.folder / "data" / "work"
        work.mkdir(parents=True, exist_ok=True)
        places = [
            Place(target=target, home=self.home(name))
            for name, target in sorted(self.projects.items())
            if project in {ALL, name}
        ]
        target = self.projects.get(project) or Target(id=ALL, name="All")
        return Task(
            job="j", kind="sync", target=target, params=params, secrets={}, places=tuple(places),
            workspace=Workspace(work=work, home=self.home(project)), rules=Rules(roots=(str(self.folder),)),
        )  # fmt: skip

    def home(self, project: str) -> Path:
        return self.folder / "data" / "projects" / project

    def sync(self, project: str = ALL, heard: Heard | None = None, **params: Any) -> Mapping[str, Any]:
        return SYNC.run(self.task(project, **params), heard or Heard())

    @property
    def database(self) -> Path:
        return self.folder / "data" / NAME


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(tmp_path)


TARGET = Target(id="p", name="p")
ALL_TARGET = Target(id=ALL, name="All")


@pytest.mark.parametrize(
    ("target", "params", "words"),
    [
        (TARGET, {"depth": 1}, "no parameter 'depth'"),
        (TARGET, {"projects": ["p"]}, "are for a sync of the project 'all'"),
        (ALL_TARGET, {"projects": []}, "projects, 1 to"),
        (ALL_TARGET, {"projects": "p"}, "list of project ids"),
        (ALL_TARGET, {"projects": [7]}, "list of project ids"),
        (TARGET, {"sessions_folder": "logs"}, "absolute path"),
        (TARGET, {"sessions_folder": 7}, "absolute path"),
        (TARGET, {"scheduled": "yes"}, "true or false"),
        (TARGET, {"engine": "svn"}, "engine must be one of"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused(target: Target, params: dict[str, Any], words: str):
    with pytest.raises(BadParams, match=words):
        SYNC.check(params, target, Rules(roots=("/srv",)))


@pytest.mark.parametrize("folder", ["/etc", "/srv/../etc", "/srv-other", "/srv/-x", "/srv/a\nb"])
def test_a_sessions_folder_outside_the_roots_is_refused(folder: str):
    with pytest.raises(UrlRefused):
        SYNC.check({"sessions_folder": folder}, TARGET, Rules(roots=("/srv",)))


def test_sound_parameters_are_kept():
    given = {"projects": ["a"], "sessions_folder": "/srv/logs/", "scheduled": True, "engine": None}
    accepted = SYNC.check(given, ALL_TARGET, Rules(roots=("/srv",)))
    assert accepted.params == {"projects": ["a"], "sessions_folder": "/srv/logs", "scheduled": True}


def test_a_sync_of_all_looks_at_each_repository_once_and_says_how_far_it_is(hub: Hub, tmp_path: Path):
    first, second = init(tmp_path / "a", bare=False), init(tmp_path / "b.git")
    fill(first, line(30))
    git(first, "checkout", "-qf", "main")
    fill(second, line(12))
    for name, path in {"a": first, "a-sub": first / "dir1", "b": second, "c": init(tmp_path / "empty.git")}.items():
        hub.add(name, path)
    (tmp_path / "plain").mkdir()
    hub.add("d", tmp_path / "plain")
    heard = Heard()
    result = hub.sync(heard=heard)
    assert heard.stages == ["scanning", "correlating"]
    counted = {"reposScanned": 2, "totalRepos": 3, "commitsFound": 42, "reposProcessed": 3}
    sessions = {"sessionsCorrelated": 0, "totalCorrelatableSessions": 0, "linksCreated": 0}
    assert result == counted | sessions | {"failedRepos": 0, "failed": []}
    assert heard.told[-1][3] == counted | sessions
    for name in ("reposProcessed", "commitsFound", "reposScanned"):
        values = [told[3][name] for told in heard.told]
        assert values == sorted(values)
    again = hub.sync()
    assert (again["reposScanned"], again["commitsFound"]) == (2, 0)


def test_some_projects_of_all_can_be_asked_for(hub: Hub, tmp_path: Path):
    for name in "ab":
        hub.add(name, fill(init(tmp_path / name), line(5)))
    heard = Heard()
    assert hub.sync(heard=heard, projects=["b", "gone"])["commitsFound"] == 5
    assert ("warning", "There is no project gone") in heard.logs


def test_a_clone_in_the_home_of_a_project_is_found(hub: Hub, tmp_path: Path):
    hub.projects["p"] = Target(id="p", name="p", url="https://example.org/p.git")
    with pytest.raises(JobFailed) as caught:
        hub.sync("p")
    assert caught.value.failure.code == "no_repository"
    assert hub.sync()["totalRepos"] == 0
    home = hub.home("p")
    home.mkdir(parents=True)
    fill(init(home / "repo", bare=False), line(7))
    assert hub.sync("p")["commitsFound"] == 7


@pytest.mark.parametrize("damage", ["gone", "empty", "head", "pack"])
def test_one_bad_repository_is_named_and_the_others_are_synced(hub: Hub, tmp_path: Path, damage: str):
    bad = hub.add("bad", fill(init(tmp_path / "bad"), line(50)))
    hub.add("good", fill(init(tmp_path / "good"), line(5)))
    if damage == "gone":
        hub.add("bad", tmp_path / "absent")
    elif damage == "empty":
        hub.add("bad", tmp_path / "folder")
        (tmp_path / "folder" / ".git").mkdir(parents=True)
    elif damage == "head":
        (bad / "HEAD").write_bytes(b"\xff\x00")
    else:
        (pack,) = (bad / "objects" / "pack").glob("*.pack")
        pack.chmod(0o600)
        data = bytearray(pack.read_bytes())
        data[40:-40] = os.urandom(len(data) - 80)
        pack.write_bytes(data)
    heard = Heard()
    result = hub.sync(heard=heard)
    assert (result["failedRepos"], result["totalRepos"], result["reposProcessed"]) == (1, 2, 2)
    assert result["failed"][0]["project"] == "bad"
    assert result["commitsFound"] >= 5
    assert any(level == "error" and "bad was left out" in message for level, message in heard.logs)
    with pytest.raises(JobFailed) as caught:
        hub.sync("bad")
    assert caught.value.failure.code == "repository_broken"


@pytest.mark.parametrize("moment", ["open", "begin", "add", "finish"])
def test_a_project_that_is_deleted_meanwhile_is_no_trouble_for_the_others(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
):
    for name in "ab":
        hub.add(name, fill(init(tmp_path / name), line(3)))
    opens, inner = CommitTable.open, getattr(CommitTable, moment)
    mine: list[Any] = []

    def opened(self: CommitTable, folder: Path, folders: Any, projects: list[str]) -> Known:
        if moment == "open" and projects == ["b"]:
            self.forget("b")
        known = opens(self, folder, folders, projects)
        mine.extend([known, known.id] if projects == ["b"] else [])
        return known

    def forgets(self: CommitTable, repository: Any, *arguments: Any, **keywords: Any) -> Any:
        if repository in mine:
            self.forget("b")
        return inner(self, repository, *arguments, **keywords)

    monkeypatch.setattr(CommitTable, moment, forgets)
    monkeypatch.setattr(CommitTable, "open", opened)
    heard = Heard()
    result = hub.sync(heard=heard)
    assert (result["failedRepos"], result["failed"]) == (0, [])
    assert ("info", "b was deleted meanwhile") in heard.logs
    with Database(hub.database) as database:
        assert Listing(database).counts("a").commits == 3
        assert Listing(database).counts("b").commits == 0


def test_a_repository_that_no_one_foresaw_is_left_out_by_name(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    for name in "ab":
        hub.add(name, fill(init(tmp_path / name), line(3)))
    read = GitReader.read

    def breaks(self: GitReader, ids: Any) -> Any:
        if self._folder.name == "b":
            raise KeyError("b")
        return read(self, ids)

    monkeypatch.setattr(GitReader, "read", breaks)
    result = hub.sync(engine="git")
    assert [one["project"] for one in result["failed"]] == ["b"]
    assert result["commitsFound"] == 3
    assert "Traceback" in caplog.text


def test_a_log_that_says_of_its_session_what_is_not_so_is_told_once(hub: Hub, tmp_path: Path):
    hub.add("r", fill(init(tmp_path / "r"), line(3)))
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "s.jsonl").write_text(json.dumps({"timestamp": START, "cwd": "/elsewhere"}) + "\n")
    with Database(hub.database) as database:
        SessionTable(database).tell([Session(id="s", start=0, end=1, path="/here")])
    for count in (1, 0):
        heard = Heard()
        assert hub.sync(heard=heard, sessions_folder=str(tmp_path / "logs"))["sessionsRead"] == 0
        assert len([words for level, words in heard.logs if level == "warning"]) == count


def test_sessions_of_logs_are_linked_with_their_evidence(hub: Hub, tmp_path: Path):
    repo = init(tmp_path / "r", bare=False)
    fill(repo, [Change(at=START + at, files=(b"d/f",)) for at in (0, 500, 1000, 2000)])
    hub.add("r", repo)
    logs = tmp_path / "logs"
    logs.mkdir()
    lines = [
        {"timestamp": START - 100, "cwd": str(repo / "d")}, {"timestamp": START + 480, "type": "commit"}, "broken",
        {"timestamp": START + 1200},
    ]  # fmt: skip
    text = "".join(one + "\n" if isinstance(one, str) else json.dumps(one) + "\n" for one in lines)
    (logs / "s1.jsonl").write_text(text)
    result = hub.sync(sessions_folder=str(logs))
    assert (result["linksCreated"], result["sessionsCorrelated"], result["totalCorrelatableSessions"]) == (3, 1, 1)
    assert (result["sessionFiles"], result["sessionsRead"], result["brokenLines"]) == (1, 1, 1)
    again = hub.sync(sessions_folder=str(logs))
    assert (again["linksCreated"], again["sessionsRead"], again["brokenLines"]) == (0, 0, 1)
    with Database(hub.database) as database, database.reading() as db:
        found = db.execute(
            f"SELECT c.authored - {START}, tier, margin, action - {START} FROM links"
            ' JOIN commits c ON c.number = "commit" ORDER BY 1'
        ).fetchall()
    assert found == [(0, 2, 100, None), (500, 1, 80, 480), (1000, 2, 200, None)]


def test_a_sessions_folder_that_a_link_leads_out_of_the_roots_is_refused(hub: Hub, tmp_path: Path):
    hub.add("r", fill(init(tmp_path / "r"), line(1)))
    (tmp_path / "logs").symlink_to("/")
    with pytest.raises(UrlRefused):
        hub.sync(sessions_folder=str(tmp_path / "logs"))


def test_a_folder_that_left_the_roots_is_not_looked_at(hub: Hub, tmp_path: Path):
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    fill(init(outside), line(1))
    hub.add("r", tmp_path / "link")
    (tmp_path / "link").symlink_to(outside)
    with pytest.raises(JobFailed, match="roots"):
        hub.sync("r")


def test_a_cancelled_run_stops_at_once_and_the_next_one_goes_on(hub: Hub, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("hub.commits.scan.CHUNK", 100)
    repo = hub.add("r", fill(init(tmp_path / "r"), line(4000)))
    go_on = threading.Event()
    add = CommitTable.add

    turns = itertools.count()

    def one_and_wait(table: CommitTable, *args: Any) -> None:
        assert next(turns) == 0 or go_on.wait(30)
        add(table, *args)

    monkeypatch.setattr(CommitTable, "add", one_and_wait)

    def cancel(heard: Heard) -> None:
        if heard.told[-1][3].get("commitsFound", 0) > 0:
            go_on.set()
            raise Cancelled

    began = time.monotonic()
    with pytest.raises(Cancelled):
        hub.sync(heard=Heard(cancel))
    assert time.monotonic() - began < 10
    with Database(hub.database) as database:
        before = len(stored(database))
    assert hub.sync()["commitsFound"] == 4000
    with Database(hub.database) as database:
        assert 0 < before < 4000
        assert stored(database) == listed(repo)


# -- as a process -----------------------------------------------------------------------------------------------------


class SyncRun(ChildRun):
    """A child that syncs the folder `url`."""

    def __init__(self, base: Path, path: Path, number: int = 0, **params: Any) -> None:
        self._path = path
        rules = {"roots": [str(path.parent)]}
        super().__init__(
            base / "projects", "", number=number, params=params, rules=rules, command=(sys.executable, "-c", CHILD)
        )

    def tell(self, line: str) -> None:
        if line.startswith("{"):
            task = json.loads(line)
            target = {"id": "p", "name": "p", "url": None, "path": str(self._path)}
            task |= {"kind": "sync", "target": target, "places": [{"target": target, "home": str(self.home)}]}
            line = json.dumps(task)
        super().tell(line)


def sessions_for(folder: Path, repo: Path, count: int) -> Path:
    folder.mkdir()
    for n in range(count):
        lines = [{"timestamp": START + 600 * n, "cwd": str(repo)}, {"timestamp": START + 600 * n + 900}]
        (folder / f"s{n}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    return folder


def everything(path: Path) -> tuple[list, list, list]:
    with Database(path) as database:
        commits = whole(database)
        with database.reading() as db:
            links = db.execute(
                "SELECT session, hex(c.id), tier, rank, first, last, margin FROM links"
                ' JOIN commits c ON c.number = "commit" ORDER BY 1, 2'
            ).fetchall()
            misses = db.execute(
                "SELECT session, hex(c.id), off, why FROM near_misses"
                ' JOIN commits c ON c.number = "commit" ORDER BY 1, 2'
            ).fetchall()
    return commits, links, misses


def test_a_run_that_is_killed_anywhere_and_run_again_ends_as_one_that_was_not(tmp_path: Path):
    repo = fill(init(tmp_path / "served" / "r"), line(6000))
    logs = sessions_for(tmp_path / "served" / "logs", repo, 300)
    calm = SyncRun(tmp_path / "calm", repo, sessions_folder=str(logs))
    wanted = calm.result()
    calm.close()
    assert wanted["commitsFound"] == 6000
    assert wanted["linksCreated"] > 300
    pauses = iter((0.0, 0.1, 0.2, 0.35, 0.5, 0.0, 0.05, 0.1))
    number = 0
    for stage in (
        "scanning",
        "scanning",
        "scanning",
        "scanning",
        "scanning",
        "correlating",
        "correlating",
        "correlating",
    ):
        run = SyncRun(tmp_path / "torn", repo, number, sessions_folder=str(logs))
        number += 1
        for message in run.read():
            if message.get("stage") == stage:
                time.sleep(next(pauses))  # a place in the stage, not a wait for anything
                os.killpg(run.process.pid, signal.SIGKILL)
                break
            if "result" in message:
                break
        run.process.wait()
        run.close()
    last = SyncRun(tmp_path / "torn", repo, number, sessions_folder=str(logs))
    last.result()
    last.close()
    assert everything(tmp_path / "torn" / NAME) == everything(tmp_path / "calm" / NAME)
    left = sorted(path.name for path in (tmp_path / "torn").iterdir())
    assert left == [NAME, "projects"]


def test_cancel_ends_the_process_and_its_programs_in_two_seconds(tmp_path: Path):
    repo = fill(init(tmp_path / "served" / "r"), line(20_000))
    run = SyncRun(tmp_path / "data", repo)
    run.wait_for(stage="scanning")
    began = time.monotonic()
    run.cancel()
    assert run.end() == {"cancelled": True}
    assert time.monotonic() - began < 2.0
    assert run.group_is_gone()
    run.close()


def test_two_syncs_of_one_repository_at_once_leave_each_commit_once(tmp_path: Path):
    repo = fill(init(tmp_path / "served" / "r"), line(5000))
    runs = [SyncRun(tmp_path / "data", repo, number) for number in range(2)]
    for run in runs:
        assert run.result()["commitsFound"] in {5000, 0}
        run.close()
    with Database(tmp_path / "data" / NAME) as database:
        assert stored(database) == listed(repo)
        assert len(whole(database)) == 5000
