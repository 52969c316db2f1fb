"""Commits, links, sessions and sync, as a client of the API sees them."""

import asyncio
import functools
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hub.commits.database import BUSY_TIMEOUT_S, NAME, Database
from hub.commits.sessions import SessionTable, Told
from hub.core.errors import JournalUnavailable
from hub.jobs.base import ALL
from hub.web.resources.commits import counts, start_sync, take_turn
from tests.commits.histories import START, Change, fill, git, init, line
from tests.conftest import until
from tests.hubs import Running, running
from tests.jobs.conftest import needs

API = "/api/v1"


@pytest.fixture(autouse=True)
def needs_git() -> None:
    needs("git")


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path / "data", roots=(str(tmp_path),)) as hub:
        yield hub


async def project(hub: Running, repo: Path, id_: str = "r") -> None:
    status, body, _ = await hub.call("POST", f"{API}/projects", {"path": str(repo), "id": id_})
    assert status == 201, body


async def synced(hub: Running, **body: Any) -> dict[str, Any]:
    """A sync to its end; its result."""
    status, job, headers = await hub.call("POST", f"{API}/sync", body)
    assert status == 202, job
    assert headers["Location"] == f"{API}/jobs/{job['id']}"
    assert (job["project"], job["kind"]) == (ALL, "sync")
    state = await ended(hub, job["id"])
    assert state["state"] == "succeeded", state
    return state["result"]


async def ended(hub: Running, job: str) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            _, state, _ = await hub.call("GET", f"{API}/jobs/{job}")
            if state["state"] in {"succeeded", "failed", "cancelled", "interrupted"}:
                return state


async def items(hub: Running, path: str) -> list[dict[str, Any]]:
    status, body, _ = await hub.call("GET", API + path)
    assert status == 200, body
    assert body["total"] >= len(body["items"])
    return body["items"]


def session(id_: str, first: int, last: int, **fields: Any) -> dict[str, Any]:
    return {"id": id_, "start": (START + first) * 1000, "end": (START + last) * 1000, **fields}


async def tell(hub: Running, *sessions: dict[str, Any]) -> tuple[int, Any]:
    status, body, _ = await hub.call("POST", f"{API}/sessions", {"sessions": list(sessions)})
    return status, body


async def test_commits_are_listed_newest_first_with_all_that_is_known(hub: Running, tmp_path: Path):
    repo = fill(
        init(tmp_path / "r"),
        [
            Change(at=START, files=(b"src/a.py",), subject=b"first"),
            Change(at=START + 60, files=(b"src/b.py", b"docs/x"), subject=b"second", committed=START + 90),
        ],
    )
    await project(hub, repo)
    result = await synced(hub)
    assert (result["commitsFound"], result["reposScanned"]) == (2, 1)
    newest, oldest = await items(hub, "/projects/r/commits")
    assert newest == {
        "id": git(repo, "rev-parse", "main"), "at": (START + 60) * 1000, "committed": (START + 90) * 1000,
        "author": {"name": "Ann", "email": "ann@example.org"}, "subject": "second", "parents": 1,
        "files": ["docs/x", "src/b.py"], "files_total": 2, "gone": False, "links": 0,
    }  # fmt: skip
    assert oldest["parents"] == 0
    assert (await counts(hub.hub, "r")).commits == 2


