"""What a search finds, in which order, page by page."""

import asyncio

import pytest

from hub.index import builder, requests
from hub.index.errors import BadQuery, NoIndex
from hub.index.searcher import Searcher
from tests.index.samples import Watching, commit, find, found_in, indexed, paths

FILES = {
    "aaa.txt": b"talks about widget\n",
    "docs/widget/readme.md": b"the widget\n",
    "lib/make_widget.py": b"def make_widget():\n    return widget\n",
    "lib/other.py": b"import widget\n\n\nclass Widget:\n    def widget_size(self):\n        pass\n",
    "lib/widget.py": b"# Widget file: widget\n",
    "src/core.c": b"int unused;\nint widget(void)\n{\n\treturn 1;\n}\n" + b"int call = widget();\n" * 30,
    "tests/test_it.py": "def test():\n    assert 'größe', widget  # Größe\n".encode(),
    "vendor/min.js": b"var a;\n",
}


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    base = tmp_path_factory.mktemp("search")
    indexed(base / "home" / "index.sqlite3", commit(base / "repo", FILES))
    return base / "home" / "index.sqlite3"


def test_definitions_come_first_then_names_then_paths_then_the_rest(index):
    answer = find(index, "widget")
    assert [(item["path"], item["match"]) for item in answer["items"]] == [
        ("src/core.c", "definition"),
        ("lib/make_widget.py", "definition part"),
        ("lib/other.py", "definition part"),
        ("lib/widget.py", "file name"),
        ("docs/widget/readme.md", "path"),
        ("aaa.txt", "text"),
        ("tests/test_it.py", "text"),
    ]
    assert (answer["total"], answer["total_exact"]) == (7, True)
    assert answer["coverage"] == {"indexed": 8, "of": 8}
    assert find(index, "widget") == answer


def test_an_item_says_where_the_matches_are(index):
    item = find(index, "widget", lines=2)["items"][0]
    assert item["id"] == "p:src/core.c"
    assert (item["project"], item["lang"], item["matches"]) == ("p", "c", 31)
    assert item["symbols"] == [{"name": "widget", "kind": "function", "line": 2, "end_line": 5, "parent": None}]
    assert item["lines"][0] == {"line": 2, "text": "int widget(void)", "marks": [[4, 10]]}
    assert item["lines"][1]["line"] == 6


def test_marks_count_characters_not_bytes(index):
    (item,) = find(index, "widget", path=["tests/*"])["items"]
    (line,) = item["lines"]
    assert [line["text"][start:end] for start, end in line["marks"]] == ["widget"]


@pytest.mark.parametrize(
    ("q", "options", "expected"),
    [
        ("Widget", {}, ["lib/other.py", "lib/widget.py"]),
        ("GRÖSSE", {"case": "insensitive"}, []),
        ("GRÖßE", {"case": "insensitive"}, ["tests/test_it.py"]),
        ("WIDGET FILE", {"case": "insensitive"}, ["lib/widget.py"]),
        ("größe", {"case": "smart"}, ["tests/test_it.py"]),
        ("make_widge", {"word": True}, []),
        ("make_widget", {"word": True}, ["lib/make_widget.py"]),
        (r"widget\w+\(", {"kind": "regex"}, ["lib/other.py"]),
        (r"^int \w+\(void\)$", {"regex": True}, ["src/core.c"]),
        ("(make|unmake)_widget", {"kind": "regex"}, ["lib/make_widget.py"]),
        ("lang:python return", {}, ["lib/make_widget.py"]),
        ("lang:py path:lib/** class", {}, ["lib/other.py"]),
        ("kind:regex case:insensitive ^CLASS", {}, ["lib/other.py"]),
        ("widget", {"lang": ["c", "markdown"]}, ["src/core.c", "docs/widget/readme.md"]),
        ("widget", {"path": ["!lib/", "!*.c", "!docs"]}, ["aaa.txt", "tests/test_it.py"]),
        ('"lang:python"', {}, []),
        ("is", {"path": ["tests/"]}, []),
        ("wi", {"path": ["aaa*"]}, ["aaa.txt"]),
    ],
)
def test_queries_filters_and_options(index, q, options, expected):
    assert paths(find(index, q, **options)) == expected


def test_symbols_are_found_by_name_the_best_names_first(index):
    answer = find(index, "widget", kind="symbol")
    assert [(item["name"], item["kind"], item["path"]) for item in answer["items"]] == [
        ("Widget", "class", "lib/other.py"),
        ("widget", "function", "src/core.c"),
        ("widget_size", "method", "lib/other.py"),
        ("make_widget", "function", "lib/make_widget.py"),
    ]
    method = answer["items"][2]
    assert (method["parent"], method["line"], method["end_line"], method["marks"]) == ("Widget", 5, 6, [[0, 6]])
    assert [item["name"] for item in find(index, "Widget", kind="symbol")["items"]] == ["Widget"]
    assert [item["name"] for item in find(index, "^make", kind="symbol", regex=True)["items"]] == ["make_widget"]


def test_files_are_found_by_path_their_own_names_first(index):
    answer = find(index, "widget", kind="path")
    assert paths(answer) == ["lib/make_widget.py", "lib/widget.py", "docs/widget/readme.md"]
    assert answer["items"][2]["marks"] == [[5, 11]]


