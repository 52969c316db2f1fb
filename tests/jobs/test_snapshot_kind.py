"""The kinds snapshot, restore, verify and prune as the engine runs them: in child processes, cancelled, killed."""

import contextlib
import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hub.core.errors import BadParams, UrlRefused
from hub.jobs.base import Rules, Target
from hub.jobs.kinds.prune import PRUNE
from hub.jobs.kinds.restore import RESTORE
from hub.jobs.kinds.snapshot import SNAPSHOT
from hub.jobs.kinds.verify import VERIFY
from tests.jobs.child_run import ChildRun
from tests.jobs.conftest import until
from tests.snapshots.http_faults import FaultProxy
from tests.snapshots.s3 import BUCKET, SECRETS, serving
from tests.snapshots.trees import content, make

URL = Target(id="project", name="project", url="https://example.org/r.git")
STAGES = ["opening", "waiting", "browsing", "compressing", "uploading", "verifying"]


class SnapshotRun(ChildRun):
    """A child on a task of the folder `<base>/roots/folder`, or with `url` of the project's clone."""

    def __init__(
        self, base: Path, kind: str = "snapshot", *, job: str = "job", resumed_from=None, **options: Any
    ) -> None:
        self._kind, self._job = kind, job
        self._path = None if options.pop("of_clone", False) else str(base / "roots" / "folder")
        self._resumed = resumed_from is not None
        rules = {"roots": [str(base / "roots")], "snapshot_quiet_s": 0.0, **options.pop("rules", {})}
        self._base = base
        (base / "data" / "projects" / "project").mkdir(parents=True, exist_ok=True)
        self._earlier = resumed_from
        super().__init__(base, "https://example.org/r.git", rules=rules, **options)

    def tell(self, line: str) -> None:
        if line.startswith("{"):
            task = json.loads(line)
            target = task["target"] | ({"url": None, "path": self._path} if self._path else {})
            home = str(self._base / "data" / "projects" / "project")
            if self._earlier is not None:
                self.work.rmdir()
                self._earlier.work.rename(self.work)
            task |= {"kind": self._kind, "job": self._job, "target": target, "resumed": self._resumed}
            task["workspace"]["home"] = home
            task["places"] = [{"target": target, "home": home}]
            line = json.dumps(task)
        super().tell(line)

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)


@pytest.fixture
def folder(tmp_path) -> Path:
    return make(tmp_path / "roots" / "folder", {})


@pytest.fixture
def run(tmp_path, folder):
    started = []

    def start(kind="snapshot", **options) -> SnapshotRun:
        started.append(SnapshotRun(tmp_path, kind, number=len(started), **options))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture(scope="module")
def s3():
    with serving() as s3:
        yield s3


def many(count: int, size: int) -> dict[str, bytes]:
    return {f"d{n % 9}/{n}": random.Random(n).randbytes(size) for n in range(count)}


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        (SNAPSHOT, {"depth": 1}),
        (SNAPSHOT, {"full": "yes"}),
        (SNAPSHOT, {"exclude": "*.o"}),
        (SNAPSHOT, {"exclude": [""]}),
        (SNAPSHOT, {"exclude": [1]}),
        (SNAPSHOT, {"quiet_s": -1}),
        (SNAPSHOT, {"quiet_s": float("nan")}),
        (SNAPSHOT, {"wait_s": True}),
        (RESTORE, {"snapshot": "x"}),
        (RESTORE, {"to": "/srv/x"}),
        (RESTORE, {"snapshot": "x", "to": "relative"}),
        (RESTORE, {"snapshot": "x\n", "to": "/srv/x"}),
        (VERIFY, {"full": True}),
        (PRUNE, {"keep_last": 0}),
        (PRUNE, {"keep_last": -1}),
        (PRUNE, {"keep_last": 1, "snapshots": ["x"]}),
        (PRUNE, {"snapshots": []}),
        (PRUNE, {"snapshots": [1]}),
    ],
)
def test_parameters_that_are_none_are_refused(kind, params) -> None:
    with pytest.raises(BadParams):
        kind.check(params, URL, Rules(roots=("/srv",)))


def test_folders_outside_of_the_roots_are_refused_at_once() -> None:
    with pytest.raises(UrlRefused):
        SNAPSHOT.check({}, Target(id="p", name="p", path="/etc"), Rules(roots=("/srv",)))
    with pytest.raises(UrlRefused):
        RESTORE.check({"snapshot": "x", "to": "/etc"}, URL, Rules(roots=("/srv",)))
    with pytest.raises(UrlRefused):
        RESTORE.check({"snapshot": "x", "to": "/srv/../etc"}, URL, Rules(roots=("/srv",)))


