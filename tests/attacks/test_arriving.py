"""Attack: send a repository that does harm by being unpacked.

The ways in: few objects that stand for endless files; names that lead out of the folder, or that some file system takes
for `.git`; links; attributes and files that name programs; refs whose names are paths; endless words and lists. What
holds: a tree is measured, each part once, before a file of it is written; git and libgit2 refuse names that any file
system could take for another; nothing that arrives is a setting.
"""

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import pygit2
import pytest

from hub.jobs.base import Cancelled, JobFailed, Rules
from hub.jobs.gate import RemoteUrl
from hub.jobs.git import cloning, tree
from hub.jobs.git.base import Credentials, Engine, Source, Wanted
from tests.attacks.conftest import Notes
from tests.jobs.git_server import GitServer, packet
from tests.jobs.repositories import git, raw_commit, raw_tree

RULES = Rules(min_free_bytes=1, allow_networks=("127.0.0.1/32",))
FILE, PROGRAM, LINK, FOLDER, MODULE = "100644", "100755", "120000", "40000", "160000"

# -- sizes ------------------------------------------------------------------------------------------------------------


def made(tmp_path: Path) -> pygit2.Repository:
    return pygit2.init_repository(str(tmp_path / "repo"), initial_head="main")


def committed(repo: pygit2.Repository, top: pygit2.Oid) -> str:
    raw_commit(repo, top)
    return str(repo.head.target)


def refused(repo: pygit2.Repository, notes: Notes, code: str = "too_large", engine: Engine | None = None) -> None:
    """Before anything is written."""
    from hub.jobs.git import ENGINES  # noqa: PLC0415

    began = time.monotonic()
    with pytest.raises(JobFailed) as caught:
        cloning.write_files(engine or ENGINES["libgit2"], Path(repo.workdir), str(repo.head.target), RULES, notes)
    assert caught.value.failure.code == code, caught.value.failure
    assert [path.name for path in Path(repo.workdir).iterdir()] == [".git"]
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("fan", [2, 10, 100])
def test_twelve_objects_that_stand_for_endless_files(tmp_path: Path, notes: Notes, fan: int) -> None:
    repo = made(tmp_path)
    below, mode = repo.create_blob(b"boom"), FILE
    for _ in range(40 if fan == 2 else 10):
        below, mode = raw_tree(repo, *((mode, b"d%03d" % n, below) for n in range(fan))), FOLDER
    committed(repo, below)
    refused(repo, notes)


def test_a_folder_that_is_named_again_and_again_is_looked_at_once(tmp_path: Path, notes: Notes) -> None:
    """Three objects: a hundred thousand names for a folder of a hundred thousand names would be hours."""
    repo = made(tmp_path)
    blob = repo.create_blob(b"x")
    inner = raw_tree(repo, *((FILE, b"f%05d" % n, blob) for n in range(50_000)))
    committed(repo, raw_tree(repo, *((FOLDER, b"d%05d" % n, inner) for n in range(50_000))))
    refused(repo, notes)


def test_folders_in_folders_without_end(tmp_path: Path, notes: Notes) -> None:
    repo = made(tmp_path)
    below = raw_tree(repo, (FILE, b"f", repo.create_blob(b"deep")))
    for _ in range(tree.DEEPEST + 2):
        below = raw_tree(repo, (FOLDER, b"d", below))
    committed(repo, below)
    refused(repo, notes)


