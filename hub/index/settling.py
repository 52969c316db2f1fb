"""The first step of an index: which files there are, and which of them nobody has looked at."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hub.core.report import Report
from hub.index.guards import READ_AGAIN, generated_name
from hub.index.languages import by_name
from hub.index.source import Entry, FolderSource, Listing, Source
from hub.index.store import Store


def settle(store: Store, listing: Listing, source: Source, folder: Path, watch: Report) -> None:
    """Have the file say which files there are; what it does not know yet waits."""
    total = len(listing.entries)
    watch.progress(0, total, "files", f"Comparing {total:,} files")
    with store.change() as database:
        wanted = dict(_rows(listing.entries))
        docs = {(oid, hint): doc for doc, oid, hint in database.execute("SELECT id, oid, hint FROM docs")}
        unknown = sorted({key for key, reason in wanted.values() if key is not None and reason is None} - docs.keys(),
                         key=_first_paths(wanted).__getitem__)  # fmt: skip
        following = store.meta("next_doc", 1)
        docs.update({key: doc for doc, key in enumerate(unknown, following)})
        new = [(docs[oid, hint], oid, hint) for oid, hint in unknown]
        database.executemany("INSERT INTO docs (id, oid, hint) VALUES (?, ?, ?)", new)
        store.set_meta("next_doc", following + len(unknown))
        watch.check()
        _replace_files(database, wanted, docs)
        watch.check()
        _drop_unused(database)
        _say(store, listing, source, folder, is_complete=False)
    watch.progress(total, total, "files", f"{total:,} files, {len(unknown):,} of them new")


def note(store: Store, listing: Listing, source: Source, folder: Path, *, is_complete: bool) -> None:
    """Have the file say what it is of, unless it does: another commit may hold the same files."""
    known = dict(store.database.execute("SELECT key, value FROM meta"))
    said = _said(store, listing, source, folder, is_complete)
    if any(known.get(name) != value for name, value in said.items()):
        with store.change():
            _say(store, listing, source, folder, is_complete=is_complete)


def _say(store: Store, listing: Listing, source: Source, folder: Path, *, is_complete: bool) -> None:
    for name, value in _said(store, listing, source, folder, is_complete).items():
        store.set_meta(name, value)


def _said(store: Store, listing: Listing, source: Source, folder: Path, is_complete: bool) -> Mapping[str, Any]:
    place = {"folder": isinstance(source, FolderSource), "path": _relative(folder, store.path.parent)}
    return {
        "complete": int(is_complete),
        "fingerprint": listing.fingerprint,
        "head": listing.head,
        "source": json.dumps(place),
    }


_Key = tuple[bytes, str]


def _rows(entries: Sequence[Entry]) -> Iterator[tuple[bytes, tuple[_Key | None, tuple[str, str | None] | None]]]:
    """By path: the key of its document, or the reason and detail why it has none."""
    for entry in entries:
        name = entry.path.decode(errors="backslashreplace")
        if entry.oid is None:
            yield entry.path, (None, (entry.reason or "unreadable", None))
        elif why := generated_name(name):
            yield entry.path, (None, ("generated", why))
        else:
            yield entry.path, ((entry.oid, by_name(name)), None)


def _first_paths(wanted: Mapping[bytes, tuple[_Key | None, Any]]) -> dict[_Key, bytes]:
    first: dict[_Key, bytes] = {}
    for path, (key, _) in wanted.items():
        if key is not None and path < first.get(key, path + b"\0"):
            first[key] = path
    return first


def _replace_files(database: Any, wanted: Mapping[bytes, tuple[_Key | None, Any]], docs: Mapping[_Key, int]) -> None:
    rows = {
        path: (docs[key], None, None) if key is not None else (None, *reason) for path, (key, reason) in wanted.items()
    }
    known = {path: tuple(row) for path, *row in database.execute("SELECT path, doc, reason, detail FROM files")}
    database.executemany("DELETE FROM files WHERE path = ?", [(path,) for path in known.keys() - rows.keys()])
    changed = [(path, *row) for path, row in rows.items() if known.get(path) != row]
    database.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", changed)


def _drop_unused(database: Any) -> None:
    """Forget documents that no path leads to. Their numbers stay in posting lists until these are merged."""
    unused = "SELECT id FROM docs WHERE id NOT IN (SELECT doc FROM files WHERE doc IS NOT NULL)"
    dropped = database.execute(unused).fetchall()
    if dropped:
        database.executemany("DELETE FROM symbols WHERE doc = ?", dropped)
        database.executemany("DELETE FROM docs WHERE id = ?", dropped)
        database.execute(
            "DELETE FROM names WHERE id NOT IN (SELECT name FROM symbols UNION SELECT parent FROM symbols)"
        )
    database.executemany("UPDATE docs SET state = 0 WHERE reason = ?", [(reason,) for reason in READ_AGAIN])


def _relative(folder: Path, home: Path) -> str:
    """Inside the project's own folder from there on: the data folder may be moved."""
    return str(folder.relative_to(home)) if folder.is_relative_to(home) else str(folder)
