"""One hub, alone: what is shared is delivered at once."""

from collections.abc import Callable, Sequence

from hub.core.events import Event


class LocalBackplane:
    def __init__(self) -> None:
        self._deliver: list[Callable[[Sequence[Event]], None]] = []

    def listen(self, deliver: Callable[[Sequence[Event]], None]) -> None:
        self._deliver.append(deliver)

    def share(self, events: Sequence[Event]) -> None:
        for deliver in self._deliver:
            deliver(events)
