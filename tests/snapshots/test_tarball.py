"""Archives, as other programs read them."""

import os
import random
import shutil
import subprocess

import pytest

from hub.snapshots import manifest, snapshot
from hub.snapshots.contents import Contents
from hub.snapshots.tarball import compressed, tar
from tests.snapshots.shop import Shop
from tests.snapshots.trees import content, make

pytestmark = pytest.mark.skipif(
    (shutil.which("tar") is None or shutil.which("zstd") is None) and not os.environ.get("CI"),
    reason="no tar or no zstd (apt install tar zstd)",
)


@pytest.fixture
def shop(tmp_path) -> Shop:
    return Shop(tmp_path)


def unpacked(shop: Shop, id_: str, prefix: bytes = b""):
    store = shop.store()
    root = manifest.read_root(store, snapshot.read(store, id_).root)

    def read(ref):
        return manifest.read_segment(store, ref)

    found = manifest.under(read, root, prefix)
    found = manifest.self_contained(read, root, found, prefix)
    archive = shop.base / "archive.tar.zst"
    archive.write_bytes(b"".join(compressed(tar(found, Contents(store), b"top"))))
    to = make(shop.base / "unpacked", {})
    done = subprocess.run(
        ["tar", "--zstd", "-xpf", str(archive), "-C", str(to)], capture_output=True, text=True, check=False
    )
    harmless = ("'hdrcharset'", "implausibly old time stamp")
    said = [line for line in done.stderr.splitlines() if not any(words in line for words in harmless)]
    assert (done.returncode, said) == (0, [])
    plain = subprocess.run(f"zstd -dc {archive} | tar -tf -", shell=True, capture_output=True, check=True)
    assert plain.stdout.count(b"\n") >= len(list(to.rglob("*"))) - 1
    return to / "top"


def test_gnu_tar_reads_whatever_a_folder_may_hold(shop):
    make(
        shop.folder,
        {
            "n" * 250: b"a long name",
            "/".join(["deep" * 20] * 12) + "/file": b"a long path",
            b"\xff\xfe": b"no text",
            "snow\N{SNOWMAN}": "l/" * 150,
            "none": None,
            "program": b"#!/bin/sh\n",
            "large": random.Random(1).randbytes(3_000_000),
        },
    )
    (shop.folder / "program").chmod(0o751)
    os.utime(shop.folder / "program", ns=(1, -1_500_000_000))
    os.utime(shop.folder / "large", ns=(1, 9_999_999_999_123_456_789 // 1000))
    os.link(shop.folder / "large", shop.folder / "last-name")
    os.utime(shop.folder / "none", ns=(1, 1_000_000_000))
    (shop.folder / "none").chmod(0o500)
    assert content(unpacked(shop, shop.take()["snapshot"])) == content(shop.folder)


def test_gnu_tar_reads_a_sparse_file_of_nine_gigabytes(shop):
    with (shop.folder / "sparse").open("wb") as file:
        file.seek(9 * 1024**3)
        file.write(b"end")
    found = unpacked(shop, shop.take()["snapshot"]) / "sparse"
    assert found.stat().st_size == 9 * 1024**3 + 3
    assert found.stat().st_blocks * 512 < 10_000_000
    with found.open("rb") as file:
        file.seek(-3, os.SEEK_END)
        assert file.read() == b"end"


def test_a_part_of_a_snapshot_has_all_that_its_further_names_are_of(shop):
    make(shop.folder, {"a/first": random.Random(1).randbytes(5000), "b/other": b"y"})
    for name in ("b/second", "b/third"):
        os.link(shop.folder / "a" / "first", shop.folder / name)
    assert content(unpacked(shop, shop.take()["snapshot"], b"b") / "b") == content(shop.folder / "b")
