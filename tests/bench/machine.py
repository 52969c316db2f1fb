"""The machine the figures come from: its C compiler, its cores, its processes and what they cost."""

import contextlib
import functools
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

HERE = Path(__file__).parent
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = CORES[0], CORES[-1]
"""As the process that measures sees them: a peer that is pinned already sees its own core only."""
LONGEST_S = 300.0
"""No process of a measurement lives longer: whoever waits for its next line then learns that it has ended."""


class MissingError(RuntimeError):
    """Something that this row is measured with is not on the machine."""


class BrokenError(RuntimeError):
    """A step of a measurement did not come to its end; there is no figure."""


def compiled(name: str, folder: Path) -> Path:
    """The program of `name`.c, made once in each folder."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise MissingError("no C compiler (apt install gcc libc6-dev)")
    program = folder / Path(name).name
    if not program.exists():
        built = subprocess.run([compiler, "-O2", "-o", program, HERE / f"{name}.c"], capture_output=True, text=True)
        if built.returncode:
            raise MissingError(f"the C compiler does not work: {built.stderr.strip().splitlines()[-1]}")
    return program


@contextlib.contextmanager
def process(
    command: list[Any], core: int | None, env: dict[str, str] | None = None
) -> Iterator["subprocess.Popen[str]"]:
    """A process on one core (None: on any), killed with all it started at the end of the block."""
    started = subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(HERE.parents[1])} | (env or {}),
    )
    if core is not None:
        with contextlib.suppress(ProcessLookupError):  # ended already: the next line that is read says so
            os.sched_setaffinity(started.pid, {core})
    timer = threading.Timer(LONGEST_S, kill, [started])
    timer.daemon = True
    timer.start()
    try:
        yield started
    finally:
        timer.cancel()
        kill(started)
        started.wait()
        for stream in (started.stdin, started.stdout):
            with contextlib.suppress(OSError):  # closing tells what was not taken, and nobody is there to take it
                stream.close()  # type: ignore[union-attr]


def kill(started: "subprocess.Popen[str]") -> None:
    """The whole group. Once it has been waited for, the number may be another's, so never after that."""
    if started.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)


def said(output: IO[str] | None) -> dict[str, Any]:
    """The next JSON line a process says. Raises BrokenError when it ends instead."""
    assert output is not None
    line = output.readline()
    if not line:
        raise BrokenError("a process of the measurement ended early")
    return dict(json.loads(line))


def answered(started: "subprocess.Popen[str]", within_s: float) -> dict[str, Any]:
    """The next JSON line it says; past the deadline it is killed, which is BrokenError."""
    late = threading.Event()

    def give_up() -> None:
        late.set()
        kill(started)

    timer = threading.Timer(within_s, give_up)
    timer.start()
    try:
        return said(started.stdout)
    except BrokenError:
        if late.is_set():
            raise BrokenError(f"{Path(started.args[0]).name} did not answer within {within_s:.0f} s") from None  # type: ignore[index,arg-type]
        raise
    finally:
        timer.cancel()


def ordered(started: "subprocess.Popen[str]", order: str) -> None:
    """Raises BrokenError when it is not there to hear it."""
    assert started.stdin is not None
    try:
        started.stdin.write(order + "\n")
        started.stdin.flush()
    except OSError as exc:
        raise BrokenError("a process of the measurement ended early") from exc


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """This thread stays off the core that is measured."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_s(pid: int) -> float:
    """CPU time that a process and all its threads have taken, from its own clock (clock_getcpuclockid(3))."""
    return time.clock_gettime((~pid << 3) | 2)


def rss_bytes(pid: int) -> int:
    """Exact, unlike /proc/PID/status, which is late by some pages for each core."""
    return _kilobytes(Path(f"/proc/{pid}/smaps_rollup"), "Rss") * 1024


def kernel_bytes(port: int) -> int:
    """What the kernel holds for a server's connections on loopback: both queues, with the cost of each packet."""
    if (ss := shutil.which("ss") or shutil.which("ss", path="/usr/sbin:/sbin:/usr/bin")) is None:
        raise MissingError("no ss (apt install iproute2)")
    listed = subprocess.run([ss, "-tmnH", f"sport = :{port}"], capture_output=True, text=True, check=True).stdout
    held = re.findall(r"skmem:\(r(\d+),rb\d+,t\d+,tb\d+,f(\d+),w(\d+),o(\d+),bl(\d+)", listed)
    return sum(int(part) for found in held for part in found)


def raise_file_limit(files: int) -> None:
    """Let this process and those it starts have so many files open. Raises MissingError when it may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= files:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, max(hard, files)))
    except (ValueError, PermissionError) as exc:
        raise MissingError(f"{files} open files are needed, and the limit is {hard} (ulimit -n)") from exc


@functools.cache
def described() -> str:
    model = "unknown processor"
    with contextlib.suppress(OSError):
        rows = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((row.split(":", 1)[1].strip() for row in rows if row.startswith("model name")), model)
    return f"{os.cpu_count()} cores, {model}, Python {sys.version.split()[0]}, Linux {os.uname().release}"


def _kilobytes(path: Path, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", path.read_text(encoding="ascii"), re.MULTILINE)
    if found is None:
        raise BrokenError(f"{path} does not say {name}")
    return int(found[1])
