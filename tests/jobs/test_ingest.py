"""The kind `ingest` as the engine runs it, on real repositories over http: whole, stopped anywhere, and gone on with.

`standing` runs go no further than a point that the test names, so that a kill meets them there.
"""

import json
import os
import re
import signal
import sys
import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pygit2
import pytest

from hub.core.errors import BadParams, UrlRefused
from hub.core.progress import Meter
from hub.index import place
from hub.jobs.base import Rules, Target
from hub.jobs.git.leftover import Leftover
from hub.jobs.kinds import KINDS
from hub.jobs.kinds.ingest import INGEST
from tests.index.samples import commit, content, find, paths
from tests.jobs.child_run import ChildRun
from tests.jobs.conftest import until
from tests.jobs.repositories import fill, git, init

LIMIT_S = 2.0
STAGES = ["connect", "receiving", "resolving", "checkout", "collecting", "parsing", "indexing", "optimizing"]
URL = Target(id="p", name="p", url="https://github.com/owner/name.git")
FOLDER = Target(id="p", name="p", path="/srv/code")
OPEN = Rules(roots=("/srv",))
FILES: dict[str, bytes] = {
    **{f"src/part_{n % 20}/module_{n}.py": f"def function_{n}(a):\n    return {n}\n".encode() * 5 for n in range(400)},
    **{f"lib/file_{n}.c": f"int number_{n}(void)\n{{\n\treturn {n};\n}}\n".encode() for n in range(200)},
    "picture.png": b"\x89PNG\r\n\0\0" * 50,
}  # fmt: skip


class IngestRun(ChildRun):
    """A child on an ingest task. `path` makes its project a folder; `after` is a run whose work it goes on with."""

    def __init__(self, base: Path, url: str, *, path: str | None = None, after: ChildRun | None = None, **options: Any):
        self._path, self._after = path, after
        super().__init__(base, url, **options)

    def tell(self, line: str) -> None:
        if line.startswith("{"):
            task = json.loads(line) | {"kind": "ingest", "resumed": self._after is not None}
            if self._path is not None:
                task["target"] |= {"url": None, "path": self._path}
            line = json.dumps(task)
            if self._after is not None:
                self.work.rmdir()
                self._after.work.rename(self.work)
        super().tell(line)

    @property
    def percents(self) -> list[float]:
        meter, found = Meter(INGEST.stages, started=0.0), []
        for message in self.messages:
            if "stage" in message:
                meter.enter(message["stage"])
            elif "progress" in message:
                found.append(meter.advance(0.0, **message["progress"]).percent)
        return found

    @property
    def logs(self) -> list[str]:
        return [message["log"]["message"] for message in self.messages if "log" in message]

    @property
    def left(self) -> set[str]:
        """What is in the work folder, but for what is there for a pause."""
        return {entry.name for entry in self.work.iterdir() if not entry.name.startswith("changing.")}


@pytest.fixture
def run(tmp_path):
    started: list[IngestRun] = []

    def start(url: str = "https://example.org/r.git", **options) -> IngestRun:
        started.append(IngestRun(tmp_path, url, number=100 + len(started), **options))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture(scope="session")
def code(repositories) -> Path:
    return commit(repositories.root / "code.git", FILES)


@pytest.fixture
def own(repositories, tmp_path) -> Path:
    """A repository that a test may change."""
    made = init(repositories.root / f"{tmp_path.name}.git")
    fill(made)
    return made


# -- parameters -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "params", "kept", "secrets"),
    [
        (URL, {}, {}, {}),
        (URL, {"incremental": False, "depth": 5}, {"incremental": False, "depth": 5}, {}),
        (URL, {"branch": "main", "engine": "auto"}, {"branch": "main", "engine": "auto"}, {}),
        (URL, {"source": "github", "repository": "owner/name"}, {"source": "github", "repository": "owner/name"}, {}),
        (URL, {"token": "t0ken"}, {"username": "x-access-token"}, {"token": "t0ken"}),
        (URL, {"token": "t0ken", "username": "ann"}, {"username": "ann"}, {"token": "t0ken"}),
        (URL, {"branch": None, "source": ""}, {}, {}),
        (FOLDER, {"source": "local", "repository": "/srv/code"}, {"source": "local", "repository": "/srv/code"}, {}),
    ],
)  # fmt: skip
def test_parameters_are_kept_as_they_are_meant(target, params, kept, secrets):
    accepted = INGEST.check(params, target, OPEN)
    assert (accepted.params, accepted.secrets) == (kept, secrets)


