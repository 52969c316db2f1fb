"""Verification, retention, pruning and the leases that keep hubs out of each other's way."""

import random
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from hub.snapshots import lease, retention
from hub.snapshots.backend import Held
from hub.snapshots.entries import Entry, PackTable, from_line, to_line
from hub.snapshots.errors import Damaged, NoSnapshot, RestoreRefused, StoreBusy
from hub.snapshots.retention import Policy
from hub.snapshots.snapshot import Snapshot
from hub.snapshots.store import Store
from tests.snapshots.shop import Notes, Shop
from tests.snapshots.trees import content, make


@pytest.fixture
def shop(tmp_path) -> Shop:
    return Shop(tmp_path)


def fill(shop: Shop, seed: int, count: int = 20, size: int = 30_000) -> str:
    make(shop.folder, {f"{seed}-{n}": random.Random(seed * 1000 + n).randbytes(size) for n in range(count)})
    return str(shop.take()["snapshot"])


def flip(path, at: int = 100) -> None:
    raw = bytearray(path.read_bytes())
    raw[at] ^= 0xFF
    path.write_bytes(raw)


# -- verification -----------------------------------------------------------------------------------------------------


def test_a_damaged_pack_is_named_with_the_files_it_hits_and_no_others(shop):
    first = fill(shop, 1, 40, 150_000)
    second = fill(shop, 2, 3)
    pack = max(shop.packs, key=lambda path: path.stat().st_size)
    flip(pack, 1_000_000)
    with pytest.raises(Damaged, match=f"packs/{pack.name}"):
        shop.verify()
    hurt = shop.verification.hurt
    assert set(hurt) == {first, second}
    assert hurt[first].files == hurt[second].files
    assert 1 <= hurt[first].files <= 14, "the files of one frame"
    with pytest.raises(Damaged):
        shop.restore(second)
    whole, found = content(shop.folder), content(shop.base / "restored")
    assert {path.decode() for path in set(whole) - set(found)} == set(hurt[second].first)
    assert all(whole[path] == found[path] for path in found)


def test_a_missing_pack_and_a_damaged_manifest_are_named(shop):
    first = fill(shop, 1)
    (shop.folder / "more").write_bytes(b"more")
    second = fill(shop, 2)
    roots = {id_: shop.root(id_) for id_ in (first, second)}
    gone = next(name for name, _ in roots[second].packs if name not in dict(roots[first].packs))
    (shop.base / "store" / "packs" / gone).unlink()
    tree = next(one.name for one in roots[first].segments)
    flip(shop.base / "store" / "trees" / tree, 30)
    with pytest.raises(Damaged):
        shop.verify()
    assert set(shop.verification.bad) == {f"packs/{gone}", f"trees/{tree}"}
    assert shop.verification.hurt[first].files == 20
    assert shop.verification.hurt[second].files >= 20


def test_a_damaged_snapshot_object_hits_only_its_snapshot(shop):
    first, second = fill(shop, 1), fill(shop, 2)
    flip(shop.base / "store" / "snapshots" / f"{first}.json")
    with pytest.raises(Damaged, match="all of it"):
        shop.verify()
    assert set(shop.verification.hurt) == {first}
    assert content(shop.restore(second)) == content(shop.folder)


def test_what_a_check_found_damaged_is_stored_again_by_the_next_snapshot_and_heals_the_old(shop):
    first = fill(shop, 1)
    flip(shop.packs[0])
    with pytest.raises(Damaged):
        shop.verify()
    again = shop.take()
    assert again["new_files"] == 20
    assert content(shop.restore(again["snapshot"])) == content(shop.folder)
    assert shop.verify().bad == {}, "the same content makes the same pack"
    assert content(shop.restore(first, "first")) == content(shop.folder)


# -- retention and pruning --------------------------------------------------------------------------------------------


def at(text: str) -> Snapshot:
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return Snapshot(
        id=text, created=int(moment.timestamp() * 1000), project="p", source="", root="", files=0, folders=0, links=0,
        bytes=0, new_files=0, new_bytes=0, left_out=0, changing=0,
    )  # fmt: skip


