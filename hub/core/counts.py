"""What the delivery core has done since the hub started; counted where it happens, read by whoever watches the hub."""

import collections
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counts:
    """Only ever grows."""

    delivered: int = 0
    """Messages handed to connections by flushes; one message to a thousand watchers is a thousand."""
    merged: int = 0
    """Numbers told as merged, counted likewise."""
    dropped: int = 0
    """Of these, progress that a newer one replaced in a congested watcher's mailbox."""
    encoded: int = 0
    """Messages turned into bytes: what is delivered is encoded once for a whole cohort."""
    congested: int = 0
    """Times a watcher left the shared path."""
    opened: collections.Counter[str] = field(default_factory=collections.Counter)
    """Streams, by transport."""
    ended: collections.Counter[str] = field(default_factory=collections.Counter)
    """Streams, by the word of their EndReason, or `left` where the watcher went by itself."""
    caught_up: collections.Counter[str] = field(default_factory=collections.Counter)
    """Catch-ups, by what served them: snapshot, ring, journal, reset."""
    resets: collections.Counter[str] = field(default_factory=collections.Counter)
    """Of these, cursors that could not be served, by reason."""
