"""The machine: interpreter, libraries, programs, and what the system allows. Blocks."""

import os
import re
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import zoneinfo
from collections.abc import Iterator
from pathlib import Path

import pygit2
from pygit2.enums import Feature

from hub.doctor.findings import Finding, fail, ok, warn
from hub.settings import MIB, Settings
from hub.words import amount

OLDEST_PYTHON = (3, 11)
OLDEST_SQLITE = (3, 35, 0)
"""RETURNING, and window functions before it."""
OLDEST_GIT = (2, 25)
OTHER_DESCRIPTORS = 256
"""Besides one for each connection: databases, children, pipes."""
LEAST_MEMORY_BYTES = 256 * MIB
WRONG_CLOCK_S = 5.0
NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "afs", "ceph", "glusterfs"})


def look(settings: Settings) -> Iterator[Finding]:
    yield python(sys.version_info[:3])
    yield sqlite(sqlite3.sqlite_version_info, _sqlite_lacks())
    yield git(_git_version())
    yield libgit2(pygit2.LIBGIT2_VERSION, Feature(pygit2.features))
    yield descriptors(resource.getrlimit(resource.RLIMIT_NOFILE)[1], settings.max_connections)
    folder = existing(settings.data_path)
    yield disk(shutil.disk_usage(folder).free, settings.min_free_bytes)
    yield file_system(*_mount(folder, Path("/proc/self/mounts").read_text(errors="replace")))
    yield clock(_file_time() - time.time(), has_zones=bool(zoneinfo.available_timezones()))
    yield memory(_available_bytes())


def python(version: tuple[int, ...]) -> Finding:
    text = f"Python {'.'.join(map(str, version))}"
    if version < OLDEST_PYTHON:
        return fail("machine.python", text, "Progress Hub needs Python 3.11 or newer.")
    return ok("machine.python", text)


def sqlite(version: tuple[int, ...], lacks: tuple[str, ...]) -> Finding:
    text = f"SQLite {'.'.join(map(str, version))}"
    if version < OLDEST_SQLITE:
        wanted = ".".join(map(str, OLDEST_SQLITE))
        return fail("machine.sqlite", text, f"SQLite {wanted} or newer is needed: use a newer Python, or system.")
    if "JSON" in lacks:
        return fail("machine.sqlite", f"{text} without JSON", "This Python's SQLite was built without JSON functions.")
    return ok("machine.sqlite", f"{text}, JSON" + ("" if "FTS5" in lacks else ", FTS5 (not needed)"))


def git(version: tuple[int, ...] | None) -> Finding:
    if version is None:
        advice = "Install git: it is faster than libgit2 on large repositories (Debian: apt install git)."
        return warn("machine.git", "No git command; libgit2 clones instead.", advice)
    text = f"git {'.'.join(map(str, version))}"
    if version < OLDEST_GIT:
        return warn("machine.git", text, "It is old; jobs with the `git` engine may fail. Take --engine libgit2.")
    return ok("machine.git", text)


def libgit2(version: str, features: Feature) -> Finding:
    lacks = [each.name or "" for each in (Feature.THREADS, Feature.HTTPS, Feature.SSH) if each not in features]
    if lacks:
        advice = "Install pygit2 from a wheel (pip install --force-reinstall --only-binary pygit2 pygit2)."
        level = fail if "HTTPS" in lacks else warn
        return level("machine.libgit2", f"libgit2 {version} was built without {', '.join(lacks)}", advice)
    return ok("machine.libgit2", f"libgit2 {version} with threads, https and ssh")


def descriptors(limit: int, connections: int) -> Finding:
    if limit == resource.RLIM_INFINITY:
        return ok("machine.descriptors", "Any number of open files")
    text = f"{limit:,} open files are allowed"
    if limit < connections + OTHER_DESCRIPTORS:
        advice = (
            f"max_connections is {connections:,}. Allow more (LimitNOFILE= in the unit, or `ulimit -n`), or lower "
            "max_connections and max_watchers."
        )
        return warn("machine.descriptors", text, advice)
    return ok("machine.descriptors", text)


