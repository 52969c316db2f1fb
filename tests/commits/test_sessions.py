"""Sessions: what is taken, how one grows, and which repository is meant."""

import io
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from hub.commits import session_logs
from hub.commits.database import Database
from hub.commits.records import Event, Session
from hub.commits.sessions import SessionElsewhere, SessionTable, Told, from_wire
from hub.core.errors import BadRequest
from tests.commits.histories import fill, git, init, line, scanned

SOUND: dict[str, Any] = {
    "id": "s",
    "project": "p",
    "start": 1000,
    "end": 2000,
    "events": [{"at": 1500, "type": "commit"}],
}


def test_a_sound_session_is_taken_as_told():
    assert from_wire(SOUND | {"path": "/a/./b//", "author": "Ann"}, "sessions[0]") == Session(
        id="s", project="p", path="/a/b", author="Ann", start=1000, end=2000, events=(Event(at=1500, type="commit"),)
    )
    assert from_wire({"id": "s", "start": -5, "end": 10**13}, "x").project is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"end": 999}, "ends before it starts"),
        ({"start": None}, "start is missing"),
        ({"start": "1970-01-01"}, "start must be a time"),
        ({"start": True}, "start must be a time"),
        ({"end": 10**18}, "end must be a time"),
        ({"end": float("nan")}, "end must be a time"),
        ({"id": None}, "id is missing"),
        ({"id": ""}, "id must be a text"),
        ({"id": 7}, "id must be a text"),
        ({"id": "a\x00b"}, "control characters"),
        ({"id": "\ud800"}, "control characters"),
        ({"id": "x" * 201}, "1 to 200 characters"),
        ({"path": "relative"}, "absolute"),
        ({"events": {}}, "events must be a list"),
        ({"events": [{"at": 1}]}, r"events\[0\].type is missing"),
        ({"events": [{"at": 1, "type": "commit"}, 7]}, r"events\[1\] must be an object"),
        ({"events": [{"type": "commit"}]}, r"events\[0\].at is missing"),
        ({"unknown": 1}, "no field 'unknown'"),
    ],
)
def test_a_wrong_session_is_refused_with_its_place_and_reason(change: dict[str, Any], words: str):
    with pytest.raises(BadRequest, match=words) as caught:
        from_wire(SOUND | change, "sessions[3]")
    assert "sessions[3]" in caught.value.message


def rows(database: Database) -> list[tuple]:
    with database.reading() as db:
        return db.execute(
            'SELECT id, project, path, author, start, "end", repository FROM sessions ORDER BY id'
        ).fetchall()


def test_the_same_session_again_changes_nothing_and_a_longer_one_grows(database: Database):
    table, told = SessionTable(database), from_wire(SOUND, "x")
    assert table.tell([told]) == Told(created=1)
    assert table.tell([told]) == Told(unchanged=1)
    assert table.tell([Session(id="s", start=1200, end=1300)]) == Told(unchanged=1)
    assert table.tell([Session(id="s", start=500, end=1300, author="Ann")]) == Told(updated=1)
    assert table.tell([Session(id="s", start=1200, end=3000, path="/a")]) == Told(updated=1)
    assert table.tell([Session(id="s", start=1200, end=1300, events=(Event(at=1, type="note"),))]) == Told(updated=1)
    assert rows(database) == [("s", "p", "/a", "Ann", 500, 3000, None)]


def test_one_wrong_session_leaves_none_of_its_request(database: Database):
    table = SessionTable(database)
    table.tell([Session(id="b", start=0, end=1, project="p")])
    with pytest.raises(SessionElsewhere):
        table.tell([Session(id="a", start=0, end=1), Session(id="b", start=0, end=9, project="q")])
    assert rows(database) == [("b", "p", None, None, 0, 1, None)]


