"""Snapshots over HTTP: made by jobs, listed, compared, downloaded in parts and as a whole, restored, deleted."""

import asyncio
import io
import os
import random
import stat
import tarfile
from pathlib import Path

import aiohttp
import pytest
import zstandard

from hub.snapshots import manifest, snapshot
from hub.snapshots.backend import Location, ObjectStore
from hub.snapshots.store import Store, digest
from tests.conftest import until
from tests.hubs import running
from tests.snapshots.http_faults import FaultProxy
from tests.snapshots.s3 import BUCKET, SECRETS, serving
from tests.snapshots.trees import content, make

API = "/api/v1/projects/p"
DATA = random.Random(7).randbytes(300_000)
FILES = {
    "a.txt": b"hello\n",
    "src/main.c": b"int main(void) { return 0; }\n" * 20,
    "src/deep/x": b"x",
    "src2/other": b"y",
    "large.bin": DATA,
    "link": "a.txt",
    "none": None,
    b"odd-\xff": b"odd",
    "sn\N{SNOWMAN}w": b"snow",
}


@pytest.fixture
async def hub(tmp_path):
    roots = tmp_path / "roots"
    make(roots / "folder", FILES)
    async with running(tmp_path / "data", roots=(str(roots),), snapshot_quiet_s=0.0) as hub:
        hub.folder, hub.roots = roots / "folder", roots
        status, project, _ = await hub.call("POST", "/api/v1/projects", {"path": str(hub.folder), "id": "p"})
        assert status == 201, project
        yield hub


async def job(hub, kind="snapshot", project="p", **params):
    """The ended job."""
    path = f"/api/v1/projects/{project}/jobs"
    status, started, _ = await hub.call("POST", path, {"kind": kind, "params": params})
    assert status == 202, started
    return await ended(hub, started["id"])


async def ended(hub, id_):
    def over():
        found = hub.hub.tracker.job("p", id_)
        return found if found is not None and found.state.is_end else None

    return (await until(over, 40)).to_wire()


async def take(hub, **params):
    done = await job(hub, **params)
    assert done["state"] == "succeeded", done
    return done["result"]


async def read(hub, path, **kwargs):
    async with hub.session.request(kwargs.pop("method", "GET"), hub.url + path, **kwargs) as response:
        return response.status, await response.read(), response.headers


def on_quarters(folder: Path) -> None:
    """Times that Python's tarfile, which counts in floats, gives back as they are."""
    for above, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            os.utime(Path(above, name), ns=(0, 1_700_000_000_250_000_000), follow_symlinks=False)


def without_link_times(folder: Path) -> dict[bytes, tuple]:
    """Python's tarfile does not set those."""
    return {path: told if told[0] != stat.S_IFLNK else told[:2] for path, told in content(folder).items()}


def extracted(data: bytes, to: Path) -> Path:
    raw = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        # As an attribute, because the argument is newer than Python 3.11.4, which not every system has.
        tar.extraction_filter = getattr(tarfile, "tar_filter", None)
        tar.extractall(to)
    (top,) = to.iterdir()
    return top


async def test_a_project_without_snapshots_has_an_empty_list(hub):
    status, body, _ = await hub.call("GET", f"{API}/snapshots")
    assert (status, body) == (200, {"items": [], "total": 0})
    status, body, _ = await hub.call("GET", "/api/v1/projects/none/snapshots")
    assert (status, body["error"]["code"]) == (404, "not_found")


async def test_snapshots_are_listed_newest_first_in_pages_and_shown(hub):
    taken = [(await take(hub))["snapshot"] for _ in range(3)]
    status, page, headers = await hub.call("GET", f"{API}/snapshots?limit=2")
    assert status == 200
    assert headers["Cache-Control"] == "no-store"
    newest = sorted(taken, reverse=True)
    assert [item["id"] for item in page["items"]] == newest[:2]
    assert page["total"] == 3
    _, rest, _ = await hub.call("GET", f"{API}/snapshots?limit=2&cursor={page['next']}")
    assert [item["id"] for item in rest["items"]] == newest[2:]
    assert "next" not in rest
    status, one, _ = await hub.call("GET", f"{API}/snapshots/{taken[0]}")
    assert (status, one["files"], one["links"], one["folders"]) == (200, 7, 1, 4)
    assert one["entries"] == 12
    assert one["source"] == str(hub.folder)


