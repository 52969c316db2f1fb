"""The machine the figures come from: its C compiler, its cores, its processes."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

HERE = Path(__file__).parent
SERVER_CORE, LOAD_CORE = 0, 1


class MissingError(RuntimeError):
    """Something that this row is measured with is not on the machine."""


def compiled(name: str, folder: Path) -> Path:
    """The program of `name`.c."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise MissingError("no C compiler (apt-get install gcc)")
    program = folder / name
    subprocess.run([compiler, "-O2", "-o", program, HERE / f"{name}.c"], check=True)
    return program


@contextlib.contextmanager
def process(command: list[Any], core: int | None) -> Iterator["subprocess.Popen[str]"]:
    """A process on one core (None: on any), killed at the end of the block."""

    def pin() -> None:
        if core is not None and (os.cpu_count() or 1) > 1:
            os.sched_setaffinity(0, {core})

    started = subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=pin,  # noqa: PLW1509 - this program has no threads
        env=os.environ | {"PYTHONPATH": str(HERE.parents[1])},
    )
    try:
        yield started
    finally:
        started.kill()
        started.wait()
        if started.stdout is not None:
            started.stdout.close()


def said(output: IO[str] | None) -> dict[str, Any]:
    """The next JSON line a process says."""
    assert output is not None
    line = output.readline()
    if not line:
        raise RuntimeError("a process of the measurement ended early")
    return dict(json.loads(line))


def described() -> str:
    model = "unknown processor"
    with contextlib.suppress(OSError):
        rows = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((row.split(":", 1)[1].strip() for row in rows if row.startswith("model name")), model)
    return f"{os.cpu_count()} cores, {model}, Python {sys.version.split()[0]}, Linux {os.uname().release}"
