"""The hub as a process of its own: what `kill -9` and a restart are tried on."""

import json
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

START_S = 20.0


class HubProcess:
    """The program as a user starts it. Stopped and started again, it keeps its port and its data."""

    def __init__(self, data_dir: Path, *flags: str) -> None:
        self.data_dir = data_dir
        self._flags = flags
        self._port = 0
        self.start()

    def start(self) -> None:
        command = [
            sys.executable, "-m", "hub", "serve", "--port", str(self._port), "--data-dir", str(self.data_dir),
            "--allow-networks", "127.0.0.0/8", *self._flags,
        ]  # fmt: skip
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        found = re.search(r"http://[\d.]+:(\d+)", self._process.stdout.readline())
        assert found, "the hub did not say where it is"
        self._port = int(found[1])
        self.url = found[0] + "/"

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; returns the exit code."""
        self._process.send_signal(number)
        code = self._process.wait(START_S)
        self._process.stdout.close()
        return code

    def close(self) -> None:
        if self._process.poll() is None:
            self.stop()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON answer; errors raise."""
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"{self.url}api/v1/{path}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=20) as response:
            return json.load(response)
