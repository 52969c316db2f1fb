"""Attack: change a store, and with it what a snapshot holds, so that a restore or a download does harm.

What holds: every object is named by its digest, so a changed one is found out; and where whoever holds the store has
made all of it agree, a path leads nowhere out of the folder, nothing is written behind a link, and no archive holds
what a tar would write behind one.
"""

import contextlib
import dataclasses
import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest
import zstandard

from hub.core.errors import HubError
from hub.snapshots import manifest, snapshot, tarball
from hub.snapshots.contents import Contents
from hub.snapshots.entries import FILE, FOLDER, LINK, Entry, PackTable, from_line
from hub.snapshots.errors import Damaged
from hub.snapshots.manifest import Root, SegmentWriter
from hub.snapshots.store import TREES, digest
from tests.snapshots.shop import Shop
from tests.snapshots.trees import content, make


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def tampered(shop: Shop, entries: Sequence[Entry]) -> str:
    """A snapshot of just these entries, sound in every digest; its id."""
    make(shop.folder, {"file": b"content"})
    id_ = shop.take()["snapshot"]
    store = shop.store()
    before = shop.entries(id_)[b"file"]
    writer = SegmentWriter(lambda name, data: shop.backend.put(TREES + name, data))
    for entry in entries:
        is_empty = entry.type == FILE and entry.hard_link is None and not entry.pieces
        writer.add(_with_content(entry, before) if is_empty else entry)
    writer.flush()
    old = snapshot.read(store, id_)
    packs = manifest.read_root(store, old.root).packs
    data = manifest.root_bytes(Root(segments=writer.refs, packs=packs))
    shop.backend.put(TREES + digest(data), data)
    shop.backend.put(snapshot.key(id_), snapshot.to_bytes(dataclasses.replace(old, root=digest(data))))
    return id_


def _with_content(entry: Entry, like: Entry) -> Entry:
    return dataclasses.replace(entry, size=like.size, sha256=like.sha256, pieces=like.pieces)


def entry(path: bytes, type_: str = FILE, **fields: object) -> Entry:
    return Entry(path=path, type=type_, mode=0o644 if type_ == FILE else 0o755, mtime_ns=1, **fields)


def behind_a_link(outside: Path) -> dict[str, Sequence[Entry]]:
    target = str(outside).encode()
    return {
        "file behind": [entry(b"a", LINK, target=target), entry(b"a/x")],
        "file before": [entry(b"a/x"), entry(b"a", LINK, target=target)],
        "folder behind": [entry(b"a", LINK, target=target), entry(b"a/b", FOLDER), entry(b"a/b/x")],
        "link behind": [entry(b"a", LINK, target=target), entry(b"a/b", LINK, target=b"/etc")],
        "far behind": [entry(b"a", LINK, target=target), entry(b"a-b"), entry(b"a/b/c/d/x")],
        "same name": [entry(b"a", LINK, target=target + b"/x"), entry(b"a")],
        "folder and link": [entry(b"a", FOLDER), entry(b"a", LINK, target=target), entry(b"a/x")],
        "further name of a link": [entry(b"a", LINK, target=target + b"/x"), entry(b"b", hard_link=b"a")],
        "further name behind a link": [entry(b"a", LINK, target=target), entry(b"b", hard_link=b"a/theirs")],
    }  # fmt: skip


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("case", behind_a_link(Path("/")))
def test_nothing_is_restored_behind_a_link_of_the_snapshots_own(shop: Shop, case: str, overwrite: bool) -> None:
    outside = make(shop.base / "outside", {"theirs": b"theirs"})
    before = content(outside)
    id_ = tampered(shop, behind_a_link(outside)[case])
    with contextlib.suppress(HubError, OSError):
        shop.restore(id_, overwrite=overwrite)
    assert content(outside) == before
    theirs = (outside / "theirs").stat()
    assert theirs.st_nlink == 1


