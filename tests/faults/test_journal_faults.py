"""A journal that is damaged, gone or cannot grow: told clearly, and never taken for an empty or a shorter one."""

import asyncio
import contextlib
import os
import resource
import shutil
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from hub.core.errors import JournalUnavailable
from hub.core.ports import Batch, EventFilter, Project
from hub.journal.damage import JournalDamaged, check_log
from hub.journal.sqlite import SqliteJournal
from tests.fakes import event, log_body
from tests.faults.programs import Faulty, calling, faulty

PAGE = 4096
FRAME = PAGE + 24
Harm = Callable[[Path], None]


def put(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def flip(path: Path, at: int) -> None:
    with path.open("rb") as file:
        file.seek(at)
        byte = file.read(1)
    put(path, at, bytes([byte[0] ^ 0xFF]))


def zero_header(path: Path) -> None:
    put(path, 0, bytes(100))


def noise_in_the_middle(path: Path) -> None:
    put(path, PAGE * (path.stat().st_size // PAGE // 2), b"\xa5" * PAGE)


def cut_off(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // PAGE // 2 * PAGE)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def other_file(path: Path) -> None:
    path.write_text("These are notes, and no journal.\n" * 500)


async def filled(path: Path, count: int = 300) -> SqliteJournal:
    journal = SqliteJournal(path)
    await journal.open(recent_jobs=10)
    await journal.add_project(Project(id="p", name="p", created=1))
    for n in range(1, count, 50):
        await journal.commit(Batch(events=tuple(event(seq, log_body("x" * 500)) for seq in range(n, n + 50))))
    return journal


@pytest.fixture
async def template(tmp_path: Path) -> Path:
    path = tmp_path / "template.sqlite3"
    await (await filled(path)).close()
    return path


@pytest.mark.parametrize("harm", [zero_header, noise_in_the_middle, cut_off, empty, other_file])
async def test_a_damaged_file_is_refused_with_a_way_out_and_left_as_it_is(
    tmp_path: Path, template: Path, harm: Harm
) -> None:
    path = tmp_path / "journal.sqlite3"
    shutil.copy(template, path)
    harm(path)
    before = path.read_bytes()
    with pytest.raises(JournalDamaged) as caught:
        await SqliteJournal(path).open(recent_jobs=10)
    assert str(path) in caught.value.message or "of this hub" in caught.value.message
    assert "progress-hub doctor" in caught.value.message
    assert path.read_bytes() == before


async def test_a_log_that_is_broken_before_its_end_is_not_taken_for_a_shorter_one(tmp_path: Path) -> None:
    """SQLite would open it, and all that was committed behind the break would be gone without a word."""
    journal = await filled(tmp_path / "running.sqlite3")
    path = tmp_path / "journal.sqlite3"
    for suffix in ("", "-wal"):
        shutil.copy(tmp_path / f"running.sqlite3{suffix}", f"{path}{suffix}")
    await journal.close()
    wal = Path(f"{path}-wal")
    frames = (wal.stat().st_size - 32) // FRAME
    assert frames > 6
    whole = wal.read_bytes()
    check_log(path)
    for at in (10, 32 + 3 * FRAME + 1000, 32 + 3 * FRAME + 17):  # its head, a page in the middle, a frame's checksum
        flip(wal, at)
        with pytest.raises(JournalDamaged):
            check_log(path)
        wal.write_bytes(whole)
    wal.write_bytes(whole[: 32 + 3 * FRAME + 2000])  # as a kill leaves it: what was written last is missing
    check_log(path)
    wal.write_bytes(whole)
    flip(wal, 32 + 3 * FRAME + 1000)
    with pytest.raises(JournalDamaged, match="goes on behind"):
        await SqliteJournal(path).open(recent_jobs=10)


def transactions(wal: bytes) -> list[range]:
    """The frames of each: the last one of a commit tells the size of the file."""
    heads = [wal[at + 4 : at + 8] for at in range(32, len(wal) - FRAME + 1, FRAME)]
    ends = [n + 1 for n, size in enumerate(heads) if any(size)]
    return [range(start, end) for start, end in zip([0, *ends], ends, strict=False)]


async def copied_log(tmp_path: Path) -> tuple[Path, Path]:
    """A journal as a kill leaves it, and its log."""
    journal = await filled(tmp_path / "running.sqlite3")
    path = tmp_path / "journal.sqlite3"
    for suffix in ("", "-wal"):
        shutil.copy(tmp_path / f"running.sqlite3{suffix}", f"{path}{suffix}")
    await journal.close()
    return path, Path(f"{path}-wal")


async def test_what_a_power_failure_leaves_of_the_last_transaction_is_the_end_of_the_log(tmp_path: Path) -> None:
    """Nobody had an answer for it, and the disk takes its frames in any order: the hub begins without being asked."""
    path, wal = await copied_log(tmp_path)
    *_, before, last = transactions(wal.read_bytes())
    assert len(last) > 2
    whole = wal.read_bytes()
    put(wal, 32 + last[0] * FRAME + 24, bytes(PAGE))
    check_log(path)
    journal = SqliteJournal(path)
    await journal.open(recent_jobs=10)
    assert (await journal.history(EventFilter(project="p"), 1, None)).total == 250
    await journal.close()
    wal.write_bytes(whole)
    put(wal, 32 + before[-1] * FRAME + 24, bytes(PAGE))  # of a commit that was whole before the last began
    with pytest.raises(JournalDamaged, match="goes on behind"):
        check_log(path)


async def test_where_the_machine_went_down_a_broken_log_ends_at_the_break_and_that_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """By default a commit does not wait for the disk, which takes the frames of many in any order."""
    path, wal = await copied_log(tmp_path)
    flip(wal, 32 + 3 * FRAME + 1000)
    os.utime(wal, (1, 1))
    check_log(path)
    assert "the machine went down" in caplog.text
    flip(wal, 10)
    os.utime(wal, (1, 1))
    with pytest.raises(JournalDamaged, match="beginning"):
        check_log(path)


async def test_a_log_that_is_written_to_while_it_is_read_is_not_taken_for_a_broken_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hub begins its log anew under whoever reads it: half a frame is new, what is far behind is old."""
    path, wal = await copied_log(tmp_path)
    whole = wal.read_bytes()
    torn = bytearray(whole)
    torn[32 + 3 * FRAME + 1000] ^= 0xFF
    looks = [bytes(torn), whole]
    monkeypatch.setattr(Path, "read_bytes", lambda self: looks.pop(0))
    check_log(path)
    assert not looks


async def test_a_log_can_be_looked_through_while_a_hub_writes_to_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    journal = await filled(path)
    done = asyncio.Event()

    async def write() -> None:
        for n in range(1000, 1400):
            await journal.commit(Batch(events=(event(n, log_body("x" * 3000)),)))
            if n % 40 == 0:
                await asyncio.to_thread(restarted, path)
        done.set()

    writer = asyncio.create_task(write())
    while not done.is_set():
        await asyncio.to_thread(check_log, path)
    await writer
    await journal.close()


def restarted(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(RESTART)")


async def test_a_log_without_its_file_is_not_thrown_away(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    Path(f"{path}-wal").write_bytes(b"x" * 5000)
    with pytest.raises(JournalDamaged, match="is gone"):
        await SqliteJournal(path).open(recent_jobs=10)
    assert not path.exists()


async def test_a_log_of_two_generations_is_whole(tmp_path: Path) -> None:
    """After a checkpoint the log is written from its beginning again, over frames with another salt."""
    path = tmp_path / "journal.sqlite3"
    journal = await filled(path, 600)
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(RESTART)")
    await journal.commit(Batch(events=(event(5000, log_body("new")),)))
    check_log(path)
    await journal.close()


async def test_damage_while_a_hub_runs_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    path = folder / "journal.sqlite3"
    await (await filled(path, 6000)).close()
    with faulty(folder, "--history-days", "40000") as hub:
        async with calling(hub) as call:
            assert (await call("GET", "/api/v1/projects/p/history?limit=1"))[0] == 200
            for at in range(20, path.stat().st_size // PAGE):
                put(path, at * PAGE, b"\xa5" * PAGE)
            found = [await call("GET", f"/api/v1/projects/p/history?limit=500&cursor={seq}") for seq in (2000, 4000)]
            errors = [body["error"] for status, body in found if status == 503]
            assert errors, found
            assert all(error["code"] == "journal_damaged" and "restore-backup" in error["message"] for error in errors)
            for way in ("/healthz", "/", "/api/v1/projects", "/metrics"):
                assert (await call("GET", way))[0] == 200
            status, body = await call.log("more")
            assert status == 200 or body["error"]["code"] in {"journal_damaged", "journal_unavailable"}
        hub.stop()
    code, said = Faulty(folder).refused()
    assert code != 0
    assert "is damaged" in said


async def test_a_file_that_is_taken_away_is_not_written_on(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    journal = await filled(path)
    path.rename(tmp_path / "elsewhere")
    with pytest.raises(JournalUnavailable, match="moved or removed"):
        await journal.commit(Batch(events=(event(5000, log_body("lost?")),)))
    (tmp_path / "elsewhere").rename(path)
    await journal.commit(Batch(events=(event(5000, log_body("kept")),)))
    assert [each.seq for each in await journal.events("p", 4999, 5001, 10)] == [5000]
    await journal.close()


def test_a_hub_on_a_damaged_journal_says_so_and_does_not_begin_anew(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with faulty(folder) as hub:
        assert hub.stop(signal.SIGTERM) == 0
    path = folder / "journal.sqlite3"
    zero_header(path)
    before = path.read_bytes()
    code, said = Faulty(folder).refused()
    assert code != 0
    assert "is damaged" in said
    assert "progress-hub doctor" in said
    assert "Traceback" not in said
    assert path.read_bytes() == before


async def test_a_journal_that_may_not_grow_refuses_publishers_and_loses_nothing(tmp_path: Path) -> None:
    """As on a disk that is full: the system says no in the middle of a write."""
    with faulty(tmp_path / "data") as hub:
        async with calling(hub) as call:
            await call("POST", "/api/v1/projects", {"id": "p"})
            kept = []
            for n in range(20):
                assert (await call.log(f"line {n}"))[0] == 200
                kept.append(f"line {n}")
            hub.limit(resource.RLIMIT_FSIZE, (tmp_path / "data" / "journal.sqlite3-wal").stat().st_size)
            much = [f"much {n} {'x' * 400}" for n in range(20)]
            status, body = await call.log(*much)
            assert (status, body["error"]["code"], body["error"].get("retry")) == (503, "journal_unavailable", True)
            ready = await call.until("/readyz", lambda status, _: status == 503)
            assert "journal" in ready["journal"].lower()
            for path in ("/healthz", "/", "/api/v1/jobs", "/api/v1/projects/p/history", "/metrics"):
                assert (await call("GET", path))[0] == 200, path
            hub.limit(resource.RLIMIT_FSIZE, resource.RLIM_INFINITY)
            await call.until("/readyz", lambda status, _: status == 200)
            status, body = await call.log(*much, "after")
            assert status == 200, body
            assert [outcome["outcome"] for outcome in body["outcomes"]] == ["duplicate"] * 20 + ["accepted"]
            hub.stop()
            hub.start()
            assert await call.lines() == [*kept, *much, "after"]