@pytest.mark.parametrize(
    "path",
    [
        "snapshots?cursor=x",
        "snapshots?limit=0",
        "snapshots/{id}/files?type=socket",
        "snapshots/{id}/files?cursor=%3D%3D%3D",
        "snapshots/{id}/file",
        "snapshots/{id}/file?path_bytes=zz",
    ],
)
async def test_a_request_that_makes_no_sense_is_refused(hub, path):
    id_ = (await take(hub))["snapshot"]
    status, body, _ = await hub.call("GET", f"{API}/{path.format(id=id_)}")
    assert (status, body["error"]["code"]) == (400, "unknown_cursor" if "cursor" in path else "bad_request")


@pytest.mark.parametrize("id_", ["none", "20200101T000000.000Z-abcdef", "..%2Fpacks"])
@pytest.mark.parametrize("what", ["", "/files", "/archive", "/file?path=a.txt", "/diff/20200101T000000.000Z-abcdee"])
async def test_a_snapshot_that_was_never_there_is_not_found(hub, id_, what):
    status, body, _ = await hub.call("GET", f"{API}/snapshots/{id_}{what}")
    assert (status, body["error"]["code"]) == (404, "no_snapshot")


async def test_the_manifest_is_paged_and_filtered(hub):
    id_ = (await take(hub))["snapshot"]
    found, cursor = [], ""
    while True:
        _, page, _ = await hub.call("GET", f"{API}/snapshots/{id_}/files?limit=5{cursor}")
        assert page["total"] == 12
        found += page["items"]
        if "next" not in page:
            break
        cursor = f"&cursor={page['next']}"
    assert [item["path"] for item in found] == sorted(item["path"] for item in found)
    assert {item["type"] for item in found} == {"file", "dir", "link"}
    by_path = {item["path"]: item for item in found}
    assert by_path["link"]["target"] == "a.txt"
    assert by_path["a.txt"]["sha256"] == digest(b"hello\n")
    assert by_path["odd-\\xff"]["path_bytes"] == b"odd-\xff".hex()
    _, page, _ = await hub.call("GET", f"{API}/snapshots/{id_}/files?path=src/&type=file")
    assert [item["path"] for item in page["items"]] == ["src/deep/x", "src/main.c"]
    assert page["total"] == 2


async def test_two_snapshots_are_compared_in_pages(hub):
    one = (await take(hub))["snapshot"]
    (hub.folder / "a.txt").write_bytes(b"other\n")
    (hub.folder / "src2" / "other").unlink()
    (hub.folder / "new").write_bytes(b"new")
    (hub.folder / "src" / "main.c").chmod(0o755)
    two = (await take(hub))["snapshot"]
    status, page, _ = await hub.call("GET", f"{API}/snapshots/{one}/diff/{two}")
    assert status == 200
    told = {item["path"]: (item["change"], item.get("fields")) for item in page["items"]}
    assert told == {
        "a.txt": ("changed", ["content", "mtime"]),
        "new": ("added", None),
        "src/main.c": ("changed", ["mode"]),
        "src2": ("changed", ["mtime"]),
        "src2/other": ("removed", None),
    }
    assert (page["total"], page["added"], page["removed"], page["changed"]) == (5, 1, 1, 3)
    _, first, _ = await hub.call("GET", f"{API}/snapshots/{one}/diff/{two}?limit=3")
    _, rest, _ = await hub.call("GET", f"{API}/snapshots/{one}/diff/{two}?limit=3&cursor={first['next']}")
    assert first["items"] + rest["items"] == page["items"]
    _, same, _ = await hub.call("GET", f"{API}/snapshots/{one}/diff/{one}")
    assert (same["items"], same["total"]) == ([], 0)


