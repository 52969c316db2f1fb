"""The measurement measures: every row at its smallest, from the command line to the table and the saved figures."""

import array
import importlib.util
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.bench import memory
from tests.bench.__main__ import ROWS, main
from tests.bench.contest import PEERS
from tests.bench.figures import Goal, Line, Plan, amount, load, table
from tests.bench.machine import BrokenError, MissingError, answered, compiled, ordered, process, said
from tests.bench.peer import MARK, PAYLOAD_BYTES, Setup, payload_text, websocket
from tests.bench.peers import hub, nchan, node_socketio
from tests.bench.session import serving, watching
from tests.conftest import missing

SMALLEST = (
    "--rounds=1", "--watchers=20", "--events=20", "--idle=40", "--stalled=5", "--seconds=0.5", "--rates=10,40",
    "--sizes=5,20", "--deliveries=400", "--peers=limit",
)  # fmt: skip


@pytest.fixture(autouse=True)
def compiler() -> None:
    if not (shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")):
        missing("a C compiler")


def measure(path: Path, *arguments: str) -> int:
    return main([*SMALLEST, *arguments, f"--figures={path}"])


@pytest.mark.parametrize("row", ["fanout", "latency", "memory", "stalled", "rate", "sweep", "publish", "surfaces"])
def test_a_row_is_measured_saved_and_told(
    row: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "BEAT_S", 0.2)
    if row == "stalled" and not (shutil.which("ss") or shutil.which("ss", path="/usr/sbin:/sbin")):
        missing("ss")
    path = tmp_path / "figures.json"
    assert measure(path, row) == 0
    told = capsys.readouterr().out
    assert "Not measured" not in told
    assert told.count("\n| ") > 2, "a head and at least one line"
    found = load(path)[row]
    assert found["rounds"] == 1
    assert found["samples"]
    assert all(line.cells() for line in ROWS[row].lines(found)), "the table can be made again from what is saved"


@pytest.mark.git
def test_the_clone_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which("git") is None:
        missing("git")
    bare, work = tmp_path / "small.git", tmp_path / "work"
    author = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    for command in (
        ["init", "--quiet", "--initial-branch=main", work],
        ["-C", work, *author, "commit", "--quiet", "--allow-empty", "-m", "one"],
        ["clone", "--quiet", "--bare", work, bare],
    ):
        subprocess.run(["git", *command], check=True)
    assert measure(tmp_path / "figures.json", "clone", f"--repository={bare}") == 0
    assert "first event after POST" in capsys.readouterr().out


@pytest.mark.parametrize(("peer", "transport"), [(peer.name, way) for peer in PEERS.values() for way in peer.watch])
def test_a_peer_delivers_everything_to_everybody(peer: str, transport: str, tmp_path: Path) -> None:
    if peer == "socket.io" and not node_socketio.cached().exists():
        pytest.skip("Socket.IO for Node is installed by a run of the measurement, not of the tests")
    setup = Setup(folder=tmp_path, watchers=10)
    try:
        with serving(peer, setup) as server, watching(server, setup, transport) as watchers:
            assert watchers.burst(server, 20, 10, 20.0).deliveries_s > 0
            assert len(watchers.latencies_ms(server, 5, 50, 20.0)) == 50
    except MissingError as exc:
        pytest.skip(f"peers are optional: {exc}")


def test_nobody_is_measured_with_another_payload() -> None:
    event = hub.Event(project=hub.PROJECT, seq=999, at=1, job=hub.JOB, kind=hub.KIND, body=hub.padded())
    wire = event.to_wire() | {"at": 1_700_000_000_000}
    for text in (json.dumps(wire, separators=(",", ":")), payload_text()):
        assert len(text) == PAYLOAD_BYTES
        assert text.startswith(MARK)


def test_an_absent_peer_is_named_and_the_rest_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nchan, "MODULES", ())
    path = tmp_path / "figures.json"
    assert measure(path, "rate", "--peers=limit,nchan") == 0
    assert "Not measured: Nchan in nginx: no" in capsys.readouterr().out
    assert load(path)["rate"]["samples"].keys() == {"limit", "hub"}


def test_a_hub_that_breaks_is_no_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    path = tmp_path / "figures.json"
    assert measure(path, "rate") == 1
    assert "Not measured: a process of the measurement ended early" in capsys.readouterr().out
    assert not path.exists()


def test_a_process_that_does_not_answer_is_killed() -> None:
    with process(["sleep", "60"], core=None) as sleeper:
        with pytest.raises(BrokenError, match="sleep did not answer within"):
            answered(sleeper, 0.1)
        assert sleeper.wait(10) != 0


