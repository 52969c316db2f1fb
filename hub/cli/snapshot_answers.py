"""What `progress-hub snapshots` prints of what is there, and what it downloads."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from hub.cli import codes, credentials
from hub.cli.tables import aligned, moment
from hub.client import HubRefused
from hub.client.snapshots import Snapshots
from hub.settings import SettingsError
from hub.words import clean

T = TypeVar("T")

DIFFERENT = 1
"""As diff does: the two are not the same."""
_PAGE = 500


def listing(options: argparse.Namespace) -> int:
    items, total = _asked(options, lambda hub: _items(lambda at: hub.snapshots(options.project, **at), options.limit))
    if options.json:
        _print_json(items)
    elif not items:
        print(f"No snapshots. Take one: progress-hub snapshot {options.project}")
    else:
        print("\n".join(aligned([HEAD, *map(row, items)])))
    _tell_rest(total - len(items))
    return codes.SUCCEEDED


HEAD = ("SNAPSHOT", "TAKEN", "FILES", "SIZE", "NEW", "LEFT OUT", "STATE")


def row(item: Mapping[str, Any]) -> tuple[str, ...]:
    if "error" in item:
        return (item["id"], "-", "-", "-", "-", "-", clean(item["error"]["message"]))
    damaged = item.get("damaged_files", 0)
    state = f"{damaged:,} files damaged" if damaged else "ok"
    sizes = (size(item["bytes"]), size(item["new_bytes"]))
    return (item["id"], moment(item["created"]), f"{item['files']:,}", *sizes, f"{item['left_out']:,}", state)


def size(count: int) -> str:
    value = float(count)
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def show(options: argparse.Namespace) -> int:
    async def asked(hub: Snapshots) -> dict[str, Any]:
        return await hub.snapshot(options.project, await named(hub, options.project, options.snapshot))

    found = _asked(options, asked)
    if options.json:
        print(json.dumps(found))
    else:
        taken = {
            "taken": moment(found["created"]),
            "size": size(found["bytes"]),
            "in store": size(found["stored_bytes"]),
        }
        shown = {"snapshot": found["id"], **taken} | {
            name.replace("_", " "): found[name]
            for name in ("source", "files", "folders", "links", "left_out", "changing", "damaged_files")
            if name in found
        }
        print("\n".join(f"{name + ':':<15}{clean(str(value))}" for name, value in shown.items()))
    return codes.SUCCEEDED


def file_listing(options: argparse.Namespace) -> int:
    async def asked(hub: Snapshots) -> tuple[list[dict[str, Any]], int]:
        id_ = await named(hub, options.project, options.snapshot)
        return await _items(lambda at: hub.files(options.project, id_, path=options.path, **at), options.limit)

    items, total = _asked(options, asked)
    if options.json:
        _print_json(items)
    else:
        for item in items:
            note = f" -> {item['target']}" if "target" in item else f" ({item['reason']})" if "reason" in item else ""
            mode, count = item.get("mode", "-"), size(item["size"]) if "size" in item else "-"
            print(f"{item['type']:<8}  {mode:>4}  {count:>8}  {clean(item['path'] + note)}")
    _tell_rest(total - len(items))
    return codes.SUCCEEDED


SIGNS = {"added": "+", "removed": "-", "changed": "M"}


def compare(options: argparse.Namespace) -> int:
    async def asked(hub: Snapshots) -> tuple[list[dict[str, Any]], int]:
        one = await named(hub, options.project, options.old)
        other = await named(hub, options.project, options.new)
        return await _items(lambda at: hub.differences(options.project, one, other, **at), options.limit)

    items, total = _asked(options, asked)
    if options.json:
        _print_json(items)
    else:
        for item in items:
            fields = f" ({', '.join(item['fields'])})" if item.get("fields") else ""
            print(clean(f"{SIGNS[item['change']]} {item['path']}{fields}"))
    _tell_rest(total - len(items))
    return DIFFERENT if total else codes.SUCCEEDED


def fetch(options: argparse.Namespace) -> int:
    if options.output == "-" and sys.stdout.isatty():
        raise SettingsError("An archive is nothing for a terminal; name a file with -o, or send it into a pipe.")
    id_ = _asked(options, lambda hub: named(hub, options.project, options.snapshot))
    if options.output == "-":
        _asked(options, lambda hub: _poured(hub, options, id_, sys.stdout.buffer))
        sys.stdout.buffer.flush()
        return codes.SUCCEEDED
    place = Path(options.output or f"{options.project}-{id_}.tar.zst")
    if place.exists() and not options.force:
        raise SettingsError(f"{place} is there already; --force replaces it.")
    draft = place.with_name(f"{place.name}.{os.getpid()}.part")  # the file is there only when it is whole
    try:
        with draft.open("wb") as file:
            count = _asked(options, lambda hub: _poured(hub, options, id_, file))
        draft.replace(place)
    finally:
        draft.unlink(missing_ok=True)
    print(json.dumps({"path": str(place), "bytes": count}) if options.json else f"{place}: {size(count)}")
    return codes.SUCCEEDED


async def _poured(hub: Snapshots, options: argparse.Namespace, id_: str, file: BinaryIO) -> int:
    """How many bytes it took."""
    count = 0
    async for part in hub.archive(options.project, id_, options.path):
        count += file.write(part)
    return count


# -- inside -----------------------------------------------------------------------------------------------------------


def _asked(options: argparse.Namespace, ask: Callable[[Snapshots], Awaitable[T]]) -> T:
    async def run() -> T:
        async with Snapshots(options.hub, token=credentials.hub_token(options)) as hub:
            return await ask(hub)

    return asyncio.run(run())


async def named(hub: Snapshots, project: str, text: str) -> str:
    """The id of the snapshot that is called so: `latest`, or its id. Raises HubRefused when there is none."""
    if text != "latest":
        return text
    page = await hub.snapshots(project, limit=1)
    if not page["items"]:
        raise HubRefused(f"{project} has no snapshot yet.", code="no_snapshot")
    return str(page["items"][0]["id"])


async def _items(ask: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]], most: int) -> tuple[list[Any], int]:
    """At most `most` items of a paged list, and how many there are."""
    items: list[Any] = []
    page: dict[str, Any] = {"next": None}
    while "next" in page and len(items) < max(1, most):
        page = await ask({"limit": min(_PAGE, max(1, most) - len(items)), "cursor": page["next"]})
        items += page["items"]
    return items, int(page["total"])


def _print_json(items: list[Any]) -> None:
    for item in items:
        print(json.dumps(item))


def _tell_rest(left_out: int) -> None:
    if left_out > 0:
        sys.stderr.write(f"... and {left_out:,} more; see --limit\n")
