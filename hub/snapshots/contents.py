"""The contents of files out of a store's packs, frame by frame, each piece checked against its digest."""

import hashlib
from collections import OrderedDict
from collections.abc import Iterator

from hub.snapshots.entries import Entry, Piece
from hub.snapshots.errors import Damaged, NoSuchFile, ObjectMissing
from hub.snapshots.packs import Place, decompressed
from hub.snapshots.store import PACKS, Store

KEPT_FRAMES = 8
"""Decompressed, of 2 MiB each: neighbours in a folder are neighbours in a frame."""
ZEROS = bytes(1024 * 1024)


class Contents:
    """Not for several threads at once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._frames: OrderedDict[tuple[str, int], bytes] = OrderedDict()

    def piece(self, piece: Piece) -> bytes:
        """What a piece holds. Raises Damaged, ObjectMissing, and the store's errors."""
        assert piece.place is not None
        place = piece.place
        try:
            data = self._frame(place)[place.at : place.at + piece.length]
        except ObjectMissing:
            raise
        except Damaged as exc:
            raise Damaged(f"{PACKS}{place.pack}: {exc}") from None
        if len(data) != piece.length or hashlib.sha256(data).hexdigest() != piece.sha:
            self._frames.clear()
            raise Damaged(f"{PACKS}{place.pack} does not hold what it did.")
        return data

    def stream(self, entry: Entry, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The file's bytes from `start` to before `end`, holes as zeros."""
        end = entry.size if end is None else end
        at = 0
        for piece in entry.pieces:
            first, last = max(start - at, 0), min(end - at, piece.length)
            at += piece.length
            if first >= last:
                continue
            if piece.place is None:
                for zeros_at in range(first, last, len(ZEROS)):
                    yield ZEROS[: min(len(ZEROS), last - zeros_at)]
            else:
                data = self.piece(piece)
                yield data if (first, last) == (0, piece.length) else data[first:last]

    def _frame(self, place: Place) -> bytes:
        key = (place.pack, place.frame_at)
        if key in self._frames:
            self._frames.move_to_end(key)
            return self._frames[key]
        try:
            raw = self._store.get(PACKS + place.pack, place.frame_at, place.frame_at + place.frame_len)
        except FileNotFoundError:
            raise ObjectMissing(f"{PACKS}{place.pack} is not in the store any more.") from None
        data = decompressed(raw, place.at + place.length)
        self._frames[key] = data
        while len(self._frames) > KEPT_FRAMES:
            self._frames.popitem(last=False)
        return data


def whole(entry: Entry) -> Entry:
    """The entry if it is a file that can be read. Raises NoSuchFile."""
    if entry.type != "file":
        raise NoSuchFile(f"That is no file, but a {entry.type}.")
    return entry
