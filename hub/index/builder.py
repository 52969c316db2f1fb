"""Making an index, or bringing one up to date: collecting, parsing, indexing, optimizing.

Every batch is committed, and what a batch was about is no longer waiting; so a run that is stopped or killed, wherever,
is gone on with by the next.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hub.core.report import Report
from hub.index import segments
from hub.index.analysis import INDEXED, Analysis, Document, Wanted
from hub.index.guards import READ_AGAIN, SYMBOLS_ONLY
from hub.index.pool import Batch, Pool
from hub.index.settling import note, settle
from hub.index.source import Listing, Source, open_source
from hub.index.store import Store

STAGES = ("collecting", "parsing", "indexing", "optimizing")
LEAST_BATCH, MOST_BATCH = 2 * 1024 * 1024, 32 * 1024 * 1024
"""Bytes. A batch becomes a segment; a tenth of the text each are few enough to need no merging afterwards, and what a
killed run has to do again are some seconds' work."""
BATCH_FILES = 10_000
_FILE_COST_BYTES = 500
"""What opening a file costs, as if it had so many bytes more."""
_SPARE_PAGES = 0.2
"""Share of unused pages past which the file is written anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    fresh: bool
    """Nothing had changed, so nothing was done."""
    head: str | None
    files: int
    indexed: int
    """Files whose text can be searched."""
    left_out: int
    bytes: int
    """Of the indexed text, each content once."""
    symbols: int
    parsed: int
    """Documents that this run looked at."""


def build(path: Path, folder: Path, watch: Report, *, force: bool = False, workers: int | None = None) -> Summary:
    """Bring the index at `path` to what is in `folder`; `force` forgets what is known.

    Raises IndexBusy, IndexBroken, IndexGone, SourceGone, SourceTooLarge, NoWorker, sqlite3.OperationalError for a full
    disk, and whatever `watch` raises.
    """
    watch.stage("collecting")
    watch.progress(0, None, "files", "Collecting source files")
    source = open_source(folder)
    with Store.open(path, anew=force) as store:
        listing = source.listing(watch.check)
        is_fresh = _is_fresh(store, listing)
        parsed = 0
        if not is_fresh:
            settle(store, listing, source, folder, watch)
            parsed = _parse(store, source, folder, workers, watch)
            watch.stage("indexing")
            segments.merge(store, watch)
        watch.stage("optimizing")
        if not is_fresh:
            _optimize(store, watch)
        note(store, listing, source, folder, is_complete=True)
        store.check()
        summary = _summary(store, is_fresh and not store.is_beside, listing, parsed)
        store.publish(watch.check)
        return summary


def _is_fresh(store: Store, listing: Listing) -> bool:
    """Is everything that is there known? What could not be read may be readable by now."""
    if store.meta("fingerprint") != listing.fingerprint or store.meta("complete") != 1:
        return False
    again = ",".join(f"'{reason}'" for reason in READ_AGAIN)
    row = store.database.execute(f"SELECT 1 FROM docs WHERE reason IN ({again}) LIMIT 1")  # noqa: S608 - ours
    return row.fetchone() is None


def _parse(store: Store, source: Source, folder: Path, workers: int | None, watch: Report) -> int:
    waiting = list(_waiting(store, source, watch.check))
    done_before = store.database.execute("SELECT count(*) FROM docs WHERE state <> 0").fetchone()[0]
    watch.stage("parsing")
    total, done, done_bytes = done_before + len(waiting), done_before, 0
    watch.progress(done, total, "files", f"Parsing file {done:,}/{total:,}")
    if not waiting:
        return 0
    sizes = {one.doc: one.bytes for one in waiting}
    names, troubled, all_bytes = _Names(store), 0, sum(sizes.values())
    detail = {"bytes": 0, "total_bytes": all_bytes}
    pool = Pool(folder, workers)

    def tell() -> None:
        now = min(total, done + pool.begun())
        watch.progress(now, total, "files", f"Parsing file {now:,}/{total:,}", detail)

    for analysis in pool.analyses(_batches(waiting), tell):
        store.check()
        _keep(store, analysis, names)
        done += len(analysis.documents)
        done_bytes += sum(sizes[document.doc] for document in analysis.documents)
        troubled += _name_troubled(store, analysis.documents, watch, _MOST_NAMED - troubled)
        detail = {"bytes": done_bytes, "total_bytes": all_bytes}
        tell()
    return len(waiting)


def _name_troubled(store: Store, documents: Sequence[Document], watch: Report, most: int) -> int:
    """Tell of the files whose parsers failed, `most` of them by name; the others are listed with their reasons."""
    found = [one for one in documents if one.reason in SYMBOLS_ONLY]
    for one in found[: max(0, most)]:
        path = store.database.execute("SELECT path FROM files WHERE doc = ?", (one.doc,)).fetchone()
        shown = path[0].decode(errors="backslashreplace") if path else "a file"
        watch.log(f"{shown} has no symbols: its {one.lang} parser {_TROUBLES[one.reason or '']}", "warning")
    return len(found)


_MOST_NAMED = 20
_TROUBLES = {"parser_crashed": "crashed", "parser_timeout": "took too long"}


def _waiting(store: Store, source: Source, check: Callable[[], None]) -> Iterator[Wanted]:
    """Documents nobody has looked at, in order of their numbers, which is that of their paths at first."""
    rows = store.database.execute(
        "SELECT id, oid, hint, (SELECT min(path) FROM files WHERE doc = docs.id) FROM docs WHERE state = 0 ORDER BY id"
    )
    for doc, oid, hint, path in rows:
        check()
        yield Wanted(doc=doc, oid=oid, path=path, hint=hint, bytes=source.size(oid, path))


def _batches(waiting: Sequence[Wanted]) -> Iterator[Batch]:
    """About equal work each; the last ones are smaller, so that all workers end at the same time."""
    left = sum(one.bytes + _FILE_COST_BYTES for one in waiting)
    most = min(MOST_BATCH, left / 10)
    batch: list[Wanted] = []
    size = 0
    for one in waiting:
        batch.append(one)
        size += one.bytes + _FILE_COST_BYTES
        if size >= max(LEAST_BATCH, min(most, left / 4)) or len(batch) == BATCH_FILES:
            yield batch
            left -= size
            batch, size = [], 0
    if batch:
        yield batch


class _Names(dict[str, int]):
    """The numbers of names, given out as they come."""

    def __init__(self, store: Store) -> None:
        super().__init__((name, number) for number, name in store.database.execute("SELECT id, name FROM names"))
        self[""] = 0
        self._next = max(self.values()) + 1
        self._new: list[tuple[int, str]] = []

    def __missing__(self, name: str) -> int:
        number = self[name] = self._next
        self._next += 1
        self._new.append((number, name))
        return number

    def take_new(self) -> list[tuple[int, str]]:
        new, self._new = self._new, []
        return new


def _keep(store: Store, analysis: Analysis, names: _Names) -> None:
    documents = analysis.documents
    with store.change() as database:
        database.executemany(
            "UPDATE docs SET state = ?, lang = ?, encoding = ?, bytes = ?, reason = ?, detail = ? WHERE id = ?",
            [(one.state, one.lang, one.encoding, one.bytes, one.reason, one.detail, one.doc) for one in documents],
        )
        symbols = [
            (one.doc, place, names[name], kind, line, end_line, names[parent])
            for one in documents
            for place, (name, kind, line, end_line, parent) in enumerate(one.symbols)
        ]
        database.executemany("INSERT INTO names VALUES (?, ?)", names.take_new())
        database.executemany("INSERT OR REPLACE INTO symbols VALUES (?, ?, ?, ?, ?, ?, ?)", symbols)
        indexed = [one.doc for one in documents if one.state == INDEXED]
        if indexed and analysis.buckets:
            segments.add(database, analysis.low, max(indexed), len(indexed), analysis.buckets)


def _optimize(store: Store, watch: Report) -> None:
    """Give back the room that is not used any more."""
    watch.progress(0, None, "", "Writing the index")
    database = store.database
    pages = database.execute("PRAGMA page_count").fetchone()[0]
    unused = database.execute("PRAGMA freelist_count").fetchone()[0]
    if unused > _SPARE_PAGES * pages:
        watch.check()
        try:
            database.execute("VACUUM")
        except sqlite3.OperationalError as exc:  # it takes as much room again; the index is whole without it
            watch.log(f"The index keeps room that it does not need: {exc}", "warning")
    watch.check()


def _summary(store: Store, is_fresh: bool, listing: Listing, parsed: int) -> Summary:
    one = store.database.execute
    indexed = one("SELECT count(*) FROM files JOIN docs ON docs.id = files.doc WHERE docs.state = 1").fetchone()[0]
    return Summary(
        fresh=is_fresh,
        head=listing.head,
        files=len(listing.entries),
        indexed=indexed,
        left_out=len(listing.entries) - indexed,
        bytes=one("SELECT coalesce(sum(bytes), 0) FROM docs WHERE state = 1").fetchone()[0],
        symbols=one("SELECT count(*) FROM symbols").fetchone()[0],
        parsed=parsed,
    )
