"""What a scan stores, against what git itself says; both engines, over the odd states that repositories get into."""

import random
import subprocess
import time
from pathlib import Path
from typing import Any

import pygit2
import pytest

from hub.commits import raw
from hub.commits.database import Database
from hub.commits.located import RepositoryBroken, locate
from hub.commits.reader import Stopped
from hub.commits.table import CommitTable
from tests.commits.histories import (
    ENVIRONMENT,
    START,
    Change,
    fill,
    git,
    init,
    line,
    listed,
    reader,
    scanned,
    stored,
    whole,
)

FIELDS = "%x01%H%x02%at%x02%ct%x02%an%x02%ae%x02%s%x02"


def as_git_says(repo: Path) -> set[tuple]:
    """Every commit with its fields and files; only for histories without control characters."""
    text = git(repo, "log", "--all", "--no-renames", "--name-only", f"--format={FIELDS}")
    found = set()
    for record in text.split("\x01")[1:]:
        name, authored, committed, author, email, subject, files = record.split("\x02")
        paths = tuple(sorted(files.split()))
        found.add((name, int(authored), int(committed), author, email, subject, paths))
    return found


def as_stored(database: Database) -> set[tuple]:
    found = set()
    for id_, _, name, email, authored, committed, subject, total, files, gone in whole(database):
        paths = tuple(sorted(files.strip("/").split("//"))) if files else ()
        assert total == len(paths)
        assert not gone
        found.add((id_.lower(), authored, committed, name, email, subject, paths))
    return found


def tangled(repo: Path, seed: int, count: int) -> Path:
    """Branches that part and meet, by chance."""
    dice = random.Random(seed)
    changes = [Change(at=START, files=(b"a",))]
    branches = ["main"]
    for n in range(count):
        at, files = START + n * dice.randrange(400), tuple({b"d%d/f%d" % (dice.randrange(4), dice.randrange(9))})
        if dice.random() < 0.1:
            branches.append(f"b{n}")
            changes.append(
                Change(at=at, files=files, branch=branches[-1], start=f"refs/heads/{dice.choice(branches[:-1])}")
            )
        elif dice.random() < 0.2 and len(branches) > 1:
            into, other = dice.sample(branches, 2)
            changes.append(Change(at=at, files=(), branch=into, merge=(other,), subject=b"merge %d" % n))
        else:
            changes.append(Change(at=at, files=files, branch=dice.choice(branches), subject=b"change %d" % n))
    return fill(repo, changes)


@pytest.mark.parametrize("seed", range(3))
def test_the_first_scan_finds_what_git_finds(tmp_path: Path, database: Database, engine: str, seed: int):
    repo = tangled(init(tmp_path / "r.git"), seed, 150)
    counted = scanned(database, repo, engine)
    assert counted.stored == counted.listed == int(git(repo, "rev-list", "--count", "--all"))
    assert as_stored(database) == as_git_says(repo)