def test_the_hubs_own_process_learns_of_the_kinds_without_their_libraries() -> None:
    script = "import sys, hub.jobs.kinds; print([m for m in sys.modules if m in ('obstore', 'zstandard')])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_folder_is_taken_and_restored(tmp_path, folder, run) -> None:
    make(folder, many(30, 1000) | {"link": "d0/0"})
    first = run()
    result = first.result()
    assert (result["files"], result["links"]) == (30, 1)
    assert first.stages == STAGES
    assert {progress["unit"] for progress in first.progress} <= {"entries", "bytes", "objects", ""}
    restored = run("restore", params={"snapshot": result["snapshot"], "to": str(tmp_path / "roots" / "to")})
    assert restored.result()["files"] == 30
    assert content(tmp_path / "roots" / "to") == content(folder)
    assert run("verify").result()["damaged"] == 0


def test_a_clone_is_taken_without_its_git_folder(tmp_path, run) -> None:
    clone = tmp_path / "data" / "projects" / "project" / "repo"
    make(clone, {"src/a.c": b"int a;\n", ".git/HEAD": b"ref: refs/heads/main\n", "sub/.git/HEAD": b"kept\n"})
    result = run(of_clone=True).result()
    to = tmp_path / "roots" / "to"
    run("restore", of_clone=True, params={"snapshot": result["snapshot"], "to": str(to)}).result()
    assert sorted(content(to)) == [b"src", b"src/a.c", b"sub", b"sub/.git", b"sub/.git/HEAD"]


def test_a_project_that_was_never_cloned_is_said(run) -> None:
    assert run(of_clone=True).failure()["code"] == "not_cloned"


def test_what_was_excluded_is_not_there(tmp_path, folder, run) -> None:
    make(folder, {"keep.c": b"x", "drop.o": b"x", "build/deep/x.c": b"x", "src/build/y.c": b"x", "a/tmp/z": b"x"})
    result = run(params={"exclude": ["*.o", "/build", "a/tmp"]}).result()
    to = tmp_path / "roots" / "to"
    run("restore", params={"snapshot": result["snapshot"], "to": str(to)}).result()
    assert sorted(content(to)) == [b"a", b"keep.c", b"src", b"src/build", b"src/build/y.c"]


def test_the_hubs_own_data_is_no_part_of_a_folder_around_it(tmp_path, run) -> None:
    make(tmp_path / "roots" / "folder", {"file": b"x"})
    (tmp_path / "roots" / "folder" / "data").mkdir()
    (tmp_path / "data").symlink_to(tmp_path / "roots" / "folder" / "data")
    result = run().result()
    assert result["files"] == 1


def test_it_waits_until_the_folder_is_quiet(folder, run) -> None:
    make(folder, {"file": b"x"})
    ahead = time.time() + 60  # by such a clock how old the file is says nothing
    os.utime(folder / "file", (ahead, ahead))
    started = time.monotonic()
    first = run(rules={"snapshot_quiet_s": 1.0, "snapshot_wait_s": 30.0})
    first.wait_for(stage="waiting")
    result = first.result()
    assert result["was_quiet"]
    assert time.monotonic() - started >= 0.9
    assert any(progress["message"].startswith("Waiting for folder scan") for progress in first.progress)


def test_a_folder_that_is_never_quiet_is_taken_all_the_same_and_that_is_told(folder, run) -> None:
    make(folder, {"file": b"x"})
    first = run(rules={"snapshot_quiet_s": 5.0, "snapshot_wait_s": 0.5})
    end = time.monotonic() + 30
    for message in first.read():
        (folder / "file").write_bytes(b"%f" % time.monotonic())
        if "result" in message:
            break
        assert time.monotonic() < end
    assert not message["result"]["was_quiet"]
    assert any("has not been quiet" in said["log"]["message"] for said in first.messages if "log" in said)


@pytest.mark.parametrize("stage", STAGES)
def test_a_run_killed_in_any_stage_is_gone_on_with_and_sends_nothing_twice(tmp_path, folder, run, s3, stage) -> None:
    make(folder, many(60, 20_000) | {f"large{n}": random.Random(n).randbytes(9_000_000) for n in range(4)})
    proxy = FaultProxy(s3.endpoint, lambda number, method, path: "slow" if method == "PUT" else None)
    prefix = f"s3://{BUCKET}/{stage}-{time.time_ns()}"
    store = {"store": prefix, "store_options": [f"AWS_ENDPOINT={proxy.endpoint}", "AWS_REGION=us-east-1"]}
    quiet = {"snapshot_quiet_s": 1.5} if stage == "waiting" else {}
    try:
        first = run(rules={**store, **quiet}, secrets=SECRETS)
        first.wait_for(stage=stage)
        if stage == "uploading":
            until(lambda: sum("/packs/" in path and method == "PUT" for method, path in proxy.requests) >= 2)
        first.kill()
        sent_before = len(proxy.requests)
        second = run(rules=store, secrets=SECRETS, resumed_from=first)
        result = second.result()
        # Some part of a pack may have been on its way, and is sent again; all that had arrived is not.
        assert proxy.sent_bytes < 60 * 20_000 + 36_000_000 + 2 * 18_000_000, proxy.requests[sent_before:]
        if stage == "verifying":
            assert result["uploaded_bytes"] < 1_000_000
        assert result["files"] == 64
        to = tmp_path / "roots" / "to"
        run("restore", rules=store, secrets=SECRETS, params={"snapshot": result["snapshot"], "to": str(to)}).result()
        assert content(to) == content(folder)
        assert run("verify", rules=store, secrets=SECRETS).result()["damaged"] == 0
    finally:
        proxy.close()


