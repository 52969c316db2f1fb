"""Entries of a manifest: one for everything that is in a folder, and for everything that was left out of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hub.snapshots.errors import Damaged
from hub.snapshots.packs import Place

FILE, FOLDER, LINK, LEFT_OUT = "file", "dir", "link", "left_out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """An extent and where it is; a hole is nowhere."""

    length: int
    sha: str | None = None
    place: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    path: bytes
    """Below the folder, without a leading slash; whatever bytes the system allows in names."""
    type: str
    mode: int = 0
    """Permission bits, set-user-id and the like included."""
    mtime_ns: int = 0
    size: int = 0
    sha256: str | None = None
    """Of a file. None where holes were not read; its pieces have theirs."""
    pieces: Sequence[Piece] = ()
    hard_link: bytes | None = None
    """The path of the first file in the manifest that is the same one on disk; its content stands there, too."""
    target: bytes | None = None
    """Of a link."""
    changing: bool = False
    """It was written to each time it was read, so it may hold a mixture."""
    reason: str = ""
    """Why it was left out."""

    @property
    def identity(self) -> tuple[Any, ...]:
        """What makes two entries of a path the same."""
        content = self.sha256 or self.pieces_identity
        return (self.type, self.mode, self.mtime_ns, self.size, content, self.hard_link, self.target, self.reason)

    @property
    def pieces_identity(self) -> tuple[tuple[int, str | None], ...]:
        return tuple((piece.length, piece.sha) for piece in self.pieces)


def shown(path: bytes) -> str:
    r"""A path as text that any JSON parser takes: what is no UTF-8 is written as \xNN."""
    return path.decode("utf-8", "backslashreplace")


def to_wire(entry: Entry) -> dict[str, Any]:
    """As the API shows it."""
    wire: dict[str, Any] = {"path": shown(entry.path), "type": entry.type}
    if not _is_text(entry.path):
        wire["path_bytes"] = entry.path.hex()
    if entry.type == LEFT_OUT:
        return wire | {"reason": entry.reason}
    wire |= {"mode": f"{entry.mode:04o}", "mtime_ns": entry.mtime_ns}
    if entry.type == FILE:
        wire |= {"size": entry.size, "sha256": entry.sha256}
    if entry.target is not None:
        wire["target"] = shown(entry.target)
    if entry.hard_link is not None:
        wire["hard_link"] = shown(entry.hard_link)
    if entry.changing:
        wire["changing"] = True
    return wire


class PackTable:
    """Packs by number, for the lines of one segment."""

    def __init__(self, names: Sequence[str] = ()) -> None:
        self.names = list(names)
        self._numbers = {name: number for number, name in enumerate(names)}

    def number(self, name: str) -> int:
        if name not in self._numbers:
            self._numbers[name] = len(self.names)
            self.names.append(name)
        return self._numbers[name]


def to_line(entry: Entry, packs: PackTable) -> dict[str, Any]:
    """An entry as it stands in a manifest: short names, nothing that says nothing."""
    line: dict[str, Any] = {"p": _text(entry.path), "t": entry.type}
    if entry.type == LEFT_OUT:
        return line | {"why": entry.reason}
    line |= {"m": entry.mode, "n": entry.mtime_ns}
    if entry.type == FILE:
        line["s"] = entry.size
        if entry.sha256 is not None:
            line["h"] = entry.sha256
        if entry.pieces:
            line["c"] = [_piece(piece, entry.sha256, packs) for piece in entry.pieces]
    if entry.target is not None:
        line["l"] = _text(entry.target)
    if entry.hard_link is not None:
        line["k"] = _text(entry.hard_link)
    if entry.changing:
        line["x"] = 1
    return line


def from_line(line: Mapping[str, Any], packs: PackTable) -> Entry:
    """Raises Damaged, also for a path that would lead out of the folder: a store may be in other hands."""
    try:
        return Entry(
            path=_inside(_bytes(line["p"])),
            type=line["t"],
            mode=line.get("m", 0),
            mtime_ns=line.get("n", 0),
            size=line.get("s", 0),
            sha256=line.get("h"),
            pieces=[_placed(raw, line.get("h"), packs) for raw in line.get("c", ())],
            hard_link=_inside(_bytes(line["k"])) if "k" in line else None,
            target=_bytes(line["l"]) if "l" in line else None,
            changing="x" in line,
            reason=line.get("why", ""),
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as exc:
        raise Damaged(f"An entry of a manifest makes no sense: {json.dumps(line)[:200]}") from exc


def _inside(path: bytes) -> bytes:
    """Raises ValueError."""
    if not _NO_WAY_OUT.isdisjoint(path.split(b"/")) or b"\0" in path:
        raise ValueError(path)
    return path


_NO_WAY_OUT = frozenset((b"", b".", b".."))


def _piece(piece: Piece, whole: str | None, packs: PackTable) -> list[Any]:
    if piece.place is None:
        return [piece.length]
    at = piece.place
    row: list[Any] = [piece.length, packs.number(at.pack), at.frame_at, at.frame_len, at.at]
    return row if piece.sha == whole else [*row, piece.sha]


def _placed(raw: Sequence[Any], whole: str | None, packs: PackTable) -> Piece:
    if len(raw) == 1:
        return Piece(length=raw[0])
    length, number, frame_at, frame_len, at, *sha = raw
    place = Place(pack=packs.names[number], frame_at=frame_at, frame_len=frame_len, at=at, length=length)
    return Piece(length=length, sha=sha[0] if sha else whole, place=place)


def _text(raw: bytes) -> str:
    """Every name has a text of its own, valid in JSON: what is no UTF-8 is escaped after a NUL, which is in no name."""
    return raw.decode() if _is_text(raw) else "\0" + raw.hex()


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[1:]) if text.startswith("\0") else text.encode()


def _is_text(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True
