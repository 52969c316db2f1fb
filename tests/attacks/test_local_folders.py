"""Attack: read, or write, what is on the machine and not in the folders that are open.

The ways in: paths with `..`, links, other spellings; folders that hold the hub's own data; repositories in open folders
that lead, or borrow, from elsewhere, or that name programs in their settings (a snapshot can be restored into an open
folder, so strangers may put anything there). What holds: paths are judged where they really lead; a repository is used
only with all that it leads to; nothing that its settings name is run.
"""

import os
import stat
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pygit2
import pytest

from hub.commits.located import RepositoryBroken, locate
from hub.commits.session_logs import log_files
from hub.core.errors import UrlRefused
from hub.index.errors import SourceRefused
from hub.index.roots import check_inside
from hub.jobs import gate
from hub.jobs.base import Rules
from hub.jobs.git import command, preflight
from hub.jobs.git.base import Credentials
from tests.attacks.conftest import Notes
from tests.hubs import Running, running
from tests.jobs.repositories import fill, git, init

# -- paths ------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    """Its data folder, and the store of its snapshots, are inside of what is open."""
    opened = tmp_path / "open"
    opened.mkdir()
    init(opened / "inside")
    (tmp_path / "outside").mkdir()
    (tmp_path / "open-not").mkdir()
    for name, target in (("out", tmp_path / "outside"), ("up", ".."), ("root", "/"), ("proc", "/proc/self/cwd")):
        (opened / name).symlink_to(target)
    (opened / "loop").symlink_to("loop")
    store = str(opened / "store")
    async with running(opened / "data", roots=(str(opened),), snapshot_store=store, spare_children=1) as hub:
        yield hub


def paths(base: Path) -> Iterator[str]:
    opened = base / "open"
    yield from (
        "/", "/etc", "/etc/passwd", "/proc/self/cwd", "/proc/self/root/etc", "/proc/self/fd", "/dev/fd/0", "//etc",
        f"{base}/outside", f"{base}/open-not", f"{opened}/../outside", f"{opened}/inside/../../outside", str(base),
        f"{opened}/out", f"{opened}/out/", f"{opened}/up", f"{opened}/up/outside",
        f"{opened}/root/etc", f"{opened}/loop",
        f"{opened}/proc", f"{opened}/./../outside", f"{opened}/..", f"{base}/OPEN/inside", f"{base}/open /inside",
        f"{opened}\\..\\outside", f"{opened}/%2e%2e/outside", f"{opened}/..\0", f"{opened}/inside\n", f"{opened}/-x",
        f"{opened}/..%2foutside", "~", "~root", "$HOME", "", ".", "..", "inside", "../outside", "a" * 5000,
        f"{opened}/{'a' * 300}", f"{opened}/data", f"{opened}/data/projects", f"{opened}/data/journal.sqlite3",
        f"{opened}/store", f"{opened}/up/open/data",
    )  # fmt: skip


async def test_no_door_lets_any_path_out_of_the_open_folders(hub: Running, tmp_path: Path) -> None:
    made = (await hub.call("POST", "/api/v1/projects", {"path": f"{tmp_path}/open/inside", "id": "inside"}))[0]
    assert made == 201
    for path in paths(tmp_path):
        for where, body in (
            ("/api/v1/projects", {"path": path}),
            ("/api/v1/projects", {"url": f"file://{path}"}),
            ("/api/v1/projects", {"source": "local", "repository": path}),
            ("/api/v1/ingest/local", {"repository": path}),
            ("/repos", {"path": path}),
            ("/repos/scan", {"directories": [path]}),
            ("/mcp/index/stream", {"project_path": path}),
            ("/repos/clone-progress", {"url": path}),
        ):
            status, text = await _said(hub, where, body)
            is_job = "file://" in str(body) or where == "/repos/clone-progress"
            if is_job and status in {200, 201} and '"error"' not in text:
                continue  # only the disk can tell, so the job is told, and asks: see the next tests
            is_told = status in {400, 403, 404} or (status == 200 and '"error"' in text)
            assert is_told, (path, where, status, text)
        if "%" in path:  # a name like any other, where no URL is read
            continue
        with pytest.raises(UrlRefused):  # as the kinds that take a folder ask, in their own process
            gate.local_path(gate.check(path, hub.hub.rules), hub.hub.rules)
    for path in (f"{tmp_path}/open/out", f"{tmp_path}/open/data/new"):
        for kind, params in (("restore", {"snapshot": "s", "to": path}), ("sync", {"sessions_folder": path})):
            status, text = await _said(hub, "/api/v1/projects/inside/jobs", {"kind": kind, "params": params})
            assert status == 202, text
            assert await _failure(hub, text) == "url_refused", (kind, path)


