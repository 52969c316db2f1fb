"""Those who guess: each address is made to wait, longer each time, and nobody else is."""

import collections
from dataclasses import dataclass

from hub.access.places import household

FREE = 10
"""Wrong ones that cost nothing: a mistyped token, some tabs with an old one."""
FIRST_S, LONGEST_S = 1.0, 300.0
"""The wait after that, doubled by each further one."""
FORGOTTEN_S = 900.0
MOST = 10_000
"""Addresses that are remembered; of more, those that were wrong longest ago are forgotten."""


@dataclass(slots=True)
class _Record:
    wrong: int = 0
    last: float = 0.0
    until: float = 0.0


class Guesses:
    """`now` is of a clock in seconds that never goes back."""

    def __init__(self) -> None:
        self._records: collections.OrderedDict[str, _Record] = collections.OrderedDict()

    def wait_s(self, address: str, now: float) -> float:
        """How long nothing that comes from there is looked at; 0: not at all."""
        record = self._records.get(household(address))
        return max(0.0, record.until - now) if record else 0.0

    def was_wrong(self, address: str, now: float) -> None:
        name = household(address)
        record = self._records.pop(name, None)
        if record is None or now - record.last > FORGOTTEN_S:
            record = _Record()
        record.wrong += 1
        record.last = now
        if record.wrong > FREE:
            record.until = now + min(FIRST_S * 2.0 ** min(record.wrong - FREE - 1, 60), LONGEST_S)
        self._records[name] = record
        while len(self._records) > MOST:
            self._records.popitem(last=False)

    def was_right(self, address: str) -> None:
        self._records.pop(household(address), None)

    def __len__(self) -> int:
        return len(self._records)
