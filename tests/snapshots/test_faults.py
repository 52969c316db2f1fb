"""A store that goes wrong at any request, in any way: a run ends well or says why, and every snapshot verifies."""

import random
import shutil

import pytest

from hub.core.errors import HubError
from hub.snapshots.backend import Location, ObjectStore
from hub.snapshots.errors import StoreLied
from tests.snapshots.faulty import HOWS, Died, Faulty, Mortal
from tests.snapshots.shop import Shop
from tests.snapshots.trees import content, make

FILES = {f"d{n % 3}/{n}": random.Random(n).randbytes(3000) for n in range(12)} | {"link": "d0/0", "none": None}


def real(base) -> ObjectStore:
    return ObjectStore(Location(url=str(base / "store")))


def count(base, work) -> int:
    """How many requests `work` makes when all goes well."""
    faulty = Faulty(real(base))
    work(Shop(base, faulty))
    return len(faulty.requests)


def take_a_second(shop: Shop) -> None:
    (shop.folder / "new").write_bytes(b"n" * 5000)
    (shop.folder / "d0" / "0").write_bytes(b"changed")
    shop.take(keep_work=True)


def prepared(base) -> Shop:
    shop = Shop(base)
    make(shop.folder, FILES)
    shop.take()
    return shop


def sound(base) -> Shop:
    """The store as it is, once everything works again: all that it has verifies."""
    shop = Shop(base, real(base))
    assert shop.verify().bad == {}
    return shop


@pytest.mark.timeout(240)
@pytest.mark.parametrize("how", HOWS)
def test_a_fault_at_any_request_of_a_snapshot(tmp_path, how):
    shop = prepared(tmp_path / "count")
    first = shop.ids()
    requests = count(tmp_path / "count", take_a_second)
    assert requests > 10
    for at in range(requests):
        base = tmp_path / f"{at}"
        shop = prepared(base)
        shutil.rmtree(shop.work, ignore_errors=True)
        faulty, failure = Faulty(real(base), at, how), None
        try:
            take_a_second(Shop(base, faulty))
        except HubError as exc:
            failure = exc.message
        assert failure != ""
        assert failure is None or how != "fails once", (at, faulty.requests[at])
        shop = sound(base)
        assert len(shop.ids()) in {len(first), len(first) + 1}
        # The next run, on the work that was left or without it, ends well and has all of it.
        if at % 2:
            shutil.rmtree(shop.work, ignore_errors=True)
        taken = shop.take()
        assert content(shop.restore(taken["snapshot"])) == content(shop.folder)
        sound(base)
        shutil.rmtree(base)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("how", ["fails once", "fails always", "refuses", "stores and fails", "lies always"])
def test_a_fault_at_any_request_of_a_removal(tmp_path, how):
    def prepare(base) -> list[str]:
        shop = prepared(base)
        take_a_second(shop)
        shutil.rmtree(shop.work)
        return shop.ids()

    ids = prepare(tmp_path / "count")
    requests = count(tmp_path / "count", lambda shop: shop.prune(snapshots=ids[:1]))
    assert requests > 8
    for at in range(requests):
        base = tmp_path / f"{at}"
        ids = prepare(base)
        shop, failure = Shop(base, Faulty(real(base), at, how)), None
        try:
            shop.prune(snapshots=ids[:1])
        except HubError as exc:
            failure = exc.message
        assert failure != ""
        shop = sound(base)
        assert content(shop.restore(ids[1])) == content(shop.folder)
        shop.prune()
        assert len(shop.take()) > 3
        sound(base)
        shutil.rmtree(base)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("after", [False, True], ids=["before it is served", "after it was served"])
@pytest.mark.parametrize("what", ["snapshot", "prune"])
def test_a_death_at_any_request(tmp_path, what, after):
    """Whatever the run was about to ask for next, all snapshots are whole, and the next run ends well."""

    def prepare(base) -> list[str]:
        shop = prepared(base)
        if what == "prune":
            take_a_second(shop)
            shutil.rmtree(shop.work)
        return shop.ids()

    at = deaths = 0
    is_over = False
    while not is_over:
        base = tmp_path / f"{at}"
        ids = prepare(base)
        mortal = Mortal(real(base), at, after=after)
        try:
            if what == "snapshot":
                take_a_second(Shop(base, mortal))
            else:
                Shop(base, mortal).prune(snapshots=ids[:1])
        except Died:
            deaths += 1
        is_over = not mortal.is_dead
        shop = sound(base)
        for id_ in shop.ids():
            shop.restore(id_, f"to-{id_}")
        if at % 2:
            shutil.rmtree(shop.work, ignore_errors=True)
        shop.prune()
        taken = shop.take()
        assert content(shop.restore(taken["snapshot"])) == content(shop.folder)
        sound(base)
        shutil.rmtree(base)
        at += 1
    assert deaths > 8


def test_a_store_that_lies_is_found_out_and_named(tmp_path):
    shop = Shop(tmp_path)
    make(shop.folder, FILES)

    class Liar(Faulty):
        def put(self, key, data):
            super().put(key, data[:-1] + b"!" if key.startswith("packs/") else data)

    shop.backend = Liar(real(tmp_path))
    with pytest.raises(StoreLied, match="gives back other bytes"):
        shop.take()
    assert shop.ids() == []
    assert shop.notes.said("Trying again")


def test_a_failure_is_tried_again_after_1_2_and_4_seconds_and_a_refusal_is_not(tmp_path, monkeypatch):
    pauses = []
    monkeypatch.setattr("hub.snapshots.store.Store._pause", lambda self, pause_s: pauses.append(pause_s))
    for how, wanted in (("fails always", [1.0, 2.0, 4.0]), ("refuses", []), ("is full", [])):
        pauses.clear()
        shop = Shop(tmp_path, Faulty(real(tmp_path), 0, how), pauses_s=(1.0, 2.0, 4.0))
        with pytest.raises(HubError):
            shop.take(dry_run=True)
        assert pauses == wanted


def test_a_retried_failure_is_told_in_the_log(tmp_path):
    shop = Shop(tmp_path, Faulty(real(tmp_path), 3, "fails once"))
    make(shop.folder, FILES)
    shop.take()
    assert shop.notes.said("Trying again in 0 s.")