@pytest.mark.parametrize(
    ("url", "params", "user"),
    [
        ("https://gitlab.com/group/sub/name.git", {}, "oauth2"),
        ("https://bitbucket.org/workspace/name.git", {}, "x-token-auth"),
        ("https://git.example.org/owner/name", {"source": "gitlab"}, "oauth2"),
        ("https://git.example.org/owner/name", {"source": "bitbucket"}, "x-token-auth"),
        ("https://git.example.org/owner/name", {}, None),  # then it is the clone's own, which most hosts take
    ],
)
def test_a_token_goes_with_the_user_name_of_its_host(url, params, user):
    accepted = INGEST.check(params | {"token": "t0ken"}, Target(id="p", name="p", url=url), OPEN)
    assert accepted.params.get("username") == user


@pytest.mark.parametrize(
    ("target", "params"),
    [
        (URL, {"bare": True}),
        (URL, {"incremental": "yes"}),
        (URL, {"incremental": 1}),
        (URL, {"depth": 0}),
        (URL, {"branch": "-x"}),
        (URL, {"source": "sourceforge"}),
        (URL, {"source": 5}),
        (URL, {"repository": "owner/name"}),
        (URL, {"source": "github", "repository": "owner/other"}),
        (URL, {"source": "gitlab"}),
        (URL, {"source": "gitlab", "repository": "owner/name"}),
        (URL, {"source": "local", "repository": "/srv/code"}),
        (FOLDER, {"branch": "main"}),
        (FOLDER, {"depth": 1}),
        (FOLDER, {"token": "t"}),
        (FOLDER, {"source": "github"}),
        (FOLDER, {"source": "local", "repository": "/srv/other"}),
        (Target(id="p", name="p"), {}),
    ],
)
def test_what_cannot_be_meant_is_refused(target, params):
    with pytest.raises(BadParams):
        INGEST.check(params, target, OPEN)


def test_a_folder_outside_of_the_roots_is_refused_at_once():
    with pytest.raises(UrlRefused):
        INGEST.check({}, FOLDER, Rules())


def test_the_plan_is_what_other_systems_know_an_ingest_by():
    weights = {stage.name: stage.weight for stage in INGEST.stages}
    assert list(weights) == STAGES
    assert sum(weights[name] for name in STAGES[:5]) == 25
    assert (weights["parsing"], weights["indexing"] + weights["optimizing"]) == (40, 35)
    assert not INGEST.learns
    meter = Meter(INGEST.stages, started=0.0)
    meter.enter("parsing")
    assert meter.advance(0.0, 50, 200).percent == 35.0


# -- whole ------------------------------------------------------------------------------------------------------------


def test_a_repository_is_brought_here_and_searchable_with_one_percent_that_never_falls(run, server, code):
    made = run(f"{server.url}/code.git")
    result = made.result()
    assert made.stages == STAGES
    percents = made.percents
    assert all(before <= after for before, after in pairwise(percents))
    assert percents[0] < 5
    assert percents[-1] > 60
    parsing = [one for one in made.progress if one["message"].startswith("Parsing file ")]
    assert parsing[-1]["message"] == "Parsing file 601/601"
    assert all(re.fullmatch(r"Parsing file \d+/\d+", one["message"]) for one in parsing)
    assert (result["files"], result["symbols"], result["left_out"], result["reasons"]) == (600, 2200, 1, {"binary": 1})
    assert {one["lang"]: one["files"] for one in result["languages"]} == {"python": 400, "c": 200}
    assert result["head"] == git(code, "rev-parse", "main")
    assert (result["branch"], result["updated"], result["path"]) == ("main", False, str(made.repo))
    assert paths(find(place(made.home), "function_7(")) == ["src/part_7/module_7.py"]
    assert (made.repo / "lib" / "file_3.c").read_bytes() == FILES["lib/file_3.c"]
    assert git(made.repo, "status", "--porcelain") == ""