def test_a_path_means_the_repository_it_is_in(tmp_path: Path, database: Database):
    repo = init(tmp_path / "r", bare=False)
    fill(repo, line(3))
    git(repo, "checkout", "-qf", "main")
    git(repo, "worktree", "add", "-q", "-b", "other", tmp_path / "w")
    git(repo, "worktree", "add", "-q", "-b", "third", tmp_path / "removed")
    scanned(database, repo)
    inner = init(repo / "inner", bare=False)
    (repo / "dir1" / "deep").mkdir()
    (tmp_path / "link").symlink_to(repo)
    (tmp_path / "removed").rename(tmp_path / "elsewhere")
    wanted = {
        str(repo): True, str(repo / "dir1" / "deep"): True, str(repo / "never" / "was"): True,
        str(tmp_path / "w"): True, str(tmp_path / "w" / "dir2"): True, str(tmp_path / "removed" / "x"): True,
        str(tmp_path / "link" / "dir1"): True, str(repo / ".git"): True,
        str(inner): False, str(inner / "below"): False, str(tmp_path): False, str(tmp_path / "r2"): False, "/": False,
    }  # fmt: skip
    table = SessionTable(database)
    table.tell([Session(id=path, start=0, end=1, path=path) for path in wanted])
    table.tell([Session(id="by project", start=0, end=1, project="p"), Session(id="nowhere", start=0, end=1)])
    table.place(lambda path: path.is_relative_to(tmp_path))
    found = {row[0]: row[6] is not None for row in rows(database)}
    assert found == wanted | {"by project": True, "nowhere": False}


def test_a_session_whose_project_comes_later_finds_it_then(tmp_path: Path, database: Database):
    table = SessionTable(database)
    table.tell([Session(id="s", start=0, end=1, path=str(tmp_path / "r" / "x"))])
    assert table.place(lambda path: True) == 0
    repo = init(tmp_path / "r", bare=False)
    scanned(database, repo)
    assert table.place(lambda path: True) == 1


# -- logs -------------------------------------------------------------------------------------------------------------


def log(folder: Path, name: str, *lines: Any) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join((one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in lines))
    return path


def read(path: Path) -> session_logs.Read:
    with path.open("rb") as opened:
        return session_logs.read(opened, lambda: None)


def test_a_log_is_one_session_from_its_first_time_to_its_last(tmp_path: Path):
    path = log(
        tmp_path, "a.jsonl",
        {"type": "summary"},
        {"timestamp": "2024-01-01T00:10:00.500Z", "cwd": "/work/r/sub"},
        {"timestamp": 1704067200, "cwd": "/elsewhere"},
        {"timestamp": 1704067900123},
        {"timestamp": "2024-01-01T02:00:00+02:00"},
    )  # fmt: skip
    session = read(path).session("a")
    assert session == Session(id="a", start=1704067200000, end=1704067900123, path="/work/r/sub")


def test_commit_actions_are_known_by_their_type_and_by_tools_that_commit(tmp_path: Path):
    def call(at: int, **given: Any) -> dict[str, Any]:
        return {"timestamp": at, "message": {"content": [{"type": "tool_use", "name": "x", "input": given}]}}

    path = log(
        tmp_path, "a.jsonl",
        {"timestamp": 100, "type": "commit"},
        call(200, command="cd r && git -C x commit -m 'one'"),
        call(300, command="git commit-tree"), call(301, command="git log commit"), call(302, command="echo commit"),
        call(400, skill="commit"),
        {"timestamp": 500, "message": {"content": "git commit"}},
    )  # fmt: skip
    assert read(path).commits - {300_000} == {100_000, 200_000, 400_000}


