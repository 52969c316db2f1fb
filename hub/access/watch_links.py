"""Watch links: a project, or one job of it, to look at for a time. None is kept; its signature is the right."""

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from hub import key_files

BEGIN = "hubwatch_"
KEY_FILE = "watch-links.key"
LONGEST = 1024
"""Characters of a link that are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchLink:
    project: str
    job: str | None
    expires: int
    """Unix milliseconds."""


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    """What links are signed with. Another one makes all of them void."""

    secret: bytes

    @property
    def name(self) -> str:
        """Tells one key from another, and nothing about it."""
        return hashlib.sha256(b"name\n" + self.secret).hexdigest()[:16]

    def sign(self, link: WatchLink) -> str:
        told = json.dumps([link.project, link.job, link.expires], separators=(",", ":")).encode()
        return f"{BEGIN}{_text(told)}.{_text(self._signature(told))}"

    def read(self, text: str) -> WatchLink | None:
        """None for whatever this key has not signed. Whether it has expired is not looked at."""
        told, _, signature = text.removeprefix(BEGIN).partition(".")
        if not text.startswith(BEGIN) or len(text) > LONGEST:
            return None
        try:
            body, given = _bytes(told), _bytes(signature)
        except (binascii.Error, ValueError):
            return None
        if not hmac.compare_digest(self._signature(body), given):
            return None
        project, job, expires = json.loads(body)  # ours: the signature says so
        return WatchLink(project=project, job=job, expires=expires)

    def _signature(self, told: bytes) -> bytes:
        return hmac.digest(self.secret, b"watch-link\n" + told, "sha256")

    @classmethod
    def of(cls, folder: Path) -> Self:
        """The folder's; made if there is none. Raises OSError."""
        path = folder / KEY_FILE
        try:
            return cls(key_files.read_or_made(path))
        except ValueError as exc:
            raise OSError(f"{exc}; `progress-hub watch-link --rotate` makes a new one") from exc


def rotate(folder: Path) -> None:
    """Make another key, so that every link is void. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    key_files.make(folder / KEY_FILE, replace=True)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    """Raises ValueError for anything but the one spelling that `_text` has."""
    data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if _text(data) != text:
        raise ValueError("another spelling")
    return data