def test_a_policy_keeps_the_newest_of_each_period():
    taken = [
        at(text)
        for text in (
            "2025-11-02T08:00", "2025-12-30T09:00", "2026-01-01T10:00", "2026-01-01T20:00", "2026-01-02T01:00",
            "2026-01-02T02:00", "2026-01-02T03:00",
        )
    ]  # fmt: skip
    assert retention.kept(taken, Policy(last=2)) == {"2026-01-02T03:00": ["last"], "2026-01-02T02:00": ["last"]}
    assert set(retention.kept(taken, Policy(daily=2))) == {"2026-01-02T03:00", "2026-01-01T20:00"}
    assert set(retention.kept(taken, Policy(weekly=2))) == {"2026-01-02T03:00", "2025-11-02T08:00"}
    assert set(retention.kept(taken, Policy(monthly=3))) == {"2026-01-02T03:00", "2025-12-30T09:00", "2025-11-02T08:00"}
    both = retention.kept(taken, Policy(last=1, daily=1))
    assert both == {"2026-01-02T03:00": ["last", "daily 2026-01-02"]}


def test_pruning_removes_what_no_snapshot_needs_and_nothing_else(shop):
    first = fill(shop, 1)
    for path in shop.folder.iterdir():
        if path.name != "1-3":
            path.unlink()
    second = fill(shop, 2)
    before = len(shop.packs)
    dry = shop.prune(snapshots=[first], dry_run=True)
    assert len(shop.packs) == before
    done = shop.prune(snapshots=[first])
    assert {**done, "dry_run": True} == dry
    assert shop.ids() == [second]
    assert shop.verify().bad == {}
    assert content(shop.restore(second)) == content(shop.folder)
    shop.prune(snapshots=[second])
    assert shop.packs == []
    assert shop.take()["new_files"] == 21


def test_nothing_is_collected_while_a_snapshot_cannot_be_read(shop):
    first, second = fill(shop, 1), fill(shop, 2)
    flip(shop.base / "store" / "snapshots" / f"{first}.json")
    packs = shop.packs
    with pytest.raises(Damaged, match="nothing is removed"):
        shop.prune()
    with pytest.raises(Damaged):
        shop.prune(policy=Policy(last=1))
    assert shop.packs == packs
    shop.prune(snapshots=[first])  # named, it goes
    assert shop.ids() == [second]
    assert shop.verify().bad == {}


def test_a_snapshot_that_is_not_there_cannot_be_pruned(shop):
    fill(shop, 1)
    with pytest.raises(NoSnapshot):
        shop.prune(snapshots=["20200101T000000.000Z-abcdef"])


def test_a_snapshot_and_a_prune_at_the_same_time_leave_all_that_is_needed(shop):
    ids = [fill(shop, seed, 10) for seed in range(4)]
    errors: list[BaseException] = []
    began = threading.Event()

    def pruning() -> None:
        began.wait(10)
        try:
            other = Shop(shop.base)
            other.prune(snapshots=ids)
        except Exception as exc:  # noqa: BLE001 - it belongs to the test's own thread
            errors.append(exc)

    notes = Notes()
    stage = notes.stage
    thread = threading.Thread(target=pruning)
    thread.start()

    def slowly(name: str) -> None:
        stage(name)
        if name == "uploading":
            began.set()
            time.sleep(0.5)  # for the other to come

    notes.stage = slowly
    taken = shop.take(notes=notes)
    thread.join(30)
    assert errors == []
    assert shop.ids() == [taken["snapshot"]]
    assert shop.verify().bad == {}
    assert content(shop.restore(taken["snapshot"])) == content(shop.folder)


# -- leases -----------------------------------------------------------------------------------------------------------