@pytest.mark.parametrize("stage", STAGES)
def test_a_cancel_is_heard_in_every_stage_also_with_a_store_that_hangs(folder, run, s3, stage) -> None:
    make(folder, many(400, 30_000))
    hangs = {"opening": "/leases/", "uploading": "/packs/", "verifying": "/snapshots/2"}.get(stage, "never")
    proxy = FaultProxy(s3.endpoint, lambda number, method, path: "stall" if hangs in path else None)
    store = {
        "store": f"s3://{BUCKET}/cancel-{time.time_ns()}",
        "store_options": [f"AWS_ENDPOINT={proxy.endpoint}", "AWS_REGION=us-east-1"],
        "snapshot_quiet_s": 30.0 if stage == "waiting" else 0.0,
    }
    try:
        first = run(rules=store, secrets=SECRETS)
        if hangs == "never":
            first.wait_for(stage=stage)
        else:
            first.wait_for(stage="opening")
            until(lambda: any(hangs in path for _, path in proxy.requests), 20)
        asked = time.monotonic()
        first.cancel()
        last = first.end(5)
        assert time.monotonic() - asked < 1.0
        assert last == {"cancelled": True} or (stage in {"browsing", "compressing"} and "result" in last)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(first.process.pid, signal.SIGKILL)
        until(first.group_is_gone)
    finally:
        proxy.close()


def test_secrets_of_the_store_are_in_nothing_that_is_said(folder, run, s3) -> None:
    make(folder, {"file": b"x"})
    proxy = FaultProxy(s3.endpoint, lambda number, method, path: "403" if "packs" in path else None)
    store = {"store": f"s3://{BUCKET}/x", "store_options": [f"AWS_ENDPOINT={proxy.endpoint}", "AWS_REGION=us-east-1"]}
    try:
        failed = run(rules=store, secrets=SECRETS)
        failure = failed.failure()
    finally:
        proxy.close()
    assert failure["code"] == "store_refused"
    said = json.dumps(failed.messages) + failed.stderr
    assert not any(secret in said for secret in SECRETS.values())


def test_a_prune_waits_for_a_snapshot_and_a_snapshot_for_a_prune(tmp_path, folder, run) -> None:
    make(folder, many(50, 1000))
    first = run().result()["snapshot"]
    lock = tmp_path / "data" / "projects" / "project" / "snapshots" / "lock"
    for kind, params, how in (("prune", {"snapshots": [first]}, fcntl.LOCK_SH), ("snapshot", {}, fcntl.LOCK_EX)):
        with lock.open("r+") as file:
            fcntl.flock(file, how)
            waiting = run(kind, params=params)
            for message in waiting.read():
                if "Waiting for another job" in message.get("progress", {}).get("message", ""):
                    break
        assert waiting.result()


def test_a_disk_that_is_nearly_full_ends_the_job_before_it_is(folder, run) -> None:
    make(folder, many(50, 1000))
    assert run(rules={"min_free_bytes": 2**60}).failure()["code"] == "disk_full"
    assert run().result()["files"] == 50


def test_retention_and_dry_runs(tmp_path, folder, run) -> None:
    ids = []
    for n in range(3):
        (folder / "file").write_bytes(random.Random(n).randbytes(50_000))
        ids.append(run().result()["snapshot"])
    dry = run("prune", params={"keep_last": 1, "dry_run": True}).result()
    assert (sorted(dry["removed"]), dry["kept"], dry["dry_run"]) == (ids[:2], 1, True)
    assert dry["freed_bytes"] > 100_000
    done = run("prune", params={"keep_last": 1}).result()
    assert {**done, "dry_run": True} == dry
    assert run("verify").result()["snapshots"] == 1
    to = tmp_path / "roots" / "to"
    assert run("restore", params={"snapshot": ids[0], "to": str(to)}).failure()["code"] == "no_snapshot"
    run("restore", params={"snapshot": ids[2], "to": str(to)}).result()
    assert content(to) == content(folder)


def test_a_store_in_the_folder_is_no_part_of_it_nor_are_its_other_projects(tmp_path, folder, run) -> None:
    make(folder, {"file": b"x", "store/another/packs/0123": b"x" * 1000})
    result = run(rules={"store": str(folder / "store")}).result()
    assert result["files"] == 1
