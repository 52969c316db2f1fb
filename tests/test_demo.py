"""The demo: the same repository every time, served read-only, on loopback, and nothing else with it."""

import asyncio
import functools
import re
import shutil

import aiohttp
import pygit2
import pytest

from hub.cli import serving
from hub.client import Hub
from hub.demo import Demo
from hub.demo.repository import COMMITS, make_repository
from hub.settings import Settings
from hub.web.assembly import FolderTaken, assembled
from tests.conftest import missing, until

GIT = shutil.which("git")


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    path = tmp_path_factory.mktemp("demo") / "harbour.git"
    make_repository(path)
    return path


@pytest.fixture
def folder(repository, tmp_path):
    shutil.copytree(repository, tmp_path / "harbour.git")
    return tmp_path


async def git(*arguments):
    if GIT is None:
        missing("git")
    process = await asyncio.create_subprocess_exec(
        GIT, *map(str, arguments), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


def test_the_repository_is_somebodys_work(repository):
    found = pygit2.Repository(repository)
    commits = list(found.walk(found.head.target))
    assert len(commits) > COMMITS
    assert len([commit for commit in commits if len(commit.parents) == 2]) == 1
    assert set(found.branches.local) == {"main", "faster-tides", "spring-cleaning"}
    assert len([name for name in found.references if name.startswith("refs/tags/")]) == 3
    index = pygit2.Index()
    index.read_tree(found.head.peel(pygit2.Tree))
    assert len(index) > 300
    assert {entry.path.rpartition(".")[2] for entry in index} >= {"py", "js", "ts", "go", "rs", "c", "rb", "md", "csv"}


def test_the_repository_is_the_same_every_time_also_after_a_try_that_was_cut_short(repository, tmp_path):
    again, cut_short = tmp_path / "again.git", tmp_path / "again.git.part"
    cut_short.mkdir()
    make_repository(again)
    assert pygit2.Repository(again).head.target == pygit2.Repository(repository).head.target
    assert not cut_short.exists()


@pytest.mark.git
@pytest.mark.parametrize("options", [(), ("--depth", "1"), ("--branch", "faster-tides")], ids=" ".join)
async def test_git_can_clone_it(folder, tmp_path, options):
    async with Demo(folder, bytes_per_s=None) as demo:
        code, output = await git("clone", "-q", *options, await demo.ready(), tmp_path / "clone")
    assert (code, output) == (0, "")


@pytest.mark.git
async def test_libgit2_can_clone_it(folder, tmp_path):
    async with Demo(folder, bytes_per_s=None) as demo:
        url = await demo.ready()
        await asyncio.to_thread(pygit2.clone_repository, url, tmp_path / "clone")
    assert (tmp_path / "clone" / "README.md").exists()


@pytest.mark.git
async def test_it_is_served_no_faster_than_asked(folder, tmp_path):
    size = sum(path.stat().st_size for path in folder.rglob("*.pack"))
    loop = asyncio.get_running_loop()
    async with Demo(folder, bytes_per_s=size) as demo:
        began = loop.time()
        await git("clone", "-q", "--bare", await demo.ready(), tmp_path / "clone")
        assert loop.time() - began > 0.9


@pytest.mark.git
async def test_nobody_can_push_to_it(folder, tmp_path):
    async with Demo(folder, bytes_per_s=None) as demo:
        url = await demo.ready()
        await git("clone", "-q", "--bare", url, tmp_path / "clone")
        code, output = await git("-C", tmp_path / "clone", "push", url, "main:mine")
    assert code != 0
    assert "read only" in output


@pytest.mark.git
@pytest.mark.parametrize(
    "path", ["/", "/harbour.git", "/harbour.git/config", "/harbour.git/objects/info/packs", "/address"]
)
async def test_nothing_else_is_served(folder, path):
    async with Demo(folder, bytes_per_s=None) as demo, aiohttp.ClientSession() as session:
        url = (await demo.ready()).removesuffix("/harbour.git")
        async with session.get(url + path) as response:
            assert response.status == 404


@pytest.mark.git
async def test_it_keeps_its_url_over_a_restart_and_takes_another_when_that_is_taken(folder, tmp_path):
    urls = []
    for _ in range(2):
        async with Demo(folder) as demo:
            urls.append(await demo.ready())
    async with Demo(folder) as first, Demo(folder) as second:
        urls += [await first.ready(), await second.ready()]
    assert urls[0] == urls[1] == urls[2] != urls[3]


@pytest.mark.git
async def test_it_touches_its_folder_only_once_it_is_asked_for(folder, tmp_path):
    async with Demo(folder) as first:
        await first.ready()
        before = (folder / "address").read_text()
        async with Demo(folder), Demo(tmp_path / "new"):
            assert (folder / "address").read_text() == before
            assert not (tmp_path / "new").exists()


@pytest.mark.git
async def test_a_second_serve_demo_is_refused_and_changes_nothing_of_the_first_ones(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("hub.web.logs.configure", lambda *_: None)  # this process's logs are pytest's
    settings = Settings(port=0, data_dir=str(tmp_path), drain_s=0.0)
    (tmp_path / "demo").mkdir()
    address = tmp_path / "demo" / "address"
    address.write_text("127.0.0.1 1\n")  # of a port that the second one does not get, and would replace
    async with assembled(settings):
        with pytest.raises(FolderTaken):
            await serving._serve(settings, demo=True, open_page=False)
    assert address.read_text() == "127.0.0.1 1\n"
    assert list(address.parent.iterdir()) == [address]


@pytest.mark.git
async def test_jobs_are_let_to_the_demos_own_address_only(folder):
    async with Demo(folder) as demo:
        url = await demo.ready()
        (network,) = demo.networks
        assert network.removesuffix("/32") in url
        assert demo.roots == ()


async def test_without_git_it_is_a_folder_inside_the_roots(folder, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", "")
    async with Demo(folder) as demo:
        url = await demo.ready()
        assert url == (folder / "harbour.git").as_uri()
        assert (demo.roots, demo.networks) == ((str(folder),), ())
    await asyncio.to_thread(pygit2.clone_repository, url, tmp_path / "clone")


@pytest.mark.git
async def test_serve_demo_clones_its_repository_and_fetches_the_second_time(repository, tmp_path, monkeypatch, capsys):
    shutil.copytree(repository, tmp_path / "demo" / "harbour.git")
    monkeypatch.setattr("hub.web.logs.configure", lambda *_: None)  # this process's logs are pytest's
    monkeypatch.setattr(serving, "Demo", functools.partial(Demo, bytes_per_s=None))
    settings = Settings(port=0, data_dir=str(tmp_path), drain_s=0.0)
    updated = []
    for _ in range(2):
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(serving._serve(settings, demo=True, open_page=False))
            said = ""

            def is_started() -> bool:
                nonlocal said
                said += capsys.readouterr().out
                return "progress-hub watch demo" in said

            await until(is_started)
            async with Hub(re.search(r"http://\S+", said)[0]) as hub:
                job = (await hub.project("demo"))["job"]["id"]
                async for _ in hub.watch(job=job):
                    pass
                updated.append((await hub.job(job))["result"]["updated"])
            running.cancel()
    assert updated == [False, True]
