"""`progress-hub snapshot` and `snapshots`: what is printed for a person and for a program, and the exit codes."""

import asyncio
import io
import json
import random
import tarfile

import pytest
import zstandard

from hub.cli.command import run as command
from tests.hubs import running
from tests.snapshots.trees import content, make


@pytest.fixture
async def ran(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    roots = tmp_path / "roots"
    make(roots / "work", {"a.txt": b"hello\n", "src/large": random.Random(1).randbytes(100_000), "link": "a.txt"})
    async with running(tmp_path / "data", roots=(str(roots),), snapshot_quiet_s=0.0) as hub:

        async def run(*arguments):
            code = await asyncio.to_thread(command, [*arguments, "--hub", hub.url])
            return code, capsys.readouterr()

        run.folder, run.roots = roots / "work", roots
        yield run


async def test_a_folder_becomes_a_project_and_is_taken(ran):
    code, said = await ran("snapshot", str(ran.folder), "--json")
    last = [json.loads(line) for line in said.out.splitlines()][-1]
    assert code == 0
    assert last["state"] == "succeeded"
    code, said = await ran("snapshots", "list", "work")
    head, row = said.out.splitlines()
    assert code == 0
    assert head.split() == ["SNAPSHOT", "TAKEN", "FILES", "SIZE", "NEW", "LEFT", "OUT", "STATE"]
    assert row.split()[3:6] == ["2", "100", "KB"]
    assert row.endswith("ok")
    code, said = await ran("snapshots", "show", "work", "latest")
    assert "files:         2" in said.out
    code, said = await ran("snapshots", "files", "work", "latest", "--path", "src/")
    assert said.out.split() == ["file", "0644", "100", "KB", "src/large"]
    code, said = await ran("snapshots", "files", "work", "latest")
    assert "link -> a.txt" in said.out


async def test_differences_are_told_like_diff_does(ran):
    await ran("snapshot", str(ran.folder))
    (ran.folder / "a.txt").write_bytes(b"changed\n")
    (ran.folder / "new").write_bytes(b"n")
    await ran("snapshot", "work")
    _, said = await ran("snapshots", "list", "work", "--json")
    new, old = [json.loads(line)["id"] for line in said.out.splitlines()]
    code, said = await ran("snapshots", "diff", "work", old, "latest")
    assert (code, said.out.splitlines()) == (1, ["M a.txt (content, mtime)", "+ new"])
    code, said = await ran("snapshots", "diff", "work", new, new)
    assert (code, said.out) == (0, "")
    code, said = await ran("snapshots", "diff", "work", old, new, "--json", "--limit", "1")
    assert json.loads(said.out)["path"] == "a.txt"
    assert "1 more" in said.err


async def test_a_download_is_there_when_it_is_whole_and_replaces_nothing(ran, tmp_path):
    await ran("snapshot", str(ran.folder))
    code, said = await ran("snapshots", "download", "work", "latest", "-o", "out.tar.zst")
    assert code == 0
    raw = zstandard.ZstdDecompressor().decompressobj().decompress((tmp_path / "out.tar.zst").read_bytes())
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        assert [name.partition("/")[2] for name in tar.getnames()] == ["a.txt", "link", "src", "src/large"]
    code, said = await ran("snapshots", "download", "work", "latest", "-o", "out.tar.zst")
    assert code == 2
    assert "--force" in said.err
    code, _ = await ran("snapshots", "download", "work", "latest", "-o", "out.tar.zst", "--force")
    assert code == 0
    assert [path.name for path in tmp_path.glob("*.part")] == []


async def test_restore_verify_prune_and_delete(ran):
    await ran("snapshot", str(ran.folder))
    code, _ = await ran("snapshots", "restore", "work", "latest", "--to", str(ran.roots / "back"))
    assert code == 0
    assert content(ran.roots / "back") == content(ran.folder)
    code, _ = await ran("snapshots", "restore", "work", "latest", "--to", str(ran.roots / "back"))
    assert code == 1
    code, _ = await ran("snapshots", "verify", "work")
    assert code == 0
    await ran("snapshot", "work")
    code, _ = await ran("snapshots", "prune", "work", "--keep-last", "1", "--dry-run")
    assert code == 0
    _, said = await ran("snapshots", "list", "work", "--json")
    assert len(said.out.splitlines()) == 2
    code, _ = await ran("snapshots", "prune", "work", "--keep-last", "1")
    _, said = await ran("snapshots", "list", "work", "--json")
    assert len(said.out.splitlines()) == 1
    code, _ = await ran("snapshots", "delete", "work", "latest")
    assert code == 0
    _, said = await ran("snapshots", "list", "work")
    assert said.out == "No snapshots. Take one: progress-hub snapshot work\n"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("snapshot", "none"), 2, "no project"),
        (("snapshot", "/etc"), 2, "roots"),
        (("snapshot", "work", "--name", "x"), 2, "--name and --id"),
        (("snapshots", "show", "none", "latest"), 2, "no project"),
        (("snapshots", "prune", "work", "--keep-last", "0"), 2, "keep nothing"),
    ],
)
async def test_what_cannot_be_done_is_said(ran, arguments, code, words):
    await ran("snapshot", str(ran.folder), "--dry-run")
    found, said = await ran(*arguments)
    assert found == code
    assert words in said.err
