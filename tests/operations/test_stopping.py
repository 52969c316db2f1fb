"""Stopping and starting: a drain in mid-load loses nothing, a second signal hurries, and systemd is told of it all."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.web.listening.service_manager import ServiceManager, handed_over
from tests.operations.conftest import ROOT
from tests.processes import HubProcess

EXIT_S = 20.0


class Publisher(threading.Thread):
    """Publishes line after line with a key each, and again what was not acknowledged, until told to end."""

    def __init__(self, hub: HubProcess) -> None:
        super().__init__()
        self.hub = hub
        self.acknowledged = 0
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.is_set():
            event = {
                "job": "j", "kind": "train", "type": "log", "message": f"line {self.acknowledged}",
                "key": f"k{self.acknowledged}",
            }  # fmt: skip
            try:
                self.hub.call("POST", "projects/p/publish", {"events": [event]})
            except (OSError, ValueError):  # it is down, or went in mid-answer
                time.sleep(0.02)
            else:
                self.acknowledged += 1
                time.sleep(0.025)  # more than 50 lines a second would be left out


def test_a_restart_in_mid_load_loses_nothing_and_tells_nothing_twice(tmp_path: Path) -> None:
    hub = HubProcess(tmp_path / "data", "--drain-s", "0.3")
    try:
        hub.call("POST", "projects", {"id": "p"})
        hub.call("POST", "projects/p/publish", {"events": [{"job": "j", "kind": "train", "type": "job"}]})
        publisher = Publisher(hub)
        publisher.start()
        for _ in range(3):
            reached = publisher.acknowledged + 10
            wait(lambda: publisher.acknowledged >= reached)  # noqa: B023 - called at once
            assert hub.stop(signal.SIGTERM) == 0
            hub.start()
        reached = publisher.acknowledged + 5
        wait(lambda: publisher.acknowledged >= reached)
        publisher.done.set()
        publisher.join()
        told = hub.call("GET", "projects/p/history?type=log&order=asc&limit=200")["items"]
    finally:
        hub.close()
    assert [event["message"] for event in told] == [f"line {n}" for n in range(publisher.acknowledged)]


def wait(is_true: Any, timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def started(data: Path, **environ: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "hub", "serve", "--port", "0", "--data-dir", str(data)]
    return subprocess.Popen(
        command, cwd=ROOT, env=os.environ | environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def url_of(process: subprocess.Popen[str]) -> str:
    found = re.search(r"http://[\d.]+:\d+", process.stdout.readline())
    assert found, process.stderr.read()
    return found[0]


@pytest.mark.timeout(60)
def test_the_second_signal_waits_for_nobody_and_still_writes_what_was_published(tmp_path: Path) -> None:
    """A request whose body never ends keeps the first drain for seconds."""
    process = started(tmp_path / "data", HUB_LOG_FORMAT="json")
    url = url_of(process)
    call(url, "projects", {"id": "p"})
    call(url, "projects/p/publish", {"events": [{"job": "j", "kind": "train", "type": "job"}]})
    with socket.create_connection(url.removeprefix("http://").split(":")) as slow:
        slow.sendall(b"POST /api/v1/projects HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        assert '"action":"stopping"' in next(line for line in process.stderr if "stopping" in line)
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        _, said = process.communicate(timeout=EXIT_S)
    assert time.monotonic() - began < 2.5, "the first alone takes 3 s here"
    assert process.returncode == 0
    assert [json.loads(line)["action"] for line in said.splitlines()] == ["hurrying", "stopped"]
    again = HubProcess(tmp_path / "data")
    try:
        assert again.call("GET", "jobs/j")["state"] == "running"  # it is another program's, and goes on
    finally:
        again.close()


def call(url: str, path: str, body: Any) -> Any:
    request = urllib.request.Request(f"{url}/api/v1/{path}", data=json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(EXIT_S)
        yield sock


def heard(manager: socket.socket) -> dict[str, str]:
    return dict(line.split("=", 1) for line in manager.recv(4096).decode().splitlines())


def test_the_service_manager_hears_of_start_life_and_stop(tmp_path: Path, manager: socket.socket) -> None:
    watched = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "300000"}
    process = started(tmp_path / "data", **watched)
    url = url_of(process)
    assert heard(manager) == {"READY": "1", "STATUS": f"At {url}"}
    assert [heard(manager) for _ in range(3)] == [{"WATCHDOG": "1"}] * 3
    process.send_signal(signal.SIGTERM)
    while (said := heard(manager)) == {"WATCHDOG": "1"}:
        pass
    assert said == {"STOPPING": "1"}
    process.communicate(timeout=EXIT_S)
    assert process.returncode == 0


def test_a_terminal_that_goes_drains_the_hub(tmp_path: Path) -> None:
    process = started(tmp_path / "data", HUB_LOG_FORMAT="json")
    url_of(process)
    process.send_signal(signal.SIGHUP)
    _, said = process.communicate(timeout=EXIT_S)
    assert process.returncode == 0
    assert '"action":"stopped"' in said


def test_a_watchdog_for_another_process_is_none_of_ours() -> None:
    assert ServiceManager({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}).watchdog_s == 0
    assert ServiceManager({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": str(os.getpid())}).watchdog_s == 1
    assert ServiceManager({"WATCHDOG_USEC": "soon"}).watchdog_s == 0
    ServiceManager({"NOTIFY_SOCKET": "/nowhere/at/all"}).tell(READY="1")
    ServiceManager({}).tell(READY="1")


def test_sockets_for_another_process_are_none_of_ours() -> None:
    assert handed_over({}) == []
    assert handed_over({"LISTEN_FDS": "1", "LISTEN_PID": "1"}) == []
    assert handed_over({"LISTEN_FDS": "x", "LISTEN_PID": str(os.getpid())}) == []


def test_a_socket_that_was_handed_over_is_listened_on(tmp_path: Path) -> None:
    """As systemd does it: descriptor 3, and the child's own number in LISTEN_PID."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        script = (
            "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ['LISTEN_PID'] = str(os.getpid()); "
            "os.environ['LISTEN_FDS'] = '1'; os.execv(sys.executable, [sys.executable, *sys.argv[2:]])"
        )
        command = [sys.executable, "-c", script, str(listener.fileno()), "-m", "hub", "serve", "--port", "1",
                   "--data-dir", str(tmp_path / "data")]  # fmt: skip
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, pass_fds=[listener.fileno()]
        )
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=EXIT_S) as response:
            assert json.load(response)["status"] == "ok", "asked before it was up, answered when it was"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=EXIT_S)
    assert process.returncode == 0
