"""What a job has to say and the hub has not acknowledged yet, in order. Pure but for its lock."""

import threading
import uuid
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

LOSSLESS = 20_000
"""Events kept for a hub that is away; some hours of a chatty job."""


class Outbox:
    """Progress is replaced by newer progress while nothing came after it; all the rest waits for its acknowledgement.

    Beyond LOSSLESS the oldest log lines go, and the hub is told how many.
    """

    def __init__(self, limit: int = LOSSLESS) -> None:
        self._limit = limit
        self._lock = threading.RLock()  # a finalizer may come in between
        self._events: deque[dict[str, Any]] = deque()
        self._sent = 0
        """Of the first of them, how many are on their way."""
        self._last: dict[str, Any] | None = None
        """The newest progress that was acknowledged."""
        self._is_ended = False
        self.left_out = 0
        """Log lines that were dropped, not told yet."""

    def __len__(self) -> int:
        return len(self._events)

    @property
    def is_urgent(self) -> bool:
        """Is there anything but progress?"""
        return bool(self._events) and (len(self._events) > 1 or self._events[0]["type"] != "progress")

    @property
    def is_ended(self) -> bool:
        """Is the job's end in it, or on the hub?"""
        return self._is_ended

    @property
    def is_spent(self) -> bool:
        """Has everything been acknowledged, and nothing will come?"""
        with self._lock:
            return self._is_ended and not self._events

    def say(self, event: Mapping[str, Any]) -> None:
        """Add a lossless event. It gets a key, so that however often it is sent, it is told once."""
        with self._lock:
            if not self._is_ended:
                self._add(event)

    def end(self, event: Mapping[str, Any]) -> bool:
        """Add the last event, and say in the same step that it is the last. False where there is one."""
        with self._lock:
            if self._is_ended:
                return False
            self._add(event)
            self._is_ended = True
            return True

    def progress(self, event: Mapping[str, Any]) -> None:
        with self._lock:
            if self._is_ended:
                return
            if len(self._events) > self._sent and self._events[-1]["type"] == "progress":
                self._events[-1] = dict(event)
            else:
                self._events.append(dict(event))

    def take(self, limit: int) -> list[dict[str, Any]]:
        """The first events, which are now on their way until `done` or `back`."""
        with self._lock:
            if self.left_out and self._sent == 0:
                lines, self.left_out = self.left_out, 0
                word = "line" if lines == 1 else "lines"
                text = f"{lines} {word} left out: the hub was away for too long"
                self._events.appendleft({"key": uuid.uuid4().hex, "type": "log", "level": "warning", "message": text})
            taken = [self._events[n] for n in range(min(limit, len(self._events)))]
            self._sent = len(taken)
            return taken

    def done(self, count: int) -> None:
        """The first `count` need not be sent again."""
        with self._lock:
            for _ in range(min(count, len(self._events))):
                event = self._events.popleft()
                if event["type"] == "progress":
                    self._last = event
            self._sent = 0

    def back(self) -> None:
        """Those on their way were not taken: they are to be sent again."""
        with self._lock:
            self._sent = 0

    def lost(self) -> None:
        """Nobody knows whether those on their way arrived: they are to be sent again.

        So is the last progress before them. A hub that was killed may have forgotten it, and it may have been the last
        count of a stage; one that was not takes it for late.
        """
        with self._lock:
            self._sent = 0
            if self._last is not None:
                self._events.appendleft(self._last)
                self._last = None

    def begin_again(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Say `events` before all that waits, to a hub that knows nothing of what was acknowledged."""
        with self._lock:
            waiting = [event for event in self._events if event["type"] != "progress"]
            self._events = deque({"key": uuid.uuid4().hex, **event} for event in [*events, *waiting])
            self._sent, self._last = 0, None

    def strip(self, place: int, names: tuple[str, ...]) -> bool:
        """Take `names` out of the event at `place`; False when it had none of them."""
        with self._lock:
            event = self._events[place]
            slim = {name: value for name, value in event.items() if name not in names}
            self._events[place] = slim | ({"key": uuid.uuid4().hex} if "key" in slim else {})
            return len(slim) < len(event)

    def drop(self, place: int) -> None:
        with self._lock:
            del self._events[place]
            self._sent = 0

    def _add(self, event: Mapping[str, Any]) -> None:
        self._events.append({"key": uuid.uuid4().hex, **event})
        if len(self._events) > self._limit:
            self._drop()

    def _drop(self) -> None:
        for place in range(self._sent, len(self._events)):
            if self._events[place]["type"] == "log":
                del self._events[place]
                self.left_out += 1
                return