async def _said(hub: Running, path: str, body: Any) -> tuple[int, str]:
    async with hub.session.post(hub.url + path, json=body) as response:
        return response.status, await response.text()


async def _failure(hub: Running, accepted: str) -> str:
    import json  # noqa: PLC0415

    id_ = json.loads(accepted)["id"]
    while True:
        state = (await hub.call("GET", f"/api/v1/jobs/{id_}"))[1]
        if state["state"] in {"failed", "succeeded"}:
            return state["error"]["code"] if state["error"] else "it succeeded"


SPELLINGS = [
    "file:///etc/a.git", "file://localhost/etc/a.git", "file:////etc/a.git", "file:///%2e%2e/etc/a.git",
    "FILE:///etc/a.git",
    "file:///open/..%2f..%2fetc", "file:/etc/a.git", "file:etc", "file:///etc/a.git?x", "file:///etc/a.git%00",
]  # fmt: skip


@pytest.mark.parametrize("url", SPELLINGS)
def test_no_spelling_of_a_file_url_leads_out(url: str, tmp_path: Path) -> None:
    rules = Rules(roots=(str(tmp_path),))
    with pytest.raises(UrlRefused):
        gate.local_path(gate.check(url, rules), rules)


def test_the_hubs_own_folders_are_open_to_nobody_though_they_are_inside_the_roots(tmp_path: Path) -> None:
    rules = Rules(roots=(str(tmp_path),), closed=(str(tmp_path / "data"),))
    (tmp_path / "data" / "projects").mkdir(parents=True)
    (tmp_path / "way-in").symlink_to(tmp_path / "data")
    (tmp_path / "database").mkdir()
    for place in ("data", "data/projects", "way-in", "way-in/projects"):
        with pytest.raises(UrlRefused):
            gate.local_path(gate.check(f"{tmp_path}/{place}", rules), rules)
    assert gate.local_path(gate.check(f"{tmp_path}/database", rules), rules) == tmp_path / "database"


def test_session_logs_that_are_links_pipes_or_folders_are_left_aside(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("{}\n")
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "real.jsonl").write_text("{}\n")
    (folder / "link.jsonl").symlink_to(tmp_path / "secret")
    (folder / "out").symlink_to(tmp_path)
    (folder / "folder.jsonl").mkdir()
    os.mkfifo(folder / "pipe.jsonl")
    assert [file.path.name for file in log_files(folder, print)] == ["real.jsonl"]


# -- repositories that lead elsewhere ---------------------------------------------------------------------------------


def _plain(repo: Path, outside: Path) -> None:
    _borrow(repo, f"{outside}/objects\n")


def _relative(repo: Path, outside: Path) -> None:
    _borrow(repo, os.path.relpath(outside / "objects", repo / "objects") + "\n")


def _without_slash(repo: Path, outside: Path) -> None:
    """Below the folder in which the hub happens to run, to libgit2."""
    _borrow(repo, f"{outside}/objects\n"[1:])


def _after_cr(repo: Path, outside: Path) -> None:
    _borrow(repo, f"./x\r{outside}/objects\n")


def _quoted(repo: Path, outside: Path) -> None:
    _borrow(repo, f'"{outside}/objects"\n')


def _escaped(repo: Path, outside: Path) -> None:
    _borrow(repo, '"' + "".join(f"\\{ord(char):03o}" for char in f"{outside}/objects") + '"\n')


def _behind_others(repo: Path, outside: Path) -> None:
    _borrow(repo, f"{outside}/objects\n" + "".join(f"{repo}/decoy-{n}\n" for n in range(200)))


def _odd_link(repo: Path, outside: Path) -> None:
    """Cut at the vertical tab it is two harmless names."""
    (repo.parent / "na\x0bme").symlink_to(outside / "objects")
    _borrow(repo, f"{repo.parent}/na\x0bme\n")


def _further(repo: Path, outside: Path) -> None:
    between = init(repo.parent / "between.git")
    _borrow(between, f"{outside}/objects\n")
    _borrow(repo, f"{between}/objects\n")


def _linked_objects(repo: Path, outside: Path) -> None:
    (repo / "objects").rename(repo.parent / "away")
    (repo / "objects").symlink_to(outside / "objects")


def _linked_packs(repo: Path, outside: Path) -> None:
    (repo / "objects" / "pack").rename(repo.parent / "away")
    (repo / "objects" / "pack").symlink_to(outside / "objects" / "pack")


