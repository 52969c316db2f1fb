"""Keys in files of their own, which only the owner may read: 32 random bytes, in base64. All of this blocks."""

import base64
import contextlib
import os
import secrets
from pathlib import Path

KEY_BYTES = 32


def read(path: Path) -> bytes | None:
    """The key in the file; None where there is none. Raises OSError; ValueError for no key."""
    try:
        found = base64.b64decode(path.read_bytes().strip(), validate=True)
    except FileNotFoundError:
        return None
    if len(found) != KEY_BYTES:
        raise ValueError(f"{path} is no key: {len(found)} bytes")
    return found


def read_or_made(path: Path) -> bytes:
    """As `read`, and where there is none it is made."""
    while (found := read(path)) is None:
        make(path, replace=False)
    return found


def make(path: Path, *, replace: bool) -> None:
    """Another key, whole or not at all; without `replace` the one stays that somebody was faster with."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor has no path
            file.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
            file.flush()
            os.fsync(descriptor)
        if replace:
            beside.replace(path)
        else:
            with contextlib.suppress(FileExistsError):
                path.hardlink_to(beside)
    finally:
        beside.unlink(missing_ok=True)
