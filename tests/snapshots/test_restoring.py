"""Restoring: nothing outside of the folder is touched, whatever stands in the way or is planted there meanwhile."""

import contextlib
import os
import random

import pytest

from hub.snapshots.errors import RestoreRefused
from tests.snapshots.shop import Notes, Shop
from tests.snapshots.trees import content, make


@pytest.fixture
def shop(tmp_path) -> Shop:
    return Shop(tmp_path)


def at_stage(shop: Shop, name: str, work) -> None:
    """Have `work` done when the next restore comes to the stage."""

    class Meddling(Notes):
        def stage(self, stage: str) -> None:
            super().stage(stage)
            if stage == name:
                work()

    shop.watching = Meddling


def test_a_folder_swapped_for_a_link_at_the_end_changes_nothing_outside(shop):
    make(shop.folder, {"sub/file": b"x"})
    (shop.folder / "sub").chmod(0o750)
    taken = shop.take()["snapshot"]
    outside = make(shop.base / "outside", {"file": b"theirs"})
    outside.chmod(0o700)
    os.utime(outside, ns=(1, 1))

    def swap() -> None:
        (shop.base / "restored" / "sub").rename(shop.base / "away")
        (shop.base / "restored" / "sub").symlink_to(outside)

    at_stage(shop, "finishing", swap)
    with contextlib.suppress(RestoreRefused, OSError):
        shop.restore(taken)
    assert (outside.stat().st_mode & 0o7777, outside.stat().st_mtime_ns) == (0o700, 1)


def test_the_folder_itself_is_not_reached_through_a_link_that_was_planted_since_it_was_checked(shop):
    make(shop.folder, {"file": b"x"})
    taken = shop.take()["snapshot"]
    outside = make(shop.base / "outside", {})
    (shop.base / "above").symlink_to(outside)
    with pytest.raises(RestoreRefused, match="link"):
        shop.restore(taken, "above/restored")
    assert list(outside.iterdir()) == []


def test_a_folder_gets_its_mode_after_all_that_is_in_it(shop, monkeypatch):
    """Or else nobody but root could go through one that its owner may not enter."""
    make(shop.folder, {"a/b/c/file": b"x", "a-b/file": b"x"})
    taken = shop.take()["snapshot"]
    order: list[int] = []
    real = os.fchmod
    monkeypatch.setattr(
        "hub.snapshots.restoring.os.fchmod",
        lambda fd, mode: (order.append(os.fstat(fd).st_ino) if mode != 0o644 else None, real(fd, mode))[1],
    )
    for name in ("a", "a/b", "a/b/c", "a-b"):
        (shop.folder / name).chmod(0o755)
    restored = shop.restore(taken)
    inodes = [(restored / name).stat().st_ino for name in ("a/b/c", "a/b", "a")]
    assert [inode for inode in order if inode in inodes] == inodes


def test_further_names_of_a_file_are_one_file_also_where_its_first_name_is_not_asked_for(shop):
    make(shop.folder, {"a/first": random.Random(1).randbytes(5000), "b/other": b"y"})
    for name in ("b/second", "b/third"):
        os.link(shop.folder / "a" / "first", shop.folder / name)
    taken = shop.take()["snapshot"]
    restored = shop.restore(taken, prefix=b"b")
    assert content(restored / "b") == content(shop.folder / "b")


def test_links_with_odd_targets_come_back_as_they_are(shop):
    targets = ["..", "/", "/etc/passwd", "a" * 4000, "\n", "x/../../y", " ", os.fsdecode(b"\xff\xfe")]
    for number, target in enumerate(targets):
        (shop.folder / f"{number}").symlink_to(target)
    restored = shop.restore(shop.take()["snapshot"])
    assert [str((restored / f"{number}").readlink()) for number in range(len(targets))] == targets


def test_a_file_that_became_a_folder_and_a_folder_that_became_a_file_come_back_as_they_are_now(shop):
    make(shop.folder, {"one": b"x", "two/inner": b"y", "Case": b"1", "case": b"2"})
    first = shop.take()["snapshot"]
    (shop.folder / "one").unlink()
    (shop.folder / "two" / "inner").unlink()
    (shop.folder / "two").rmdir()
    make(shop.folder, {"one/inner": b"x", "two": b"y"})
    second = shop.take()["snapshot"]
    assert content(shop.restore(second, "second")) == content(shop.folder)
    assert (shop.restore(first, "first") / "two" / "inner").read_bytes() == b"y"
