"""Identifiers: jobs sort by time, projects are readable slugs, cursors are positions."""

import os
import re
import threading
import time
import unicodedata
import uuid

_last_ms = 0
_count = 0
_lock = threading.Lock()

SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def job_id() -> str:
    """A UUIDv7 (RFC 9562, 5.7): 48 bits of Unix milliseconds, then a counter and randomness.

    Later ids sort after earlier ones, also within one millisecond and when the clock steps back.
    """
    global _last_ms, _count  # noqa: PLW0603 - one clock per process is the point
    with _lock:
        now_ms = time.time_ns() // 1_000_000
        if now_ms > _last_ms:
            _last_ms, _count = now_ms, int.from_bytes(os.urandom(2)) & 0x7FF
        else:
            _count += 1
            if _count > 0xFFF:
                _last_ms, _count = _last_ms + 1, 0
        bits = (_last_ms & (1 << 48) - 1) << 80 | 0x7 << 76 | _count << 64
    tail = int.from_bytes(os.urandom(8)) & (1 << 62) - 1
    return str(uuid.UUID(int=bits | 0b10 << 62 | tail))


def slug(text: str) -> str:
    """A project id out of a name: lower case ASCII letters, digits, `.`, `_`, `-`; never empty, at most 64."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9._-]+", "-", plain).strip("-._")[:64].rstrip("-._") or "project"


def token() -> str:
    """Eight random hexadecimal digits: an epoch or a boot."""
    return os.urandom(4).hex()
