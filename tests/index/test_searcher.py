"""Searching processes: they are kept, they are killed, and nobody waits for ever."""

import asyncio
import contextlib
import os
import signal

import pytest

from hub.index import searcher as module
from hub.index.errors import BadQuery, NoIndex, SearchBusy
from hub.index.searcher import Searcher, SearchFailed
from tests.index.samples import commit, indexed


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    base = tmp_path_factory.mktemp("searcher")
    files = {"a.py": b"def needle():\n    pass\n", "slow.txt": b"a" * 5000 + b"!\n"}
    indexed(base / "home" / "index.sqlite3", commit(base / "repo", files))
    return {"id": "p", "index": str(base / "home" / "index.sqlite3"), "roots": [str(base)]}


@contextlib.asynccontextmanager
async def searching(**options):
    searcher = Searcher(**options)
    try:
        yield searcher
    finally:
        await searcher.close()


async def test_a_search_is_answered_by_a_process_that_stays(place):
    async with searching(processes=1) as searcher:
        answer = await searcher.search([place], {"q": "needle"})
        assert [item["path"] for item in answer["items"]] == ["a.py"]
        assert answer["took_ms"] > 0
        (process,) = searcher._all
        await searcher.search([place], {"q": "needle"})
        assert searcher._all == {process}
    assert not process.is_alive


async def test_errors_come_as_what_they_are(place, tmp_path):
    async with searching(processes=1) as searcher:
        with pytest.raises(BadQuery, match="regex"):
            await searcher.search([place], {"q": "(", "kind": "regex"})
        with pytest.raises(NoIndex):
            await searcher.search([{"id": "x", "index": str(tmp_path / "none")}], {"q": "x"})
        with pytest.raises(NoIndex):
            await searcher.state({"id": "x", "index": str(tmp_path / "none")}, {})
        assert (await searcher.state(place, {}))["files"] == 2


async def test_a_regex_that_ends_never_ends_at_the_deadline(place):
    async with searching(processes=1, deadline_s=0.5) as searcher:
        answer = await searcher.search([place], {"q": "^(a|a)*b$", "kind": "regex"})
        assert (answer["items"], answer["complete"]) == ([], False)


async def test_a_process_that_does_not_answer_is_killed_and_replaced(place, monkeypatch):
    monkeypatch.setattr(module, "GRACE_S", 0.2)
    async with searching(processes=1, deadline_s=0.2) as searcher:
        with contextlib.suppress(SearchFailed):
            await searcher.search([place], {"q": "needle"})
        await searcher.search([place], {"q": "needle"})
        (process,) = searcher._all
        os.kill(process.pid, signal.SIGSTOP)
        with pytest.raises(SearchFailed, match="stopped"):
            await searcher.search([place], {"q": "needle"})
        assert not process.is_alive
        assert (await searcher.search([place], {"q": "needle"}))["items"]


async def test_a_process_that_dies_costs_one_answer(place):
    async with searching(processes=1) as searcher:
        await searcher.search([place], {"q": "needle"})
        (process,) = searcher._all
        os.kill(process.pid, signal.SIGKILL)
        with contextlib.suppress(SearchFailed):
            await searcher.search([place], {"q": "needle"})
        assert (await searcher.search([place], {"q": "needle"}))["items"]


async def test_who_leaves_early_leaves_the_process_and_takes_no_answer_of_the_next(place):
    async with searching(processes=1) as searcher:
        await searcher.search([place], {"q": "needle"})
        (process,) = searcher._all
        for _ in range(5):
            asking = asyncio.create_task(searcher.search([place], {"q": "slow", "kind": "path"}))
            await asyncio.sleep(0)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            answer = await searcher.search([place], {"q": "needle"})
            assert [item["path"] for item in answer["items"]] == ["a.py"]
        assert searcher._all == {process}


async def test_more_searches_than_may_wait_are_turned_away(place, monkeypatch):
    monkeypatch.setattr(module, "MOST_WAITING", 2)
    async with searching(processes=1) as searcher:
        asked = [asyncio.create_task(searcher.search([place], {"q": "needle"})) for _ in range(6)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, SearchBusy)]
        assert len(refused) >= 3
        assert sum(isinstance(answer, dict) for answer in answers) == 6 - len(refused)


async def test_closing_ends_what_is_asked_what_waits_and_what_is_being_started(place):
    searcher = Searcher(processes=1)
    asked = [asyncio.create_task(searcher.search([place], {"q": "needle"})) for _ in range(4)]
    await asyncio.sleep(0)
    await searcher.close()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(answer, SearchFailed | SearchBusy) for answer in answers)
    assert not searcher._all
    assert all(process is None or not process.is_alive for process in searcher._free._queue)


async def test_who_waits_for_too_long_is_turned_away(place, monkeypatch):
    monkeypatch.setattr(module, "WAIT_S", 0.2)
    async with searching(processes=1, deadline_s=2.0) as searcher:
        await searcher.search([place], {"q": "needle"})
        slow = asyncio.create_task(searcher.search([place], {"q": "^(a|a)*b$", "kind": "regex"}))
        await asyncio.sleep(0)
        with pytest.raises(SearchBusy):
            await searcher.search([place], {"q": "needle"})
        assert not (await slow)["complete"]


async def test_a_closed_searcher_takes_nothing(place):
    async with searching() as searcher:
        pass
    with pytest.raises(SearchBusy):
        await searcher.search([place], {"q": "x"})