@pytest.mark.parametrize("case", behind_a_link(Path("/")))
def test_no_archive_holds_what_a_tar_would_write_behind_a_link(shop: Shop, case: str, tmp_path: Path) -> None:
    outside = make(tmp_path / "outside", {"theirs": b"theirs"})
    id_ = tampered(shop, behind_a_link(outside)[case])
    store = shop.store()
    found = manifest.entries(lambda ref: manifest.read_segment(store, ref), shop.root(id_))
    parts = b""
    try:
        for part in tarball.tar(found, Contents(store), b"top"):
            parts += part
    except Damaged:
        return
    with tarfile.open(fileobj=io.BytesIO(parts)) as archive:
        links = {one.name for one in archive if one.issym()}
        behind = [one.name for one in archive if any(one.name.startswith(f"{link}/") for link in links)]
        names = [one.name for one in archive]
    last = [name for name in names if name in links]
    assert case == "file before"
    assert all(names.index(name) > max(map(names.index, behind)) for name in last)


PATHS = ["../x", "a/../../x", "/etc/x", "a//b", ".", "..", "", "a/.", "a\0b", "\0" + b"../x".hex(), "\0zz", "\0" + "2f"]


@pytest.mark.parametrize("path", PATHS, ids=repr)
@pytest.mark.parametrize("field", ["p", "k"])
def test_a_path_that_leads_out_of_the_folder_is_damage(path: str, field: str) -> None:
    with pytest.raises(Damaged):
        from_line({"p": "file", "t": "file", field: path}, PackTable())


@pytest.mark.parametrize(
    "change", [{"t": 5}, {"c": [[-1]]}, {"c": [[5, 9, 0, 0, 0]]}, {"c": 5}, {"c": [[]]}, {"p": None}]
)
def test_a_line_that_makes_no_sense_is_damage_or_harmless(change: dict[str, object]) -> None:
    try:
        from_line({"p": "file", "t": "file", **change}, PackTable())
    except Damaged:
        return
    assert change in ({"t": 5}, {"c": [[-1]]})


def test_whatever_is_changed_in_a_store_is_found_out(shop: Shop) -> None:
    make(shop.folder, {"file": b"content"})
    id_ = shop.take()["snapshot"]
    for path in sorted((shop.base / "store").rglob("*")):
        if not path.is_file() or "leases" in path.parts:
            continue
        before = path.read_bytes()
        path.write_bytes(before[:6] + bytes([before[6] ^ 1]) + before[7:])
        with pytest.raises(HubError):
            shop.restore(id_, f"to-{path.name[:8]}")
        assert not (shop.base / f"to-{path.name[:8]}" / "file").exists()
        path.write_bytes(before)
    shop.restore(id_, "sound")


def test_a_manifest_that_would_fill_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "LARGEST", 1024 * 1024)
    packed = zstandard.ZstdCompressor().compress(bytes(64 * 1024 * 1024))
    assert len(packed) < 10_000
    with pytest.raises(Damaged, match="larger"):
        manifest.parse_segment(packed, "x")
    worker = zstandard.ZstdCompressor().compressobj()  # which does not say how much it will be
    with pytest.raises(Damaged):
        manifest.parse_segment(worker.compress(bytes(64 * 1024 * 1024)) + worker.flush(), "x")


@pytest.mark.parametrize(
    "id_", ["../x", "..", "/etc/passwd", "x", "a/b", "%2e%2e", "\0", "20260101T000000.000Z-abcdef/../x"]
)
def test_a_snapshots_name_is_a_name(shop: Shop, id_: str) -> None:
    with pytest.raises(HubError):
        snapshot.read(shop.store(), id_)


def test_the_body_of_a_snapshot_belongs_to_its_name(shop: Shop) -> None:
    make(shop.folder, {"file": b"content"})
    id_ = shop.take()["snapshot"]
    data = json.loads(shop.backend.get(snapshot.key(id_)))
    other = id_[:-1] + ("0" if id_[-1] != "0" else "1")
    shop.backend.put(snapshot.key(other), json.dumps(data).encode())
    with pytest.raises(Damaged):
        snapshot.read(shop.store(), other)