async def test_pages_give_every_commit_once(hub: Running, tmp_path: Path):
    changes = [Change(at=START + n // 4 - 20, subject=b"%d" % n) for n in range(45)]
    await project(hub, fill(init(tmp_path / "r"), [*changes, Change(at=-5), Change(at=-4)]))
    await synced(hub)
    seen, cursor = [], ""
    while True:
        _, page, _ = await hub.call("GET", f"{API}/projects/r/commits?limit=10{cursor}")
        assert page["total"] == 47
        seen += page["items"]
        if "next" not in page:
            break
        cursor = f"&cursor={page['next']}"
    assert len({one["id"] for one in seen}) == 47
    assert [one["at"] for one in seen] == sorted((one["at"] for one in seen), reverse=True)


async def test_filters_narrow_the_list(hub: Running, tmp_path: Path):
    changes = [
        Change(at=START, files=(b"src/a.py",), subject=b"Fix 100% of it", name=b"Ann", email=b"ann@x"),
        Change(at=START + 60, files=(b"src/sub/b.py",), subject=b"under_score", name=b"Bob", email=b"bob@y"),
        Change(at=START + 120, files=(b"srcs",), subject=b"last", name=b"Ann", email=b"ann@x"),
    ]
    repo = fill(init(tmp_path / "r"), changes)
    await project(hub, repo)
    await tell(hub, session("s", 50, 70, project="r"))
    await synced(hub)

    async def found(query: str) -> list[str]:
        return [one["subject"] for one in await items(hub, f"/projects/r/commits?{query}")]

    fix, under, last = "Fix 100% of it", "under_score", "last"
    assert await found("author=ann") == [last, fix]
    assert await found("author=BOB@") == [under]
    assert await found("path=src") == [under, fix]
    assert await found("path=src/sub/") == [under]
    assert await found("path=src/a.py") == [fix]
    assert await found("path=src/a") == []
    assert await found("text=0%25") == [fix]
    assert await found("text=r_s") == [under]
    assert await found("text=_") == [under]
    assert await found(f"text={git(repo, 'rev-parse', '--short=12', 'main')}") == [last]
    assert await found(f"since={(START + 60) * 1000}") == [last, under]
    assert await found(f"since={(START + 60) * 1000 + 1}") == [last]
    assert await found(f"until={(START + 60) * 1000}") == [under, fix]
    assert await found("linked=true") == [under]
    assert await found("linked=false") == [last, fix]
    assert await found("linked=false&author=ann&path=srcs") == [last]
    assert await found("gone=true") == []
    assert await found("text='%20OR%201=1") == []


@pytest.mark.parametrize(
    "query",
    ["since=yesterday", "until=1e99", "linked=maybe", "author=", "path=%00", "limit=0", "cursor=x", "cursor=1-2-3",
     "cursor=-", "cursor=9999999999999999999999-1", "text=" + "x" * 1001],
)  # fmt: skip
async def test_a_query_that_makes_no_sense_is_refused(hub: Running, tmp_path: Path, query: str):
    await project(hub, init(tmp_path / "r"))
    status, body, _ = await hub.call("GET", f"{API}/projects/r/commits?{query}")
    assert (status, body["error"]["code"]) == (400, "unknown_cursor" if "cursor" in query else "bad_request")


async def test_links_are_shown_with_their_evidence_and_near_misses_with_how_far(hub: Running, tmp_path: Path):
    at = (0, 500, 1000, 1041)
    await project(hub, fill(init(tmp_path / "r"), [Change(at=START + n, subject=b"at %d" % n) for n in at]))
    action = {"at": (START + 490) * 1000, "type": "commit"}
    status, told = await tell(hub, session("s", -10, 1000, project="r", events=[action]), session("t", 5000, 6000))
    assert (status, told) == (201, {"created": 2, "updated": 0, "unchanged": 0})
    assert (await synced(hub))["linksCreated"] == 3
    links = await items(hub, "/projects/r/links")
    assert [(link["commit"]["subject"], link["tier"], link["session"]) for link in links] == [
        ("at 1000", 2, "s"), ("at 500", 1, "s"), ("at 0", 2, "s"),
    ]  # fmt: skip
    assert links[1]["evidence"] == {
        "rule": "commit_action", "window": [(START + 430) * 1000, (START + 790) * 1000], "margin_s": 70,
        "action": (START + 490) * 1000, "after_action_s": 10,
    }  # fmt: skip
    assert links[2]["evidence"] == {
        "rule": "during_session", "window": [(START - 10) * 1000, (START + 1000) * 1000], "margin_s": 10,
    }  # fmt: skip
    assert [link["tier"] for link in await items(hub, "/projects/r/links?tier=1")] == [1]
    assert await items(hub, "/projects/r/links?session=t") == []
    (miss,) = await items(hub, "/projects/r/links?near=true")
    assert (miss["session"], miss["commit"]["subject"], miss["off_s"], miss["why"]) == ("s", "at 1041", 41, "after_end")
    assert miss["message"] == "41 s after the session ended"
    first, rest = (await hub.call("GET", f"{API}/projects/r/links?limit=1"))[1], []
    while "next" in first:
        _, first, _ = await hub.call("GET", f"{API}/projects/r/links?limit=1&cursor={first['next']}")
        rest += first["items"]
    assert rest == links[1:]
    assert (await counts(hub.hub, "r")).to_wire().items() >= {"commits": 4, "links": 3, "sessions": 1}.items()


async def test_sessions_are_listed_newest_first(hub: Running, tmp_path: Path):
    await project(hub, fill(init(tmp_path / "r"), line(3)))
    await tell(
        hub, session("a", 0, 100, path=str(tmp_path / "r" / "x")), session("b", 50, 60, project="r", author="Ann"),
        session("-c", 70, 80),
    )  # fmt: skip
    await synced(hub)
    assert [one["id"] for one in await items(hub, "/sessions")] == ["-c", "b", "a"]
    b, a = await items(hub, "/sessions?project=r")
    assert (a["project"], a["links"], a["path"]) == ("r", 2, str(tmp_path / "r" / "x"))
    assert (b["author"], b["links"], b["events"], b["commit_actions"]) == ("Ann", 1, 0, 0)
    _, page, _ = await hub.call("GET", f"{API}/sessions?limit=1")
    _, page, _ = await hub.call("GET", f"{API}/sessions?limit=1&cursor={page['next']}")
    assert [one["id"] for one in page["items"]] == ["b"]
    assert (await hub.call("GET", f"{API}/sessions?project=none"))[0] == 404


async def test_a_request_with_one_wrong_session_stores_none(hub: Running, tmp_path: Path):
    await project(hub, init(tmp_path / "r"))
    wrong: list[dict[str, Any]] = [
        session("x", 10, 0), session("x", 0, 1, project="none"), session("x", 0, 1, project=ALL), {"id": "x"},
    ]  # fmt: skip
    for one in wrong:
        status, body = await tell(hub, session("good", 0, 1), one)
        assert status == 400, body
        assert "sessions[1]" in body["error"]["message"]
    await tell(hub, session("known", 0, 1, path="/a"))
    status, body = await tell(hub, session("good", 0, 1), session("known", 0, 1, path="/b"))
    assert (status, body["error"]["code"]) == (409, "session_elsewhere")
    assert [one["id"] for one in await items(hub, "/sessions")] == ["known"]
    status, body, _ = await hub.call("POST", f"{API}/sessions", {})
    assert (status, body["error"]["message"]) == (400, "sessions must be a list.")
    assert (await tell(hub, *[session(str(n), 0, 1) for n in range(1001)]))[0] == 413
    assert (await tell(hub, session("known", 0, 1, path="/a")))[1] == {"created": 0, "updated": 0, "unchanged": 1}


async def test_a_project_without_a_sync_has_empty_lists(hub: Running, tmp_path: Path):
    await project(hub, init(tmp_path / "r"))
    for path in ("/projects/r/commits", "/projects/r/links", "/projects/r/links?near=1", "/sessions"):
        assert await items(hub, path) == []
    assert (await hub.call("GET", f"{API}/projects/none/commits"))[0] == 404
    assert (await hub.call("GET", f"{API}/projects/r/links?tier=3"))[0] == 400
    assert (await hub.call("GET", f"{API}/projects/r/links?tier=1&near=1"))[0] == 400
    assert (await counts(hub.hub, "r")).to_wire() == {"commits": 0, "links": 0, "sessions": 0, "synced": None}


async def test_a_sync_of_projects_that_are_not_there_is_refused(hub: Running, tmp_path: Path):
    for body, wanted in (
        ({"projects": ["none"]}, 404),
        ({"projects": []}, 400),
        ({"x": 1}, 400),
        ({"projects": 1}, 400),
    ):
        assert (await hub.call("POST", f"{API}/sync", body))[0] == wanted
    status, body, _ = await hub.call("POST", f"{API}/sync", {"sessions_folder": "/etc"})
    assert (status, body["error"]["code"]) == (400, "url_refused")


async def test_a_second_sync_is_refused_and_a_scheduled_one_makes_way(hub: Running, tmp_path: Path):
    await project(hub, fill(init(tmp_path / "r"), line(30_000)))
    await take_turn(hub.hub)
    (scheduled,) = hub.hub.engine.project_jobs(ALL)
    assert scheduled.params == {"scheduled": True}
    status, mine, _ = await hub.call("POST", f"{API}/sync")
    assert (status, mine["params"]) == (202, {})
    assert (await ended(hub, scheduled.id))["state"] == "cancelled"
    status, body, _ = await hub.call("POST", f"{API}/sync")
    assert (status, body["error"]["code"]) == (409, "already_running")
    await take_turn(hub.hub)
    assert [job.id for job in hub.hub.engine.project_jobs(ALL)] == [mine["id"]]
    result = (await ended(hub, mine["id"]))["result"]
    assert result["commitsFound"] == 30_000


async def test_without_projects_a_turn_of_the_schedule_does_nothing(hub: Running):
    await take_turn(hub.hub)
    assert hub.hub.ledger.live_jobs() == []


async def test_the_lists_answer_while_a_sync_writes(hub: Running, tmp_path: Path):
    await project(hub, fill(init(tmp_path / "r"), line(20_000)))
    job = await start_sync(hub.hub, {})
    totals = []
    while any(live.id == job.id for live in hub.hub.ledger.live_jobs()):
        _, body, _ = await hub.call("GET", f"{API}/projects/r/commits?limit=1")
        assert (await tell(hub, session(f"s{len(totals)}", 0, 10, project="r")))[0] == 201
        totals.append(body["total"])
        await asyncio.sleep(0)
    assert totals == sorted(totals)
    assert (await counts(hub.hub, "r")).commits == 20_000


async def test_a_paused_sync_keeps_nobody_from_the_table(hub: Running, tmp_path: Path):
    await project(hub, fill(init(tmp_path / "r"), line(20_000)))
    job, seen, pauses = (await start_sync(hub.hub, {})).id, 0, 0
    while await until(functools.partial(scanned, hub, job, seen)) == "on":
        seen = hub.hub.ledger.job(job).seq
        if (await hub.call("POST", f"{API}/jobs/{job}/pause"))[0] != 202:  # it is ending
            break
        pauses += 1  # in the middle of a batch, as often as not
        began = asyncio.get_running_loop().time()
        status, body = await tell(hub, session(f"s{pauses}", 0, 10, project="r"))
        assert status == 201, body
        assert asyncio.get_running_loop().time() - began < BUSY_TIMEOUT_S / 2
        await hub.call("POST", f"{API}/jobs/{job}/resume")
    assert (await ended(hub, job))["state"] == "succeeded"
    assert pauses > 2
    assert (await counts(hub.hub, "r")).commits == 20_000


def scanned(hub: Running, job: str, seen: int) -> str | None:
    """`on` once it has said more than `seen`."""
    state = hub.hub.ledger.job(job)
    if state is None:
        return "over"
    return "on" if state.seq > seen and state.progress and state.progress.detail.get("commitsFound") else None


async def test_the_schedule_syncs_by_itself_and_says_that_nobody_asked(tmp_path: Path):
    async with running(tmp_path / "data", roots=(str(tmp_path),), sync_interval_s=0.2) as hub:
        await project(hub, fill(init(tmp_path / "r"), line(3)))
        async with asyncio.timeout(30):
            while not (found := await items(hub, f"/jobs?project={ALL}&state=succeeded")):
                await asyncio.sleep(0)
        assert {job["kind"] for job in found} == {"sync"}
        assert all(job["params"] == {"scheduled": True} for job in found)
        assert (await counts(hub.hub, "r")).commits == 3


async def test_a_deleted_project_is_forgotten_and_its_counts_are_shown_until_then(hub: Running, tmp_path: Path):
    await project(hub, fill(init(tmp_path / "r"), line(3)))
    await tell(hub, session("s", 0, 100, project="r"))
    await synced(hub)
    _, shown, _ = await hub.call("GET", f"{API}/projects/r")
    assert shown["counts"].items() >= {"commits": 3, "links": 2, "sessions": 1}.items()
    assert shown["counts"]["synced"] > 0
    assert (await hub.call("DELETE", f"{API}/projects/r"))[0] == 204
    assert await items(hub, "/sessions") == []
    assert (await counts(hub.hub, "r")).commits == 0


async def test_a_project_that_cannot_be_forgotten_is_not_deleted_by_half(
    hub: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    await project(hub, fill(init(tmp_path / "r"), line(3)))
    await synced(hub)
    monkeypatch.setattr("hub.web.resources.commits.BUSY_TIMEOUT_S", 0.1)
    with Database(tmp_path / "data" / NAME) as paused, paused.writing():
        status, body, _ = await hub.call("DELETE", f"{API}/projects/r")
        assert (status, body["error"]["code"]) == (503, "commits_unavailable")
        assert (await hub.call("GET", f"{API}/projects/r"))[1]["counts"]["commits"] == 3
    assert (await hub.call("DELETE", f"{API}/projects/r"))[0] == 204
    assert (await counts(hub.hub, "r")).commits == 0


async def test_a_project_whose_deletion_fails_is_synced_as_before(
    hub: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    await project(hub, fill(init(tmp_path / "r"), line(3)))
    await synced(hub)

    async def fails(_: str) -> None:
        raise JournalUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(hub.hub.journal, "delete_project", fails)
        assert (await hub.call("DELETE", f"{API}/projects/r"))[0] == 503
    assert (await hub.call("GET", f"{API}/projects/r"))[0] == 200
    _, job, _ = await hub.call("POST", f"{API}/projects/r/jobs", {"kind": "sync"})
    assert (await ended(hub, job["id"]))["result"]["commitsFound"] == 3


async def test_a_project_made_anew_with_the_id_of_a_deleted_one_is_synced(hub: Running, tmp_path: Path):
    await project(hub, fill(init(tmp_path / "old"), line(3)))
    await synced(hub)
    assert (await hub.call("DELETE", f"{API}/projects/r"))[0] == 204
    await project(hub, fill(init(tmp_path / "new"), line(7)))
    assert (await synced(hub))["commitsFound"] == 7


async def test_writes_that_wait_for_a_lock_keep_nobody_else_waiting(
    hub: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    store, waiting = SessionTable.tell, threading.Event()

    def waits(self: SessionTable, sessions: Any) -> Told:
        waiting.set()
        return store(self, sessions)

    monkeypatch.setattr(SessionTable, "tell", waits)
    await project(hub, fill(init(tmp_path / "r"), line(3)))
    await synced(hub)
    with Database(tmp_path / "data" / NAME) as paused, paused.writing():
        told = [asyncio.create_task(tell(hub, session(f"s{n}", 0, 1, project="r"))) for n in range(50)]
        async with asyncio.timeout(5):
            await asyncio.to_thread(waiting.wait, 5)
            for _ in range(20):
                await items(hub, "/projects/r/commits")
            await asyncio.to_thread(int)
        assert not any(one.done() for one in told)
    assert {status for status, _ in await asyncio.gather(*told)} == {201}


async def test_writes_that_wait_for_the_same_lock_are_refused_together(
    hub: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    await project(hub, fill(init(tmp_path / "r"), line(3)))
    await synced(hub)
    monkeypatch.setattr("hub.web.resources.commits.BUSY_TIMEOUT_S", 0.3)
    with Database(tmp_path / "data" / NAME) as paused, paused.writing():
        async with asyncio.timeout(5):  # and not 50 times as long
            told = await asyncio.gather(*(tell(hub, session(f"s{n}", 0, 1, project="r")) for n in range(50)))
    assert {status for status, _ in told} == {503}


async def test_the_id_of_the_project_of_all_is_reserved(hub: Running, tmp_path: Path):
    status, body, _ = await hub.call("POST", f"{API}/projects", {"path": str(init(tmp_path / "r")), "id": ALL})
    assert (status, body["error"]["code"]) == (400, "id_reserved")
    _, made, _ = await hub.call("POST", f"{API}/projects", {"path": str(init(tmp_path / "all"))})
    assert made["id"] == "all-2"