@pytest.mark.parametrize("kind", ["text", "symbol", "path"])
@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pages_make_up_the_whole_with_nothing_twice(index, kind, limit):
    whole = find(index, "widget", kind=kind, limit=200)
    assert "next" not in whole
    items, cursor = [], None
    while True:
        page = find(index, "widget", kind=kind, limit=limit, cursor=cursor)
        assert len(page["items"]) <= limit
        items += page["items"]
        if "next" not in page:
            break
        cursor = page["next"]
    assert items == whole["items"]
    assert page["total"] == whole["total"]


def test_a_page_goes_on_where_the_last_one_ended_though_files_came_and_went(tmp_path):
    repo = commit(tmp_path / "repo", {f"{n}.txt": b"needle\n" for n in range(0, 20, 2)})
    index = tmp_path / "home" / "index.sqlite3"
    indexed(index, repo)
    first = find(index, "needle", limit=3)
    assert paths(first) == ["0.txt", "10.txt", "12.txt"]
    commit(repo, {"12.txt": None, "11.txt": b"needle\n", "13.txt": b"needle\n"})
    indexed(index, repo)
    assert paths(find(index, "needle", limit=2, cursor=first["next"])) == ["13.txt", "14.txt"]


def test_several_projects_are_searched_as_one(tmp_path, index):
    other = tmp_path / "other" / "home" / "index.sqlite3"
    indexed(other, commit(tmp_path / "other" / "repo", {"z.py": b"def widget(): pass\n", "y.txt": b"widget\n"}))
    places = [
        requests.Place(id="first", index=str(index), roots=(str(index.parents[1]),)),
        requests.Place(id="none", index=str(tmp_path / "none.sqlite3")),
        requests.Place(id="second", index=str(other), roots=(str(tmp_path),)),
    ]
    answer = found_in(places, "widget")
    shown = [(item["project"], item["match"]) for item in answer["items"]]
    assert shown[:2] == [("first", "definition"), ("second", "definition")]
    assert shown[-1] == ("second", "text")
    assert answer["coverage"] == {"indexed": 10, "of": 10}
    second = found_in(places, "widget", limit=1, cursor=found_in(places, "widget", limit=1)["next"])
    assert second["items"] == answer["items"][1:2]


def test_a_project_without_an_index_is_said_when_it_is_the_only_one(tmp_path):
    with pytest.raises(NoIndex):
        found_in([requests.Place(id="p", index=str(tmp_path / "none"))], "x")


@pytest.mark.parametrize(
    "wanted",
    [
        {"q": ""},
        {"q": "x", "kind": "colour"},
        {"q": "x", "case": "loud"},
        {"q": "lang:klingon x"},
        {"q": "x", "limit": 0.5},
        {"q": "x", "limit": 5000},
        {"q": "x", "lines": -1},
        {"q": "x", "cursor": "?"},
        {"q": "x", "cursor": "bm90"},
        {"q": "(", "kind": "regex"},
        {"q": "x", "path": ["a"] * 99},
        {"q": "lang:c"},
    ],
)
def test_a_query_that_is_none_is_refused(index, wanted):
    with pytest.raises(BadQuery):
        find(index, **wanted)


def test_search_works_while_the_index_is_built_and_says_its_share(tmp_path, monkeypatch):
    monkeypatch.setattr(builder, "BATCH_FILES", 5)
    repo = commit(tmp_path / "repo", {f"{n:02}.txt": b"needle\n%d\n" % n for n in range(20)})
    index = tmp_path / "home" / "index.sqlite3"
    seen = []

    class Searching(Watching):
        def progress(self, current, total=None, unit="", message="", detail=None):
            super().progress(current, total, unit, message, detail)
            if self.stages[-1] == "parsing":
                answer = find(index, "needle", limit=100)
                seen.append((answer["coverage"]["indexed"], len(answer["items"]), answer["coverage"]["of"]))

    indexed(index, repo, Searching())
    assert list(dict.fromkeys(seen)) == [(0, 0, 20), (5, 5, 20), (10, 10, 20), (15, 15, 20), (20, 20, 20)]


def test_a_regex_without_end_is_stopped_at_the_deadline_and_told(tmp_path):
    repo = commit(tmp_path / "repo", {"good.txt": b"bab\n", "zz.txt": b"a" * 5000 + b"!\n"})
    index = tmp_path / "home" / "index.sqlite3"
    indexed(index, repo)
    answer = in_time(index, {"q": "^(a|a)*b$|^bab", "kind": "regex"}, 1.0)
    assert not answer["complete"]
    assert paths(answer) == ["good.txt"]
    assert answer["took_ms"] < 5000
    rest = in_time(index, {"q": "^(a|a)*b$|^bab", "kind": "regex", "cursor": answer["next"]}, 1.0)
    assert (rest["items"], rest["complete"]) == ([], False)
    assert rest["skipped"] == [{"project": "p", "path": "zz.txt"}]
    end = in_time(index, {"q": "^(a|a)*b$|^bab", "kind": "regex", "cursor": rest["next"]}, 1.0)
    assert (end["items"], end["complete"]) == ([], True)


def in_time(index, wanted, seconds):
    async def ask():
        searcher = Searcher(1, deadline_s=seconds)
        try:
            place = {"id": "p", "index": str(index), "roots": [str(index.parents[1])]}
            await searcher.search([place], {"q": "warm", "kind": "path"})
            return await searcher.search([place], wanted)
        finally:
            await searcher.close()

    return asyncio.run(ask())
