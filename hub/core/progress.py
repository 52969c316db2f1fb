"""One percent, one rate and one estimate out of the counters of many stages."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hub.core.estimates import Pace, left_s
from hub.core.events import ProgressBody, Stage, StageBody

HALF_LIFE_S = 5.0
"""Of the smoothing of rates; long enough for batchy work, short enough to notice a change of network."""
CONFIDENT_S = 3.0
CONFIDENT_SAMPLES = 3
"""No estimate before so much time and so many advances in a stage: a wrong one is worse than none."""
CEILING = 99.9
"""The most an unfinished job shows; 100 is only ever said by its end."""


class Speed:
    """Exponentially weighted units a second over uneven samples."""

    __slots__ = ("_at", "_value", "advances", "per_s")

    def __init__(self) -> None:
        self._at: float | None = None
        self._value = 0.0
        self.per_s: float | None = None
        self.advances = 0

    def sample(self, value: float, at: float) -> None:
        if self._at is None or value < self._value:  # first sample, or a counter that started over
            self._at, self._value, self.per_s, self.advances = at, value, None, 0
            return
        passed = at - self._at
        if value == self._value or passed <= 0:
            return
        fresh = (value - self._value) / passed
        keep = 0.5 ** (passed / HALF_LIFE_S)
        self.per_s = fresh if self.per_s is None else keep * self.per_s + (1 - keep) * fresh
        self._at, self._value = at, value
        self.advances += 1


class Meter:
    """Follows one run of one job through its plan.

    Percent is the weight of the stages passed plus the share of the present one; it never goes down, whatever the
    counters do. Stages that are not in the plan are taken as they come, with no weight. Where there is no plan at all,
    each stage takes half of what is left of the whole: nobody knows how many there will be.
    """

    def __init__(
        self,
        plan: Sequence[Stage],
        *,
        started: float,
        usual_s: tuple[float, float] | None = None,
        percent: float = 0.0,
        newest: ProgressBody | None = None,
    ) -> None:
        """`started` and every `at` below are seconds of a clock that stands still while the job is held; `usual_s` is
        what such jobs take, low and high; `percent` and the `newest` report were told before.
        """
        self._planned = len(plan)
        self._plan = list(plan)
        self._whole = math.fsum(stage.weight for stage in plan) or 1.0
        self._started = started
        self._usual_s = usual_s
        self._step = 0
        self._percent = percent
        self._rate = Speed()
        self._pace = Speed()
        self._stage_since: float | None = None
        self._newest = newest

    @property
    def stage(self) -> Stage | None:
        return self._plan[self._step - 1] if self._step else None

    @property
    def percent(self) -> float:
        return self._percent

    @property
    def names(self) -> list[str]:
        """Of all stages, in order."""
        return [stage.name for stage in self._plan]

    def reach(self, name: str) -> ProgressBody | None:
        """The present stage as done, at the percent with which the stage `name` begins; to be told before that one.

        None where this is no more than was told before.
        """
        names = self.names
        passed = math.fsum(stage.weight for stage in self._plan[: names.index(name)]) if name in names else 0.0
        reached = _percent(passed / self._whole)
        if not self._step or reached <= self._percent:
            return None
        self._percent = reached
        self._newest = replace(self._present(), percent=reached, rate=None, eta_s=None, stalled_s=None)
        return self._newest

    def enter(self, name: str, title: str | None = None) -> StageBody:
        """Go to the stage `name`; the plan's own title comes first."""
        names = self.names
        if name not in names:
            weight = 0.0 if self._planned else 0.5 ** (len(self._plan) + 1)
            self._plan.append(Stage(name=name, title=title or name, weight=weight))
            names.append(name)
        self._step = names.index(name) + 1
        # The pace of one stage says nothing about the next: bytes come at another speed than deltas.
        self._rate, self._pace, self._stage_since = Speed(), Speed(), None
        stage = self._plan[self._step - 1]
        return StageBody(stage=stage.name, title=stage.title, step=self._step, steps=len(self._plan))

    def advance(
        self,
        at: float,
        current: float,
        total: float | None,
        unit: str = "",
        message: str = "",
        detail: Mapping[str, Any] | None = None,
    ) -> ProgressBody:
        """Take a report of the present stage."""
        stage = self._plan[max(self._step, 1) - 1] if self._plan else Stage(name="", title="", weight=1.0)
        share = min(max(current / total, 0.0), 1.0) if total else 0.0
        passed = math.fsum(earlier.weight for earlier in self._plan[: max(self._step, 1) - 1])
        reached = _percent((passed + stage.weight * share) / self._whole)
        if not 0 < self._planned < self._step:  # a surprise says nothing of the stages that were planned
            self._percent = max(self._percent, reached)
        if self._stage_since is None:
            self._stage_since = at
        self._rate.sample(current, at)
        self._pace.sample(self._percent, at)
        self._newest = ProgressBody(
            stage=stage.name,
            step=max(self._step, 1),
            steps=max(len(self._plan), 1),
            current=current,
            total=total,
            unit=unit,
            percent=self._percent,
            rate=round(self._rate.per_s, 1) if self._rate.per_s is not None and self._rate.advances > 1 else None,
            eta_s=self._eta(at),
            message=message,
            detail=detail or {},
        )
        return self._newest

    def still(self, stalled_s: float) -> ProgressBody:
        """The newest report again, when nothing has moved for `stalled_s`: with that, and without rate and estimate."""
        return replace(self._present(), rate=None, eta_s=None, stalled_s=round(stalled_s, 1))

    def _present(self) -> ProgressBody:
        """The newest report of the present stage; where there was none, one of nothing but the detail before it."""
        newest = self._newest
        step, steps = max(self._step, 1), max(len(self._plan), 1)
        stage = self._plan[step - 1].name if self._plan else ""
        if newest is not None and newest.stage == stage:
            return newest
        return ProgressBody(
            stage=stage, step=step, steps=steps, current=0, total=None, unit="", percent=self._percent, rate=None,
            eta_s=None, detail=newest.detail if newest is not None else {},
        )  # fmt: skip

    def _eta(self, at: float) -> tuple[float, float] | None:
        elapsed_s = at - self._started
        is_known = at - (self._stage_since or at) >= CONFIDENT_S and self._pace.advances >= CONFIDENT_SAMPLES
        per_s = self._pace.per_s / 100 if is_known and self._pace.per_s else None
        return left_s(Pace(elapsed_s=elapsed_s, share=self._percent / 100, per_s=per_s), self._usual_s)


def _percent(share: float) -> float:
    """Of an unfinished job, in whole tenths, rounded down: but for the last bit of a float, as in 3/4 + 0.1 * 1/2."""
    return min(math.floor(share * 1000 + 1e-6) / 10, CEILING)