def test_only_the_newest_commit_is_fetched_unless_more_is_asked_for(run, server):
    for params, commits in (({}, 1), ({"depth": 5}, 5), ({}, 1)):
        made = run(f"{server.url}/small.git", params=params)
        made.result()
        assert len(git(made.repo, "log", "--format=%H").splitlines()) == commits


def test_again_it_fetches_what_is_new_and_parses_what_has_changed(run, server, own):
    url = f"{server.url}/{own.name}"
    assert run(url).result()["parsed"] == 31
    second = run(url)
    result = second.result()
    assert (result["updated"], result["fresh"], result["parsed"]) == (True, True, 0)
    assert second.percents == sorted(second.percents)
    assert "checkout" not in second.stages  # nothing is new, and nothing is written
    assert git(second.repo, "status", "--porcelain") == ""
    commit(own, {"src/new.py": b"def brand_new():\n    pass\n"})
    third = run(url)
    result = third.result()
    assert (result["updated"], result["fresh"], result["parsed"], result["files"]) == (True, False, 1, 32)
    assert (third.repo / "src" / "new.py").exists()
    assert paths(find(place(third.home), "brand_new")) == ["src/new.py"]


def test_from_nothing_is_from_nothing_and_comes_to_the_same(run, server, code):
    first = run(f"{server.url}/code.git")
    first.result()
    before = content(place(first.home))
    again = run(f"{server.url}/code.git", params={"incremental": False})
    result = again.result()
    assert (result["updated"], result["fresh"], result["parsed"]) == (False, False, 601)
    assert content(place(again.home)) == before


def test_what_is_a_clone_of_the_whole_history_stays_one(run, child, server, own):
    url = f"{server.url}/{own.name}"
    child(url).result()
    commit(own, {"new.txt": b"new\n"})
    made = run(url)
    assert made.result()["updated"]
    assert git(made.repo, "rev-parse", "--is-shallow-repository") == "false"
    assert len(git(made.repo, "log", "--format=%H").splitlines()) == 31


def test_a_bare_clone_stays_bare_and_is_indexed(run, child, server, own):
    url = f"{server.url}/{own.name}"
    child(url, params={"bare": True}).result()
    commit(own, {"new.txt": b"new\n"})
    made = run(url)
    result = made.result()
    assert (result["updated"], result["files"], pygit2.Repository(str(made.repo)).is_bare) == (True, 32, True)


def test_another_branch_is_indexed_when_it_is_named(run, server):
    made = run(f"{server.url}/small.git", params={"branch": "feature"})
    result = made.result()
    assert (result["branch"], (made.repo / "feature.txt").exists()) == ("feature", True)
    assert paths(find(place(made.home), "new")) == ["feature.txt"]
    back = run(f"{server.url}/small.git").result()
    assert (back["branch"], back["updated"], (made.repo / "feature.txt").exists()) == ("main", True, False)
    assert paths(find(place(made.home), "new")) == []


def test_a_local_folder_is_indexed_where_it_is(run, tmp_path):
    folder = tmp_path / "roots" / "code"
    folder.mkdir(parents=True)
    (folder / "notes.py").write_text("def needle():\n    pass\n")
    made = run(path=str(folder), rules={"roots": [str(tmp_path / "roots")]})
    result = made.result()
    assert (result["files"], result["path"], result["engine"], result["objects"]) == (1, str(folder), None, 0)
    assert made.stages == ["connect", *STAGES[4:]]
    assert made.percents == sorted(made.percents)
    assert not made.repo.exists()


def test_a_file_url_is_cloned(run, code, repositories):
    made = run(code.as_uri(), rules={"roots": [str(repositories.root)]})
    assert made.result()["files"] == 600
    assert made.repo.exists()


