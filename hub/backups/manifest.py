"""What a backup says of itself."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from hub.backups.errors import BackupTooNew, BackupUnsound

FORMAT = 1
NAME = "manifest.json"
FILE, DATABASE, FOLDER, LINK = "file", "database", "folder", "link"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    path: str
    """Below the data folder, with slashes; bytes that are no UTF-8 as surrogates."""
    type: str
    mode: int
    size: int = 0
    mtime_ns: int = 0
    sha256: str = ""
    """Of a file or database."""
    target: str = ""
    """Of a link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    made_ms: int
    hub: str
    """The version that made it."""
    versions: Mapping[str, int]
    """Of each database, the number of its newest migration (`user_version`)."""
    unsettled: tuple[str, ...]
    """Folders that did not stand still while they were copied: made anew by the next job of their project."""
    left_out: tuple[str, ...]
    """Databases that were damaged and can be made anew."""
    entries: Mapping[str, Entry]

    @property
    def size(self) -> int:
        return sum(entry.size for entry in self.entries.values())

    def dump(self) -> bytes:
        body = {
            "format": FORMAT,
            "made_ms": self.made_ms,
            "hub": self.hub,
            "versions": dict(self.versions),
            "unsettled": self.unsettled,
            "left_out": self.left_out,
            "entries": [asdict(entry) for entry in self.entries.values()],
        }
        return json.dumps(body, ensure_ascii=True, separators=(",", ":")).encode()

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Raises BackupUnsound, BackupTooNew."""
        try:
            body: Any = json.loads(data)
            if body["format"] > FORMAT:
                raise BackupTooNew
            entries = [Entry(**entry) for entry in body["entries"]]
            return cls(
                made_ms=body["made_ms"],
                hub=body["hub"],
                versions=body["versions"],
                unsettled=tuple(body["unsettled"]),
                left_out=tuple(body["left_out"]),
                entries={entry.path: entry for entry in entries},
            )
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            raise BackupUnsound(f"Its manifest cannot be read: {exc!r}.") from exc
