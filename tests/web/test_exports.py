"""Whole lists as NDJSON and CSV: the same as the pages say, safe in a spreadsheet, and small in memory."""

import asyncio
import csv
import io
import json
import re
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.errors import JournalUnavailable
from hub.core.events import LogBody, State
from hub.core.ports import Batch, EventFilter
from hub.web.resources import exports
from hub.web.resources.exports import Sheet, cell, part, plain
from tests.conftest import until
from tests.fakes import event, job_body, log_body, stage_body
from tests.hubs import Running, running

HISTORY = "/api/v1/projects/p/history"
FORMULA = re.compile("'+[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")


def unguarded(text: str) -> str:
    """What a reader does who wants the very text, as the documentation says."""
    return text[1:] if FORMULA.match(text) else text


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


@given(
    st.lists(st.one_of(st.text(), st.sampled_from(["=1+1", "'=x", "-2", "+a", "@SUM", "\tx", "\rx", "'", "''", ","])))
)
def test_every_text_comes_back_from_csv_as_it_was(texts: list[str]) -> None:
    columns = {f"c{n}": part(str(n)) for n in range(len(texts) + 1)}
    item = {str(n): text for n, text in enumerate(texts)}
    written = Sheet(name="x", columns=columns).rows([item, item])
    read = list(csv.reader(io.StringIO(written, newline=""), strict=True))
    assert [[unguarded(value) for value in row] for row in read] == [[*texts, ""]] * 2


@given(st.text())
def test_no_cell_begins_as_a_formula_does(text: str) -> None:
    assert not cell(text).startswith(("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20"))


def test_what_is_no_text_is_json_and_nothing_is_empty() -> None:
    values = {"a": 1, "b": 2.5, "c": True, "d": None, "e": {"x": [1]}, "f": "", "g": -3}
    (row,) = csv.reader(io.StringIO(Sheet(name="x", columns=plain(*values)).rows([values])))
    assert row == ["1", "2.5", "true", "", '{"x":[1]}', "", "-3"]


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path / "data") as made:
        await made.make_project()
        yield made


async def text(hub: Running, path: str, **headers: str) -> tuple[Any, str]:
    async with hub.session.get(hub.url + path, headers=headers) as response:
        assert response.status == 200, await response.text()
        return response.headers, await response.text()


async def everything(hub: Running, path: str) -> list[Any]:
    """All that the JSON pages say."""
    items, cursor = [], ""
    while True:
        _, page, _ = await hub.call("GET", f"{path}{'&' if '?' in path else '?'}limit=7{cursor}")
        items += page["items"]
        if "next" not in page:
            assert page["total"] == len(items)
            return items
        cursor = f"&cursor={page['next']}"