def test_one_large_file_by_many_names_counts_as_often_as_it_is_written(
    tmp_path: Path, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = made(tmp_path)
    large = repo.create_blob(bytes(1_000_000))
    committed(repo, raw_tree(repo, *((FILE, b"f%03d" % n, large) for n in range(100))))
    monkeypatch.setattr(tree, "MOST_BYTES", 50_000_000)
    refused(repo, notes)


def test_more_than_the_disk_has_is_refused_before_it_is_full(
    tmp_path: Path, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = made(tmp_path)
    committed(repo, raw_tree(repo, (FILE, b"f", repo.create_blob(bytes(1_000_000)))))
    monkeypatch.setattr("hub.jobs.git.tree.shutil.disk_usage", lambda folder: os.statvfs_result, raising=True)
    monkeypatch.setattr("hub.jobs.git.tree.shutil.disk_usage", lambda folder: type("Usage", (), {"free": 999_999})())
    refused(repo, notes, "disk_full")


def test_measuring_can_be_cancelled(tmp_path: Path) -> None:
    class Leaving(Notes):
        def check(self) -> None:
            raise Cancelled

    repo = made(tmp_path)
    head = committed(repo, raw_tree(repo, (FILE, b"f", repo.create_blob(b"x"))))
    with pytest.raises(Cancelled):
        tree.measure(repo, head, Leaving())


# -- names ------------------------------------------------------------------------------------------------------------

LOOK_ALIKES = [
    b".git", b".GIT", b".Git", b"git~1", b"GIT~1", b".git.", b".git ", b".git. ",
    b".git...", b".git::$INDEX_ALLOCATION",
    b".git:stream", b".git\\hooks", b".g\xe2\x80\x8cit", b".gi\xe2\x80\x8dt\xe2\x80\x8b"[:-3], b".git\xe2\x80\x8e",
    b"\xef\xbb\xbf.git", b".\xe2\x81\xaagit", b"..", b".", b"", b"a/b", b"../x", b"/tmp/x", b".git/hooks", b"..\\x",
]  # fmt: skip


@pytest.mark.parametrize("name", LOOK_ALIKES, ids=repr)
def test_a_folder_that_some_system_takes_for_another_is_not_written(
    tmp_path: Path, engine: Engine, notes: Notes, mark: Path, name: bytes
) -> None:
    repo = made(tmp_path)
    hook = repo.create_blob(f"#!/bin/sh\ntouch {mark}\n".encode())
    hooks = raw_tree(repo, *((PROGRAM, each, hook) for each in (b"post-checkout", b"reference-transaction")))
    inner = raw_tree(repo, (FOLDER, b"hooks", hooks), (FILE, b"config", repo.create_blob(b"[core]\n\tfsmonitor = x\n")))
    head = committed(repo, raw_tree(repo, (FOLDER, name, inner)))
    _settings(repo)
    before, refusal = _everything(tmp_path), "none"
    try:
        cloning.write_files(engine, Path(repo.workdir), head, RULES, notes)
    except JobFailed as exc:
        refusal = exc.failure.code
    assert refusal in {"none", "unsafe_files", "protocol"}
    new = {path for path in _everything(tmp_path) - before if "/.git/index" not in path}
    assert all(path.startswith("/repo/") and not path.startswith("/repo/.git/") for path in new), new
    assert not any(part.lower().startswith((".git", "git~")) for path in new for part in path.split("/"))


def _settings(repo: pygit2.Repository) -> None:
    """As the hub sets them for every clone, whatever the engine."""
    for setting in ("core.protectHFS", "core.protectNTFS"):
        repo.config[setting] = True


def _everything(base: Path) -> set[str]:
    return {"/" + str(path.relative_to(base)) for path in base.rglob("*")}


def test_nothing_is_written_through_a_link_that_came_along(tmp_path: Path, engine: Engine, notes: Notes) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    for number, target in enumerate((str(outside), "../outside", "../../outside", ".git/hooks", "..")):
        base = tmp_path / f"case-{number}"
        base.mkdir()
        repo = pygit2.init_repository(str(base / "repo"), initial_head="main")
        inner = raw_tree(repo, (PROGRAM, b"post-checkout", repo.create_blob(b"#!/bin/sh\n")))
        link = repo.create_blob(target.encode())
        head = committed(repo, raw_tree(repo, (LINK, b"a", link), (FOLDER, b"a", inner)))
        try:
            cloning.write_files(engine, Path(repo.workdir), head, RULES, notes)
        except JobFailed:
            continue
        finally:
            assert not (Path(repo.path) / "hooks" / "post-checkout").exists()
    assert list(outside.iterdir()) == []


HARMLESS = [(b"a", b"A"), (b"CON", b"nul"), (b"name\nwith", b"lines"), (b"-rf", b"--help"), (b"\xff\xfe", b"\x1b[2J"),
            (b"$(id)", b"`id`"), (b"x" * 255, b"y"), (b"\xe2\x80\xaemoc.exe", b"z")]  # fmt: skip


@pytest.mark.parametrize("names", HARMLESS, ids=repr)
def test_odd_names_are_names(tmp_path: Path, engine: Engine, notes: Notes, names: tuple[bytes, bytes]) -> None:
    repo = made(tmp_path)
    blob = repo.create_blob(b"x")
    head = committed(repo, raw_tree(repo, *((FILE, name, blob) for name in sorted(names))))
    assert cloning.write_files(engine, Path(repo.workdir), head, RULES, notes) == 2
    assert {os.fsencode(path.name) for path in Path(repo.workdir).iterdir()} == {b".git", *names}


def test_a_name_longer_than_any_file_systems_is_a_failure_and_no_crash(
    tmp_path: Path, engine: Engine, notes: Notes
) -> None:
    repo = made(tmp_path)
    head = committed(repo, raw_tree(repo, (FILE, b"x" * 5000, repo.create_blob(b"x"))))
    with pytest.raises(JobFailed):
        cloning.write_files(engine, Path(repo.workdir), head, RULES, notes)


def test_files_that_git_reads_for_settings_name_no_program(
    tmp_path: Path, engine: Engine, notes: Notes, mark: Path
) -> None:
    repo = made(tmp_path)
    files = {
        b".gitattributes": b"* filter=lfs diff=evil merge=evil text eol=lf working-tree-encoding=UTF-16\n",
        b".gitconfig": f'[core]\n\tfsmonitor = touch {mark}\n[filter "lfs"]\n\tsmudge = touch {mark}\n'.encode(),
        b".gitmodules": f'[submodule "x"]\n\tpath = x\n\turl = ext::touch {mark}\n\tupdate = !touch {mark}\n'.encode(),
        b".lfsconfig": b"[lfs]\n\turl = http://127.0.0.2:1/lfs\n",
        b"pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 5\n",
    }
    entries = [(FILE, name, repo.create_blob(text)) for name, text in sorted(files.items())]
    entries.append((MODULE, b"x", pygit2.Oid(hex="a" * 40)))
    head = committed(repo, raw_tree(repo, *entries))
    with contextlib.suppress(JobFailed):  # libgit2 wants nothing to do with such a .gitmodules
        cloning.write_files(engine, Path(repo.workdir), head, RULES, notes)


def test_a_bare_repository_in_a_tree_is_files(tmp_path: Path, engine: Engine, notes: Notes, mark: Path) -> None:
    """Whoever enters it with git would have its settings read: the hub's own programs never do."""
    repo = made(tmp_path)
    config = f"[core]\n\tbare = true\n\tfsmonitor = touch {mark}\n\tworktree = {tmp_path}\n".encode()
    head_file = (FILE, b"HEAD", repo.create_blob(b"ref: refs/heads/main\n"))
    empty = raw_tree(repo, (FILE, b"keep", repo.create_blob(b"")))
    inner = raw_tree(repo, head_file, (FILE, b"config", repo.create_blob(config)), (FOLDER, b"objects", empty),
                     (FOLDER, b"refs", empty))  # fmt: skip
    head = committed(repo, raw_tree(repo, (FOLDER, b"docs.git", inner)))
    assert cloning.write_files(engine, Path(repo.workdir), head, RULES, notes) == 4
    assert cloning.is_current(repo, Path(repo.workdir))


# -- refs -------------------------------------------------------------------------------------------------------------

REFS = [
    b"refs/heads/../../config", b"refs/heads/../../../../outside", b"refs/heads/.lock", b"refs/heads/a.lock",
    b"refs/heads//x", b"refs/heads/-x", b"refs/heads/x\x01", b"/etc/x", b"../x", b"refs/heads/a..b", b"HEAD^{}",
    b"refs/heads/@{", b"refs/heads/\xff/../../x", b"config", b"refs/../config", b"refs/heads/" + b"x" * 4000,
]  # fmt: skip


@pytest.mark.parametrize("name", REFS, ids=repr)
def test_a_ref_that_is_a_path_leads_nowhere(
    server: GitServer, engine: Engine, notes: Notes, tmp_path: Path, name: bytes
) -> None:
    work = tmp_path / "job" / "work"
    work.mkdir(parents=True)
    capabilities = b"side-band-64k symref=HEAD:%s agent=git/x" % name.replace(b" ", b"")
    lines = [b"%s HEAD\0%s\n" % (b"a" * 40, capabilities), b"%s %s\n" % (b"a" * 40, name)]
    body = packet(b"# service=git-upload-pack\n") + b"0000" + b"".join(map(packet, lines)) + b"0000"
    server.behaviour.garbage = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n"
        b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body)
    )
    remote = RemoteUrl(scheme="http", host="127.0.0.1", port=server.port, path="/a.git")
    source = Source(remote=remote, address="127.0.0.1", credentials=Credentials(), rules=RULES)
    with pytest.raises(JobFailed):
        engine.fetch(source, Wanted(), work / "repo", notes)
    left = {path for path in _everything(tmp_path) if not path.startswith(("/job/work/repo/", "/job/work/no-settings"))}
    assert left <= {"/job", "/job/work", "/job/work/repo"}
    assert not list((work / "repo").rglob("outside"))


def test_the_finished_clone_names_nothing_but_its_project(child: Callable, server: GitServer, repositories) -> None:
    """Whatever a server says, the settings of the clone are the hub's own."""
    for name in ("git", "libgit2"):
        run = child(f"{server.url}/small.git", params={"engine": name}, rules={"allow_networks": ["127.0.0.1/32"]})
        run.result()
        text = git(run.repo, "config", "--local", "--list")
        names = {line.partition("=")[0] for line in text.splitlines()}
        allowed = {
            "core.bare", "core.filemode", "core.logallrefupdates", "core.repositoryformatversion", "core.protecthfs",
            "core.protectntfs", "remote.origin.url", "remote.origin.fetch", "branch.main.remote", "branch.main.merge",
        }  # fmt: skip
        assert names <= allowed
        assert [path.name for path in (run.repo / ".git").glob("hooks/*")] == []