@pytest.mark.parametrize("note", ["", "{", "[]", "{}", '{"folder": 5}', '{"folder": [1, 2]}', "null", b"\xff\xfe"])
def test_a_note_that_makes_no_sense_is_no_note(tmp_path, note):
    (tmp_path / "cloned.json").write_bytes(note if isinstance(note, bytes) else note.encode())
    assert Leftover.find(tmp_path, tmp_path / "home", {}) is None
    (tmp_path / "cloned.json").unlink()
    (tmp_path / "cloned.json").mkdir()
    assert Leftover.find(tmp_path, tmp_path / "home", {}) is None


@pytest.mark.parametrize("field", [{"engine": "another"}, {"stars": 5}, {"head": "0" * 40}, {"asked": {}}])
def test_what_another_version_of_the_hub_has_left_is_done_anew(run, server, code, field):
    first = standing(run, f"{server.url}/code.git", "checkout")
    os.killpg(first.process.pid, signal.SIGKILL)
    first.process.wait()
    note = first.work / "cloned.json"
    note.write_text(json.dumps(json.loads(note.read_text()) | field))
    (first.work / "something.else").write_text("of no use here")
    second = run(f"{server.url}/code.git", after=first)
    assert second.result()["files"] == 600
    assert "receiving" in second.stages


def test_a_clone_whose_files_were_changed_is_written_again(run, server, own):
    url = f"{server.url}/{own.name}"
    first = run(url)
    first.result()
    name = git(first.repo, "ls-files").splitlines()[0]
    (first.repo / name).unlink()
    second = run(url)
    second.result()
    assert "checkout" in second.stages
    assert git(second.repo, "status", "--porcelain") == ""


# -- failures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("repository", "params", "behaviour", "code", "stage"),
    [
        ("none.git", {}, {}, "repository_not_found", "connect"),
        ("small.git", {}, {"user": ("ann", "secret")}, "credentials_wanted", "connect"),
        ("small.git", {"token": "wrong"}, {"user": ("ann", "secret")}, "credentials_wrong", "connect"),
        ("small.git", {"branch": "featur"}, {}, "branch_not_found", None),
        ("empty.git", {}, {}, "empty_repository", None),
        ("small.git", {}, {"page": True}, "not_git", "connect"),
        ("bomb.git", {}, {}, "too_large", "checkout"),
    ],
)
def test_each_failure_has_its_code_and_leaves_nothing(run, server, engine, repository, params, behaviour, code, stage):  # noqa: PLR0917
    for name, value in behaviour.items():
        setattr(server.behaviour, name, value)
    secrets = {name: value for name, value in params.items() if name == "token"}
    plain = {name: value for name, value in params.items() if name != "token"}
    made = run(f"{server.url}/{repository}", params={"engine": engine, **plain}, secrets=secrets)
    failure = made.failure()
    assert (failure["code"], bool(failure["hint"])) == (code, True)
    assert stage is None or made.stages[-1] == stage
    assert not made.repo.exists()
    assert made.left == set()


def test_the_branches_there_are_are_named_when_the_wanted_one_is_not(run, server, engine):
    failure = run(f"{server.url}/small.git", params={"engine": engine, "branch": "featur"}).failure()
    assert failure["hint"].startswith("It has feature, main.")


def test_a_host_that_the_gate_refuses(run, server):
    failure = run(f"{server.url}/small.git", rules={"allow_networks": []}).failure()
    assert failure["code"] == "url_refused"


def test_a_token_opens_and_is_never_said(run, server):
    server.behaviour.user = ("oauth2", "s3cret-t0ken")
    made = run(f"{server.url}/small.git", params={"username": "oauth2"}, secrets={"token": "s3cret-t0ken"})
    assert made.result()["files"] == 31
    assert "s3cret" not in json.dumps(made.messages)
    assert not any("s3cret" in path.read_text(errors="replace") for path in made.home.rglob("*") if path.is_file())


def test_a_broken_index_says_what_to_do_and_doing_it_helps(run, server):
    made = run(f"{server.url}/small.git")
    made.result()
    place(made.home).write_bytes(b"nothing that SQLite knows" * 99)
    failure = run(f"{server.url}/small.git").failure()
    assert (failure["code"], "incremental" in failure["hint"]) == ("index_broken", True)
    assert run(f"{server.url}/small.git", params={"incremental": False}).result()["files"] == 31