async def test_the_archive_holds_the_folder_as_it_was(hub, tmp_path):
    os.link(hub.folder / "a.txt", hub.folder / "second")
    on_quarters(hub.folder)
    id_ = (await take(hub))["snapshot"]
    status, data, headers = await read(hub, f"{API}/snapshots/{id_}/archive")
    assert status == 200
    assert headers["Content-Type"] == "application/zstd"
    assert headers["Content-Disposition"].startswith(f'attachment; filename="folder-{id_}.tar.zst"')
    assert headers["Accept-Ranges"] == "none"
    assert without_link_times(extracted(data, tmp_path / "out")) == without_link_times(hub.folder)
    status, data, _ = await read(hub, f"{API}/snapshots/{id_}/archive", headers={"If-None-Match": headers["ETag"]})
    assert (status, data) == (304, b"")
    status, data, again = await read(hub, f"{API}/snapshots/{id_}/archive", method="HEAD")
    assert (status, data, again["ETag"]) == (200, b"", headers["ETag"])
    _, data, _ = await read(hub, f"{API}/snapshots/{id_}/archive?path=src")
    assert sorted(content(extracted(data, tmp_path / "part"))) == [
        b"src", b"src/deep", b"src/deep/x", b"src/main.c",
    ]  # fmt: skip


async def test_a_sparse_file_goes_into_the_archive_without_its_holes(hub, tmp_path):
    with (hub.folder / "sparse").open("wb") as file:
        file.write(b"begin")
        file.seek(1024**3)
        file.write(b"end")
    id_ = (await take(hub))["snapshot"]
    _, data, _ = await read(hub, f"{API}/snapshots/{id_}/archive?path=sparse")
    assert len(data) < 10_000
    restored = extracted(data, tmp_path / "out") / "sparse"
    assert restored.stat().st_size == 1024**3 + 3
    with restored.open("rb") as file:
        assert file.read(5) == b"begin"
        file.seek(1024**3)
        assert file.read() == b"end"


async def test_one_file_is_read_whole_and_in_ranges(hub):
    id_ = (await take(hub))["snapshot"]
    url = f"{API}/snapshots/{id_}/file?path=large.bin"
    status, data, headers = await read(hub, url)
    assert (status, data, headers["ETag"]) == (200, DATA, f'"{digest(DATA)}"')
    assert headers["Accept-Ranges"] == "bytes"
    for text, wanted in (
        ("bytes=0-9", DATA[:10]),
        ("bytes=299990-", DATA[-10:]),
        ("bytes=-7", DATA[-7:]),
        ("bytes=299990-999999", DATA[-10:]),
    ):
        status, data, headers = await read(hub, url, headers={"Range": text})
        assert (status, data) == (206, wanted), text
        assert headers["Content-Range"].endswith("/300000")
    status, _, headers = await read(hub, url, headers={"Range": "bytes=300000-"})
    assert (status, headers["Content-Range"]) == (416, "bytes */300000")
    status, data, _ = await read(hub, url, headers={"Range": "bytes=0-9", "If-Range": '"another"'})
    assert (status, len(data)) == (200, 300_000)
    status, data, headers = await read(hub, url, method="HEAD")
    assert (status, data, headers["Content-Length"]) == (200, b"", "300000")
    status, data, headers = await read(hub, f"{API}/snapshots/{id_}/file?path=sn%E2%98%83w")
    assert data == b"snow"
    assert headers["Content-Disposition"] == "attachment; filename=\"sn_w\"; filename*=UTF-8''sn%E2%98%83w"
    odd = b"odd-\xff".hex()
    _, data, _ = await read(hub, f"{API}/snapshots/{id_}/file?path_bytes={odd}")
    assert data == b"odd"
    for path, code in (("nothing", "no_such_file"), ("src", "no_such_file")):
        status, body, _ = await hub.call("GET", f"{API}/snapshots/{id_}/file?path={path}")
        assert (status, body["error"]["code"]) == (404, code)


async def test_a_deleted_snapshot_is_gone_and_what_it_alone_needed_with_it(hub):
    first = (await take(hub))["snapshot"]
    (hub.folder / "large.bin").write_bytes(random.Random(8).randbytes(300_000))
    second = (await take(hub))["snapshot"]
    status, started, headers = await hub.call("DELETE", f"{API}/snapshots/{first}")
    assert status == 202
    assert headers["Location"] == f"/api/v1/jobs/{started['id']}"
    done = await ended(hub, started["id"])
    assert done["state"] == "succeeded", done
    assert done["result"]["removed"] == [first]
    status, body, _ = await hub.call("GET", f"{API}/snapshots/{first}")
    assert (status, body["error"]["code"]) == (410, "snapshot_deleted")
    status, body, _ = await hub.call("DELETE", f"{API}/snapshots/{first}")
    assert status == 410
    _, data, _ = await read(hub, f"{API}/snapshots/{second}/file?path=large.bin")
    assert data == (hub.folder / "large.bin").read_bytes()
    assert (await job(hub, "verify"))["state"] == "succeeded"