def test_a_process_goes_with_all_that_it_started() -> None:
    script = "sleep 60 & echo '{\"pid\": '$!'}'; wait"
    with process(["sh", "-c", script], core=None) as shell:
        child = said(shell.stdout)["pid"]
    deadline = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and " Z " not in Path(f"/proc/{child}/stat").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)


EVENT = payload_text().encode()
PIECES = (EVENT[:1], EVENT[1:7], EVENT[7:] + EVENT[:9], EVENT[9:] + b'{{"typ', EVENT)
"""Three events, cut where it is worst, and after the second what only looks like a beginning."""


def test_the_load_side_counts_events_however_they_are_cut(tmp_path: Path) -> None:
    counting = threading.Event()

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + EVENT)  # before it counts
            counting.wait(10)
            for piece in PIECES:
                connection.sendall(piece)
                time.sleep(0.02)  # so that each is a read of its own
            connection.recv(1)

    (tmp_path / "say").write_bytes(websocket("/")[0][0])
    receipts = tmp_path / "receipts"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=[listener], daemon=True)
        thread.start()
        command = [compiled("load", tmp_path), listener.getsockname()[1], 1, MARK, tmp_path / "say", "\r\n\r\n"]
        with process(command, core=None) as loader:
            assert answered(loader, 10) == {"connected": 1}
            ordered(loader, f"count 4 1 {receipts}")
            assert answered(loader, 10) == {"counting": 4}
            counting.set()
            end = answered(loader, 20)
        thread.join(10)
    assert end["deliveries"] == 3
    when = array.array("Q", receipts.read_bytes())
    assert list(when[:3]) == sorted(when[:3])
    assert (when[0], when[2], when[3]) == (end["first_ns"], end["last_ns"], 0), "the fourth did not come"


def test_goals_hold_against_the_ratio_or_the_figure_itself() -> None:
    least, most = Goal(bound=2, is_least=True), Goal(bound=16, unit=" KB")
    assert Line(what="a", ratio=2.0, goal=least).is_met
    assert not Line(what="a", ratio=1.99, value=9.0, goal=least).is_met
    assert Line(what="a", value=16.0, goal=most).is_met
    assert Line(what="a", goal=most).is_met is None
    assert Line(what="a", ratio=1.0).is_met is None
    lines = table([Line(what="a", hub="1", peer="b: 2", ratio=0.5, goal=most), Line(what="c", value=17.0, goal=most)])
    assert lines.splitlines()[2:] == ["| a | 1 | b: 2 | 0.50 | <= 16 KB | yes |", "| c | | | | <= 16 KB | no |"]


@pytest.mark.parametrize(
    ("value", "said_as"),
    [(1_058_963, "1.06 M"), (999_700, "1.00 M"), (74_940, "74.9 k"), (9.996, "10.0"), (0.31, "0.31")],
)
def test_amounts_have_three_digits_that_count(value: float, said_as: str) -> None:
    assert amount(value) == said_as


def test_plots_are_drawn_again_without_measuring(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if importlib.util.find_spec("matplotlib") is None:
        missing("matplotlib (the extra `bench`)")
    samples = {
        f"{name}@{size}": [{"deliveries_s": size * 9.0, "p99_ms": size / 7, "rss_bytes": size * 1e4}]
        for name in ("limit", "hub")
        for size in Plan(folder=tmp_path).sizes
    }
    common = {"rounds": 3, "took_s": 1.0, "machine": "a machine", "absent": {}}
    rates = {"watchers": 1000, "rates": [1, 500], "samples": {"hub": [{"1": 0.002, "500": 0.7}]}}
    path = tmp_path / "figures.json"
    path.write_text(
        json.dumps({"sweep": {"sizes": [100, 10_000], "samples": samples} | common, "rate": rates | common})
    )
    drawn = []
    for _ in range(2):
        assert main(["--plot", f"--figures={path}"]) == 0
        drawn.append({image.name: image.read_text() for image in tmp_path.glob("*.svg")})
    assert drawn[0].keys() == {"fanout.svg", "memory.svg", "rate.svg"}
    assert drawn[0] == drawn[1], "the same figures make the same files"
    for image in drawn[0].values():
        assert len(image) < 60_000
        assert "the hub</text>" in image
        assert "@font-face" not in image
        assert "base64" not in image
    assert "10,000 watchers, bursts of 10" in capsys.readouterr().out


def test_without_figures_there_is_nothing_to_draw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--plot", f"--figures={tmp_path / 'none.json'}"]) == 1
    assert "there are no figures" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["--peers=nonsense"], ["--rounds=0"], ["--seconds=0"], ["--sizes=a"]]
)
def test_wrong_usage_is_said_and_measures_nothing(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert "usage: python -m tests.bench" in capsys.readouterr().err