async def busy(hub: Running) -> None:
    """Two jobs with lines of every sort in their history."""
    for job in ("j1", "j2"):
        hub.publish("p", job, job_body(State.QUEUED), job_body(), stage_body())
        for n, line in enumerate(
            ["plain", "=HYPERLINK(1)", 'a,b\r\n"c"', "-1", "ünï \U0001f600", "'=quoted", "Disk FULL"]
        ):
            hub.publish("p", job, LogBody(level=["info", "warning"][n % 2], message=line, stage="fetch"))
    hub.publish("p", "j1", job_body(State.SUCCEEDED, result={"a": [1, None]}))
    hub.publish("p", "j2", job_body(State.FAILED))
    await hub.settle()


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("path", [HISTORY, "/api/v1/jobs"])
async def test_ndjson_and_csv_say_what_the_pages_say_in_their_order(hub: Running, path: str, order: str) -> None:
    await busy(hub)
    items = await everything(hub, f"{path}?order={order}")
    headers, found = await text(hub, f"{path}?order={order}&format=ndjson")
    assert headers["Content-Type"] == "application/x-ndjson"
    assert re.fullmatch(r'attachment; filename="(p-history|jobs)\.ndjson"', headers["Content-Disposition"])
    assert [json.loads(line) for line in found.splitlines()] == items
    headers, found = await text(hub, f"{path}?order={order}&format=csv")
    assert headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
    table = rows(found)
    assert len(table) == len(items)
    for row, item in zip(table, items, strict=True):
        for name, value in row.items():
            if name in item and isinstance(item[name], str):
                assert unguarded(value) == item[name]
            elif name in item and item[name] is not None:
                assert json.loads(value) == item[name]
    assert found.count("\r\n") >= len(items) + 1
    numbers = [item.get("seq") or item["id"] for item in items]
    if path == HISTORY:
        assert numbers == sorted(numbers, reverse=order == "desc")


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("application/x-ndjson", "application/x-ndjson"),
        ("text/csv", "text/csv"),
        ("application/json", "application/json"),
        ("text/html,application/xml;q=0.9,*/*;q=0.8", "application/json"),
        ("text/csv;q=0.5, application/x-ndjson", "application/x-ndjson"),
        ("text/csv;q=0, */*", "application/json"),
        ("text/csv;q=nonsense", "application/json"),
    ],
)
async def test_accept_says_what_is_wanted(hub: Running, accept: str, content_type: str) -> None:
    headers, _ = await text(hub, HISTORY, Accept=accept)
    assert headers["Content-Type"].partition(";")[0] == content_type


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("type=log", lambda e: e["type"] == "log"),
        ("type=log,stage&job=j1", lambda e: e["type"] in {"log", "stage"} and e["job"] == "j1"),
        ("level=warning", lambda e: e.get("level") == "warning"),
        ("state=succeeded&state=failed", lambda e: e.get("state") in {"succeeded", "failed"}),
        ("text=disk%20full", lambda e: e.get("message") == "Disk FULL"),
        ("text=%25", lambda e: False),
        ("text=', (", lambda e: False),
        ("since=2000-01-01&until=2000-02-01T00:00:00Z", lambda e: False),
        ("since=2000-01-01T00:00:00%2B02:00", lambda e: True),
        ("since=2000-01-01%2010:00", lambda e: True),
        ("since=2000-01-01T00:00:00+02:00", lambda e: True),  # which arrives as a space
        ("until=253402300799999", lambda e: True),
        ("job=&type=&level=&state=&since=&until=&text=", lambda e: True),
    ],
)
async def test_history_is_narrowed_alike_in_every_format(hub: Running, query: str, wanted: Any) -> None:
    await busy(hub)
    items = [item for item in await everything(hub, HISTORY) if wanted(item)]
    assert await everything(hub, f"{HISTORY}?{query}") == items
    _, found = await text(hub, f"{HISTORY}?{query}&format=ndjson")
    assert [json.loads(line) for line in found.splitlines()] == items


async def test_jobs_are_narrowed_by_states_kinds_and_times(hub: Running) -> None:
    await busy(hub)
    every = {job["id"]: job for job in await everything(hub, "/api/v1/jobs")}
    for query, wanted in (
        ("state=failed,succeeded", {"j1", "j2"}),
        ("state=failed&state=running", {"j2"}),
        ("kind=clone&project=p", {"j1", "j2"}),
        ("kind=sync,index", set()),
        (f"since={every['j1']['created']}", {"j1", "j2"}),
        (f"until={every['j1']['created'] - 1}", set()),
    ):
        assert {job["id"] for job in await everything(hub, f"/api/v1/jobs?{query}")} == wanted, query
        _, found = await text(hub, f"/api/v1/jobs?{query}&format=csv")
        assert {row["id"] for row in rows(found)} == wanted


@pytest.mark.parametrize(
    "query",
    ["format=xml", "order=up", "type=progress,nonsense", "level=loud", "state=done", "since=yesterday", "until=-5",
     "format=csv&cursor=5", "format=csv&limit=0", "limit=0", "since=1e99"],
)  # fmt: skip
async def test_what_makes_no_sense_is_refused_before_anything_is_sent(hub: Running, query: str) -> None:
    status, answer, _ = await hub.call("GET", f"{HISTORY}?{query}")
    assert (status, answer["error"]["code"]) == (400, "bad_request")


