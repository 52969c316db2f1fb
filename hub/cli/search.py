"""`progress-hub search`: lines as grep prints them, with headings and colors where a person reads."""

import argparse
import asyncio
import json
import os
import sys
import unicodedata
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hub.cli import codes, credentials
from hub.client import Hub
from hub.terminal import Style
from hub.words import clean

EXAMPLES = """\
Filters may stand in the query, too: 'lang:c path:src/** malloc'. A query in quotes of its own is taken as it is.

examples:
  progress-hub search parse_request
  progress-hub search --regex 'def test_\\w+' --lang python --path 'tests/**'
  progress-hub search --symbols Handler --project repo
  progress-hub search -i todo --path '!vendor/' --json

exit codes: 0 something was found, 1 nothing was, 2 wrong usage, 5 no hub"""

NOTHING_FOUND = 1
MAGENTA, GREEN, RED, FAINT = 35, 32, 31, 2
_PAGE = 100


class SearchingHub(Hub):
    async def search(self, query: Sequence[tuple[str, str]]) -> dict[str, Any]:
        """One page: `{"items", "total", "next"?, "coverage", "complete"}`."""
        return await self._call("GET", f"/search?{urllib.parse.urlencode(query)}", ("items", "total", "coverage"))


def add_options(command: argparse.ArgumentParser) -> None:
    """The options of the command; where the hub is and `--json` are every command's."""
    command.add_argument("query", metavar="QUERY", help="what to look for: text as it is, unless an option says more")
    command.add_argument("--project", action="append", default=[], help="only in this project; may be repeated")
    command.add_argument("--lang", action="append", default=[], help="only in this language; may be repeated")
    command.add_argument("--path", action="append", default=[], metavar="GLOB", help="only there, or with ! not there")
    what = command.add_mutually_exclusive_group()
    what.add_argument("-e", "--regex", action="store_true", help="the query is a regular expression")
    what.add_argument("--symbols", action="store_true", help="look for definitions by name")
    what.add_argument("--paths", action="store_true", help="look for files by path")
    command.add_argument("-i", "--ignore-case", action="store_true", help="capitals are the same as small letters")
    command.add_argument("-w", "--word", action="store_true", help="whole words only")
    command.add_argument("--lines", type=int, default=50, metavar="N", help="at most so many lines a file (default 50)")
    command.add_argument("--limit", type=int, default=100, metavar="N", help="at most so many files (default 100)")


def search(options: argparse.Namespace) -> int:
    return asyncio.run(_searched(options))


async def _searched(options: argparse.Namespace) -> int:
    found, left = 0, max(1, options.limit)
    page: dict[str, Any] = {}
    skipped: list[Mapping[str, str]] = []
    changed = 0
    paint = _style()
    async with SearchingHub(options.hub, token=credentials.hub_token(options)) as hub:
        query = list(parameters(options))
        while left > 0:
            at = [("cursor", page["next"])] if "next" in page else []
            page = await hub.search([*query, ("limit", str(min(left, _PAGE))), *at])
            for item in page["items"]:
                print(json.dumps(item) if options.json else "\n".join(lines(item, paint)))
            sys.stdout.flush()
            found, left = found + len(page["items"]), left - len(page["items"])
            skipped, changed = [*skipped, *page.get("skipped", ())], changed + page["changed"]
            if "next" not in page or (not page["items"] and not page["complete"]):
                break
    page |= {"skipped": skipped, "changed": changed}
    for note in notes(page, found, is_cut=left <= 0 and "next" in page):
        sys.stderr.write(f"{note}\n")
    return codes.SUCCEEDED if found else NOTHING_FOUND


def parameters(options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """The query of the API."""
    yield "q", options.query
    for name in ("project", "lang", "path"):
        yield from ((name, value) for value in getattr(options, name))
    kinds = (("symbols", "symbol"), ("paths", "path"), ("regex", "regex"))
    yield "kind", next((kind for option, kind in kinds if getattr(options, option)), "text")
    if options.ignore_case:
        yield "case", "insensitive"
    if options.word:
        yield "word", "1"
    yield "lines", str(min(max(1, options.lines), 1000))


def lines(item: Mapping[str, Any], style: Style) -> Iterator[str]:
    """An item as lines: under a heading with colors, `project:path:line:text` without."""
    where = style.plain(clean(f"{item['project']}:{item['path']}"))
    place = style.paint(where, MAGENTA)
    if item["type"] == "path":
        yield place
    elif item["type"] == "symbol":
        parent = f" in {visible(item['parent'])}" if item["parent"] else ""
        name = style.paint(style.plain(visible(item["name"])), RED)
        yield f"{place}:{style.paint(str(item['line']), GREEN)}:{item['kind']} {name}{style.plain(parent)}"
    else:
        if style.color:
            yield place
        for line in item["lines"]:
            text = style.plain(marked(line["text"], line["marks"], style))
            number = style.paint(str(line["line"]), GREEN)
            yield f"{number}:{text}" if style.color else f"{where}:{number}:{text}"
        left_out = item["matches"] - len(item["lines"])
        if left_out > 0 and style.color:
            yield style.paint(f"... and {left_out:,} more {'line' if left_out == 1 else 'lines'}", FAINT)
        if style.color:
            yield ""


def marked(text: str, marks: Sequence[Sequence[int]], style: Style) -> str:
    """`text` with its matches painted, and nothing in it that a terminal would obey."""
    out, at = [], 0
    for start, end in marks:
        if start >= at:
            out += [visible(text[at:start]), style.paint(visible(text[start:end]), RED)]
            at = end
    return "".join([*out, visible(text[at:])])


def visible(text: str) -> str:
    """Foreign text with its tabs, but without anything that moves the cursor or turns the line around."""
    return "".join(c if c == "\t" or unicodedata.category(c)[0] not in "CZ" or c == " " else "\ufffd" for c in text)


def notes(page: Mapping[str, Any], found: int, *, is_cut: bool) -> Iterator[str]:
    """What a reader should know about the answer, besides what was found."""
    coverage = page["coverage"]
    if coverage["of"] == 0 and not found:
        yield "Nothing is indexed yet. An `index` job of a project makes it searchable."
    elif coverage["indexed"] < coverage["of"]:
        yield f"The index is still being built: {coverage['indexed']:,} of {coverage['of']:,} files were searched."
    for problem in page.get("problems", ()):
        yield clean(f"{problem['project']} was not searched: {problem['message']}")
    for file in page.get("skipped", ()):
        yield clean(f"{file['project']}:{file['path']} was not searched: it alone takes longer than a search may.")
    if changed := page.get("changed", 0):
        yield f"Changed since they were indexed: {changed:,} of the files looked at. Their symbols are those of before."
    if not page["complete"]:
        yield "The time was up before everything was searched; narrow it with --path, --lang or a longer query."
    if is_cut:
        yield "There is more; see --limit."


def _style() -> Style:
    out = sys.stdout
    is_terminal = out.isatty() and os.environ.get("TERM") != "dumb"
    try:
        "é…\ufffd".encode(out.encoding or "ascii")
        unicode = True
    except (UnicodeEncodeError, LookupError):
        unicode = False
    return Style(unicode=unicode, color=is_terminal and not os.environ.get("NO_COLOR"))