def _linked_pack(repo: Path, outside: Path) -> None:
    for file in (outside / "objects" / "pack").iterdir():
        (repo / "objects" / "pack" / file.name).symlink_to(file)


def _linked_loose_folder(repo: Path, outside: Path) -> None:
    (repo / "objects" / SECRET[:2]).symlink_to(outside / "objects" / SECRET[:2])


def _linked_loose_file(repo: Path, outside: Path) -> None:
    (repo / "objects" / SECRET[:2]).mkdir()
    (repo / "objects" / SECRET[:2] / SECRET[2:]).symlink_to(outside / "objects" / SECRET[:2] / SECRET[2:])


def _linked_refs(repo: Path, outside: Path) -> None:
    (repo / "refs").rename(repo.parent / "away")
    (repo / "refs").symlink_to(outside / "refs")


def _another_inside(repo: Path, outside: Path) -> None:
    """Whoever looks for a repository at a path tries `.git` in it first."""
    (repo / ".git").symlink_to(outside)


def _pointed(repo: Path, outside: Path) -> None:
    (repo / ".git").write_text(f"gitdir: {outside}\n")


def _worktree(repo: Path, outside: Path) -> None:
    (repo / "commondir").write_text(f"{outside}\n")


def _borrow(repo: Path, lines: str) -> None:
    (repo / "objects" / "info" / "alternates").write_text(lines, newline="")


SECRET = str(pygit2.hash(b"top secret\n"))
WAYS: list[Callable[[Path, Path], None]] = [
    _plain, _relative, _without_slash, _after_cr, _quoted, _escaped, _behind_others, _odd_link, _further,
    _linked_objects,
    _linked_packs, _linked_pack, _linked_loose_folder, _linked_loose_file, _linked_refs, _another_inside, _pointed,
    _worktree,
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__.strip("_"))
def test_a_repository_that_leads_elsewhere_is_neither_indexed_nor_synced_nor_cloned(
    way: Callable[[Path, Path], None], tmp_path: Path, notes: Notes
) -> None:
    outside, repo = fill_with_secret(tmp_path / "outside.git"), fill_with_secret(tmp_path / "open" / "r.git", b"mine\n")
    rules = Rules(roots=(str(tmp_path / "open"),))
    way(repo, outside)
    with pytest.raises((SourceRefused, RepositoryBroken)):
        check_inside(repo, rules.roots)
    with pytest.raises(RepositoryBroken):
        locate(repo, lambda path: gate.is_open(path, rules))
    with pytest.raises(UrlRefused):
        preflight.connect(gate.check(f"file://{repo}", rules), Credentials(), rules, notes)


def fill_with_secret(path: Path, text: bytes = b"top secret\n") -> Path:
    """The text is an object of its own, and in a pack."""
    found = pygit2.Repository(str(init(path))).create_blob(text)
    git(path, "pack-objects", "-q", "objects/pack/pack", data=f"{found}\n".encode())
    return path


def test_a_neighbour_whose_name_git_would_also_try_is_not_taken(child: Callable, tmp_path: Path, notes: Notes) -> None:
    """Asked for `a`, which is none, git would look for `a.git`, `a/.git` and `a/.git/.git`."""
    outside = fill(init(tmp_path / "outside.git")) or tmp_path / "outside.git"
    for kind in ("empty", "broken"):
        opened = tmp_path / kind
        folder = opened / "a" if kind == "empty" else init(opened / "a")
        folder.mkdir(parents=True, exist_ok=True)
        (opened / "a.git").symlink_to(outside)
        if kind == "broken":
            (folder / "HEAD").write_text("none\n")
        run = child(f"file://{opened}/a", params={"engine": "git"}, rules={"roots": [str(opened)]})
        assert run.failure()["code"] in {"repository_not_found", "protocol", "not_git"}
        assert not run.repo.exists()


# -- repositories that name programs ----------------------------------------------------------------------------------

PROGRAMS = """
[core]
	fsmonitor = touch {mark}
	sshCommand = touch {mark}
	gitProxy = touch {mark}
	hooksPath = {hooks}
	pager = touch {mark}
	editor = touch {mark}
	askPass = touch {mark}
	alternateRefsCommand = touch {mark}
	attributesFile = {hooks}/attributes
	repositoryFormatVersion = 1
[extensions]
	partialClone = evil
[remote "evil"]
	url = {hooks}/none.git
	uploadpack = touch {mark};
	vcs = evil
	promisor = true
[remote "origin"]
	url = ext::touch {mark}
	uploadpack = touch {mark};
[uploadpack]
	packObjectsHook = touch {mark};
	allowFilter = true
[protocol "ext"]
	allow = always
[protocol]
	allow = always
[filter "evil"]
	smudge = touch {mark}
	clean = touch {mark}
	process = touch {mark}
	required = true
[diff]
	external = touch {mark}
[diff "evil"]
	textconv = touch {mark}
	command = touch {mark}
[gpg]
	program = touch {mark}
[log]
	showSignature = true
[credential]
	helper = !touch {mark}
[alias]
	upload-pack = !touch {mark}
	rev-list = !touch {mark}
[trace2]
	normalTarget = {mark}
	eventTarget = {mark}
[url "ext::touch {mark} "]
	insteadOf = file://
[safe]
	bareRepository = all
	directory = *
"""