async def test_an_export_can_be_bounded_and_an_empty_one_is_whole(hub: Running) -> None:
    _, found = await text(hub, f"{HISTORY}?format=csv")
    assert (found.count("\r\n"), rows(found)) == (1, [])
    assert (await text(hub, f"{HISTORY}?format=ndjson"))[1] == ""
    await busy(hub)
    _, found = await text(hub, f"{HISTORY}?format=ndjson&limit=3&order=asc")
    assert [json.loads(line)["seq"] for line in found.splitlines()] == [1, 2, 3]
    async with hub.session.head(f"{hub.url}{HISTORY}?format=ndjson") as response:
        assert (response.status, response.content_type) == (200, "application/x-ndjson")


async def filled(hub: Running, count: int) -> None:
    for start in range(1, count + 1, 5000):
        made = tuple(event(seq, log_body(f"line {seq}")) for seq in range(start, min(start + 5000, count + 1)))
        await hub.hub.journal.commit(Batch(events=made))


@pytest.mark.timeout(180)
async def test_a_hundred_thousand_events_take_little_memory_and_come_once_each_in_order(tmp_path: Path) -> None:
    async with running(tmp_path, history_events=200_000, history_days=36500.0) as hub:
        await hub.make_project()
        await filled(hub, 100_000)
        for format_, head in (("ndjson", 0), ("csv", 1)):
            tracemalloc.start(1)
            seen, lines, rest = 0, 0, b""
            async with hub.session.get(f"{hub.url}{HISTORY}?format={format_}&order=asc") as response:
                async for data in response.content.iter_any():
                    *whole, rest = (rest + data).split(b"\n")
                    lines += len(whole)
                    for line in whole[lines == len(whole) and head :]:
                        number = json.loads(line)["seq"] if format_ == "ndjson" else int(line.split(b",")[2])
                        assert number == seen + 1
                        seen = number
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert (seen, lines, rest) == (100_000, 100_000 + head, b"")
            assert peak < 8 * 1024 * 1024


async def test_pruning_under_an_export_leaves_out_and_tells_nothing_twice(hub: Running) -> None:
    await filled(hub, 5000)
    slices = hub.hub.journal.history_slices(_filter(oldest_first=True))
    seen = [json.loads(line)["seq"] for line in await anext(slices)]
    await hub.hub.journal.prune({"p": 3000})
    async for lines in slices:
        seen += [json.loads(line)["seq"] for line in lines]
    assert seen == [*range(1, len(seen) - 2000 + 1), *range(3001, 5001)]
    newest = hub.hub.journal.history_slices(_filter())
    seen = [json.loads(line)["seq"] for line in await anext(newest)]
    await hub.hub.journal.prune({"p": 4000})
    async for lines in newest:
        seen += [json.loads(line)["seq"] for line in lines]
    assert seen == list(range(5000, 4000, -1))


async def test_what_comes_while_an_export_goes_on_is_not_in_it_and_commits_do_not_wait(hub: Running) -> None:
    await filled(hub, 2000)
    slices = hub.hub.journal.history_slices(_filter(oldest_first=True))
    count = len(await anext(slices))
    await asyncio.wait_for(hub.hub.journal.commit(Batch(events=(event(2001, log_body("new")),))), 2)
    async for lines in slices:
        count += len(lines)
    assert count == 2000


