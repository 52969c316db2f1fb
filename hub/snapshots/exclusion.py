"""What a snapshot leaves out on purpose."""

import fnmatch
import re
from collections.abc import Callable, Iterable
from pathlib import Path


def skipping(patterns: Iterable[str], folders: Iterable[bytes] = ()) -> Callable[[bytes], bool]:
    """Whether a path is left out, with all below it: one of `folders`, or matched by a shell pattern.

    A pattern without a slash is matched against names, one with a slash against paths from the top; `*` also stands
    for slashes.
    """
    names: list[bytes] = []
    paths: list[bytes] = []
    for pattern in patterns:
        plain = pattern.strip("/")
        (paths if "/" in pattern.rstrip("/") else names).append(fnmatch.translate(plain).encode())
    of_name = re.compile(b"|".join(names), re.DOTALL) if names else None
    of_path = re.compile(b"|".join(paths), re.DOTALL) if paths else None
    whole = frozenset(folders)
    if not (whole or names or paths):
        return lambda path: False

    def is_skipped(path: bytes) -> bool:
        if path in whole:
            return True
        if of_name is not None and of_name.match(path.rpartition(b"/")[2]):
            return True
        return of_path is not None and of_path.match(path) is not None

    return is_skipped


def within(folder: Path, others: Iterable[Path]) -> list[bytes]:
    """The paths below `folder` of those `others` that lie in it."""
    return [bytes(other.relative_to(folder)) for other in others if other != folder and other.is_relative_to(folder)]