def test_a_command_takes_time_by_its_length_and_no_more():
    def is_commit(command: str) -> bool:
        part = {"type": "tool_use", "input": {"command": command}}
        line = json.dumps({"timestamp": 1, "message": {"content": [part]}}).encode() + b"\n"
        return bool(session_logs.read(io.BytesIO(line), lambda: None).commits)

    began = time.process_time()
    for part in ("git -x ", "git -x git ", "git " * 9 + "-x ", "-x git", "git" + " " * 99):
        assert not is_commit(part * (1_000_000 // len(part)) + " commi")
    assert time.process_time() - began < 5  # by the square: an hour
    assert is_commit("x=1 git -c a.b=c -C /r --no-pager commit --amend")
    assert not is_commit("git -C /r; echo commit")


@pytest.mark.parametrize(
    "broken",
    [b"{", b"[]", b"7", b"\xff\xfe", b'{"timestamp": "yesterday"}', b'{"timestamp": null}', b'{"timestamp": 1e300}',
     b'{"timestamp": NaN}', b'{"timestamp": 1e999}', b'{"timestamp": -Infinity}', b'{"timestamp": {}}', b"[" * 100_000],
)  # fmt: skip
def test_broken_lines_are_counted_and_survived(tmp_path: Path, broken: bytes):
    found = read(log(tmp_path, "a.jsonl", {"timestamp": 1, "cwd": "/r"}, broken, b"", {"timestamp": 9}))
    assert (found.broken, found.first, found.last) == (1, 1000, 9000)


def test_a_last_line_that_is_still_being_written_is_not_broken(tmp_path: Path):
    path = log(tmp_path, "a.jsonl", {"timestamp": 1})
    path.write_bytes(path.read_bytes() + b'{"timesta')
    assert read(path).broken == 0


def test_a_log_without_times_is_no_session(tmp_path: Path):
    assert read(log(tmp_path, "a.jsonl", {"cwd": "/r"})).session("a") is None
    assert read(log(tmp_path, "b.jsonl")).session("b") is None


def test_logs_are_found_in_folders_and_links_are_left_aside(tmp_path: Path):
    folder = tmp_path / "logs"
    warned: list[str] = []
    log(folder, "b/one.jsonl", {})
    log(folder, "a.jsonl", {})
    log(folder, "c.txt", {})
    (folder / "link.jsonl").symlink_to(log(tmp_path, "outside.jsonl", {}))
    (folder / "loop").symlink_to(folder)
    found = [str(file.path.relative_to(folder)) for file in session_logs.log_files(folder, warned.append)]
    assert found == ["a.jsonl", "b/one.jsonl"]
    assert warned == []


def test_what_is_left_out_of_a_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    warned: list[str] = []
    for name in ("a", "b", "c/d/e"):
        log(tmp_path, f"{name}.jsonl", {})
    monkeypatch.setattr(session_logs, "DEEPEST", 1)
    monkeypatch.setattr(session_logs, "MOST_FILES", 1)
    assert len(list(session_logs.log_files(tmp_path, warned.append))) == 1
    monkeypatch.setattr(session_logs, "MOST_FILES", 9)
    assert len(list(session_logs.log_files(tmp_path, warned.append))) == 2
    list(session_logs.log_files(tmp_path / "none", warned.append))
    assert [words.split(":")[0].split(" 1 ")[0] for words in warned] == [
        "Only the first", "Folders more than", "A folder was left out",
    ]  # fmt: skip


def test_a_log_that_is_removed_or_replaced_meanwhile_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = log(tmp_path, "a.jsonl", {"timestamp": 1})
    monkeypatch.setattr(os, "walk", lambda *_, **__: [(str(tmp_path), [], ["a.jsonl", "removed.jsonl"])])
    (file,) = session_logs.log_files(tmp_path, print)
    path.rename(tmp_path / "b")
    path.symlink_to("b")
    with pytest.raises(OSError, match="symbolic"):
        session_logs.opened(file)
    path.unlink()
    os.mkfifo(path)
    with session_logs.opened(file) as opened:  # and does not wait for who writes
        assert not opened.read()


def test_the_same_name_in_two_folders_is_two_sessions(tmp_path: Path, database: Database):
    table = session_logs.FileTable(database)
    for folder in ("one", "two"):
        log(tmp_path / folder, "a.jsonl", {"timestamp": 1})
    (one,) = session_logs.log_files(tmp_path / "one", print)
    (two,) = session_logs.log_files(tmp_path / "two", print)
    assert table.session_id(one, tmp_path / "one") == "a"
    table.keep(one, 0, "a")
    other = table.session_id(two, tmp_path / "two")
    assert other == str(tmp_path / "two" / "a")
    table.keep(two, 0, other)
    assert table.session_id(one, tmp_path / "one") == "a"
    (tmp_path / "one").rename(tmp_path / "moved")
    (moved,) = session_logs.log_files(tmp_path / "moved", print)
    assert table.session_id(moved, tmp_path / "moved") == "a"


def test_long_names_that_end_alike_are_two_sessions(tmp_path: Path, database: Database):
    table, end = session_logs.FileTable(database), "x" * 199
    for start in "ab":
        log(tmp_path, f"{start}/{end}.jsonl", {})
    ids = [table.session_id(file, tmp_path) for file in session_logs.log_files(tmp_path, print)]
    assert [len(id_) for id_ in ids] == [200, 200]
    assert ids[0] != ids[1]


def test_a_file_is_new_again_only_when_its_size_or_time_changes(tmp_path: Path, database: Database):
    path, table = log(tmp_path, "a.jsonl", {"timestamp": 1}), session_logs.FileTable(database)
    (file,) = session_logs.log_files(tmp_path, print)
    assert table.broken_lines(file) is None
    table.keep(file, 3, "a")
    assert table.broken_lines(file) == 3
    os.utime(path, (1, 1))
    (file,) = session_logs.log_files(tmp_path, print)
    assert table.broken_lines(file) is None
