"""Commands under `progress-hub run`, and what the hub knows of them."""

import contextlib
import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import time
from pathlib import Path

from hub.client import HubRefused

ROOT = Path(__file__).parents[2]
DEADLINE_S = 30


def environment(**more):
    return os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm"} | more


def done(program, *command, stdin=b"", options=(), cwd=ROOT, **more):
    return subprocess.run(
        [*program, *options, "--", *command], input=stdin, capture_output=True, timeout=DEADLINE_S, cwd=cwd,
        env=environment(**more), check=False,
    )  # fmt: skip


def the_job(hub, project, wanted=lambda job: job.state.is_end):
    """The project's only job, once it is as `wanted`."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        with contextlib.suppress(HubRefused):
            jobs = hub.jobs(project=project)
            if jobs and wanted(jobs[0]):
                assert len(jobs) == 1
                return jobs[0]
        assert time.monotonic() < deadline, jobs
        time.sleep(0.02)


def logs(hub, job):
    """What a watcher from the beginning on reads."""
    wire = hub._wait(lambda client: client._hub._call("GET", f"/projects/{job.project}/history?limit=500", ("items",)))
    return [(item["level"], item["message"]) for item in wire["items"][::-1] if item["type"] == "log"]


@contextlib.contextmanager
def in_a_terminal(command, columns=90, **more):
    """The command with a terminal that is its controlling one, as under a shell; a Screen."""
    pid, ours = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.execvpe(command[0], command, environment(**more))
    screen = Screen(pid, ours)
    screen.resize(columns)
    try:
        yield screen
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
        os.close(ours)


class Screen:
    def __init__(self, pid, ours):
        self.pid = pid
        self._ours = ours
        self.seen = b""

    def resize(self, columns):
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def type(self, data):
        os.write(self._ours, data)

    def until(self, what):
        deadline = time.monotonic() + DEADLINE_S
        while what not in self.seen:
            assert time.monotonic() < deadline, self.seen
            try:
                data = os.read(self._ours, 65536)
            except OSError:
                data = b""
            assert data, self.seen
            self.seen += data

    def code(self):
        with contextlib.suppress(OSError):
            while data := os.read(self._ours, 65536):
                self.seen += data
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def is_alive(pid):
    """False also for one that has ended and that nobody has asked about."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
