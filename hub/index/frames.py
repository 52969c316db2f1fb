"""How the processes of an index job speak with each other: a JSON value and some bytes at a time, over pipes.

JSON and no pickle: a worker reads strangers' files with parsers in C, and what it says is not to be run.
"""

import json
import struct
from typing import IO, Any

_SIZES = struct.Struct("<II")


def write(file: IO[bytes], value: Any, data: bytes = b"") -> None:
    text = json.dumps(value, separators=(",", ":")).encode()
    file.write(_SIZES.pack(len(text), len(data)) + text + data)
    file.flush()


def read(file: IO[bytes]) -> tuple[Any, bytes] | None:
    """None at the end, be it in the middle of a frame. Raises ValueError for what is none."""
    sizes = file.read(_SIZES.size)
    if len(sizes) < _SIZES.size:
        return None
    text_size, data_size = _SIZES.unpack(sizes)
    text, data = file.read(text_size), file.read(data_size)
    if len(text) < text_size or len(data) < data_size:
        return None
    return json.loads(text), data
