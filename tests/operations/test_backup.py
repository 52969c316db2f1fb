"""Backups: taken while the hub is at work, whole or not at all, and back again as a hub that misses nothing."""

import asyncio
import contextlib
import io
import json
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from hub.backups import databases, restoring, taking
from hub.backups.contents import COMMITS, JOURNAL
from hub.backups.errors import BackupFailed, BackupTooNew, BackupUnsound, PlaceTaken
from hub.backups.manifest import NAME, Manifest
from hub.core.ports import Project
from hub.doctor import migrations
from hub.journal.sqlite import SqliteJournal
from tests.operations.conftest import ROOT, Cli
from tests.processes import HubProcess

NEWEST = {JOURNAL: migrations.newest(JOURNAL), COMMITS: migrations.newest(COMMITS)}


@contextlib.contextmanager
def writing(hub: HubProcess) -> Iterator[list[int]]:
    """A publisher that never pauses, within the block; the numbers that were acknowledged."""
    acknowledged: list[int] = []
    done = threading.Event()

    def publish() -> None:
        hub.call("POST", "projects", {"id": "busy"})
        hub.call("POST", "projects/busy/publish", {"events": [{"job": "j", "kind": "train", "type": "job"}]})
        while not done.is_set():
            number = len(acknowledged)
            event = {"job": "j", "kind": "train", "type": "log", "message": f"line {number}", "key": str(number)}
            hub.call("POST", "projects/busy/publish", {"events": [event]})
            acknowledged.append(number)
            time.sleep(0.025)  # more than 50 lines a second would be left out

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while len(acknowledged) < 20:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield acknowledged
    finally:
        done.set()
        thread.join()


def filled(hub: HubProcess, source: Path) -> None:
    """A clone, an index, a snapshot, commits and a webhook."""
    hub.call("POST", "projects", {"url": f"file://{source}", "id": "repo"})
    for kind in ("clone", "index", "snapshot"):
        finished(hub, hub.call("POST", "projects/repo/jobs", {"kind": kind})["id"])
    finished(hub, hub.call("POST", "sync")["id"])
    hub.call("POST", "webhooks", {"url": "https://ci.example.org/hook"})


