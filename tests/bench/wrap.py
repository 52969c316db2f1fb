"""Wrapping: what a step costs a loop, and what a wrapped command's output costs on its way."""

import io
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from hub.client import Client
from tests.bench import figures
from tests.bench.figures import Goal, Line, Plan, Row
from tests.bench.machine import MissingError
from tests.processes import HubProcess

STEPS = 1_000_000
BYTES = 1_000_000_000
COMMANDS = {"lines": f"yes | head -c {BYTES}", "binary": f"head -c {BYTES} /dev/zero"}
"""Half a billion lines of one letter, and a line without an end."""


def measure(plan: Plan) -> figures.Figures:
    try:
        from tqdm import tqdm  # noqa: PLC0415 - a peer that may be missing
    except ImportError as exc:
        raise MissingError("no tqdm (pip install tqdm)") from exc
    if shutil.which("yes") is None:
        raise MissingError("no yes, no head (apt install coreutils)")
    with tempfile.TemporaryDirectory() as name:
        hub = HubProcess(Path(name))
        try:
            return _measure(hub.url, plan.rounds, lambda steps: tqdm(steps, file=io.StringIO()))
        finally:
            hub.close()


def _measure(url: str, rounds: int, bar: Callable[[range], Iterable[int]]) -> figures.Figures:
    steps: dict[str, list[float]] = {"bare": [], "tqdm": [], "track": [], "update": [], "away": []}
    passed: dict[str, list[float]] = {f"{way} {what}": [] for way in ("pipe", "run") for what in COMMANDS}
    for _ in range(rounds):
        for way, took in _loops(url, bar).items():
            steps[way].append(took)
        for what, command in COMMANDS.items():
            run = f"{sys.executable} -m hub run --hub {url} --project bench -- sh -c '{command}'"
            passed[f"pipe {what}"].append(_timed(f"{command} | cat > /dev/null"))
            passed[f"run {what}"].append(_timed(f"{run} > /dev/null"))
    ns = {f"{way}_ns": statistics.median(took) / STEPS * 1e9 for way, took in steps.items()}
    return ns | {f"{way.replace(' ', '_')}_s": statistics.median(took) for way, took in passed.items()}


def _loops(url: str, bar: Callable[[range], Iterable[int]]) -> dict[str, float]:
    """Seconds of a loop of STEPS that does nothing, in each way."""
    took = {"bare": _walk(range(STEPS)), "tqdm": _walk(bar(range(STEPS)))}
    with Client.sync(url) as hub:
        with hub.job("bench", project="bench", total=STEPS) as job:
            took["track"] = _walk(job.track(range(STEPS)))
        with hub.job("bench", project="bench", total=STEPS) as job:
            began = time.perf_counter()
            for n in range(STEPS):
                job.update(n)
            took["update"] = time.perf_counter() - began
    with Client.sync("http://127.0.0.1:9", flush_s=0.0) as hub:
        job = hub.job("bench", project="bench", total=STEPS).begin()
        took["away"] = _walk(job.track(range(STEPS)))
    return took


def _walk(steps: Iterable[int]) -> float:
    began = time.perf_counter()
    for _ in steps:
        pass
    return time.perf_counter() - began


def _timed(command: str) -> float:
    began = time.perf_counter()
    subprocess.run(command, shell=True, check=True)
    return time.perf_counter() - began


def lines(found: figures.Figures) -> Iterator[Line]:
    bare, tqdm = found["bare_ns"], found["tqdm_ns"]
    for way, what in (
        ("track", "`job.track(range(n))`"),
        ("away", "the same without a hub"),
        ("update", "`job.update(n)`"),
    ):
        yield Line(
            what=f"a step of {what}, over the bare loop",
            hub=f"{found[f'{way}_ns'] - bare:.0f} ns",
            peer=f"`tqdm(range(n))`: {tqdm - bare:.0f} ns",
            ratio=(found[f"{way}_ns"] - bare) / (tqdm - bare),
            goal=Goal(bound=1) if way != "update" else None,
        )
    for what in COMMANDS:
        took, plain = found[f"run_{what}_s"], found[f"pipe_{what}_s"]
        yield Line(
            what=f"1 GB of {what} through `progress-hub run`",
            hub=f"{took:.2f} s",
            peer=f"through a pipe: {plain:.2f} s",
            ratio=took / plain,
        )


ROW = Row(name="wrap", title="Wrap", measure=measure, lines=lines)
