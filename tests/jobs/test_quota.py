"""What a project may have on the disk: a run that would pass it ends, and looking costs next to nothing until then."""

from pathlib import Path

import pytest

from hub.jobs.base import JobFailed
from hub.jobs.kinds import KINDS
from hub.jobs.quota import Quota, used_bytes


class Disk:
    """A folder, what its disk has left, and the time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.free = 1 << 40
        self.now = 0.0

    def write(self, name: str, size: int) -> None:
        (self.folder / name).write_bytes(b"x" * size)
        self.free -= size

    def quota(self, most: int) -> Quota:
        return Quota((self.folder, self.folder / "not there"), most, lambda: self.now)


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


def test_a_run_that_passes_it_is_ended_with_what_it_took_and_a_hint(disk: Disk) -> None:
    quota = disk.quota(500_000)
    disk.write("a", 400_000)
    quota.check(disk.free)
    disk.write("b", 200_000)
    disk.now += 1
    with pytest.raises(JobFailed) as caught:
        quota.check(disk.free)
    assert caught.value.failure.code == "project_full"
    assert "max_project_bytes" in caught.value.failure.hint
    assert not caught.value.failure.retry


def test_files_are_counted_only_when_the_disk_has_lost_enough_to_matter(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = []
    monkeypatch.setattr("hub.jobs.quota.used_bytes", lambda folder: counted.append(folder) or used_bytes(folder))
    quota = disk.quota(1_000_000)
    for n in range(20):
        disk.write(f"{n}", 4096)
        disk.now += 1
        quota.check(disk.free)
    assert len(counted) == 2, "at the beginning, each folder once"
    disk.now += 31
    quota.check(disk.free)
    assert len(counted) == 4, "what was freed elsewhere may have hidden what was written"


def test_what_is_shared_by_links_is_counted_once_and_links_are_not_followed(disk: Disk) -> None:
    disk.write("a", 100_000)
    before = used_bytes(disk.folder)
    (disk.folder / "b").hardlink_to(disk.folder / "a")
    (disk.folder / "c").symlink_to("/usr")
    (disk.folder / "d").mkdir()
    assert before <= used_bytes(disk.folder) <= before + 8192


def test_what_makes_room_may_always_run() -> None:
    assert {name for name, kind in KINDS.items() if kind.frees} == {"prune", "restore", "verify"}


def test_a_clone_that_is_too_large_for_its_project_ends_and_leaves_nothing(child, server, engine) -> None:
    run = child(f"{server.url}/heavy.git", params={"engine": engine}, rules={"max_project_bytes": 100_000})
    failure = run.failure()
    assert failure["code"] == "project_full"
    assert not run.home.exists() or not list(run.home.iterdir())
