"""One flush: what is pending, composed once for each place that its readers are at, each message encoded once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hub.core.composition import View, compose
from hub.core.counts import Counts
from hub.core.events import Event
from hub.core.messages import Merged, Message, cursor_after, merged_in
from hub.core.ports import Encoding

PARCEL_BYTES = 64 * 1024
"""Past this a parcel is closed: what one reader can be handed although it takes nothing."""


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
        """Of each event, by the identity of the object: an event is encoded once, whoever gets it."""
        self._parcels: dict[tuple[tuple[str, int], ...], list[Parcel]] = {}

    def parcels(self, told: Mapping[str, int]) -> list[Parcel]:
        """For a reader that has been sent everything up to `told`; the very same objects for the same place.

        One as a rule. After a long silence (a disk that was full) there may be much to say, and a reader who does not
        take the first parcel is not given the second.
        """
        place = tuple(told.items())
        found = self._parcels.get(place)
        if found is None:
            found = self._parcels[place] = self._packed(told)
        return found

    def encode(self, messages: Sequence[Message]) -> bytes:
        """All of `messages` as one piece."""
        pieces = [piece for message in messages if (piece := self._piece(message))]
        return self._encoding.frame(pieces) if pieces else b""

    @property
    def has_end(self) -> bool:
        return any(event.is_end for event in self.pending)

    def _packed(self, told: Mapping[str, int]) -> list[Parcel]:
        messages, _ = compose(self.pending, told, self._view)
        position, parcels = dict(told), []
        first, size = 0, 0
        for place, message in enumerate(messages, 1):
            position[message.project] = message.upto if isinstance(message, Merged) else message.seq
            size += len(self._piece(message)) if isinstance(message, Event) else 0
            if size > PARCEL_BYTES or place == len(messages):
                part = messages[first:place]
                parcel = Parcel(
                    payload=self.encode(part), told=dict(position), messages=len(part), merged=merged_in(part)
                )
                parcels.append(parcel)
                first, size = place, 0
        return parcels

    def _piece(self, message: Message) -> bytes:
        piece = self._pieces.get(id(message)) if isinstance(message, Event) else None
        if piece is None:
            piece = self._encoding.encode(message, cursor_after(message, self._epoch))
            self._counts.encoded += 1
            if isinstance(message, Event):
                self._pieces[id(message)] = piece
        return piece
