"""Code search and the state of an index over the API."""

import asyncio
from typing import Any

import pytest

from hub.index import place
from hub.jobs.kinds import KINDS
from tests.hubs import Running, running
from tests.index.samples import commit, indexed

FILES = {
    "lib/widget.py": b"def widget():\n    return 1\n",
    "notes.txt": b"a widget\n",
    "package-lock.json": b"{}\n",
    "picture.png": b"\0\0",
}


@pytest.fixture
async def hub(tmp_path, monkeypatch):
    async with running(tmp_path / "data", roots=(str(tmp_path),)) as hub:
        yield hub


async def make(hub: Running, project: str, files=FILES) -> None:
    await hub.make_project(project)
    home = hub.hub.engine.home(project)
    repo = await asyncio.to_thread(commit, home / "repo", files)
    await asyncio.to_thread(indexed, place(home), repo)


async def get(hub: Running, path: str, status: int = 200) -> Any:
    got, body, _ = await hub.call("GET", f"/api/v1{path}")
    assert got == status, body
    return body


async def test_a_search_over_all_projects_that_have_an_index(hub) -> None:
    await make(hub, "first")
    await make(hub, "second", {"z.c": b"int widget(void) { return 1; }\n"})
    await hub.make_project("without")
    body = await get(hub, "/search?q=widget")
    assert [(item["project"], item["path"]) for item in body["items"]] == [
        ("first", "lib/widget.py"), ("second", "z.c"), ("first", "notes.txt"),
    ]  # fmt: skip
    assert (body["total"], body["complete"], body["coverage"]) == (3, True, {"indexed": 5, "of": 5})
    assert body["took_ms"] > 0
    assert [item["path"] for item in (await get(hub, "/search?q=widget&project=second"))["items"]] == ["z.c"]
    both = await get(hub, "/search?q=widget&project=second,first&kind=symbol&lang=c,python&limit=1")
    rest = await get(hub, f"/search?q=widget&project=second,first&kind=symbol&lang=c,python&cursor={both['next']}")
    assert [item["project"] for item in both["items"] + rest["items"]] == ["second", "first"]


async def test_what_an_index_holds_and_what_it_left_out(hub) -> None:
    await make(hub, "p")
    body = await get(hub, "/projects/p/index?limit=1")
    assert (body["state"], body["files"], body["indexed"], body["symbols"]) == ("complete", 4, 2, 1)
    assert [language["lang"] for language in body["languages"]] == ["python", "text"]
    left_out = body["left_out"]
    assert (left_out["total"], left_out["reasons"]) == (2, {"binary": 1, "generated": 1})
    assert [item["id"] for item in left_out["items"]] == ["package-lock.json"]
    rest = await get(hub, f"/projects/p/index?cursor={left_out['next']}")
    assert [(item["id"], item["reason"]) for item in rest["left_out"]["items"]] == [("picture.png", "binary")]
    only = await get(hub, "/projects/p/index?reason=binary")
    assert (only["left_out"]["total"], len(only["left_out"]["items"])) == (1, 1)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/search", 400, "bad_query"),
        ("/search?q=", 400, "bad_query"),
        ("/search?q=(&kind=regex", 400, "bad_query"),
        ("/search?q=x&kind=colour", 400, "bad_query"),
        ("/search?q=x&lang=klingon", 400, "bad_query"),
        ("/search?q=x&limit=0", 400, "bad_request"),
        ("/search?q=x&lines=many", 400, "bad_request"),
        ("/search?q=x&word=perhaps", 400, "bad_request"),
        ("/search?q=x&cursor=none", 400, "bad_query"),
        ("/search?q=" + "x" * 2000, 400, "bad_query"),
        ("/search?q=x&project=nobody", 404, "not_found"),
        ("/search?q=x&project=bare", 404, "no_index"),
        ("/projects/bare/index", 404, "no_index"),
        ("/projects/nobody/index", 404, "not_found"),
        ("/projects/p/index?reason=ugly", 400, "bad_query"),
    ],
)
async def test_what_cannot_be_answered_is_said(hub, path, status, code) -> None:
    await make(hub, "p")
    await hub.make_project("bare")
    assert (await get(hub, path, status))["error"]["code"] == code


async def test_nothing_indexed_is_an_empty_answer(hub) -> None:
    body = await get(hub, "/search?q=x")
    assert (body["items"], body["total"], body["coverage"]) == ([], 0, {"indexed": 0, "of": 0})


async def test_a_broken_index_is_told_beside_what_the_others_hold(hub) -> None:
    await make(hub, "good")
    await make(hub, "bad")
    place(hub.hub.engine.home("bad")).write_bytes(b"no database" * 1000)
    body = await get(hub, "/search?q=widget")
    assert {item["project"] for item in body["items"]} == {"good"}
    assert [(problem["project"], problem["code"]) for problem in body["problems"]] == [("bad", "index_broken")]


async def test_a_project_is_indexed_by_a_job_and_found(hub, tmp_path) -> None:
    if "index" not in KINDS:
        pytest.skip("the kind has no row yet")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "code.py").write_text("def needle():\n    pass\n")
    _, project, _ = await hub.call("POST", "/api/v1/projects", {"path": str(folder)})
    _, job, _ = await hub.call("POST", f"/api/v1/projects/{project['id']}/jobs", {"kind": "index"})
    async with asyncio.timeout(30):
        while (await get(hub, f"/jobs/{job['id']}"))["state"] not in {"succeeded", "failed"}:
            await asyncio.sleep(0.05)
    body = await get(hub, "/search?q=needle&kind=symbol")
    assert [item["path"] for item in body["items"]] == ["code.py"]
