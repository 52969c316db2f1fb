"""Snapshots: how long the first takes, next to `tar | zstd -T0` of the same folder, and what one changed file costs."""

import collections
import contextlib
import os
import random
import resource
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from hub.core.report import Unheard
from hub.snapshots.backend import Location, ObjectStore
from hub.snapshots.store import Store
from hub.snapshots.taking import Places, Taking, Wanted
from tests.bench import figures
from tests.bench.figures import Goal, Line, Plan, Row
from tests.bench.machine import MissingError

LARGE_FILES, LARGE_BYTES = 12, 24_000_000
"""Of text that shrinks as source does, in files of many pieces."""


def measure(plan: Plan) -> figures.Figures:
    for program in ("tar", "zstd"):
        if shutil.which(program) is None:
            raise MissingError(f"no {program} (apt install {program})")
    small, large = plan.folder / "small", plan.folder / "large"
    _library(small)
    _texts(large)
    found: figures.Figures = {"cores": os.cpu_count()}
    for name, folder in (("small", small), ("large", large)):
        found |= {f"{name}_{key}": value for key, value in _measured(plan, folder).items()}
    return found


def _measured(plan: Plan, folder: Path) -> figures.Figures:
    files = [path for path in folder.rglob("*") if path.is_file()]
    found: figures.Figures = {"files": len(files), "megabytes": sum(path.stat().st_size for path in files) / 1e6}
    each: dict[str, list[float]] = collections.defaultdict(list)
    for number in range(plan.rounds):
        base = plan.folder / f"{folder.name}-{number}"
        took, cpu = _timed(resource.RUSAGE_CHILDREN, lambda base=base: _tarred(folder, base))
        each["tar_s"].append(took)
        each["tar_cpu_s"].append(cpu)
        _settled(folder)
        took, cpu = _timed(resource.RUSAGE_SELF, lambda base=base: each["bytes"].append(_taken(folder, base)))
        each["first_s"].append(took)
        each["first_cpu_s"].append(cpu)
        each["again_s"].append(_timed(resource.RUSAGE_SELF, lambda base=base: _taken(folder, base))[0])
        with files[len(files) // 2].open("ab") as file:
            file.write(b"changed %d\n" % number)
        took, _ = _timed(resource.RUSAGE_SELF, lambda base=base: each["changed_bytes"].append(_taken(folder, base)))
        each["changed_s"].append(took)
        each["tar_bytes"].append(base.with_suffix(".tar.zst").stat().st_size)
        shutil.rmtree(base)
        base.with_suffix(".tar.zst").unlink()
    return found | {name: figures.median(values) for name, values in each.items()}


def _taken(folder: Path, base: Path) -> int:
    """The bytes that were sent."""
    store = Store(ObjectStore(Location(url=str(base / "store"))), check=lambda: None)
    wanted = Wanted(folder=folder, project="p", source="bench")
    result = Taking(wanted, store, Places(work=base / "work", state=base / "state"), Unheard()).run()
    shutil.rmtree(base / "work")
    return int(result["uploaded_bytes"])


def _tarred(folder: Path, base: Path) -> None:
    command = 'tar -C "$1" -cf - . | zstd -q -T0 -f -o "$2"'
    subprocess.run(["/bin/sh", "-c", command, "sh", str(folder), str(base.with_suffix(".tar.zst"))], check=True)


def _timed(who: int, work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and of all processors together."""
    before, began = resource.getrusage(who), time.monotonic()
    work()
    took, after = time.monotonic() - began, resource.getrusage(who)
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _settled(folder: Path) -> None:
    """Wait until the newest file is old enough that a second look may trust its clock."""
    newest = max(path.stat().st_ctime for path in folder.rglob("*"))
    while time.time() - newest < 2.5:
        time.sleep(0.1)


def _library(folder: Path) -> None:
    """Python's own library without what is compiled: source files as they are."""
    library = Path(sysconfig.get_path("stdlib"))
    skipped = shutil.ignore_patterns("__pycache__", "site-packages", "*.so")
    with contextlib.suppress(shutil.Error):  # a link that leads nowhere
        shutil.copytree(library, folder, ignore=skipped, symlinks=True)


def _texts(folder: Path) -> None:
    folder.mkdir()
    dice = random.Random(1)
    words = [bytes(dice.choices(b"abcdefghijklmnopqrstuvwxyz_", k=dice.randint(2, 12))) for _ in range(20_000)]
    for number in range(LARGE_FILES):
        with (folder / f"text-{number:02}").open("wb") as file:
            while file.tell() < LARGE_BYTES:
                file.write(b" ".join(dice.choices(words, k=10_000)))


def lines(found: figures.Figures) -> Iterator[Line]:
    for name, what in (("small", "source files"), ("large", "large files")):
        of = {key.removeprefix(f"{name}_"): value for key, value in found.items() if key.startswith(f"{name}_")}
        yield Line(
            what=f"snapshot of {of['files']:,} {what}, {of['megabytes']:.0f} MB, {found['cores']} cores",
            hub=f"{of['first_s']:.2f} s, {of['bytes'] / 1e6:.1f} MB stored",
            peer=f"`tar | zstd -T0`: {of['tar_s']:.2f} s, {of['tar_bytes'] / 1e6:.1f} MB",
            ratio=of["first_s"] / of["tar_s"],
            goal=Goal(bound=1.1),
        )
        yield Line(what="the same again, nothing changed", hub=f"{of['again_s']:.2f} s")
        yield Line(
            what="a second one, one file changed",
            hub=f"{of['changed_s']:.2f} s, {of['changed_bytes'] / 1e3:.0f} KB sent",
            peer=f"the first: {of['bytes'] / 1e3:,.0f} KB",
            ratio=of["changed_bytes"] / of["bytes"],
            goal=Goal(bound=0.1),
        )


def notes(found: figures.Figures) -> Iterator[str]:
    for name, what in (("small", "source files"), ("large", "large files")):
        hub, tar = found[f"{name}_first_cpu_s"], found[f"{name}_tar_cpu_s"]
        yield (
            f"Processor time, {what}: the hub {hub:.2f} s, `tar | zstd` {tar:.2f} s. Both compress at level 3 on all "
            "cores; the hub also hashes, stores and reads back what it stored, and looks at each file in Python."
        )


ROW = Row(name="snapshot", title="Snapshots", measure=measure, lines=lines, notes=notes)
