"""Taking snapshots and getting them back: byte for byte, only what is new is sent, nothing is left out in silence."""

import contextlib
import os
import random
import socket
import sqlite3
import stat
import sysconfig
import tempfile
import time
from pathlib import Path

import pytest

from hub.snapshots.catalog import Catalog
from hub.snapshots.errors import SourceGone
from tests.snapshots.shop import Notes, Shop
from tests.snapshots.trees import content, make

ODD = {
    "a.txt": b"hello\n",
    "empty": b"",
    "folder/deep/er/file.bin": bytes(range(256)) * 50,
    "folder/none": None,
    "link": "a.txt",
    "dangling": "nowhere/at/all",
    "up": "../../..",
    "loop": "loop",
    b"not-utf8-\xff\xfe": b"bytes",
    "zeile\numbruch": b"newline in the name",
    "snow\N{SNOWMAN}": b"snow",
    "name with spaces": b"x" * 3_000_000,
    "large": random.Random(1).randbytes(5 * 1024 * 1024 + 17),
}  # fmt: skip


@pytest.fixture
def shop(tmp_path) -> Shop:
    return Shop(tmp_path)


def test_a_restored_folder_is_the_same_in_bytes_modes_times_and_links(shop):
    make(shop.folder, ODD)
    (shop.folder / "a.txt").chmod(0o640)
    (shop.folder / "empty").chmod(0o000 if os.geteuid() == 0 else 0o400)
    (shop.folder / "folder" / "deep" / "er" / "file.bin").chmod(0o755)
    os.link(shop.folder / "a.txt", shop.folder / "folder" / "second-name")
    os.utime(shop.folder / "large", ns=(1, 1_234_567_890_123_456_789))
    os.utime(shop.folder / "link", ns=(5, 987_654_321_987_654_321), follow_symlinks=False)
    (shop.folder / "folder" / "deep").chmod(0o500)
    os.utime(shop.folder / "folder", ns=(1, 1_000_000_000_000_000_001))
    result = shop.take()
    assert (result["files"], result["links"], result["left_out"]) == (9, 4, 0)
    restored = shop.restore(result["snapshot"])
    assert content(restored) == content(shop.folder)
    assert (restored / "a.txt").stat().st_ino == (restored / "folder" / "second-name").stat().st_ino
    assert shop.verify().bad == {}
    assert shop.notes.stages == ["listing", "checking", "tracing"]


def test_pythons_own_library_comes_back_as_it_is(shop):
    library = Path(sysconfig.get_path("stdlib")) / "email"
    result = shop.take(folder=library)
    assert result["files"] > 20
    assert content(shop.restore(result["snapshot"])) == content(library)


def test_the_stages_and_the_detail_are_what_watchers_know(shop):
    make(shop.folder, {f"{n}.txt": bytes([n]) * 1000 for n in range(20)})
    shop.take()
    assert shop.notes.stages == ["opening", "waiting", "browsing", "compressing", "uploading", "verifying"]
    messages = [message for _, _, _, message, _ in shop.notes.progresses]
    assert "Getting folder status..." in messages
    assert "Processing 20 files (20 KB total)..." in messages
    last = [detail for stage, *_, detail in shop.notes.progresses if stage == "verifying"][-1]
    assert last == {"fileCount": 20, "totalSize": 20_000, "totalSizeText": "20 KB"}


def test_one_changed_file_costs_what_it_is_and_not_what_the_folder_is(shop):
    dice = random.Random(2)
    make(shop.folder, {f"d{n % 7}/{n}": dice.randbytes(40_000) for n in range(300)})
    first = shop.take()
    assert first["uploaded_bytes"] > 300 * 40_000
    (shop.folder / "d3" / "3").write_bytes(dice.randbytes(40_000))
    second = shop.take()
    assert second["new_files"] == 1
    assert 40_000 < second["uploaded_bytes"] < 2.5 * 40_000 + 50_000
    third = shop.take()
    assert third["uploaded_bytes"] == 0
    assert content(shop.restore(third["snapshot"])) == content(shop.folder)


def test_a_change_within_a_large_file_costs_a_piece_of_it(shop):
    dice = random.Random(3)
    (shop.folder / "large").write_bytes(dice.randbytes(24 * 1024 * 1024))
    shop.take()
    with (shop.folder / "large").open("r+b") as file:
        file.seek(11 * 1024 * 1024)
        file.write(b"changed")
    assert shop.take()["uploaded_bytes"] < 2.2 * 1024 * 1024


def test_the_same_content_is_stored_once_wherever_it_is(shop):
    data = random.Random(4).randbytes(200_000)
    make(shop.folder, {f"{n}/copy": data for n in range(20)})
    assert shop.take()["uploaded_bytes"] < 250_000
    make(shop.folder, {"later/one/more": data})
    assert shop.take()["uploaded_bytes"] < 10_000


