"""Two hubs on one store, of which one is stopped for so long that the other takes it for dead."""

import os
import shutil
import time
from datetime import timedelta

import pytest

from hub.snapshots import lease
from hub.snapshots.errors import Damaged, StoreBusy
from hub.snapshots.store import Store
from tests.snapshots.shop import Notes, Shop
from tests.snapshots.test_store import Shared, fill, held
from tests.snapshots.trees import content, make


@pytest.fixture
def shop(tmp_path) -> Shop:
    return Shop(tmp_path)


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now_s = 1000.0

    monkeypatch.setattr(lease, "now_s", lambda: Clock.now_s)
    return Clock


def test_a_holder_that_was_stopped_is_not_sure_any_more_though_it_renews_the_lease_again(tmp_path, clock, monkeypatch):
    monkeypatch.setattr(lease, "RENEW_S", 0.01)
    shared = Shared()
    with held(shared, tmp_path, "use") as mine:
        assert mine.is_sure
        clock.now_s += lease.EXPIRES_S + 1  # SIGSTOP, a suspended machine
        (key,) = shared.objects
        shared.objects.clear()
        deadline = time.monotonic() + 10
        while key not in shared.objects:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert not mine.is_sure


def test_the_time_in_which_the_machine_is_suspended_counts():
    assert abs(lease.now_s() - time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))) < 60


def test_a_prune_that_may_be_taken_for_dead_removes_nothing_any_more(shop, clock):
    first = fill(shop, 1)
    for path in shop.folder.iterdir():
        path.unlink()
    second = fill(shop, 2)
    packs = shop.packs

    class Stopped(Notes):
        def stage(self, name: str) -> None:
            super().stage(name)
            if name == "sweeping":
                clock.now_s += lease.EXPIRES_S

    shop.watching = Stopped
    with pytest.raises(StoreBusy):
        shop.prune(snapshots=[first])
    assert shop.packs == packs
    shop.watching = Notes
    assert shop.verify().bad == {}
    shop.prune(snapshots=[id_ for id_ in shop.ids() if id_ != second])
    assert len(shop.packs) < len(packs)


def test_a_snapshot_that_was_stopped_is_not_written_while_another_hub_removes(shop, clock, monkeypatch):
    """The other has looked already at what snapshots need, and will remove a pack after this one looks whether all is
    there."""
    monkeypatch.setattr(lease, "WAIT_S", 0.0)
    fill(shop, 1)

    class Stopped(Notes):
        def stage(self, name: str) -> None:
            super().stage(name)
            if name == "verifying":
                clock.now_s += lease.EXPIRES_S
                shop.backend.put("leases/fedcba9876543210-aa-sweep", b"")

    with pytest.raises(StoreBusy):
        shop.take(notes=Stopped())
    assert len(shop.ids()) == 1


def test_a_snapshot_that_was_stopped_is_written_once_all_is_seen_to_be_there(shop, clock):
    fill(shop, 1)

    class Stopped(Notes):
        def stage(self, name: str) -> None:
            super().stage(name)
            if name == "verifying":
                clock.now_s += lease.EXPIRES_S

    taken = shop.take(notes=Stopped())
    assert content(shop.restore(taken["snapshot"])) == content(shop.folder)


def test_a_snapshot_whose_packs_were_removed_while_it_was_stopped_says_so_and_the_next_one_has_all(shop, clock):
    fill(shop, 1)

    class Stopped(Notes):
        def stage(self, name: str) -> None:
            super().stage(name)
            if name == "verifying":
                clock.now_s += lease.EXPIRES_S
                for pack in shop.packs:
                    pack.unlink()

    with pytest.raises(Damaged, match="lost"):
        shop.take(notes=Stopped())
    assert content(shop.restore(shop.take()["snapshot"])) == content(shop.folder)


def test_a_copy_of_a_hubs_data_is_another_hub(tmp_path):
    shared = Shared()
    with held(shared, tmp_path / "a", "use"):
        shutil.copytree(tmp_path / "a", tmp_path / "b")
        with pytest.raises(StoreBusy), held(shared, tmp_path / "b", "sweep"):
            pass
        assert len(shared.objects) == 1


def test_a_store_emptied_behind_the_catalogs_back_is_filled_again(shop):
    fill(shop, 1)
    os.sync()
    shutil.rmtree(shop.base / "store")
    shop = Shop(shop.base)
    taken = shop.take()
    assert content(shop.restore(taken["snapshot"])) == content(shop.folder)
    assert shop.verify().bad == {}


def test_a_pack_gone_behind_the_catalogs_back_is_made_again(shop):
    fill(shop, 1)
    shop.packs[0].unlink()
    taken = shop.take()
    assert content(shop.restore(taken["snapshot"])) == content(shop.folder)
    assert shop.verify().bad == {}


def test_a_store_that_takes_no_lease_is_said_before_anything_is_read(shop):
    make(shop.folder, {"file": b"x"})
    from hub.snapshots.errors import StoreRefused  # noqa: PLC0415
    from tests.snapshots.faulty import Faulty  # noqa: PLC0415

    shop.backend = Faulty(shop.backend, 0, "refuses")
    with pytest.raises(StoreRefused):
        shop.take()
    assert shop.notes.stages == ["opening"]
    assert isinstance(shop.store(), Store)


def test_leases_of_hubs_that_are_gone_are_cleared_away_by_a_prune(tmp_path):
    shared = Shared()
    shared.put("leases/0123456789abcdef-aa-use", b"")
    shared.now += timedelta(seconds=lease.EXPIRES_S + 1)
    with held(shared, tmp_path, "use"):
        assert len(shared.objects) == 2
    with held(shared, tmp_path, "sweep"):
        assert len(shared.objects) == 1


def test_nothing_is_removed_next_to_a_snapshot_that_only_a_newer_program_knows(shop):
    fill(shop, 1)
    (shop.base / "store" / "snapshots" / "2030-v2.json").write_bytes(b"{}")
    packs = shop.packs
    with pytest.raises(Damaged, match="newer program"):
        shop.prune(snapshots=shop.ids())
    assert shop.packs == packs
    assert len(shop.ids()) == 1