# -- stopped ----------------------------------------------------------------------------------------------------------

SLOW: Mapping[str, tuple[str, Mapping[str, Any], Mapping[str, Any]]] = {
    "connect": ("small.git", {"hang": "refs"}, {}),
    "receiving": ("heavy.git", {"bytes_per_s": 200_000.0}, {}),
    "resolving": ("heavy.git", {}, {"depth": 300}),
    "checkout": ("many.git", {}, {}),
    "collecting": ("many.git", {}, {}),
    "parsing": ("many.git", {}, {}),
}
"""Stage: the repository, and what makes the server or the work slow there."""

PROGRAM = """
import os, time
import hub.jobs.child as child
from hub.jobs.base import JobFailed

class Standing(child.Reporter):
    at = ""
    def stage(self, name):
        super().stage(name)
        self.at = name
        if name == os.environ.get("FAIL_IN"):
            raise JobFailed("unlucky", "It did not work.", retry=bool(os.environ.get("HOPE", "yes")))
        self.stand("begun")
    def progress(self, *args, **options):
        super().progress(*args, **options)
        self.stand("under way")
    def stand(self, where):
        while [self.at, where] == [os.environ.get("STAND_IN"), os.environ.get("STAND_WHERE")]:
            self.check()
            time.sleep(0.005)

child.Reporter = Standing
child.main()
"""


def standing(run, url: str, stage: str, where: str = "begun", **options) -> IngestRun:
    """A run that goes no further than a stage's beginning, or its first progress."""
    env = {"STAND_IN": stage, "STAND_WHERE": where}
    made = run(url, command=(sys.executable, "-c", PROGRAM), env=env, **options)
    made.wait_for(stage=stage)
    if where != "begun":
        made.wait_for(progress=...)
    return made


@pytest.mark.parametrize("stage", SLOW)
def test_cancel_stops_the_work_in_time(run, server, stage):
    repository, slow, params = SLOW[stage]
    for name, value in slow.items():
        setattr(server.behaviour, name, value)
    made = run(f"{server.url}/{repository}", params=params)
    made.wait_for(stage=stage)
    asked = time.monotonic()
    made.cancel()
    assert made.end() == {"cancelled": True}
    assert time.monotonic() - asked < LIMIT_S
    os.killpg(made.process.pid, signal.SIGKILL) if not made.group_is_gone() else None  # as the engine does
    until(made.group_is_gone, LIMIT_S)
    assert made.repo.exists() == (STAGES.index(stage) >= STAGES.index("collecting"))


@pytest.mark.parametrize("stage", ["indexing", "optimizing"])
def test_cancel_stops_the_short_stages_too(run, server, code, stage):
    made = standing(run, f"{server.url}/code.git", stage)
    asked = time.monotonic()
    made.cancel()
    assert made.end() == {"cancelled": True}
    assert time.monotonic() - asked < LIMIT_S


@pytest.fixture(scope="module")
def whole(repositories, tmp_path_factory):
    """What an ingest that nobody stops comes to."""
    folder = tmp_path_factory.mktemp("whole")
    commit(repositories.root / "code.git", FILES) if not (repositories.root / "code.git").exists() else None
    made = IngestRun(folder, (repositories.root / "code.git").as_uri(), rules={"roots": [str(repositories.root)]})
    try:
        made.result()
        return content(place(made.home))
    finally:
        made.close()


