"""A child process as the engine sees it."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

LONGEST_S = 40.0


class ChildRun:
    """Starts on construction; `messages` grows as it is read."""

    def __init__(
        self,
        base: Path,
        url: str,
        *,
        number: int = 0,
        params: Mapping[str, Any] | None = None,
        secrets: Mapping[str, str] | None = None,
        rules: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
        command: Sequence[str] = (sys.executable, "-m", "hub.jobs.child"),
    ) -> None:
        self.work = base / "work" / str(number)
        self.home = base / "home"
        self.work.mkdir(parents=True)
        self.messages: list[dict[str, Any]] = []
        self._rest = b""
        self._log = (base / f"stderr-{number}").open("w+b")
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, start_new_session=True,
            env=dict(os.environ) | dict(env or {}),
        )  # fmt: skip
        target = {"id": "project", "name": "project", "url": url, "path": None}
        task = {
            "job": "job",
            "kind": "clone",
            "target": target,
            "params": dict(params or {}),
            "secrets": dict(secrets or {}),
            "workspace": {"work": str(self.work), "home": str(self.home)},
            "rules": {
                "roots": [], "allow_networks": ["127.0.0.0/8", "::1/128"], "connect_timeout_s": 10.0,
                "silence_timeout_s": 30.0, "min_free_bytes": 1, **(rules or {}),
            },
            "places": [{"target": target, "home": str(self.home)}],
            "resumed": False,
        }  # fmt: skip
        self.tell(json.dumps(task))

    def tell(self, line: str) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()

    def cancel(self) -> None:
        self.tell("cancel")

    def read(self, limit_s: float = LONGEST_S) -> Iterator[dict[str, Any]]:
        """Messages as they come, to the last."""
        deadline = time.monotonic() + limit_s
        while True:
            while b"\n" in self._rest:
                line, self._rest = self._rest.split(b"\n", 1)
                self.messages.append(json.loads(line))
                yield self.messages[-1]
            left = deadline - time.monotonic()
            assert left > 0, f"the child is not done in time, it said {self.messages[-5:]}"
            if select.select([self.process.stdout], [], [], left)[0]:
                chunk = os.read(self.process.stdout.fileno(), 65536)
                if not chunk:
                    return
                self._rest += chunk

    def wait_for(self, **wanted: Any) -> dict[str, Any]:
        """The next message that has these fields; `...` stands for any value."""
        for message in self.read():
            if all(name in message and value in (..., message[name]) for name, value in wanted.items()):
                return message
        raise AssertionError(f"never said {wanted}, but {self.messages[-3:]}, {self.stderr}")

    def end(self, limit_s: float = LONGEST_S) -> dict[str, Any]:
        """The last message, after the process has ended well."""
        for _ in self.read(limit_s):
            pass
        assert self.process.wait(5) == 0, self.stderr
        return self.messages[-1]

    def result(self) -> dict[str, Any]:
        last = self.end()
        assert "result" in last, (last, self.stderr)
        return last["result"]

    def failure(self) -> dict[str, Any]:
        last = self.end()
        assert "failed" in last, last
        return last["failed"]

    @property
    def stages(self) -> list[str]:
        return [message["stage"] for message in self.messages if "stage" in message]

    @property
    def progress(self) -> list[dict[str, Any]]:
        return [message["progress"] for message in self.messages if "progress" in message]

    @property
    def stderr(self) -> str:
        self._log.flush()
        return Path(self._log.name).read_text()

    @property
    def repo(self) -> Path:
        return self.home / "repo"

    def group_is_gone(self) -> bool:
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return True
        return False

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for file in (self.process.stdin, self.process.stdout, self._log):
            with contextlib.suppress(BrokenPipeError):
                file.close()
