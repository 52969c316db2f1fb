"""A snapshot's own object: small, readable without this program, and written last."""

import hashlib
import json
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from hub.snapshots.errors import Damaged, NoSnapshot
from hub.snapshots.store import SNAPSHOTS, Store

FORMAT = 1
ID = re.compile(r"\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{6}")
LARGEST = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    id: str
    """Sorts by time."""
    created: int
    """Unix milliseconds, of when it was complete."""
    project: str
    source: str
    """What it is of, for people: a folder, or a repository's URL."""
    root: str
    """The name of its list of segments."""
    files: int
    folders: int
    links: int
    bytes: int
    """Of all files; a file with several names counts once."""
    new_files: int
    """Files whose content, or a part of it, was not in the store before."""
    new_bytes: int
    """Uploaded for it, compressed: packs and manifest."""
    left_out: int
    changing: int
    job: str | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)

    def to_wire(self) -> dict[str, Any]:
        wire = asdict(self)
        return {name: value for name, value in wire.items() if name not in {"notes", "root"}} | dict(self.notes)


def new_id(now_ms: int | None = None) -> str:
    at_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    return f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime(at_ms // 1000))}.{at_ms % 1000:03}Z-{secrets.token_hex(3)}"


def key(id_: str) -> str:
    return f"{SNAPSHOTS}{id_}.json"


def to_bytes(snapshot: Snapshot) -> bytes:
    body = asdict(snapshot)
    return json.dumps({"format": FORMAT, "snapshot": body, "sha256": _seal(body)}, indent=1).encode() + b"\n"


def from_bytes(data: bytes, id_: str) -> Snapshot:
    """Raises Damaged."""
    try:
        found = json.loads(data)
        body = found["snapshot"]
        if found["format"] != FORMAT:
            raise Damaged(f"{key(id_)} was written by another version of this program.", code="newer_format")
        if found["sha256"] != _seal(body) or body["id"] != id_:
            raise Damaged(f"{key(id_)} does not hold what it did.")
        return Snapshot(**body)
    except (KeyError, TypeError, ValueError) as exc:
        raise Damaged(f"{key(id_)} is no snapshot.") from exc


def read(store: Store, id_: str) -> Snapshot:
    """Raises NoSnapshot, Damaged and the store's errors."""
    if not ID.fullmatch(id_):
        raise NoSnapshot(f"There is no snapshot {id_!r}.")
    try:
        return from_bytes(store.get(key(id_)), id_)
    except FileNotFoundError:
        raise NoSnapshot(f"There is no snapshot {id_!r}.") from None


def ids(store: Store) -> list[str]:
    """Of all that are there, oldest first."""
    return sorted(_ids(store))


def strangers(store: Store) -> list[str]:
    """Keys of what stands where snapshots do and may be one, but none that this program would have written."""
    found = (held.key for held in store.list(SNAPSHOTS))
    return [key for key in found if key.endswith(".json") and not ID.fullmatch(key[len(SNAPSHOTS) : -len(".json")])]


def _ids(store: Store) -> Iterator[str]:
    for held in store.list(SNAPSHOTS):
        name = held.key.removeprefix(SNAPSHOTS).removesuffix(".json")
        if ID.fullmatch(name):
            yield name


def _seal(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
