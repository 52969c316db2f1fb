"""Which snapshots to keep."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from hub.snapshots.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How many to keep of each; 0 of all of them keeps nothing, so such a policy is refused where it is read."""

    last: int = 0
    """The newest."""
    daily: int = 0
    """The newest of each of so many days that have any, by UTC; and so on."""
    weekly: int = 0
    monthly: int = 0

    @property
    def is_empty(self) -> bool:
        return not (self.last or self.daily or self.weekly or self.monthly)


_PERIODS = (("daily", "%Y-%m-%d"), ("weekly", "%G-W%V"), ("monthly", "%Y-%m"))


def kept(snapshots: Sequence[Snapshot], policy: Policy) -> dict[str, list[str]]:
    """The ids of those to keep, each with the reasons for it."""
    newest_first = sorted(snapshots, key=lambda one: (one.created, one.id), reverse=True)
    found: dict[str, list[str]] = {one.id: ["last"] for one in newest_first[: policy.last]}
    for name, form in _PERIODS:
        seen: set[str] = set()
        for one in newest_first:
            period = time.strftime(form, time.gmtime(one.created / 1000))
            if period not in seen and len(seen) < getattr(policy, name):
                seen.add(period)
                found.setdefault(one.id, []).append(f"{name} {period}")
    return found