async def test_a_restore_goes_to_a_folder_inside_the_roots_and_nowhere_else(hub, tmp_path):
    id_ = (await take(hub))["snapshot"]
    to = hub.roots / "restored"
    done = await job(hub, "restore", snapshot=id_, to=str(to))
    assert done["state"] == "succeeded", done
    assert content(to) == content(hub.folder)
    done = await job(hub, "restore", snapshot=id_, to=str(to))
    assert (done["state"], done["error"]["code"]) == ("failed", "not_empty")
    (to / "a.txt").write_bytes(b"changed")
    done = await job(hub, "restore", snapshot=id_, to=str(to), overwrite=True)
    assert content(to) == content(hub.folder)
    status, body, _ = await hub.call(
        "POST", f"{API}/jobs", {"kind": "restore", "params": {"snapshot": id_, "to": str(tmp_path / "elsewhere")}}
    )
    assert (status, body["error"]["code"]) == (400, "url_refused")
    (hub.roots / "out").symlink_to(tmp_path)
    done = await job(hub, "restore", snapshot=id_, to=str(hub.roots / "out" / "elsewhere"))
    assert done["error"]["code"] == "url_refused"
    assert not (tmp_path / "elsewhere").exists()


async def test_a_client_that_leaves_ends_the_process_that_made_its_archive(hub):
    for n in range(8):
        (hub.folder / f"more-{n}").write_bytes(random.Random(n).randbytes(4_000_000))
    id_ = (await take(hub))["snapshot"]
    response = await hub.session.get(f"{hub.url}{API}/snapshots/{id_}/archive")
    assert await response.content.read(1000)
    assert streaming()
    response.close()
    await until(lambda: not streaming())


def streaming() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            parent = path.with_name("stat").read_text().rpartition(")")[2].split()[1]
            if b"hub.snapshots.stream_process" in path.read_bytes() and int(parent) == os.getpid():
                found.append(path.parent.name)
        except OSError:
            continue
    return found


async def test_a_client_that_reads_slowly_costs_no_memory_and_gets_all(hub, tmp_path):
    for n in range(6):
        (hub.folder / f"more-{n}").write_bytes(random.Random(n).randbytes(4_000_000))
    on_quarters(hub.folder)
    id_ = (await take(hub))["snapshot"]
    async with hub.session.get(f"{hub.url}{API}/snapshots/{id_}/archive") as response:
        data = await response.content.read(1000)
        (pid,) = streaming()
        before = int(Path(f"/proc/{pid}/io").read_text().split("wchar: ")[1].split()[0])
        await asyncio.sleep(0.3)  # time in which it could run ahead
        after = int(Path(f"/proc/{pid}/io").read_text().split("wchar: ")[1].split()[0])
        assert before <= after < 12_000_000  # what sockets and pipes hold, not the 24 MB
        data += await response.content.read()
    assert without_link_times(extracted(data, tmp_path / "out")) == without_link_times(hub.folder)


async def test_an_archive_that_cannot_be_finished_breaks_the_connection(hub, tmp_path):
    for n in range(12):
        (hub.folder / f"more-{n:02}").write_bytes(random.Random(n).randbytes(4_000_000))
    id_ = (await take(hub))["snapshot"]
    store = Store(ObjectStore(Location(url=str(tmp_path / "data" / "projects" / "p" / "snapshots" / "store"))))
    root = manifest.read_root(store, snapshot.read(store, id_).root)
    entry = manifest.find(
        lambda ref: manifest.read_segment(store, ref), root, b"more-05"
    )  # small files are in the last pack
    store.delete([f"packs/{entry.pieces[0].place.pack}"])
    with pytest.raises(aiohttp.ClientPayloadError):
        await read(hub, f"{API}/snapshots/{id_}/archive")


