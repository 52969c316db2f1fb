"""Folders to take snapshots of, and whether two are the same."""

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Made = Mapping[str, Any]


def make(folder: Path, files: Mapping[str | bytes, bytes | str | None]) -> Path:
    """`files` by path: bytes are contents, a text is a link's target, None an empty folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.mkdir()
        elif isinstance(content, str):
            path.symlink_to(content)
        else:
            path.write_bytes(content)
    return folder


def entries(folder: Path) -> Iterator[tuple[bytes, tuple[Any, ...]]]:
    """Everything below the folder with all that a snapshot keeps of it."""
    first: dict[tuple[int, int], bytes] = {}
    for path in sorted(folder.rglob("*"), key=os.fsencode):
        status = path.lstat()
        kind, below = stat.S_IFMT(status.st_mode), os.fsencode(path.relative_to(folder))
        told: tuple[Any, ...] = (kind, stat.S_IMODE(status.st_mode), status.st_mtime_ns)
        if stat.S_ISLNK(status.st_mode):
            told = (kind, os.fsencode(path.readlink()), status.st_mtime_ns)
        elif stat.S_ISREG(status.st_mode):
            told += (path.read_bytes(),)
            if status.st_nlink > 1:
                told += (first.setdefault((status.st_dev, status.st_ino), below),)
        yield below, told


def content(folder: Path) -> dict[bytes, tuple[Any, ...]]:
    return dict(entries(folder))