async def test_a_reader_that_leaves_ends_the_export(hub: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    await filled(hub, 20_000)
    open_ = asyncio.all_tasks()
    async with aiohttp.ClientSession() as session:
        response = await session.get(f"{hub.url}{HISTORY}?format=ndjson")
        await response.content.readany()
        response.close()
    await until(lambda: not {task for task in asyncio.all_tasks() - open_ if "_handle" in repr(task.get_coro())}, 20)
    assert (await hub.call("GET", "/healthz"))[0] == 200


async def test_a_journal_that_fails_in_the_middle_cuts_the_answer_off(
    hub: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody may take a part for the whole."""
    await filled(hub, 5000)

    async def failing(wanted: Any) -> AsyncIterator[list[str]]:
        yield ['{"seq":1}'] * 500
        raise JournalUnavailable("the disk is gone")

    monkeypatch.setattr(hub.hub.journal, "history_slices", failing)
    with pytest.raises(aiohttp.ClientPayloadError):
        await text(hub, f"{HISTORY}?format=ndjson")


def _filter(**fields: Any) -> Any:
    return EventFilter(project="p", **fields)


async def test_a_reader_that_takes_nothing_is_let_go(
    hub: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(exports, "STALLED_S", 0.3)
    await filled(hub, 60_000)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(hub.url.rpartition(":")[2]), limit=1024)
    writer.write(f"GET {HISTORY}?format=ndjson HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    await reader.readline()
    await until(lambda: "nobody reads it" in caplog.text, 20)
    writer.close()


async def test_there_are_only_so_many_at_once_and_one_that_has_ended_makes_room(
    hub: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "MOST_AT_ONCE", 1)
    await filled(hub, 60_000)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(hub.url.rpartition(":")[2]), limit=1024)
    writer.write(f"GET {HISTORY}?format=ndjson HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    assert b"200" in await reader.readline()
    async with hub.session.get(f"{hub.url}{HISTORY}?format=csv") as response:
        answer = await response.json()
        assert (response.status, answer["error"]["code"]) == (503, "too_many_exports")
        assert int(response.headers["Retry-After"]) > 0
    writer.close()

    async def is_open() -> bool:
        async with hub.session.get(f"{hub.url}{HISTORY}?format=ndjson&limit=1") as response:
            return response.status == 200

    while not await is_open():
        await asyncio.sleep(0.01)


async def test_what_nobody_foresaw_cuts_the_answer_off_too(
    hub: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(wanted: Any) -> AsyncIterator[list[str]]:
        yield ['{"seq":1}']
        yield ["{"]

    monkeypatch.setattr(hub.hub.journal, "history_slices", broken)
    with pytest.raises(aiohttp.ClientPayloadError):
        await text(hub, f"{HISTORY}?format=csv")
    assert "a request broke" in caplog.text


async def test_large_events_are_read_a_few_at_a_time(hub: Running) -> None:
    result = {"files": ["x" * 50_000]}
    large = [event(seq, job_body(State.SUCCEEDED, result=result), job=f"j{seq}") for seq in range(1, 41)]
    await hub.hub.journal.commit(Batch(events=(*large, *(event(seq, log_body("x")) for seq in range(41, 241)))))
    for order in (True, False):
        slices = [lines async for lines in hub.hub.journal.history_slices(_filter(oldest_first=order))]
        seen = [json.loads(line)["seq"] for lines in slices for line in lines]
        assert seen == (list(range(1, 241)) if order else list(range(240, 0, -1)))
        assert max(sum(map(len, lines)) for lines in slices) < 400_000
        assert len(slices) < 20


async def test_an_export_leaves_turns_to_others(hub: Running) -> None:
    """Its pieces are small, however large its events are, and however many exports there are."""
    pieces = []
    result = {"files": ["x" * 50] * 600}
    large = (event(seq, job_body(State.SUCCEEDED, result=result), job=f"j{seq}") for seq in range(1, 101))
    await hub.hub.journal.commit(Batch(events=tuple(large)))
    async for lines in hub.hub.journal.history_slices(_filter()):
        pieces += [list(map(len, piece)) for piece in exports._pieces(lines)]
    assert sum(map(len, pieces)) == 100
    assert all(len(piece) == 1 or sum(piece) <= exports.PIECE_CHARS for piece in pieces)
    assert [len(piece) for piece in exports._pieces(["{}"] * 120)] == [50, 50, 20]
    assert list(exports._pieces([])) == []