@pytest.fixture
def hostile(tmp_path: Path, mark: Path) -> Path:
    """A repository in an open folder, with hooks, and settings that name programs; an object of it is missing."""
    path = fill(init(tmp_path / "open" / "evil.git")) or tmp_path / "open" / "evil.git"
    hooks = tmp_path / "open" / "hooks"
    hooks.mkdir()
    (hooks / "attributes").write_text("* filter=evil diff=evil\n")
    names = (
        "post-checkout",
        "pre-receive",
        "post-update",
        "reference-transaction",
        "pre-auto-gc",
        "fsmonitor-watchman",
    )
    for folder in (hooks, path / "hooks"):
        for name in names:
            (folder / name).write_text(f"#!/bin/sh\ntouch {mark}\n")
            (folder / name).chmod(0o755)
    (path / "info").mkdir(exist_ok=True)
    (path / "info" / "attributes").write_text("* filter=evil diff=evil\n")
    with (path / "config").open("a") as config:
        config.write(PROGRAMS.replace("{mark}", str(mark)).replace("{hooks}", str(hooks)))
    return path


@pytest.mark.parametrize("is_whole", [True, False])
@pytest.mark.parametrize("engine_name", ["git", "libgit2"])
def test_a_clone_of_a_folder_runs_nothing_that_its_settings_name(
    child: Callable, hostile: Path, engine_name: str, is_whole: bool
) -> None:
    if not is_whole:
        _lose_an_object(hostile)
    rules = {"roots": [str(hostile.parent)]}
    run = child(f"file://{hostile}", params={"engine": engine_name}, rules=rules)
    run.end()
    assert run.repo.exists() == is_whole or engine_name == "libgit2", run.messages[-1]


def _lose_an_object(repo: Path) -> None:
    """What a partial clone lacks it fetches when it is read, with the command that it names."""
    for pack in list((repo / "objects" / "pack").glob("*.pack")):
        data = pack.read_bytes()
        for file in list((repo / "objects" / "pack").glob(f"{pack.stem}.*")):
            file.chmod(stat.S_IRWXU)
            file.unlink()
        subprocess.run(["git", "init", "-q", repo.parent / "sane"], check=True)
        subprocess.run(["git", "-C", repo.parent / "sane", "unpack-objects", "-q"], input=data, check=True)
    found = repo.parent / "sane" / ".git" / "objects"
    blob = str(pygit2.hash(b"read me %d\n" % 29))
    for file in found.rglob("*"):
        if file.is_file() and len(file.name) == 38 and file.parent.name + file.name != blob:
            place = repo / "objects" / file.parent.name / file.name
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(file.read_bytes())


async def test_neither_sync_nor_index_nor_snapshot_runs_what_settings_name(hostile: Path, tmp_path: Path) -> None:
    _lose_an_object(hostile)
    async with running(tmp_path / "data", roots=(str(tmp_path / "open"),), snapshot_quiet_s=0.0) as hub:
        await hub.call("POST", "/api/v1/projects", {"path": str(hostile), "id": "evil"})
        for kind, params in (
            ("sync", {"engine": "git"}),
            ("sync", {"engine": "libgit2"}),
            ("index", {}),
            ("snapshot", {}),
        ):
            status, text = await _said(hub, "/api/v1/projects/evil/jobs", {"kind": kind, "params": params})
            assert status == 202, text
            await _failure(hub, text)


def test_the_git_command_reads_no_folder_with_a_version_that_fetches_what_is_missing() -> None:
    safe = [(2, 39, 4), (2, 39, 5), (2, 43, 4), (2, 45, 1), (2, 45, 2), (2, 46, 0), (3, 0, 0)]
    assert all(map(command._is_safe_on_disk, safe))
    old = [(2, 37, 0), (2, 38, 9), (2, 39, 3), (2, 40, 1), (2, 41, 0), (2, 44, 0), (2, 45, 0)]
    assert not any(map(command._is_safe_on_disk, old))