def disk(free: int, floor: int) -> Finding:
    text = f"{amount(free, 'bytes')} free where the data folder is"
    if free < floor:
        advice = f"Jobs end rather than leave less than min_free_bytes ({amount(floor, 'bytes')}). Make room."
        return fail("machine.disk", text, advice)
    if free < 2 * floor:
        return warn("machine.disk", text, f"Near the floor of {amount(floor, 'bytes')} (min_free_bytes). Make room.")
    return ok("machine.disk", text)


def file_system(place: str, kind: str) -> Finding:
    if kind in NETWORK_FILE_SYSTEMS:
        advice = "SQLite's write-ahead log needs a file system of this machine. Move data_dir to a local disk."
        return fail("machine.file_system", f"The data folder is on {kind} ({place})", advice)
    return ok("machine.file_system", f"The data folder is on {kind} ({place})")


def clock(file_system_ahead_s: float, *, has_zones: bool) -> Finding:
    """`file_system_ahead_s`: what a new file's time is ahead of the clock."""
    if time.gmtime().tm_year < 2024 or abs(file_system_ahead_s) > WRONG_CLOCK_S:
        text = f"The clock says {time.strftime('%Y-%m-%d %H:%M:%S')}, the disk {file_system_ahead_s:+.0f} s"
        return warn("machine.clock", text, "Have the clock set by NTP (timedatectl set-ntp true).")
    if not has_zones:
        return fail("machine.clock", "There are no time zones here", "Install the package tzdata.")
    return ok("machine.clock", f"{time.strftime('%Y-%m-%d %H:%M:%S %Z')}, as the disk says; time zones are there")


def memory(available: int | None) -> Finding:
    if available is None:
        return ok("machine.memory", "The system does not tell how much memory there is")
    text = f"{amount(available, 'bytes')} of memory available"
    if available < LEAST_MEMORY_BYTES:
        return warn("machine.memory", text, "An index job alone may take that much. Run fewer jobs, or add memory.")
    return ok("machine.memory", text)


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above that is there."""
    return next(each for each in (folder, *folder.parents) if each.is_dir())


def _sqlite_lacks() -> tuple[str, ...]:
    lacks = []
    with sqlite3.connect(":memory:") as db:
        for name, statement in (("JSON", "SELECT json('{}')"), ("FTS5", "CREATE VIRTUAL TABLE t USING fts5(x)")):
            try:
                db.execute(statement)
            except sqlite3.OperationalError:
                lacks.append(name)
    db.close()
    return tuple(lacks)


def _git_version() -> tuple[int, ...] | None:
    try:
        told = subprocess.run(["git", "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", told)
    return tuple(int(part) for part in found.groups() if part) if found else None


def _mount(folder: Path, mounts: str) -> tuple[str, str]:
    """Where the file system of `folder` is mounted, and its kind; `mounts` as in /proc/self/mounts."""
    real, best = folder.resolve(), ("/", "an unknown file system")
    for line in mounts.splitlines():
        _, place, kind, *_ = line.split(" ")
        place = place.replace("\\040", " ")
        if real.is_relative_to(place) and len(place) >= len(best[0]):
            best = place, kind
    return best


def _file_time() -> float:
    with tempfile.TemporaryFile() as file:
        return os.fstat(file.fileno()).st_mtime


def _available_bytes() -> int | None:
    """Of the system, or of the control group where that has less."""
    found = []
    try:
        told = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"))
        found += [int(told[1]) * 1024] if told else []
        most = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        used = Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii").strip()
        found += [int(most) - int(used)] if most.isdigit() else []
    except (OSError, ValueError):  # no Linux, or no such control group
        pass
    return min(found, default=None)