async def test_damage_is_found_named_and_healed_by_the_next_snapshot(hub, tmp_path):
    id_ = (await take(hub))["snapshot"]
    (pack,) = (tmp_path / "data").glob("projects/p/snapshots/store/packs/*")
    raw = bytearray(pack.read_bytes())
    place = raw.find(DATA[1000:1100])
    raw[place] ^= 1
    pack.write_bytes(raw)
    done = await job(hub, "verify")
    assert (done["state"], done["error"]["code"]) == ("failed", "damaged")
    assert f"packs/{pack.name}" in done["error"]["message"]
    assert f"{id_} (1 files)" in done["error"]["message"]
    _, page, _ = await hub.call("GET", f"{API}/snapshots")
    assert page["items"][0]["damaged_files"] == 1
    to = hub.roots / "restored"
    done = await job(hub, "restore", snapshot=id_, to=str(to))
    assert done["error"]["code"] == "damaged"
    assert set(content(hub.folder)) - set(content(to)) == {b"large.bin"}
    again = await take(hub)
    assert again["new_files"] >= 1
    done = await job(hub, "restore", snapshot=again["snapshot"], to=str(hub.roots / "healed"))
    assert content(hub.roots / "healed") == content(hub.folder)


async def test_a_store_that_cannot_be_reached_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLEEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret-indeed-0123456789")
    async with running(tmp_path / "data", snapshot_store="s3://bucket/x") as hub:
        await hub.make_project()
        status, body, _ = await hub.call("GET", f"{API}/snapshots")
        assert (status, body["error"]["code"]) == (503, "store_unreachable")
        assert "very-secret" not in str(body)
        assert "AKIA" not in str(body)


async def test_a_store_in_the_cloud_is_reached_with_the_hubs_own_credentials_which_nobody_sees(tmp_path, monkeypatch):
    with serving() as s3:
        for name, text in {**SECRETS, **s3.options}.items():
            monkeypatch.setenv(name, text)
        folder = make(tmp_path / "roots" / "folder", FILES)
        options = {"roots": (str(tmp_path / "roots"),), "snapshot_quiet_s": 0.0}
        async with running(tmp_path / "data", snapshot_store=f"s3://{BUCKET}/hub", **options) as hub:
            await hub.call("POST", "/api/v1/projects", {"path": str(folder), "id": "p"})
            done = await job(hub)
            assert done["state"] == "succeeded", done
            id_ = done["result"]["snapshot"]
            _, page, _ = await hub.call("GET", f"{API}/snapshots")
            assert [item["id"] for item in page["items"]] == [id_]
            _, data, _ = await read(hub, f"{API}/snapshots/{id_}/archive")
            assert sorted(content(extracted(data, tmp_path / "out"))) == sorted(content(folder))
            _, history, _ = await hub.call("GET", f"{API}/history")
            assert not any(secret in str(history) + str(done) for secret in SECRETS.values())
            assert done["params"] == {}
        assert not any(list((tmp_path / "data").glob("projects/p/snapshots/store/*")))


async def test_a_snapshot_goes_on_by_itself_after_a_restart_and_through_a_pause(tmp_path, monkeypatch):
    folder = make(tmp_path / "roots" / "folder", {f"{n}": random.Random(n).randbytes(9_000_000) for n in range(6)})
    options = {"roots": (str(tmp_path / "roots"),), "snapshot_quiet_s": 0.0, "snapshot_store": f"s3://{BUCKET}/hub"}
    with serving() as s3:
        proxy = FaultProxy(s3.endpoint, lambda number, method, path: "slow" if "/packs/" in path else None)
        for name, text in {**SECRETS, **s3.options, "AWS_ENDPOINT": proxy.endpoint}.items():
            monkeypatch.setenv(name, text)
        async with running(tmp_path / "data", **options) as hub:
            await hub.call("POST", "/api/v1/projects", {"path": str(folder), "id": "p"})
            _, started, _ = await hub.call("POST", f"{API}/jobs", {"kind": "snapshot"})
            await until(lambda: any("/packs/" in path for _, path in proxy.requests), 40)
            assert (await hub.call("POST", f"/api/v1/jobs/{started['id']}/pause", {}))[0] == 202
            assert (await hub.call("POST", f"/api/v1/jobs/{started['id']}/resume", {}))[0] == 202
        async with running(tmp_path / "data", **options) as hub:
            _, jobs, _ = await hub.call("GET", "/api/v1/jobs?project=p&kind=snapshot")
            newest, first = jobs["items"]
            assert (first["state"], first["resumable"], newest["resumed"]) == ("interrupted", True, True)
            done = await ended(hub, newest["id"])
            assert done["state"] == "succeeded", done
            assert (await job(hub, "verify"))["state"] == "succeeded"
        proxy.close()
