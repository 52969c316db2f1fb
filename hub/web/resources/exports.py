"""Whole lists as files: NDJSON and CSV, written slice by slice as fast as the reader takes them."""

import asyncio
import csv
import datetime as dt
import io
import json
import logging
import operator
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from hub.core.errors import BadRequest, HubError, Unavailable
from hub.transports.ask import whole

log = logging.getLogger(__name__)

JSON, NDJSON, CSV = "json", "ndjson", "csv"
TYPES = {JSON: "application/json", NDJSON: "application/x-ndjson", CSV: "text/csv"}
NAMES = {"application/json": JSON, "application/x-ndjson": NDJSON, "application/ndjson": NDJSON, "text/csv": CSV,
         "application/*": JSON, "text/*": CSV, "*/*": JSON}  # fmt: skip
STALLED_S = 60.0
"""A reader that takes nothing for so long is let go."""
MOST_AT_ONCE = 32
"""Exports that are open; each holds some hundred KiB, and its reader may take hours."""
PIECE_CHARS, PIECE_ROWS = 32 * 1024, 50
"""Made into text at once: two milliseconds, after which others have their turn."""
MOST = 1 << 53
_SUSPECT = frozenset("'=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""What a spreadsheet takes for a formula, or may after it has dropped a quotation mark; some fold full-width signs."""


class Open:
    """The exports that an application has under way."""

    def __init__(self) -> None:
        self.count = 0
        self.making = asyncio.Lock()
        """Held while a piece is made: however many exports there are, one piece a turn of the loop."""


_OPEN = web.AppKey("EXPORTS", Open)


class TooManyExports(Unavailable):
    """As many exports are under way as the hub has room for; try again when some have ended."""

    code = "too_many_exports"


Column = Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """How JSON objects become rows."""

    name: str
    """Of the file, without its ending."""
    columns: Mapping[str, Column]

    def rows(self, items: Iterable[Mapping[str, Any]]) -> str:
        """By RFC 4180. What is no text or number is JSON; nothing at all is an empty cell."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\r\n")
        columns = tuple(self.columns.values())
        writer.writerows([cell(column(item)) for column in columns] for item in items)
        return text.getvalue()

    def head(self) -> str:
        return ",".join(self.columns) + "\r\n"


def plain(*names: str) -> dict[str, Column]:
    """Columns that are called as what they show."""
    return {name: part(name) for name in names}


def part(*path: str) -> Column:
    """What is at the end of the path; nothing where there is no such."""
    if len(path) == 1:
        return operator.methodcaller("get", *path)

    def of(item: Mapping[str, Any]) -> Any:
        value: Any = item
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value

    return of


def time_of(name: str) -> Column:
    """Unix milliseconds as ISO 8601 in UTC, which spreadsheets know for a time."""

    def of(item: Mapping[str, Any]) -> str | None:
        at = item.get(name)
        if at is None:
            return None
        moment = dt.datetime.fromtimestamp(at / 1000, dt.UTC)
        return moment.isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00")

    return of


def cell(value: Any) -> str:
    """A value as a cell that no spreadsheet runs: a text that it might gets a `'` in front.

    To read it back, drop the first `'` of a cell in which nothing but `'`s stands before =, +, -, @ (also full-width),
    tab or a new line.
    """
    if value is None:
        return ""
    if type(value) is int:
        return str(value)
    if not isinstance(value, str):
        return json.dumps(value, separators=(",", ":"))
    return f"'{value}" if value[:1] in _SUSPECT and _FORMULA.match(value) else value


def wanted_format(request: web.Request) -> str:
    """`?format=`, else what `Accept` likes best of what there is, else JSON. Raises BadRequest."""
    named = request.query.get("format")
    if named is not None:
        if named not in TYPES:
            raise BadRequest(f"format must be one of: {', '.join(TYPES)}.")
        return named
    best, found = 0.0, JSON
    for part in request.headers.get("Accept", "").split(","):
        kind, *params = (piece.strip().lower() for piece in part.split(";"))
        liking = _quality(params)
        if kind in NAMES and liking > best:
            best, found = liking, NAMES[kind]
    return found


async def export(request: web.Request, sheet: Sheet, slices: AsyncIterator[Sequence[str]]) -> web.StreamResponse:
    """Write the items in `slices`, each a JSON text, in the wanted format; `?limit=` bounds how many.

    What goes wrong on the way cuts the answer off, so that nobody takes a part for the whole. Raises TooManyExports.
    """
    open_ = request.app[_OPEN]
    if open_.count >= MOST_AT_ONCE:
        raise TooManyExports
    open_.count += 1
    try:
        return await _exported(request, sheet, slices, open_.making)
    finally:
        open_.count -= 1


def remember(app: web.Application) -> None:
    """Have a place for the count of exports."""
    app[_OPEN] = Open()


async def _exported(
    request: web.Request, sheet: Sheet, slices: AsyncIterator[Sequence[str]], making: asyncio.Lock
) -> web.StreamResponse:
    format_ = wanted_format(request)
    if "cursor" in request.query:
        raise BadRequest("An export has no pages: leave out cursor, and narrow it by since and until.")
    left = whole(request.query, "limit", 1, MOST, MOST)
    response = web.StreamResponse(headers=_headers(sheet.name, format_))
    async with aclosing(_first(slices)) as found:
        first = await anext(found)  # what goes wrong before anything was written is told as any error is
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        try:
            if format_ == CSV:
                await _write(response, sheet.head())
            items: Sequence[str] | None = first
            while items is not None and left > 0:
                for piece in _pieces(items[:left]):
                    async with making:
                        text = sheet.rows(map(json.loads, piece)) if format_ == CSV else "\n".join((*piece, ""))
                        await asyncio.sleep(0)
                    await _write(response, text)
                left -= len(items)
                items = await anext(found, None)
            async with asyncio.timeout(STALLED_S):
                await response.write_eof()
        except (HubError, TimeoutError) as exc:
            log.warning("an export was cut off: %s", str(exc) or "nobody reads it", extra={"action": "export_cut"})
            _cut(request)
        except Exception:  # whose error would be written into the middle of what was asked for
            _cut(request)
            raise
    return response


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


async def _first(slices: AsyncIterator[Sequence[str]]) -> AsyncGenerator[Sequence[str], None]:
    """The slices, and an empty one where there is none."""
    is_empty = True
    async for part in slices:
        is_empty = False
        yield part
    if is_empty:
        yield ()


def _pieces(items: Sequence[str]) -> Iterator[Sequence[str]]:
    """Not in a thread: who waits for the interpreter there makes every system call of the loop wait milliseconds."""
    start, chars = 0, 0
    for place, item in enumerate(items):
        if place > start and (chars + len(item) > PIECE_CHARS or place - start >= PIECE_ROWS):
            yield items[start:place]
            start, chars = place, 0
        chars += len(item)
    if start < len(items):
        yield items[start:]


async def _write(response: web.StreamResponse, text: str) -> None:
    async with asyncio.timeout(STALLED_S):
        await response.write(text.encode(errors="backslashreplace"))


def _headers(name: str, format_: str) -> dict[str, str]:
    charset = "; charset=utf-8; header=present" if format_ == CSV else ""
    return {
        "Content-Type": TYPES[format_] + charset,
        "Content-Disposition": f'attachment; filename="{name}.{format_}"',
        "Cache-Control": "no-store",
        "X-Accel-Buffering": "no",
        "Vary": "Accept",
    }


def _quality(params: Iterable[str]) -> float:
    for param in params:
        name, _, value = param.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
