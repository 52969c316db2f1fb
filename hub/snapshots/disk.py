"""Objects of a store that is a folder, written so that neither a crash nor a power cut leaves half of one.

The bytes are on the disk before they have the object's name, and the name is before `write` returns. So whatever can be
seen is whole, and what is written later is never there without what was written before.
"""

import contextlib
import os
import secrets
from pathlib import Path


def write(folder: Path, key: str, data: bytes) -> None:
    """`key` may have folders in it, which are made. Raises OSError."""
    place = folder / key
    _make(place.parent)
    # A number after a `#` is how the store's other half, which reads and lists, knows what is only a draft.
    draft = place.with_name(f"{place.name}#{secrets.randbits(63)}")
    try:
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(draft, place)  # noqa: PTH105 - beside the other calls of the system
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
    _sync(place.parent)


def _make(folder: Path) -> None:
    """Have the folder, and its name on the disk."""
    if folder.is_dir():
        return
    _make(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
    _sync(folder.parent)


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