def test_files_that_have_not_changed_are_not_read_again_unless_that_is_asked(shop):
    make(shop.folder, {f"{n}": b"%d" % n for n in range(50)})
    assert shop.take()["unread_files"] == 0
    trust_all(shop)
    assert shop.take()["unread_files"] == 50
    assert shop.take(full=True)["unread_files"] == 0


def trust_all(shop: Shop) -> None:
    """As if the snapshot before had been taken later than two seconds after the files were written."""
    with sqlite3.connect(shop.state / "catalog.sqlite3") as db:
        db.execute("UPDATE files SET racy = 0")
    db.close()


def test_a_file_changed_in_the_same_tick_and_to_the_same_size_is_found(shop):
    for n in range(5):
        (shop.folder / "file").write_bytes(b"%d" % n)
        taken = shop.take()
        assert (shop.restore(taken["snapshot"], f"to-{n}") / "file").read_bytes() == b"%d" % n


def test_what_cannot_be_taken_is_left_out_and_listed_with_the_reason(shop):
    make(shop.folder, {"file": b"x", "folder/file": b"y"})
    os.mkfifo(shop.folder / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(shop.folder / "socket"))
        if os.geteuid() == 0:
            os.mknod(shop.folder / "device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
        result = shop.take()
    wanted = {"fifo": "FIFO", "socket": "socket"} | ({"device": "character device"} if os.geteuid() == 0 else {})
    assert {one["path"]: one["reason"] for one in result["left_out_first"]} == wanted
    assert result["left_out"] == len(wanted)
    assert {
        os.fsdecode(path): entry.reason for path, entry in shop.entries(result["snapshot"]).items() if entry.reason
    } == wanted
    assert any("Left out: 1 entry (FIFO)" in message for _, message in shop.notes.logs)
    assert sorted(path.name for path in shop.restore(result["snapshot"]).iterdir()) == ["file", "folder"]


def test_an_unreadable_file_is_left_out_and_the_rest_is_taken(shop, monkeypatch):
    make(shop.folder, {"open": b"x", "shut": b"y", "vanished": b"z"})
    real = os.open

    def refusing(path, *args, **kwargs):
        if path == b"shut":
            raise PermissionError(13, "Permission denied")
        if path == b"vanished":
            raise FileNotFoundError(2, "No such file or directory")
        return real(path, *args, **kwargs)

    monkeypatch.setattr("hub.snapshots.tree.os.open", refusing)
    result = shop.take()
    assert result["left_out_reasons"] == {"not readable": 1, "vanished": 1}
    assert [path.name for path in shop.restore(result["snapshot"]).iterdir()] == ["open"]


def test_a_file_that_changes_while_it_is_read_is_read_again(shop, monkeypatch):
    make(shop.folder, {"file": b"before"})
    real, calls = os.pread, []

    def writing(fd, length, at):
        data = real(fd, length, at)
        calls.append(length)
        if len(calls) == 1:
            (shop.folder / "file").write_bytes(b"changed meanwhile")
        return data

    monkeypatch.setattr("hub.snapshots.reading.os.pread", writing)
    result = shop.take()
    assert result["changing"] == 0
    assert (shop.restore(result["snapshot"]) / "file").read_bytes() == b"changed meanwhile"


def test_a_file_that_never_stands_still_is_taken_as_it_was_read_and_listed_as_changing(shop, monkeypatch):
    make(shop.folder, {"log": b"line\n", "still": b"x"})
    real = os.pread
    monkeypatch.setattr("hub.snapshots.reading.BETWEEN_S", (0.0, 0.0))

    def growing(fd, length, at):
        data = real(fd, length, at)
        if data.startswith(b"line"):
            with (shop.folder / "log").open("ab") as log:
                log.write(b"line\n")
        return data

    monkeypatch.setattr("hub.snapshots.reading.os.pread", growing)
    result = shop.take()
    monkeypatch.undo()
    assert result["changing"] == 1
    assert shop.notes.said("log is being written to")
    entries = shop.entries(result["snapshot"])
    assert entries[b"log"].changing
    assert not entries[b"still"].changing
    assert set((shop.restore(result["snapshot"]) / "log").read_text().split()) == {"line"}
    assert shop.verify().bad == {}


def test_a_sparse_file_of_a_terabyte_takes_no_time_and_stays_sparse(shop):
    path = shop.folder / "sparse"
    with path.open("wb") as file:
        file.truncate(1024**4)
        file.seek(1024**3)
        file.write(b"in the middle")
        file.seek(1024**4 - 4)
        file.write(b"end!")
    result = shop.take()
    assert result["bytes"] == 1024**4
    assert result["uploaded_bytes"] < 100_000
    restored = shop.restore(result["snapshot"]) / "sparse"
    assert restored.stat().st_size == 1024**4
    assert restored.stat().st_blocks * 512 < 10_000_000
    with restored.open("rb") as file:
        file.seek(1024**3)
        assert file.read(13) == b"in the middle"
        file.seek(1024**4 - 4)
        assert file.read() == b"end!"


def test_a_folder_that_vanishes_in_the_middle_ends_the_run_and_makes_no_snapshot(shop):
    make(shop.folder, {f"{n}": b"x" * 1000 for n in range(500)})
    notes = Notes()
    progress = notes.progress

    def vanishing(*args, **kwargs):
        progress(*args, **kwargs)
        if notes.stages[-1] == "compressing" and shop.folder.exists():
            shop.folder.rename(shop.base / "away")

    notes.progress = vanishing
    with pytest.raises(SourceGone):
        shop.take(notes=notes)
    assert shop.ids() == []


def test_a_folder_that_is_not_there_is_said(shop):
    with pytest.raises(SourceGone):
        shop.take(folder=shop.base / "none")


def test_an_empty_folder_is_a_snapshot_too(shop):
    result = shop.take()
    assert (result["files"], result["folders"]) == (0, 0)
    assert list(shop.restore(result["snapshot"]).iterdir()) == []
    assert shop.verify().bad == {}


def test_a_dry_run_says_what_would_be_sent_and_sends_nothing(shop):
    make(shop.folder, {"a": random.Random(5).randbytes(100_000), "b": b"x"})
    dry = shop.take(dry_run=True)
    assert dry["dry_run"]
    assert (dry["files"], dry["new_files"]) == (2, 2)
    assert 100_000 < dry["would_upload_bytes"] < 102_000
    assert shop.ids() == []
    assert shop.packs == []
    real = shop.take()
    assert real["uploaded_bytes"] - dry["would_upload_bytes"] < 2_000
    assert shop.take(dry_run=True)["would_upload_bytes"] == 0


def test_a_catalog_that_is_lost_or_broken_is_made_again_from_the_store(shop):
    make(shop.folder, {f"{n}": random.Random(n).randbytes(30_000) for n in range(40)})
    shop.take()
    for damage in (Path.unlink, lambda path: path.write_bytes(b"no database" * 1000)):
        for beside in shop.state.glob("catalog.sqlite3-*"):
            beside.unlink()
        damage(shop.state / "catalog.sqlite3")
        assert shop.take()["uploaded_bytes"] == 0
    assert shop.verify().bad == {}


def test_paths_deeper_than_the_system_takes_in_one_piece_are_taken_and_restored(shop):
    fd = os.open(shop.folder, os.O_RDONLY)
    for _ in range(60):
        os.mkdir("d" * 100, dir_fd=fd)
        deeper = os.open("d" * 100, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = deeper
    with os.fdopen(os.open("bottom", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=fd), "wb") as file:
        file.write(b"deep down")
    os.close(fd)
    result = shop.take()
    assert result["folders"] == 60
    shop.restore(result["snapshot"])
    second = shop.take(folder=shop.base / "restored")
    assert second["uploaded_bytes"] < 20_000
    assert set(shop.entries(second["snapshot"])) == set(shop.entries(result["snapshot"]))


def test_a_folder_swapped_for_a_link_leads_nobody_out(shop, monkeypatch):
    make(shop.base / "secret", {"file": b"not yours"})
    make(shop.folder, {"first/file": b"mine", "sub/file": b"mine, too", "zuletzt/file": b"x"})
    notes = Notes()
    stage = notes.stage

    def swapping(name):
        stage(name)
        if name == "compressing":
            (shop.folder / "sub").rename(shop.base / "sub")
            (shop.folder / "sub").symlink_to(shop.base / "secret")

    notes.stage = swapping
    result = shop.take(notes=notes)
    assert result["left_out_first"] == [{"path": "sub/file", "reason": "vanished"}]
    shop.restore(result["snapshot"])
    assert b"not yours" not in [told[-1] for told in content(shop.base / "restored").values()]


def test_a_file_replaced_between_two_looks_is_no_further_name_of_what_it_was(shop):
    make(shop.folder, {"a": b"old content"})
    os.link(shop.folder / "a", shop.folder / "z")

    class Replacing(Notes):
        def stage(self, name: str) -> None:
            super().stage(name)
            if name == "compressing":
                (shop.base / "new").write_bytes(b"new content")
                (shop.base / "new").rename(shop.folder / "z")

    taken = shop.take(notes=Replacing())
    restored = shop.restore(taken["snapshot"])
    assert (restored / "z").read_bytes() == b"new content"
    assert (restored / "a").read_bytes() == b"old content"


def test_a_catalog_that_is_broken_in_its_middle_is_made_anew(shop):
    make(shop.folder, {f"{n}": random.Random(n).randbytes(3000) for n in range(2000)})
    shop.take()
    path = shop.state / "catalog.sqlite3"
    for beside in shop.state.glob("catalog.sqlite3-*"):
        beside.unlink()
    raw = bytearray(path.read_bytes())
    for page in range(len(raw) // 4096 // 2 * 4096, len(raw) - 4096, 4096):
        raw[page : page + 64] = b"\xa5" * 64
    path.write_bytes(raw)
    with contextlib.suppress(sqlite3.DatabaseError):
        shop.take()
    taken = shop.take()
    assert content(shop.restore(taken["snapshot"])) == content(shop.folder)
    assert shop.verify().bad == {}


def test_a_catalog_survives_a_power_cut_whole():
    """With synchronous=OFF it may come back as a mixture of old pages and new, which no check would find."""
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        (full,) = db.execute("PRAGMA synchronous").fetchone()
    assert full == 2
    with tempfile.TemporaryDirectory() as folder, Catalog(Path(folder) / "catalog.sqlite3") as catalog:
        assert catalog.db.execute("PRAGMA synchronous").fetchone() == (1,)


def test_a_finished_snapshot_of_a_run_that_could_not_say_so_is_its_retrys_only_while_it_is_new(shop, monkeypatch):
    make(shop.folder, {"file": b"x"})
    first = shop.take(keep_work=True)["snapshot"]
    assert shop.take(keep_work=True)["snapshot"] == first
    (shop.folder / "file").write_bytes(b"days later")
    real = time.time_ns
    monkeypatch.setattr("time.time_ns", lambda: real() + 48 * 3600 * 10**9)
    later = shop.take()["snapshot"]
    assert (shop.restore(later) / "file").read_bytes() == b"days later"


def test_half_a_snapshots_own_object_does_not_keep_the_retry_from_making_a_whole_one(shop):
    make(shop.folder, {"file": b"x"})
    first = shop.take(keep_work=True)["snapshot"]
    (shop.base / "store" / "snapshots" / f"{first}.json").write_bytes(b"{")
    taken = shop.take()["snapshot"]
    assert content(shop.restore(taken)) == content(shop.folder)


def test_every_report_and_the_result_have_the_counts_that_watchers_take(shop):
    make(shop.folder, {f"d{n % 5}/{n}": b"x" * 1000 for n in range(300)})
    for options in ({}, {"dry_run": True}, {"quiet_s": 0.1, "longest_wait_s": 0.2}):
        result = shop.take(**options)
        wanted = {"fileCount": 300, "totalSize": 300_000, "totalSizeText": "300 KB"}
        assert {name: result[name] for name in wanted} == wanted
        assert ("snapshot" in result) == ("dry_run" not in options)
        details = [detail for *_, detail in shop.notes.progresses]
        assert all(wanted.keys() <= detail.keys() for detail in details)
        assert details[-1].items() >= wanted.items()
        counts = [detail["fileCount"] for stage, *_, detail in shop.notes.progresses if stage == "browsing"]
        assert counts == sorted(counts)


def test_browsing_moves_through_its_width(shop):
    make(shop.folder, {f"d{n % 40}/e{n % 3}/{n}": b"x" for n in range(2000)})
    shop.take()
    shares = [
        current / total if total else 0.0
        for stage, current, total, _, _ in shop.notes.progresses
        if stage == "browsing"
    ]
    assert shares[-1] == 1.0
    assert sum(0.1 < share < 0.9 for share in shares) >= 3


def test_everything_a_snapshot_names_is_on_the_disk_before_the_snapshot_is(shop, monkeypatch):
    make(shop.folder, {f"d/{n}": random.Random(n).randbytes(1000) for n in range(100)})
    safe: set[tuple[int, int]] = set()
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(fd: int) -> None:
        status = os.fstat(fd)
        safe.add((status.st_dev, status.st_ino))
        real_fsync(fd)

    def replace(draft, place):
        if "/snapshots/" in str(place):
            for folder in ("packs", "trees"):
                for path in [shop.base / "store" / folder, *(shop.base / "store" / folder).iterdir()]:
                    status = path.stat()
                    assert (status.st_dev, status.st_ino) in safe, path
        status = Path(draft).stat()
        assert (status.st_dev, status.st_ino) in safe
        real_replace(draft, place)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    shop.take()
    status = (shop.base / "store" / "snapshots").stat()
    assert (status.st_dev, status.st_ino) in safe