class Shared:
    """A store that two hubs share, in memory, with a clock that can be moved."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, datetime]] = {}
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def put(self, key, data):
        self.objects[key] = (data, self.now)

    def get(self, key, start=0, end=None):
        if key not in self.objects:
            raise FileNotFoundError(key)
        return self.objects[key][0][start:end]

    def head(self, key):
        return Held(key=key, size=len(self.get(key)), modified=self.objects[key][1])

    def list(self, prefix):
        return iter([self.head(key) for key in sorted(self.objects) if key.startswith(prefix)])

    def delete(self, keys):
        for key in keys:
            self.objects.pop(key, None)


def held(shared: Shared, folder, role: str, wait_s: float = 0.0):
    notes = Notes()
    notes.stage("waiting")
    return lease.held(Store(shared, check=notes.check, pauses_s=()), folder, role, notes, wait_s=wait_s)


@pytest.mark.parametrize(
    ("first", "second", "goes"),
    [("use", "use", True), ("use", "sweep", False), ("sweep", "use", False), ("sweep", "sweep", False)],
)
@pytest.mark.parametrize("same_hub", [True, False])
def test_one_that_removes_is_alone(tmp_path, first, second, goes, same_hub):
    shared, other = Shared(), tmp_path / ("a" if same_hub else "b")
    with held(shared, tmp_path / "a", first):
        if goes:
            with held(shared, other, second):
                pass
        else:
            with pytest.raises(StoreBusy), held(shared, other, second):
                pass
    assert shared.objects == {}
    with held(shared, other, second):
        pass


def test_the_lease_of_a_hub_that_is_gone_expires_by_the_stores_clock(tmp_path):
    shared = Shared()
    shared.put("leases/0123456789abcdef-aa-use", b"")
    with pytest.raises(StoreBusy), held(shared, tmp_path, "sweep"):
        pass
    shared.now += timedelta(seconds=lease.EXPIRES_S + 1)
    with held(shared, tmp_path, "sweep"):
        pass


def test_a_killed_run_of_the_same_hub_keeps_nobody_out(tmp_path):
    shared = Shared()
    with held(shared, tmp_path, "use"):
        (key,) = shared.objects
    shared.put(key, b"")  # as if it had been killed
    with held(shared, tmp_path, "sweep"):
        assert key not in shared.objects


def test_a_lease_is_renewed_while_it_is_held(tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "RENEW_S", 0.02)
    shared = Shared()
    with held(shared, tmp_path, "use") as mine:
        (key,) = shared.objects
        shared.now += timedelta(hours=1)
        deadline = time.monotonic() + 10
        while shared.objects[key][1] != shared.now:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert mine.is_sure


def test_a_snapshot_whose_lease_ran_out_while_another_hub_swept_is_withdrawn(shop, monkeypatch):
    fill(shop, 1)
    monkeypatch.setattr("hub.snapshots.lease.Lease.is_sure", property(lambda self: False))

    class Sweeping(type(shop.backend)):
        def put(self, key, data):
            super().put(key, data)
            if key.startswith("snapshots/"):
                for pack in shop.packs:
                    pack.unlink()

    shop.backend.__class__ = Sweeping
    with pytest.raises(StoreBusy):
        shop.take()
    assert len(shop.ids()) == 1


# -- a store in other hands -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [b"../out", b"a/../../out", b"/etc/out", b"a//b", b".", b"", b"a/.", b"a\0b"])
@pytest.mark.parametrize("field", ["path", "hard_link"])
def test_a_manifest_whose_paths_lead_out_of_the_folder_is_refused(path, field):
    entry = Entry(**{"path": b"file", "type": "file", "mode": 0o644, field: path})
    line = to_line(entry, PackTable())
    with pytest.raises(Damaged):
        from_line(line, PackTable())


def test_a_link_in_the_way_leads_no_write_out_of_the_folder(shop):
    make(shop.folder, {"sub/file": b"mine", "other": b"x"})
    taken = shop.take()["snapshot"]
    make(shop.base / "outside", {"file": b"theirs"})
    (shop.base / "restored").mkdir()
    (shop.base / "restored" / "sub").symlink_to(shop.base / "outside")
    (shop.base / "restored" / "other").symlink_to(shop.base / "outside" / "file")
    with pytest.raises(RestoreRefused):
        shop.restore(taken)
    shop.restore(taken, overwrite=True)
    assert (shop.base / "outside" / "file").read_bytes() == b"theirs"
    assert content(shop.base / "restored") == content(shop.folder)


def test_a_program_that_ran_as_its_owner_does_not_run_as_whoever_restores_it(shop):
    make(shop.folder, {"program": b"#!/bin/sh\n"})
    (shop.folder / "program").chmod(0o6755)
    taken = shop.take()["snapshot"]
    assert shop.entries(taken)[b"program"].mode == 0o6755
    assert (shop.restore(taken) / "program").stat().st_mode & 0o7777 == 0o755