def test_a_history_of_many_chunks_is_read_whole(tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hub.commits.scan.CHUNK", 64)
    monkeypatch.setattr("hub.commits.scan.BATCH", 50)
    monkeypatch.setattr("hub.commits.git.BLOCK_BYTES", 512)
    repo = fill(init(tmp_path / "r.git"), line(1500))
    assert scanned(database, repo).stored == 1500
    assert as_stored(database) == as_git_says(repo)


def test_the_next_scan_reads_only_what_is_new(tmp_path: Path, database: Database, engine: str):
    repo = fill(init(tmp_path / "r.git"), line(40))
    scanned(database, repo, engine)
    assert scanned(database, repo, engine).listed == 0
    fill(repo, [Change(at=START + 10**6), Change(at=START + 10**6, branch="side", start="refs/heads/main")])
    assert scanned(database, repo, engine).listed == 2
    assert stored(database) == listed(repo)


def test_a_branch_at_a_commit_that_is_known_brings_nothing(tmp_path: Path, database: Database, engine: str):
    repo = fill(init(tmp_path / "r.git"), line(5))
    scanned(database, repo, engine)
    git(repo, "branch", "other", "main~2")
    assert scanned(database, repo, engine).listed == 0


def test_after_a_forced_push_the_old_commits_are_gone_and_may_come_back(
    tmp_path: Path, database: Database, engine: str
):
    repo = fill(init(tmp_path / "r.git"), line(10))
    scanned(database, repo, engine)
    old, tip = listed(repo), git(repo, "rev-parse", "main")
    git(repo, "update-ref", "refs/heads/main", "main~4")
    fill(repo, [Change(at=START + 9999, subject=b"instead")])
    assert scanned(database, repo, engine).listed == 1
    assert stored(database) == listed(repo)
    assert stored(database, gone=True) == old - listed(repo)
    git(repo, "update-ref", "refs/heads/back", tip)
    assert scanned(database, repo, engine).listed == 4
    assert (stored(database), stored(database, gone=True)) == (listed(repo), set())


def test_lost_heads_are_no_measure_and_the_scan_still_finds_what_is_new(
    tmp_path: Path, database: Database, engine: str
):
    repo = fill(init(tmp_path / "r.git"), line(10))
    scanned(database, repo, engine)
    old = listed(repo)
    git(repo, "update-ref", "refs/heads/main", "main~4")
    fill(repo, [Change(at=START + 9999, subject=b"instead")])
    git(repo, "repack", "-adq")
    git(repo, "prune", "--expire=now")
    assert scanned(database, repo, engine).listed == 1
    assert stored(database) == listed(repo)
    assert stored(database, gone=True) == old - listed(repo)


def test_a_deleted_branch_takes_its_own_commits_along(tmp_path: Path, database: Database, engine: str):
    repo = fill(init(tmp_path / "r.git"), [*line(5), Change(at=START, branch="side", start="refs/heads/main")])
    scanned(database, repo, engine)
    side = git(repo, "rev-parse", "side")
    git(repo, "branch", "-D", "side")
    scanned(database, repo, engine)
    assert stored(database, gone=True) == {side}


def test_a_repository_without_commits_has_none(tmp_path: Path, database: Database, engine: str):
    repo = init(tmp_path / "r.git")
    assert scanned(database, repo, engine).listed == 0
    fill(repo, line(2))
    assert scanned(database, repo, engine).stored == 2


def test_detached_heads_count_in_worktrees_too(tmp_path: Path, database: Database, engine: str):
    repo = init(tmp_path / "r", bare=False)
    fill(repo, line(3))
    git(repo, "checkout", "-q", "--detach", "main")
    git(repo, "commit", "-q", "--allow-empty", "-m", "detached")
    git(repo, "worktree", "add", "-q", "--detach", tmp_path / "w", "main")
    git(tmp_path / "w", "commit", "-q", "--allow-empty", "-m", "detached elsewhere")
    scanned(database, repo, engine)
    wanted = listed(repo, "main", "HEAD") | listed(tmp_path / "w", "HEAD")
    assert len(wanted) == 5
    assert stored(database) == wanted


def test_a_worktree_and_a_subfolder_are_the_same_repository(tmp_path: Path, database: Database):
    repo = init(tmp_path / "r", bare=False)
    fill(repo, line(3))
    git(repo, "checkout", "-qf", "main")
    git(repo, "worktree", "add", "-q", "-b", "other", tmp_path / "w")
    for n, place in enumerate((repo, repo / "dir1", tmp_path / "w", tmp_path / "w" / "dir2")):
        counted = scanned(database, place, project=f"p{n}")
        assert counted.listed == (3 if n == 0 else 0)
    assert len(whole(database)) == 3


def test_a_shallow_clone_says_nothing_of_files_it_cannot_know_and_learns_them(
    tmp_path: Path, database: Database, engine: str
):
    origin = fill(init(tmp_path / "r.git"), line(20))
    clone = tmp_path / "clone.git"
    subprocess.run(
        ["git", "clone", "-q", "--bare", "--depth=5", f"file://{origin}", clone], env=ENVIRONMENT, check=True
    )
    assert scanned(database, clone, engine).stored == 5
    assert [row[7] for row in whole(database)].count(None) == 1
    git(clone, "fetch", "-q", "--depth=12", f"file://{origin}", "main")
    assert scanned(database, clone, engine).stored >= 7
    assert len(whole(database)) == 12
    assert [row[7] for row in whole(database)].count(None) == 1
    git(clone, "fetch", "-q", "--unshallow", f"file://{origin}", "main")
    scanned(database, clone, engine)
    assert as_stored(database) == as_git_says(origin)


def test_a_clone_without_trees_gives_commits_without_files(tmp_path: Path, database: Database, engine: str):
    origin = fill(init(tmp_path / "r.git"), line(6))
    git(origin, "config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "clone.git"
    arguments = ["git", "clone", "-q", "--bare", "--filter=tree:0", f"file://{origin}", clone]
    subprocess.run(arguments, env=ENVIRONMENT, check=True)
    (origin / "HEAD").unlink()  # nothing can be fetched any more
    assert scanned(database, clone, engine).stored == 6
    assert {row[7] for row in whole(database)} == {None}


def test_odd_texts_and_dates_are_stored_as_what_can_be_told(tmp_path: Path, database: Database, engine: str):
    changes = [
        Change(at=-86_400, subject=b"before 1970", files=(b"a",)),
        Change(
            at=4_200_000_000, subject=b"after 2100", files=(b"a", b"new\nline", b'quo"ted', "ü".encode(), b"\xff\xfe")
        ),
        Change(at=START, name=b"J\xf6rg", subject=b"caf\xe9", encoding=b"ISO-8859-1"),
        Change(at=START + 1, name=b"J\xf6rg", subject=b"caf\xe9"),
        Change(at=START + 2, name=b"", email=b"", subject=b""),
        Change(at=START + 3, subject=b"\x01\x02forged\x00no more"),
        Change(at=START + 4, subject=b"x" * 2000),
    ]
    repo = fill(init(tmp_path / "r.git"), changes)
    scanned(database, repo, engine)
    rows = {row[6][:12]: row for row in whole(database)}
    assert len(rows) == len(changes)
    assert rows["before 1970"][4:6] == (-86_400, -86_400)
    assert rows["after 2100"][4] == 4_200_000_000
    assert set(rows["after 2100"][8].strip("/").split("//")) == {"a", "new\nline", 'quo"ted', "ü", "\ufffd\ufffd"}
    assert rows["café"][2] == "Jörg"
    assert rows["caf\ufffd"][2] == "J\ufffdrg"
    assert rows[""][2:4] == ("", "")
    assert len(rows["x" * 12][6]) == 500


def test_engines_agree_on_everything_that_is_stored(tmp_path: Path):
    changes = [
        Change(at=START, files=(b"a", b"b/c", b"b/d")),
        Change(at=START + 1, subject=b"two\nlines\n\nand a body", files=(b"b/c",)),
        Change(at=START + 2, subject=b"\n  indented \n  more\t\n", name=b" spaces "),
        *(Change(at=START + n, branch=f"side{n}", start="refs/heads/main", files=(b"s%d" % n,)) for n in range(30)),
        Change(at=START + 99, subject=b"many parents", files=(), merge=tuple(f"side{n}" for n in range(30))),
    ]
    repo = fill(init(tmp_path / "r.git"), changes)
    found = []
    for engine in ("git", "libgit2"):
        with Database(tmp_path / engine) as database:
            scanned(database, repo, engine)
            found.append(whole(database))
    assert found[0] == found[1]
    assert max(row[1] for row in found[0]) == 31


def test_a_commit_of_very_many_files_keeps_the_first_and_the_count(tmp_path: Path, database: Database, engine: str):
    repo = fill(init(tmp_path / "r.git"), [Change(at=START, files=tuple(b"f%06d" % n for n in range(30_000)))])
    scanned(database, repo, engine)
    ((_, _, _, _, _, _, _, total, files, _),) = whole(database)
    assert total == 30_000
    assert files.strip("/").split("//") == [f"f{n:06}" for n in range(500)]


def test_a_hundred_thousand_branches_are_no_trouble(tmp_path: Path, database: Database):
    repo = fill(init(tmp_path / "r.git"), line(20))
    tips = sorted(listed(repo))
    refs = "".join(f"{tips[n % 20]} refs/heads/many/{n:06}\n" for n in range(100_000))
    (repo / "packed-refs").write_text("# pack-refs with: sorted \n" + refs)
    assert scanned(database, repo).stored == 20
    assert scanned(database, repo).listed == 0


def test_a_branch_that_names_nothing_leaves_the_others_readable(tmp_path: Path, database: Database):
    repo = fill(init(tmp_path / "r.git"), line(3))
    (repo / "refs" / "heads" / "lost").write_text("1" * 40 + "\n")
    counted = scanned(database, repo)
    assert (counted.stored, counted.missing_heads) == (3, 1)


@pytest.mark.parametrize("victim", ["main~2", "main~2^{tree}"])
def test_a_missing_object_is_told_and_what_was_found_stays(
    tmp_path: Path, database: Database, engine: str, victim: str
):
    repo = init(tmp_path / "r.git")
    fill(repo, line(5))
    name = git(repo, "rev-parse", victim)
    for pack in list((repo / "objects" / "pack").glob("*.pack")):
        data = pack.read_bytes()
        for file in (repo / "objects" / "pack").iterdir():
            file.unlink()
        git(repo, "unpack-objects", "-q", data=data)
    (repo / "objects" / name[:2] / name[2:]).unlink()
    with pytest.raises(RepositoryBroken):
        scanned(database, repo, engine)
    assert stored(database) < listed(fill(init(tmp_path / "same.git"), line(5)))


def test_a_scan_that_was_cut_short_goes_on_and_counts_the_same(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("hub.commits.scan.CHUNK", 40)
    monkeypatch.setattr("hub.commits.git.PIECE", 20)
    repo = fill(init(tmp_path / "r.git"), line(200))
    read = type(reader(repo)).read
    chunks = []

    def breaks(self, ids):
        chunks.append(ids)
        if len(chunks) > 3:
            raise Stopped
        return read(self, ids)

    with monkeypatch.context() as patch:
        patch.setattr("hub.commits.git.GitReader.read", breaks)
        with pytest.raises(Stopped):
            scanned(database, repo)
    assert 0 < len(stored(database)) < 200
    counted = scanned(database, repo)
    assert counted.stored == counted.listed == 200
    assert as_stored(database) == as_git_says(repo)


def test_what_a_scan_that_was_cut_short_stored_can_be_gone(
    tmp_path: Path, database: Database, engine: str, monkeypatch: pytest.MonkeyPatch
):
    repo = fill(init(tmp_path / "r.git"), line(5))
    scanned(database, repo, engine)
    fill(repo, [Change(at=START + 1000 + n, branch="side", start=None if n else "refs/heads/main") for n in range(3)])
    with monkeypatch.context() as patch:
        patch.setattr(CommitTable, "finish", stops)
        with pytest.raises(Stopped):
            scanned(database, repo, engine)
    assert len(stored(database)) == 8
    git(repo, "update-ref", "-d", "refs/heads/side")
    scanned(database, repo, engine)
    assert (len(stored(database)), len(stored(database, gone=True))) == (5, 3)
    assert stored(database) == listed(repo)


def test_a_first_scan_that_was_cut_short_and_a_forced_push(
    tmp_path: Path, database: Database, engine: str, monkeypatch: pytest.MonkeyPatch
):
    repo = fill(init(tmp_path / "r.git"), line(5))
    with monkeypatch.context() as patch:
        patch.setattr(CommitTable, "finish", stops)
        with pytest.raises(Stopped):
            scanned(database, repo, engine)
    git(repo, "update-ref", "refs/heads/main", "main~3")
    fill(repo, [Change(at=START + 9999)])
    scanned(database, repo, engine)
    assert stored(database) == listed(repo)


def stops(*_: object, **__: object) -> None:
    raise Stopped


def test_a_scan_that_another_one_has_overtaken_leaves_what_that_one_found(
    tmp_path: Path, database: Database, engine: str, monkeypatch: pytest.MonkeyPatch
):
    repo = fill(init(tmp_path / "r.git"), [*line(3), Change(at=START, branch="side", start="refs/heads/main")])
    scanned(database, repo, engine)
    side = git(repo, "rev-parse", "side")
    fill(repo, [Change(at=START + 9999)])
    finish = CommitTable.finish

    def overtaken(*arguments: Any, **keywords: Any) -> None:
        monkeypatch.setattr(CommitTable, "finish", finish)
        git(repo, "update-ref", "-d", "refs/heads/side")
        scanned(database, repo, engine)
        finish(*arguments, **keywords)

    monkeypatch.setattr(CommitTable, "finish", overtaken)
    scanned(database, repo, engine)
    git(repo, "update-ref", "refs/heads/side", side)
    scanned(database, repo, engine)
    assert (stored(database), stored(database, gone=True)) == (listed(repo), set())


ODD = [
    b"author A <a@x> 99999999999999999999 +0000", b"author A <a@x 1 +0000", b"author A 1 +0000", b"author A <a@x> ",
]  # fmt: skip


def odd(repo: Path, author: bytes, *lines: bytes, message: bytes = b"odd\n") -> str:
    """A commit on `main` with lines that git writes for nobody."""
    tip, tree = (git(repo, "rev-parse", what) for what in ("main", "main^{tree}"))
    header = [f"tree {tree}\nparent {tip}".encode(), author, b"committer C <c@x> 5 +0000", *lines]
    data = b"\n".join(header) + b"\n\n" + message
    name = git(repo, "hash-object", "-t", "commit", "-w", "--stdin", "--literally", data=data)
    git(repo, "update-ref", "refs/heads/main", name)
    return name


@pytest.mark.parametrize("author", ODD)
def test_a_commit_that_git_takes_is_read_whatever_its_author_line_says(
    tmp_path: Path, database: Database, engine: str, author: bytes
):
    repo = fill(init(tmp_path / "r.git"), line(2))
    odd(repo, author)
    fill(repo, [Change(at=START + 999)])
    assert scanned(database, repo, engine).stored == 4
    assert {row[0].lower() for row in whole(database)} == listed(repo)


@pytest.mark.parametrize("name", ["zlib", "hex", "rot13", "quopri", "bz2", "undefined", "no-such", "../x", "x" * 5000])
def test_an_encoding_that_is_none_of_text_leaves_the_text_as_it_is(
    tmp_path: Path, database: Database, engine: str, name: str
):
    repo = fill(init(tmp_path / "r.git"), line(1))
    id_ = odd(repo, b"author A <a@x> 7 +0000", f"encoding {name}".encode(), message=b"hello\n")
    scanned(database, repo, engine)
    assert {row[0].lower(): row[6] for row in whole(database)}[id_] == "hello"


def test_an_encoding_whose_time_grows_by_the_square_is_not_used():
    commit = b"tree 0\nauthor A <a@x> 7 +0000\nencoding punycode\n\n" + b"a" * 2_000_000 + b"-" + b"b" * 2_000_000
    began = time.process_time()
    assert raw.subject(commit).startswith(b"aaa")
    assert time.process_time() - began < 5


@pytest.mark.parametrize("junk", ["junk\n", "", "ab\n"])
def test_a_worktree_whose_head_is_junk_is_left_aside(tmp_path: Path, database: Database, engine: str, junk: str):
    repo = fill(init(tmp_path / "r.git"), line(2))
    (repo / "worktrees" / "x").mkdir(parents=True)
    (repo / "worktrees" / "x" / "HEAD").write_text(junk)
    assert scanned(database, repo, engine).stored == 2


@pytest.mark.parametrize("how", ["objects", "refs", "pack", "alternates", "quoted", "far"])
def test_a_repository_that_borrows_from_what_is_not_open_is_refused(tmp_path: Path, how: str):
    outside, repo = fill(init(tmp_path / "outside"), line(3)), fill(init(tmp_path / "open" / "r.git"), line(1))

    def is_open(path: Path) -> bool:
        return path.is_relative_to(tmp_path / "open")

    alternates = repo / "objects" / "info" / "alternates"
    if how == "pack":
        git(outside, "repack", "-adq")
        for file in (outside / "objects" / "pack").iterdir():
            (repo / "objects" / "pack" / file.name).symlink_to(file)
    elif how == "alternates":
        alternates.write_text("# ours\n../../../outside/objects\n")
    elif how == "quoted":
        alternates.write_text(f'"{outside}/objects"\n')
    elif how == "far":
        between = init(tmp_path / "open" / "between.git")
        (between / "objects" / "info" / "alternates").write_text(f"{outside}/objects\n")
        alternates.write_text(f"{between}/objects\n")
    else:
        (repo / how).rename(tmp_path / "open" / "kept")
        (repo / how).symlink_to(outside / how)
    with pytest.raises(RepositoryBroken, match="borrows"):
        locate(repo, is_open)


def test_a_repository_may_borrow_from_what_is_open(tmp_path: Path):
    repo, other = fill(init(tmp_path / "r.git"), line(1)), fill(init(tmp_path / "o.git"), line(1))
    for one, borrowed in ((repo, other), (other, repo)):  # and in a circle
        (one / "objects" / "info" / "alternates").write_text(f"{borrowed}/objects\n\n{tmp_path}/none\n")
    assert locate(repo, lambda path: path.is_relative_to(tmp_path)) is not None


def test_a_stopped_reader_reads_no_more(tmp_path: Path, engine: str):
    opened = reader(fill(init(tmp_path / "r.git"), line(3)), engine)
    opened.stop()
    with pytest.raises(Stopped):
        list(opened.reachable([b"\1" * 20]))


@pytest.mark.parametrize(
    "setting", ["diff.relative=true", "log.showSignature=true", "diff.orderFile=/x", "i18n.logOutputEncoding=latin1"]
)
def test_settings_of_the_repository_change_nothing(tmp_path: Path, database: Database, setting: str):
    repo = fill(init(tmp_path / "r.git"), line(10, name="Jürgen".encode()))
    wanted = as_git_says(repo)
    git(repo, "config", *setting.split("="))
    scanned(database, repo)
    assert as_stored(database) == wanted


def test_nothing_is_looked_at_that_is_not_open(tmp_path: Path):
    outside = init(tmp_path / "outside", bare=False)
    fill(outside, line(1))
    (tmp_path / "open" / "folder").mkdir(parents=True)
    init(tmp_path, bare=False)

    def is_open(path: Path) -> bool:
        return path.is_relative_to(tmp_path / "open")

    assert locate(tmp_path / "open" / "folder", is_open) is None
    assert locate(tmp_path / "open" / "absent", is_open) is None
    (tmp_path / "open" / "folder" / ".git").write_text(f"gitdir: {outside}/.git\n")
    with pytest.raises(RepositoryBroken, match="outside"):
        locate(tmp_path / "open" / "folder", is_open)


def test_a_folder_that_only_looks_like_a_repository_is_broken(tmp_path: Path):
    (tmp_path / "r" / ".git").mkdir(parents=True)
    with pytest.raises(RepositoryBroken):
        locate(tmp_path / "r", lambda path: True)


def test_an_object_that_is_no_commit_under_a_branch_is_left_out(tmp_path: Path, database: Database):
    repo = fill(init(tmp_path / "r.git"), line(2))
    blob = pygit2.Repository(str(repo)).create_blob(b"no commit")
    (repo / "refs" / "heads" / "blob").write_text(f"{blob}\n")
    assert scanned(database, repo).stored == 2