def finished(hub: HubProcess, job: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while (state := hub.call("GET", f"jobs/{job}"))["state"] in {"queued", "running"}:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert state["state"] == "succeeded", state
    return state


@pytest.mark.git
def test_taken_from_a_hub_at_work_it_comes_back_with_all_that_was_acknowledged_before(
    hub: HubProcess, source: Path, tmp_path: Path, cli: Cli
) -> None:
    filled(hub, source)
    webhook = hub.call("GET", "webhooks")["items"][0]["id"]
    file, folder = tmp_path / "hub.tar.zst", tmp_path / "copy"
    with writing(hub) as acknowledged:
        before = len(acknowledged)
        running = hub.call("POST", "projects/repo/jobs", {"kind": "clone"})["id"]  # a job in mid-work
        for place in (file, folder):
            done = cli("backup", "--data-dir", hub.data_dir, place)
            assert done.returncode == 0, done.stderr
        assert "Saved" in done.stdout
    cursor = hub.call("GET", "projects/busy/events")["cursor"]
    newest = int(cursor.partition("-")[2])
    finished(hub, running)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not [path for path in tmp_path.iterdir() if "partial" in path.name]

    refused = cli("restore-backup", "--data-dir", hub.data_dir, file)
    assert (refused.returncode, "A hub is at work" in refused.stderr) == (1, True)
    for place in (file, folder):
        restored = tmp_path / f"restored-{place.name}"
        done = cli("restore-backup", "--data-dir", restored, place)
        assert done.returncode == 0, done.stderr
        check_restored(restored, hub.data_dir, before)

    after = HubProcess(restored, "--roots", str(tmp_path))
    try:
        assert [each["id"] for each in after.call("GET", "webhooks")["items"]] == [webhook]
        told = after.call("GET", f"projects/busy/events?since={cursor}")
        assert told["reset"], "numbers of the old epoch mean other events now"
        assert int(told["cursor"].partition("-")[2]) < newest + 5000
        assert after.call("GET", "search?q=f77")["items"]
        assert after.call("GET", "projects/repo/commits")["total"] == 1
        finished(after, after.call("POST", "projects/repo/jobs", {"kind": "verify"})["id"])
    finally:
        after.close()


def check_restored(restored: Path, data: Path, acknowledged: int) -> None:
    for key in data.glob("*.key"):
        assert (restored / key.name).read_bytes() == key.read_bytes()
        assert stat.S_IMODE((restored / key.name).stat().st_mode) == stat.S_IMODE(key.stat().st_mode) == 0o600
    with contextlib.closing(sqlite3.connect(restored / JOURNAL)) as db:
        rows = db.execute("SELECT wire FROM events WHERE project = 'busy' AND type = 'log' ORDER BY seq").fetchall()
    lines = [json.loads(wire)["message"] for (wire,) in rows]
    assert lines == [f"line {n}" for n in range(len(lines))], "of one moment, without holes"
    assert len(lines) >= acknowledged
    clone = restored / "projects" / "repo" / "repo"
    told = subprocess.run(["git", "-C", clone, "fsck", "--full"], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert (clone / "link").is_symlink()
    assert not list((restored / "projects" / "repo" / "snapshots" / "store").glob("leases/*"))
    assert {path.name for path in restored.iterdir()}.isdisjoint({"hub.lock", "work", "kept", "trash"})


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A stopped hub's data folder, small."""
    folder = tmp_path / "data"
    asyncio.run(_journal(folder / JOURNAL))
    (folder / "webhooks.key").write_text("secret")
    (folder / "webhooks.key").chmod(0o600)
    home = folder / "projects" / "p" / "repo"
    home.mkdir(parents=True)
    (home / "HEAD").write_text("ref: refs/heads/main\n")
    (home / "a\udcff b").write_bytes(b"\0" * 5000)
    (home / "empty").mkdir()
    (home / "read-only").write_text("x")
    (home / "read-only").chmod(0o400)
    return folder


async def _journal(path: Path) -> None:
    journal = SqliteJournal(path)
    await journal.open(recent_jobs=1)
    await journal.add_project(Project(id="p", name="p", created=1))
    await journal.close()


def take(data: Path, place: Path, **options: Any) -> Manifest:
    return taking.take(data, place, **options)


def restore(place: Path, data: Path) -> Manifest:
    return restoring.restore(place, data, NEWEST)


@pytest.mark.parametrize("name", ["backup.tar.zst", "backup"])
def test_names_modes_times_and_empty_folders_come_back(data: Path, tmp_path: Path, name: str) -> None:
    taken = take(data, tmp_path / name)
    assert restore(tmp_path / name, tmp_path / "new").entries == taken.entries
    for path in (data / "projects").rglob("*"):
        other = tmp_path / "new" / path.relative_to(data)
        assert other.lstat().st_mode == path.lstat().st_mode
        if path.is_file():
            assert other.read_bytes() == path.read_bytes()
            assert other.stat().st_mtime_ns == path.stat().st_mtime_ns


def test_without_clones_it_is_small(data: Path, tmp_path: Path) -> None:
    taken = take(data, tmp_path / "b.tar.zst", small=True)
    assert {JOURNAL} <= set(taken.entries)
    assert not [path for path in taken.entries if "repo" in path]


def test_progress_rises_to_all_of_it(data: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    taking.take(data, tmp_path / "b.tar.zst", tell=lambda done, of, what: told.append((done, of)))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] == told[-1][1] > 5000


def test_a_folder_that_never_stands_still_is_named(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taking, "PAUSE_S", 0)
    file = data / "projects" / "p" / "repo" / "a\udcff b"
    real = taking.walk

    def restless(*arguments: Any) -> Any:
        with file.open("ab") as out:
            out.write(b"more")
        return real(*arguments)

    monkeypatch.setattr(taking, "walk", restless)
    assert take(data, tmp_path / "b.tar.zst").unsettled == ("projects/p/repo",)
    restore(tmp_path / "b.tar.zst", tmp_path / "new")
    assert not (tmp_path / "new" / "projects" / "p" / "repo").exists(), "half of it would be worse than none"


def test_a_folder_that_changes_once_is_copied_again(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "PAUSE_S", 0)
    home = data / "projects" / "p" / "repo"
    (home / "passing").write_text("x")
    real, calls = taking.walk, []

    def once(*arguments: Any) -> Any:
        yield from real(*arguments)
        if arguments[1] == Path("projects/p/repo"):
            calls.append(arguments)
            if len(calls) == 3:  # the size, the list, and then the copy itself
                (home / "passing").unlink()

    monkeypatch.setattr(taking, "walk", once)
    assert take(data, tmp_path / "b.tar.zst").unsettled == ()
    restore(tmp_path / "b.tar.zst", tmp_path / "new")
    assert (tmp_path / "new" / "projects" / "p" / "repo" / "read-only").exists()
    assert not (tmp_path / "new" / "projects" / "p" / "repo" / "passing").exists()


def test_a_damaged_journal_is_no_backup_and_leaves_none(data: Path, tmp_path: Path) -> None:
    with (data / JOURNAL).open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * 4096)
    with pytest.raises(BackupFailed, match="damaged"):
        take(data, tmp_path / "b.tar.zst")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_damaged_index_is_left_out_and_named(data: Path, tmp_path: Path) -> None:
    (data / "projects" / "p" / "index.sqlite3").write_bytes(b"SQLite format 3\0" + b"\xff" * 9000)
    taken = take(data, tmp_path / "b.tar.zst")
    assert taken.left_out == ("projects/p/index.sqlite3",)


def test_a_folder_that_is_missing_is_not_made(data: Path, tmp_path: Path) -> None:
    """It may be where a disk is mounted on other days."""
    with pytest.raises(PlaceTaken, match="There is no folder"):
        take(data, tmp_path / "disk" / "hub.tar.zst")
    assert not (tmp_path / "disk").exists()


def test_what_is_there_is_never_overwritten(data: Path, tmp_path: Path) -> None:
    take(data, tmp_path / "b.tar.zst")
    with pytest.raises(PlaceTaken):
        take(data, tmp_path / "b.tar.zst")
    with pytest.raises(PlaceTaken, match="not empty"):
        restore(tmp_path / "b.tar.zst", data)
    (tmp_path / "empty").mkdir()
    restore(tmp_path / "b.tar.zst", tmp_path / "empty")
    with pytest.raises(BackupFailed, match="cannot lie in"):
        take(data, data / "b.tar.zst")
    with pytest.raises(BackupFailed, match="no data folder"):
        take(tmp_path / "nowhere", tmp_path / "c.tar.zst")


def rewritten(file: Path, change: Any) -> None:
    """The archive with each member passed through `change`, which gives name and content, or None to leave it out."""
    plain = zstandard.ZstdDecompressor().stream_reader(file.read_bytes()).read()
    (file.parent / "plain.tar").write_bytes(plain)
    with tarfile.open(file.parent / "plain.tar") as old, tarfile.open(file.parent / "new.tar", "w") as new:
        for info in old:
            content = old.extractfile(info).read() if info.isreg() else None
            if (changed := change(info, content)) is not None:
                member, content = changed
                member.size = len(content or b"")
                new.addfile(member, io.BytesIO(content) if content is not None else None)
    file.write_bytes(zstandard.ZstdCompressor().compress((file.parent / "new.tar").read_bytes()))
    (file.parent / "new.tar").unlink()
    (file.parent / "plain.tar").unlink()


def _flipped(info: tarfile.TarInfo, content: bytes | None) -> Any:
    return (info, b"y") if info.name.endswith("read-only") else (info, content)


def _missing(info: tarfile.TarInfo, content: bytes | None) -> Any:
    return None if info.name.endswith("read-only") else (info, content)


def _outside(info: tarfile.TarInfo, content: bytes | None) -> Any:
    if info.name.endswith("read-only"):
        info.name = "../read-only"
    return info, content


def _absolute(info: tarfile.TarInfo, content: bytes | None) -> Any:
    if info.name.endswith("read-only"):
        info.name = "/read-only"
    return info, content


def _through_a_link(info: tarfile.TarInfo, content: bytes | None) -> Any:
    if info.name.endswith("empty"):
        info.type, info.linkname = tarfile.SYMTYPE, "/etc"
    elif info.name.endswith("read-only"):
        info.name = info.name.replace("read-only", "empty/read-only")
    return info, content


def _device(info: tarfile.TarInfo, content: bytes | None) -> Any:
    if info.name.endswith("read-only"):
        info.type, content = tarfile.FIFOTYPE, None
    return info, content


def _no_manifest(info: tarfile.TarInfo, content: bytes | None) -> Any:
    return None if info.name == NAME else (info, content)


def _newer(info: tarfile.TarInfo, content: bytes | None) -> Any:
    return (info, content.replace(b'"format":1', b'"format":2')) if info.name == NAME else (info, content)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (_flipped, BackupUnsound), (_missing, BackupUnsound), (_outside, BackupUnsound), (_absolute, BackupUnsound),
        (_through_a_link, BackupUnsound), (_device, BackupUnsound), (_no_manifest, BackupUnsound),
        (_newer, BackupTooNew),
    ],
)  # fmt: skip
def test_a_backup_that_is_not_as_it_was_restores_nothing(data: Path, tmp_path: Path, change: Any, error: Any) -> None:
    file = tmp_path / "b.tar.zst"
    take(data, file)
    rewritten(file, change)
    with pytest.raises(error):
        restore(file, tmp_path / "new")
    assert {path.name for path in tmp_path.iterdir()} == {"data", "b.tar.zst"}


