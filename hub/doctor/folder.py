"""The data folder: rights, databases, what earlier runs left, and what takes the room. Changes nothing. Blocks."""

import fcntl
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from hub.backups import databases
from hub.backups.contents import COMMITS, JOURNAL, LOCK, PROJECTS, SNAPSHOTS
from hub.doctor import migrations
from hub.doctor.findings import Finding, fail, ok, warn
from hub.settings import Settings
from hub.words import amount

OTHERS = stat.S_IRWXG | stat.S_IRWXO
INDEX = "index.sqlite3"
DRAFTS = (".restoring-", ".partial")


def look(settings: Settings) -> Iterator[Finding]:
    data = settings.data_path
    if not data.is_dir():
        yield ok("folder.place", f"{data} is not there yet; the hub makes it")
        return
    yield rights(data)
    runs = is_used(data)
    yield ok("folder.place", f"{data}, " + ("and a hub is at work in it" if runs else "and no hub is at work in it"))
    for key in sorted(data.glob("*.key")):
        yield key_file(key)
    for path in files(data):
        yield database(data, path)
    yield leftover(data, runs=runs, kept_days=settings.kept_work_days, now=time.time())
    yield sizes(data)


def rights(data: Path) -> Finding:
    status = data.stat()
    if not os.access(data, os.R_OK | os.W_OK | os.X_OK):
        advice = f"Run the hub as the owner of the folder, or: chown -R $(id -un) {data}"
        return fail("folder.rights", f"{data} cannot be written by this user", advice)
    if status.st_uid != os.geteuid() and os.geteuid() != 0:
        return warn("folder.rights", f"{data} belongs to another user", f"chown -R $(id -un) {data}")
    if stat.S_IMODE(status.st_mode) & stat.S_IWOTH:
        return fail("folder.rights", f"Every user may write in {data}", f"chmod o-w {data}")
    return ok("folder.rights", "The data folder is this user's to write in")


def key_file(path: Path) -> Finding:
    if stat.S_IMODE(path.stat().st_mode) & OTHERS:
        return fail("folder.keys", f"Others may read {path.name}", f"chmod 600 {path}, and think of new secrets.")
    return ok("folder.keys", f"{path.name} is readable by its owner alone")


def files(data: Path) -> Iterator[Path]:
    """The databases in a data folder."""
    yield from (path for name in (JOURNAL, COMMITS) if (path := data / name).is_file())
    for home in sorted((data / PROJECTS).glob("*")):
        places = (home / INDEX, home / SNAPSHOTS / migrations.CATALOG)
        yield from (path for path in places if path.is_file())


def database(data: Path, path: Path) -> Finding:
    name = str(path.relative_to(data))
    began = time.monotonic()
    try:
        databases.check(path)
        version = databases.version(path)
    except databases.Damaged as exc:
        if path.name in {JOURNAL, COMMITS}:
            advice = "Stop the hub, keep a copy of the data folder, and restore a backup (restore-backup)."
        else:
            advice = f"Stop the hub and remove {path}: the project's next job makes it anew."
        return fail("folder.databases", f"{name} is damaged: {exc}", advice)
    took_ms = (time.monotonic() - began) * 1000
    if path.name not in migrations.FOLDERS:
        return ok("folder.databases", f"{name} is sound", took_ms)
    newest = migrations.newest(path.name)
    if version > newest:
        advice = "Start that version of Progress Hub, or use another data folder."
        return fail("folder.databases", f"{name} was written by a newer Progress Hub ({version} > {newest})", advice)
    if version < newest:
        text = f"{name} is sound, and is brought from migration {version} to {newest} at the next start"
        return ok("folder.databases", text, took_ms)
    return ok("folder.databases", f"{name} is sound, migration {version}", took_ms)


def leftover(data: Path, *, runs: bool, kept_days: float, now: float) -> Finding:
    """What is nobody's: work of jobs that no hub runs, kept work that is too old, and what cut-off restores left."""
    work = list((data / "work").glob("*")) if not runs else []
    kept = [path for path in (data / "kept").glob("*/*/*") if now - path.lstat().st_mtime > kept_days * 86400]
    trash = list((data / "trash").glob("*")) if not runs else []
    drafts = [path for path in data.parent.glob(f".*{data.name}*") if any(word in path.name for word in DRAFTS)]
    found = [
        f"{len(paths)} {what}"
        for paths, what in ((work, "in work"), (kept, "in kept"), (trash, "in trash"), (drafts, "beside the folder"))
        if paths
    ]
    if not found:
        return ok("folder.leftover", "Nothing was left over by earlier runs")
    advice = "The hub's next start settles work, kept and trash."
    if drafts:
        advice += f" Unless a backup or restore is under way: rm -r {' '.join(map(str, drafts))}"
    return warn("folder.leftover", f"Left over: {', '.join(found)}", advice)


def sizes(data: Path) -> Finding:
    found = {path.name: _size(path) for path in data.iterdir()}
    largest = sorted(found.items(), key=lambda item: -item[1])[:6]
    told = ", ".join(f"{name} {amount(size, 'bytes')}" for name, size in largest if size)
    return ok("folder.sizes", f"{amount(sum(found.values()), 'bytes')} in all: {told or 'nothing'}")


def is_used(data: Path) -> bool:
    """Does a hub hold the folder's lock?"""
    try:
        with (data / LOCK).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _size(path: Path) -> int:
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512  # noqa: PTH118 - many of them
            except FileNotFoundError:
                continue  # a job has just removed it
    return total
