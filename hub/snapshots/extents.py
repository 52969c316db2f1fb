"""What a file is made of: pieces of data, each with its digest, and holes, which hold nothing but zeros."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

_ROW = struct.Struct(">QB32s")


@dataclass(frozen=True, slots=True)
class Extent:
    """One after the other they make the file."""

    length: int
    sha: bytes | None
    """SHA-256 of the piece; None for a hole."""


def packed(sha: bytes | None, extents: Sequence[Extent]) -> bytes | None:
    """None where `sha` and the size say it all: an empty file, or one in one piece."""
    if not extents or (len(extents) == 1 and extents[0].sha == sha and sha is not None):
        return None
    return b"".join(_ROW.pack(one.length, one.sha is not None, one.sha or bytes(32)) for one in extents)


def parse(sha: bytes | None, raw: bytes | None, size: int) -> Sequence[Extent]:
    if raw is None:
        return [Extent(size, sha)] if size else []
    return [Extent(length, sha if is_data else None) for length, is_data, sha in _ROW.iter_unpack(raw)]
