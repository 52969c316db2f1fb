"""Snapshots in a real S3 over HTTP: multipart, in proportion, and right or refused whatever request goes wrong."""

import random
import shutil
import time
import uuid
from dataclasses import replace

import pytest

from hub.core.errors import HubError
from hub.snapshots import backend
from hub.snapshots.backend import ObjectStore
from hub.snapshots.errors import StoreMisconfigured, StoreRefused, StoreUnreachable
from tests.snapshots.http_faults import FaultProxy
from tests.snapshots.s3 import BUCKET, S3, SECRETS
from tests.snapshots.shop import Shop
from tests.snapshots.trees import content, make


@pytest.fixture
def proxy(s3):
    made = FaultProxy(s3.endpoint, lambda number, method, path: None)
    yield made
    made.close()


def through(proxy: FaultProxy, base, prefix: str) -> Shop:
    return Shop(base, S3(proxy.endpoint).backend(prefix))


def fresh() -> str:
    return uuid.uuid4().hex


def test_what_is_very_large_goes_up_in_parts_and_comes_back_the_same(s3, proxy, tmp_path, monkeypatch):
    monkeypatch.setattr(backend, "PARTS_FROM", backend.PART_BYTES)
    shop = through(proxy, tmp_path, fresh())
    make(shop.folder, {"large": random.Random(1).randbytes(20_000_000), "a/b": b"x", "link": "a/b", b"\xff": b"y"})
    taken = shop.take()
    assert any(method == "POST" and "uploads" in path for method, path in proxy.requests), "no multipart upload"
    assert content(shop.restore(taken["snapshot"])) == content(shop.folder)
    assert shop.verify().bad == {}


def test_a_pack_goes_up_in_one_request_so_that_a_killed_run_leaves_no_parts(s3, proxy, tmp_path):
    shop = through(proxy, tmp_path, fresh())
    make(shop.folder, {"large": random.Random(1).randbytes(20_000_000)})
    shop.take()
    assert not any("uploads" in path for _, path in proxy.requests)


def test_an_upload_may_take_longer_than_a_store_may_be_silent(s3, proxy):
    store = ObjectStore(replace(S3(proxy.endpoint).location("x"), silence_timeout_s=0.5))
    proxy.rule = lambda number, method, path: time.sleep(1.5)
    store.put("packs/slow", b"x" * 1000)
    with pytest.raises(StoreUnreachable):
        store.get("packs/slow")


def test_what_is_uploaded_is_in_proportion_to_the_change(s3, proxy, tmp_path):
    shop = through(proxy, tmp_path, fresh())
    make(shop.folder, {f"d{n % 5}/{n}": random.Random(n).randbytes(50_000) for n in range(100)})
    shop.take()
    whole, proxy.sent_bytes = proxy.sent_bytes, 0
    assert whole > 5_000_000
    (shop.folder / "d2" / "2").write_bytes(random.Random(1000).randbytes(50_000))
    taken = shop.take()
    assert proxy.sent_bytes < 50_000 + 40_000
    assert taken["uploaded_bytes"] < 50_000 + 30_000
    assert content(shop.restore(taken["snapshot"])) == content(shop.folder)


def test_projects_share_a_bucket_and_not_their_objects(s3, tmp_path):
    shops = [Shop(tmp_path / name, s3.backend(name + fresh())) for name in ("one", "two")]
    for n, shop in enumerate(shops):
        make(shop.folder, {"file": b"%d" % n})
        shop.take()
    for n, shop in enumerate(shops):
        (id_,) = shop.ids()
        assert (shop.restore(id_) / "file").read_bytes() == b"%d" % n
        shop.prune(snapshots=[id_])
        assert list(shop.backend.list("")) == []


FILES = {f"d{n % 3}/{n}": random.Random(n).randbytes(3000) for n in range(8)} | {
    "large": random.Random(9).randbytes(9_000_000)
}


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("first", "what"), list(enumerate(["500", "drop", "half", "cut", "403"])))
def test_a_fault_at_http_requests_leaves_only_snapshots_that_verify(s3, proxy, tmp_path, first, what):
    def prepared(base) -> Shop:
        shop = through(proxy, base, fresh())
        make(shop.folder, FILES)
        return shop

    shop = prepared(tmp_path / "count")
    start = len(proxy.requests)
    shop.take()
    requests = len(proxy.requests) - start
    assert requests > 15
    shutil.rmtree(shop.base)
    # Each request with one of the faults; in process each is tried with all of them.
    for at in range(first, requests, 5):
        shop = prepared(tmp_path / f"{at}")
        wrong = len(proxy.requests) + at
        proxy.rule = lambda number, method, path, wrong=wrong: what if number == wrong else None
        failure = None
        try:
            shop.take(keep_work=True)
        except HubError as exc:
            failure = exc.message
        assert failure != ""
        assert not any(secret in (failure or "") for secret in SECRETS.values())
        assert failure is None or what != "500", "one failure is made good by another attempt"
        proxy.rule = lambda number, method, path: None
        assert shop.verify().bad == {}
        taken = shop.take()
        assert content(shop.restore(taken["snapshot"])) == content(shop.folder)
        shutil.rmtree(shop.base)


def test_a_store_that_fails_for_good_is_given_up_after_four_attempts(s3, proxy, tmp_path):
    shop = through(proxy, tmp_path, fresh())
    make(shop.folder, {"file": b"x"})
    proxy.rule = lambda number, method, path: "503" if method == "PUT" and "packs" in path else None
    with pytest.raises(HubError, match=r"503|made to fail"):
        shop.take()
    assert sum(method == "PUT" and "packs" in path for method, path in proxy.requests) == 4
    assert shop.ids() == []


def test_wrong_credentials_a_missing_bucket_and_a_missing_server_each_say_so(s3, tmp_path):
    absent = replace(s3.location(), url="s3://no-such-bucket/x")
    with pytest.raises(StoreRefused, match="bucket does not exist"):
        Shop(tmp_path / "a", ObjectStore(absent)).take()
    nobody = replace(s3.location(), options={**s3.options, "AWS_ENDPOINT": "http://127.0.0.1:1"})
    with pytest.raises(StoreUnreachable):
        Shop(tmp_path / "b", ObjectStore(nobody)).take()
    with pytest.raises(StoreMisconfigured):
        ObjectStore(replace(s3.location(), url="ftp://host/x"))
    with pytest.raises(StoreMisconfigured):
        ObjectStore(replace(s3.location(), url="s3://"))


def test_a_refusal_is_not_tried_again_and_tells_no_secret(s3, proxy, tmp_path):
    shop = through(proxy, tmp_path, fresh())
    proxy.rule = lambda number, method, path: "403"
    with pytest.raises(StoreRefused) as refused:
        shop.take()
    assert len(proxy.requests) == 1
    assert not any(secret in str(refused.value) for secret in SECRETS.values())
    assert BUCKET in proxy.requests[0][1]


def test_what_a_store_says_it_has_signed_is_not_told(s3):
    said = "Client error with status 403: <Error><StringToSign>AWS4 {0}</StringToSign><Signature>{0}</Signature>"
    told = s3.backend("x")._plain(ValueError(said.format("ab" * 32)))
    assert "abab" not in told
    assert told.startswith("Client error with status 403")
