"""Page by page all is found, each thing once, whatever struck a page: a time limit, a broken index, a project gone."""

import asyncio
import resource
import shutil
import sqlite3
import time

import pytest

from hub.index import answers, patterns, requests, text_hits
from hub.index.searcher import Searcher
from tests.index.samples import commit, find, found_in, indexed, paths


@pytest.fixture
def index(tmp_path):
    return tmp_path / "home" / "index.sqlite3"


def place(index, id_="p"):
    return requests.Place(id=id_, index=str(index), roots=(str(index.parents[1]),))


def all_pages(places, q, **wanted):
    pages, cursor = [], None
    while True:
        pages.append(found_in(places, q, cursor=cursor, **wanted))
        cursor = pages[-1].get("next")
        if cursor is None:
            return pages


@pytest.mark.parametrize("text", [b"", b"x", b"x\n", b"xy"])
def test_files_too_short_for_a_trigram_are_found_also_alone(tmp_path, index, text):
    indexed(index, commit(tmp_path / "repo", {"short.txt": text}))
    assert paths(find(index, "x")) == (["short.txt"] if text else [])
    assert paths(find(index, "^", kind="regex")) == (["short.txt"] if text else [])


def test_definitions_of_one_name_on_one_line_each_have_their_place_on_the_pages(tmp_path, index):
    files = {"a.js": b"function f(){} function f(){} function f(){}\n", "a\tb.js": b"function f(){}\n"}
    indexed(index, commit(tmp_path / "repo", files))
    whole = find(index, "f", kind="symbol")["items"]
    items = [item for page in all_pages([place(index)], "f", kind="symbol", limit=1) for item in page["items"]]
    assert items == whole
    assert len({item["id"] for item in items}) == 4


def test_a_file_that_the_time_limit_struck_begins_the_next_page(tmp_path, index, monkeypatch):
    indexed(index, commit(tmp_path / "repo", {f"{n}.txt": b"needle %d\n" % n for n in range(6)}))
    struck = iter([False, False, True, False, False, True, False, False])
    find_in = patterns.Pattern.find

    def slow(*arguments):
        if next(struck):
            raise answers.TimeUp
        return find_in(*arguments)

    monkeypatch.setattr(text_hits.Pattern, "find", slow)
    pages = all_pages([place(index)], "needle")
    assert [paths(page) for page in pages] == [["0.txt", "1.txt"], ["2.txt", "3.txt"], ["4.txt", "5.txt"]]
    assert [page["complete"] for page in pages] == [False, False, True]
    assert not any("skipped" in page for page in pages)
    assert pages[-1]["total"] == 6


def test_a_file_that_takes_all_the_time_for_itself_is_passed_over_and_told(tmp_path, index, monkeypatch):
    indexed(index, commit(tmp_path / "repo", {f"{n}.txt": b"needle %d\n" % n for n in range(4)}))
    find_in = patterns.Pattern.find

    def slow(self, text, most):
        if b"1" in text:
            raise answers.TimeUp
        return find_in(self, text, most)

    monkeypatch.setattr(text_hits.Pattern, "find", slow)
    pages = all_pages([place(index)], "needle")
    assert [paths(page) for page in pages] == [["0.txt"], [], ["2.txt", "3.txt"]]
    assert [page.get("skipped") for page in pages] == [None, [{"project": "p", "path": "1.txt"}], None]


def test_pages_go_on_though_projects_come_and_go(tmp_path):
    places = []
    for name in "abcd":
        index = tmp_path / name / "home" / "index.sqlite3"
        indexed(index, commit(tmp_path / name / "repo", {f"{n}.txt": b"needle\n" for n in range(3)}))
        places.append(place(index, name))
    a, b, c, d = places

    def rest(others, cursor):
        return [(item["project"], item["path"]) for item in found_in(others, "needle", cursor=cursor)["items"]]

    cursor = found_in([a, b, c], "needle", limit=4)["next"]
    in_b, in_c = [("b", "1.txt"), ("b", "2.txt")], [("c", f"{n}.txt") for n in range(3)]
    assert rest([a, b, c], cursor) == in_b + in_c
    assert rest([b, c], cursor) == in_b + in_c
    assert rest([d, a, b, c], cursor) == in_b + in_c
    assert rest([a, c], cursor) == in_c
    assert rest([], cursor) == []


@pytest.mark.parametrize("kind", ["text", "symbol", "regex"])
def test_an_index_that_breaks_in_the_middle_is_told_beside_what_the_others_hold(tmp_path, kind):
    files = {f"f{n}.py": b"def needle%d():\n    pass\n" % n * 40 for n in range(60)}
    repo = commit(tmp_path / "repo", files)
    good, bad = tmp_path / "good" / "index.sqlite3", tmp_path / "bad" / "index.sqlite3"
    indexed(good, repo)
    bad.parent.mkdir()
    shutil.copy(good, bad)
    database = sqlite3.connect(bad)
    page_bytes = database.execute("PRAGMA page_size").fetchone()[0]
    table = "postings" if kind != "symbol" else "symbols"
    first = database.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]
    database.close()
    with bad.open("r+b") as file:
        file.seek((first - 1) * page_bytes)
        file.write(b"\xff" * page_bytes)
    places = [requests.Place(id=one.parent.name, index=str(one), roots=(str(tmp_path),)) for one in (bad, good)]
    answer = found_in(places, "needle7", kind=kind)
    assert {item["project"] for item in answer["items"]} == {"good"}
    assert [(problem["project"], problem["code"]) for problem in answer["problems"]] == [("bad", "index_broken")]


@pytest.fixture
def few_files():
    """The limit that most systems start with is low, and may be raised."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.timeout(120)
def test_more_projects_are_searched_at_once_than_files_may_usually_be_open(tmp_path, few_files):
    count = 400
    repo = commit(tmp_path / "repo", {"a.py": b"def needle():\n    pass\n"})
    indexed(tmp_path / "p0" / "index.sqlite3", repo)
    for n in range(1, count):
        shutil.copytree(tmp_path / "p0", tmp_path / f"p{n}")

    async def ask():
        searcher = Searcher(1, deadline_s=20.0)
        try:
            places = [
                {"id": f"p{n}", "index": str(tmp_path / f"p{n}" / "index.sqlite3"), "roots": [str(tmp_path)]}
                for n in range(count)
            ]
            nowhere = [{"id": f"none{n}", "index": str(tmp_path / "none")} for n in range(2 * requests.MOST_PROJECTS)]
            wanted = {"q": "needle", "limit": 200}
            first = await searcher.search([*places, *nowhere], wanted)
            return first, await searcher.search([*places, *nowhere], {**wanted, "cursor": first["next"]})
        finally:
            await searcher.close()

    started = time.monotonic()
    pages = asyncio.run(ask())
    assert [len(page["items"]) for page in pages] == [200, 200]
    assert not any("problems" in page for page in pages)
    assert len({item["project"] for page in pages for item in page["items"]}) == count
    assert time.monotonic() - started < 40