@pytest.mark.parametrize(
    ("stage", "where"),
    [
        *((stage, "begun") for stage in STAGES),
        *(
            (stage, "under way") for stage in STAGES if stage not in {"connect", "resolving"}
        ),  # nothing is counted there
    ],
)
def test_killed_anywhere_a_retry_comes_to_what_an_unbroken_run_does(run, server, code, whole, stage, where):
    first = standing(run, f"{server.url}/code.git", stage, where)
    os.killpg(first.process.pid, signal.SIGKILL)
    first.process.wait()
    until(first.group_is_gone)
    server.requests.clear()
    second = run(f"{server.url}/code.git", after=first)
    result = second.result()
    assert (result["files"], result["symbols"]) == (600, 2200)
    assert content(place(second.home)) == whole
    assert git(second.repo, "status", "--porcelain") == ""
    assert git(second.repo, "rev-parse", "HEAD") == result["head"] == git(code, "rev-parse", "main")
    assert second.percents == sorted(second.percents)
    if STAGES.index(stage) >= STAGES.index("checkout"):
        assert server.requests == []  # everything had come
        assert set(second.stages) & set(STAGES) >= {"connect", "collecting"}
        assert "receiving" not in second.stages
        assert ("checkout" in second.stages) == (stage == "checkout")


def test_a_retry_for_something_else_begins_anew(run, server, code):
    first = standing(run, f"{server.url}/small.git", "collecting")
    os.killpg(first.process.pid, signal.SIGKILL)
    first.process.wait()
    second = run(f"{server.url}/small.git", after=first, params={"branch": "feature"})
    assert second.result()["branch"] == "feature"
    assert "receiving" in second.stages


def test_a_clone_that_another_job_has_replaced_meanwhile_is_not_taken_for_the_own_one(run, child, server, own):
    url = f"{server.url}/{own.name}"
    first = standing(run, url, "collecting")
    os.killpg(first.process.pid, signal.SIGKILL)
    first.process.wait()
    commit(own, {"new.txt": b"new\n"})
    run(url).result()
    second = run(url, after=first)
    result = second.result()
    assert result["head"] == git(own, "rev-parse", "main")
    assert "receiving" in second.stages


def test_a_killed_run_from_nothing_does_not_throw_away_what_it_had_parsed(run, server, code, whole):
    url = f"{server.url}/code.git"
    run(url).result()
    first = standing(run, url, "indexing", params={"incremental": False})
    os.killpg(first.process.pid, signal.SIGKILL)
    first.process.wait()
    second = run(url, after=first, params={"incremental": False})
    assert second.result()["parsed"] == 0
    assert content(place(second.home)) == whole


def test_an_update_that_was_killed_leaves_the_old_clone_or_the_new_one(run, server, own):
    url = f"{server.url}/{own.name}"
    run(url).result()
    old = git(own, "rev-parse", "main")
    commit(own, {"new.txt": b"new\n"})
    new = git(own, "rev-parse", "main")
    for stage, stands in (("receiving", old), ("checkout", old), ("collecting", new)):
        first = standing(run, url, stage)
        os.killpg(first.process.pid, signal.SIGKILL)
        first.process.wait()
        assert git(first.repo, "rev-parse", "HEAD") == stands
        assert git(first.repo, "status", "--porcelain") == ""
    assert run(url).result()["head"] == new


@pytest.mark.parametrize(
    ("stage", "left"),
    [
        ("receiving", set()),
        ("checkout", {"cloned.json", "repo"}),
        ("collecting", {"cloned.json", "indexing"}),
        ("indexing", {"cloned.json", "indexing"}),
    ],
)
def test_a_failure_that_may_pass_leaves_what_a_retry_goes_on_with_and_no_more(run, server, own, stage, left):
    url = f"{server.url}/{own.name}"
    run(url).result()  # there is an old clone, which changes places with the new one
    commit(own, {"new.py": b"def brand_new():\n    pass\n"})
    first = run(url, command=(sys.executable, "-c", PROGRAM), env={"FAIL_IN": stage})
    assert (first.failure()["code"], first.left) == ("unlucky", left)
    second = run(url, after=first)
    assert second.result()["files"] == 32
    assert ("receiving" in second.stages) == (stage == "receiving")
    assert paths(find(place(second.home), "brand_new")) == ["new.py"]


def test_a_failure_that_will_not_pass_leaves_nothing(run, server, code):
    made = run(
        f"{server.url}/code.git", command=(sys.executable, "-c", PROGRAM), env={"FAIL_IN": "parsing", "HOPE": ""}
    )
    assert (made.failure()["code"], made.left) == ("unlucky", set())


def test_every_kind_that_the_hub_lists_can_be_started():
    assert KINDS["ingest"] is INGEST
