"""What earlier runs teach about the next one: the width of its stages, how long it takes, and what is left of it.

Everything here is pure. Seconds are seconds at work: the time that a job was held counts nowhere.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from hub.core.events import Stage, State
from hub.core.job import JobState, StageState

RUNS = 5
"""As many earlier runs are looked at: enough to see a spread, few enough to follow a repository that grows."""
SHORTEST_S = 0.5
"""A run that took less teaches nothing: starting it took as long."""
OWN = 0.5
"""Of the kind's own weights, beside 1 for the newest run. One run is believed twice as much as the guess."""
FADE = 0.7
"""Each older run counts so much of the one after it."""
NARROWEST = 0.005
"""Share of the whole that a stage with a weight keeps: this time it may be the long one."""
ONE_RUN = (0.75, 1.35)
"""How much a single earlier run is stretched to a range."""
TRUST = 0.25
"""At this share of the work the pace of the run itself weighs as much as the earlier runs; later it weighs more."""
OVERDUE = 1.5
"""Past so many times the longest usual duration, earlier runs say nothing of this one."""
EARLIEST = 0.05
"""Share of the work before which a run's own pace, without earlier runs, is not worth telling."""
WIDEST, SLACK_S = 3.0, 10.0
"""An estimate whose high end is more than so many times the low one, and seconds, is worth nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """One earlier run that succeeded."""

    whole_s: float
    stages: Mapping[str, float]
    """Seconds in each stage that it entered."""

    @classmethod
    def of(cls, job: JobState) -> Self | None:
        """None for a run that did not succeed, took next to no time, or whose times contradict each other."""
        if job.state is not State.SUCCEEDED or job.started is None or job.ended is None or job.resumed:
            return None
        whole_s = (job.ended - job.started - job.held_ms) / 1000
        stages = {stage.stage: _seconds(stage) for stage in job.stages if stage.started is not None}
        inside_s = math.fsum(stages.values())
        is_sane = all(0 <= seconds <= whole_s for seconds in stages.values()) and 0 < inside_s <= whole_s * 1.01
        return cls(whole_s=whole_s, stages=stages) if is_sane and whole_s >= SHORTEST_S else None


def _seconds(stage: StageState) -> float:
    """-1, which is no duration, for a stage that was not left."""
    if stage.started is None or stage.ended is None:
        return -1.0
    return (stage.ended - stage.started - stage.held_ms) / 1000


def relevant(jobs: Sequence[JobState], params: Mapping[str, object]) -> tuple[Past, ...]:
    """Of a project's earlier jobs of one kind, newest first, those that teach: with these very parameters if there are
    any (a shallow clone says little of a whole one), else all; RUNS at most.
    """
    same = [past for job in jobs if dict(job.params) == dict(params) and (past := Past.of(job))]
    return tuple((same or [past for job in jobs if (past := Past.of(job))])[:RUNS])


def learned(plan: Sequence[Stage], runs: Sequence[Past]) -> tuple[Stage, ...]:
    """The plan with weights by the shares of time that the stages took in `runs`, newest first.

    They are smoothed with the plan's own; stages without a weight stay so. In all the weights are 100, or as they were
    when there is nothing to learn from.
    """
    whole = math.fsum(stage.weight for stage in plan)
    taught = [shares for run in runs if (shares := _shares(plan, run))]
    if not taught or not whole:
        return tuple(plan)
    faith = [OWN, *(FADE**age for age in range(len(taught)))]
    widths = []
    for stage in plan:
        seen = [stage.weight / whole, *(run[stage.name] for run in taught)]
        mean = math.fsum(weight * share for weight, share in zip(faith, seen, strict=True)) / math.fsum(faith)
        widths.append(max(mean, NARROWEST) if stage.weight else 0.0)
    scale = 100 / math.fsum(widths)
    return tuple(replace(stage, weight=round(width * scale, 2)) for stage, width in zip(plan, widths, strict=True))


def _shares(plan: Sequence[Stage], run: Past) -> dict[str, float]:
    """Empty where the run spent no time in stages that have a weight."""
    seconds = {stage.name: run.stages.get(stage.name, 0.0) if stage.weight else 0.0 for stage in plan}
    whole = math.fsum(seconds.values())
    return {name: taken / whole for name, taken in seconds.items()} if whole else {}


def usual_s(runs: Sequence[Past]) -> tuple[float, float] | None:
    """How long it takes as a rule, low and high: of four runs or more without the quickest and the slowest."""
    lengths = sorted(run.whole_s for run in runs)
    if not lengths:
        return None
    if len(lengths) == 1:
        return (round(lengths[0] * ONE_RUN[0], 1), round(lengths[0] * ONE_RUN[1], 1))
    middle = lengths[1:-1] if len(lengths) > 3 else lengths
    return (round(middle[0], 1), round(middle[-1], 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast a run has gone so far."""

    elapsed_s: float
    share: float
    """Of the whole work that is done, 0 to 1."""
    per_s: float | None
    """Share a second of late; None while that is not known well enough."""


def left_s(pace: Pace, usual: tuple[float, float] | None) -> tuple[float, float] | None:
    """Seconds left, low and high; None rather than what is not worth saying.

    The run's own pace gives two guesses, by its speed of late and by its speed so far. They are drawn towards what such
    runs take as a rule, the less so the further the run is. In 300 simulated jobs (1 to 4 stages of some 20 s whose
    weights were guessed wrong by a factor of 2, speeds that wander, one run in seven quite unlike the earlier ones) the
    middle of the range was off by, in shares of the whole duration:

        earlier runs   half of the time   nine tenths   told for
        0              14 %               76 %          66 % of the time
        1              12 %               46 %          88 %
        3              10 %               35 %          95 %
        5               9 %               34 %          97 %

    (`python -m tests.core.test_estimates` measures it.)
    """
    spans = []
    trust = 0.0
    if pace.per_s and pace.share > (0 if usual else EARLIEST):
        spans = [pace.elapsed_s + (1 - pace.share) / pace.per_s, pace.elapsed_s / pace.share]
        trust = 1.0
    if usual is not None and 0 < pace.elapsed_s <= usual[1] * OVERDUE:
        # A run that has used up the usual time and got nowhere is not a usual one.
        trust *= max(pace.share / (pace.share + TRUST), min(pace.elapsed_s / usual[1], 1.0))
        spans = spans or list(usual)
        ends = (_blend(min(spans), usual[0], trust), _blend(max(spans), usual[1], trust))
    elif spans:
        ends = (min(spans), max(spans))
    else:
        return None
    low, high = (round(max(end - pace.elapsed_s, 0.0), 1) for end in ends)
    return (low, high) if 0 < high <= WIDEST * low + SLACK_S else None


def _blend(present: float, past: float, trust: float) -> float:
    """Between the two, by ratio: twice as long and half as long are equally far off."""
    return math.exp(trust * math.log(present) + (1 - trust) * math.log(past))
