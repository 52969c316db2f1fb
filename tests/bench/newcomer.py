"""The newcomer's path: from the README's first command to a finished clone that is seen in the page."""

import os
import re
import shlex
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench import figures
from tests.bench.browsing import chromium
from tests.bench.figures import Line, Plan, Row
from tests.bench.machine import HERE, BrokenError, process

ROOT = HERE.parents[1]
WAIT_MS = 120_000


def measure(plan: Plan) -> figures.Figures:
    with tempfile.TemporaryDirectory() as name, chromium() as browser:
        folder = Path(name)
        checkout = folder / "progress-hub"
        subprocess.run(["git", "clone", "-q", ROOT, checkout], check=True)
        command = first_command((checkout / "README.md").read_text(encoding="utf-8"))
        began = time.monotonic()
        own = {"XDG_DATA_HOME": str(folder / "data"), "HUB_PORT": "0"}
        line = ["sh", "-c", f"cd {shlex.quote(str(checkout))} && exec sh -c {shlex.quote(command)}"]
        with process(line, None, own | {"PYTHONPATH": "", "PATH": os.environ["PATH"]}) as started:
            assert started.stdout is not None
            found = re.search(r"http://[\d.:]+", started.stdout.readline())
            if not found:
                raise BrokenError("the README's first command did not start a hub")
            listening_s = time.monotonic() - began
            page = browser.new_page()
            page.goto(found[0])
            page.get_by_role("progressbar").first.wait_for(timeout=WAIT_MS)
            bar_s = time.monotonic() - began
            page.locator("[data-state=succeeded]").first.wait_for(timeout=WAIT_MS)
            done_s = time.monotonic() - began
    return {"command": command, "listening_s": listening_s, "bar_s": bar_s, "done_s": done_s}


def first_command(readme: str) -> str:
    """What the README's first block of code says."""
    return readme.partition("```sh\n")[2].partition("\n```")[0]


def lines(found: figures.Figures) -> Iterator[Line]:
    yield Line(what="steps from nothing to a finished clone in the page", hub="2: one command, one link")
    yield Line(what="until the hub listens, the install in it", hub=f"{found['listening_s']:.0f} s")
    yield Line(what="until a bar is seen in the page", hub=f"{found['bar_s']:.0f} s")
    yield Line(what="until the demo's clone, slow on purpose, is seen done", hub=f"{found['done_s']:.0f} s")


ROW = Row(name="newcomer", title="A newcomer's path", measure=measure, lines=lines)
