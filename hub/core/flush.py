"""One flush: what is pending, composed once for each place that its readers are at, each message encoded once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hub.core.composition import View, compose
from hub.core.counts import Counts
from hub.core.events import Event
from hub.core.messages import Message, cursor_after, merged_in
from hub.core.ports import Encoding


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What one reader is sent, and by project where that takes it."""

    payload: bytes
    """Empty: there is nothing to say."""
    told: dict[str, int]
    messages: int
    merged: int
    """Numbers told as merged."""


class Flush:
    def __init__(self, pending: Sequence[Event], view: View, encoding: Encoding, epoch: str, counts: Counts) -> None:
        self.pending = pending
        self._view = view
        self._encoding = encoding
        self._epoch = epoch
        self._counts = counts
        self._pieces: dict[int, bytes] = {}
        """Of each event, by its number in `pending`'s memory: an event is encoded once, whoever gets it."""
        self._parcels: dict[tuple[tuple[str, int], ...], Parcel] = {}

    def parcel(self, told: Mapping[str, int]) -> Parcel:
        """For a reader that has been sent everything up to `told`; the very same object for the same place."""
        place = tuple(told.items())
        parcel = self._parcels.get(place)
        if parcel is None:
            messages, reached = compose(self.pending, told, self._view)
            parcel = self._parcels[place] = Parcel(
                payload=self.encode(messages), told=reached, messages=len(messages), merged=merged_in(messages)
            )
        return parcel

    def encode(self, messages: Sequence[Message]) -> bytes:
        """All of `messages` as one piece."""
        pieces = [piece for message in messages if (piece := self._piece(message))]
        return self._encoding.frame(pieces) if pieces else b""

    def _piece(self, message: Message) -> bytes:
        piece = self._pieces.get(id(message)) if isinstance(message, Event) else None
        if piece is None:
            piece = self._encoding.encode(message, cursor_after(message, self._epoch))
            self._counts.encoded += 1
            if isinstance(message, Event):
                self._pieces[id(message)] = piece
        return piece

    @property
    def has_end(self) -> bool:
        return any(event.is_end for event in self.pending)