def test_a_backup_that_was_cut_short_or_is_none_restores_nothing(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "b.tar.zst"
    take(data, file)
    whole = file.read_bytes()
    for part in (b"", whole[: len(whole) // 2], whole[:-1], b"not zstd at all" * 100):
        file.write_bytes(part)
        with pytest.raises(BackupUnsound):
            restore(file, tmp_path / "new")
        assert not (tmp_path / "new").exists()


def test_a_database_of_a_newer_version_is_refused(data: Path, tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(data / JOURNAL)) as db:
        db.execute("PRAGMA user_version=999")
    take(data, tmp_path / "b.tar.zst")
    with pytest.raises(BackupTooNew):
        restore(tmp_path / "b.tar.zst", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_full_disk_leaves_nothing(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    """Files of this process may not pass a size, which is what a full disk looks like."""
    script = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (60000, 60000)); "
        "from hub.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", script, "backup", "--data-dir", str(data), str(tmp_path / "b")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "nothing was left behind" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_restore_onto_a_full_disk_says_so_and_leaves_nothing(data: Path, tmp_path: Path, cli: Cli) -> None:
    assert cli("backup", "--data-dir", data, tmp_path / "b").returncode == 0
    script = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (60000, 60000)); "
        "from hub.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", script, "restore-backup", "--data-dir", str(tmp_path / "new"), str(tmp_path / "b")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"{tmp_path / 'new'} could not be made, and nothing was left behind" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "data"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_restore_that_is_killed_leaves_no_data_folder_and_the_next_one_cleans_up(
    data: Path, tmp_path: Path, number: int
) -> None:
    for n in range(40):
        (data / "projects" / "p" / "repo" / f"big{n}").write_bytes(bytes(1_000_000))
    file, new = tmp_path / "b.tar.zst", tmp_path / "new"
    take(data, file)
    script = (
        "import sys, time; from hub.backups import restoring; real = restoring.put\n"
        "def slow(*given):\n    real(*given); print('.', flush=True); time.sleep(0.02)\n"
        "restoring.put = slow; from hub.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", script, "restore-backup", "--data-dir", str(new), str(file)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    for _ in range(10):
        process.stdout.readline()
    process.send_signal(number)
    process.stdout.close()
    assert process.wait(20) != 0
    assert not new.exists()
    restore(file, new)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    databases.check(new / JOURNAL)


def test_a_check_restores_nothing_and_tells_of_damage(data: Path, tmp_path: Path, cli: Cli) -> None:
    file = tmp_path / "b.tar.zst"
    assert cli("backup", "--data-dir", data, file, "--json").returncode == 0
    done = cli("restore-backup", "--check", file, "--json")
    assert (done.returncode, json.loads(done.stdout)["entries"]) == (0, len(take(data, tmp_path / "c").entries))
    file.write_bytes(file.read_bytes()[:-40])
    assert cli("restore-backup", "--check", file).returncode == 1
    assert {path.name for path in tmp_path.iterdir()} == {"data", "b.tar.zst", "c"}


def test_a_copy_is_whole_however_busy_the_database_is(tmp_path: Path) -> None:
    """Each commit adds a row to two tables; a copy of two moments would have more of one."""
    path, done = tmp_path / "busy.sqlite3", threading.Event()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.executescript("CREATE TABLE a (x); CREATE TABLE b (x);")

    def write() -> None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as db:
            while not done.is_set():
                db.execute("BEGIN")
                db.execute("INSERT INTO a VALUES (randomblob(2000))")
                db.execute("INSERT INTO b VALUES (randomblob(2000))")
                db.execute("COMMIT")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        counts = []
        for n in range(5):
            time.sleep(0.05)
            databases.copy(path, tmp_path / f"copy{n}", lambda percent: None)
            with contextlib.closing(sqlite3.connect(tmp_path / f"copy{n}")) as db:
                counts.append(db.execute("SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b)").fetchone())
    finally:
        done.set()
        thread.join()
    assert all(a == b for a, b in counts)
    assert counts == sorted(counts)
    assert counts[-1] > counts[0]
    shutil.rmtree(tmp_path)
