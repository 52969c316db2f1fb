"""Whatever a folder holds and however it is edited: what is restored is the same, and differences are true."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.snapshots import manifest
from hub.snapshots.comparison import differences
from tests.snapshots.shop import Shop
from tests.snapshots.trees import content

ODD = [b"a", b"b", b"c", b"a-b", b"a.b", b"A", b"sn\xe2\x98\x83w", b"\xff\xfe", b"new\nline", b"-", b"..."]
NAMES = st.one_of(
    st.sampled_from(ODD),
    st.binary(min_size=1, max_size=12).filter(lambda name: not {b"/", b"\0"} & {bytes([one]) for one in name})
    .filter(lambda name: name not in {b".", b".."}),
)  # fmt: skip
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(b"/".join)
CONTENTS = st.one_of(
    st.binary(max_size=200),
    st.builds(lambda byte, count: byte * count, st.binary(min_size=1, max_size=3), st.integers(0, 30_000)),
)
MODES = st.sampled_from([0o644, 0o600, 0o755, 0o400, 0o777, *([0o000] if os.geteuid() == 0 else [])])
TIMES = st.integers(-(10**9) * 1000, 4 * 10**18)
EDITS = st.one_of(
    st.tuples(st.just("write"), PATHS, CONTENTS),
    st.tuples(st.just("folder"), PATHS),
    st.tuples(st.just("link"), PATHS, NAMES),
    st.tuples(st.just("hard link"), PATHS, PATHS),
    st.tuples(st.just("mode"), PATHS, MODES),
    st.tuples(st.just("time"), PATHS, TIMES),
    st.tuples(st.just("move"), PATHS, PATHS),
    st.tuples(st.just("remove"), PATHS),
    st.tuples(st.just("sparse"), PATHS, st.integers(300_000, 5_000_000), st.integers(0, 5_000_000)),
)


def edit(root: Path, what: str, name: bytes, *more) -> None:
    """Do it if the folder lets it be done."""
    path = root / os.fsdecode(name)
    try:
        if what in {"write", "folder", "link", "hard link", "sparse"}:
            path.parent.mkdir(parents=True, exist_ok=True)
        if what == "write" and not path.is_symlink():
            path.write_bytes(more[0])
        elif what == "sparse" and not path.is_symlink() and not path.exists():
            with path.open("wb") as file:
                file.truncate(more[0])
                file.seek(min(more[1], more[0] - 1))
                file.write(b"!")
        elif what == "folder":
            path.mkdir()
        elif what == "link":
            path.symlink_to(os.fsdecode(more[0]))
        elif what == "hard link":
            os.link(root / os.fsdecode(more[0]), path, follow_symlinks=False)
        elif what == "mode" and not path.is_symlink():
            path.chmod(more[0] | (0o700 if path.is_dir() else 0))
        elif what == "time":
            os.utime(path, ns=(0, more[0]), follow_symlinks=False)
        elif what == "move":
            path.rename(root / os.fsdecode(more[0]))
        elif what == "remove" and path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif what == "remove":
            path.unlink()
    except (OSError, ValueError):
        pass  # there is no such thing, or something else stands there


@pytest.mark.timeout(240)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(rounds=st.lists(st.lists(EDITS, max_size=12), min_size=1, max_size=3))
def test_every_snapshot_gives_back_its_folder_and_differences_are_true(rounds):
    with tempfile.TemporaryDirectory() as base:
        shop = Shop(Path(base))
        taken = []
        for edits in rounds:
            for one in edits:
                edit(shop.folder, *one)
            taken.append((shop.take()["snapshot"], content(shop.folder)))
        for number, (id_, was) in enumerate(taken):
            assert content(shop.restore(id_, f"to-{number}")) == was
        for one, before in taken:
            for other, after in taken:
                assert told(shop, one, other) == real(before, after)
        assert shop.verify().bad == {}


def told(shop: Shop, one: str, other: str) -> dict[bytes, str]:
    store = shop.store()
    found = differences(lambda ref: manifest.read_segment(store, ref), shop.root(one), shop.root(other))
    listed = [(difference.path, difference.change) for difference in found]
    assert listed == sorted(listed)
    return dict(listed)


def real(before, after) -> dict[bytes, str]:
    found = dict.fromkeys(before.keys() - after.keys(), "removed")
    found |= dict.fromkeys(after.keys() - before.keys(), "added")
    return found | {path: "changed" for path in before.keys() & after.keys() if before[path] != after[path]}
