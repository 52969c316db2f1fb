"""Where an outside job stands: what is needed to go on with it as it was told, in this hub or the next."""

from hub.core.events import Stage
from hub.core.job import JobState
from hub.core.progress import Meter


def at_work_s(job: JobState, now_ms: int) -> float:
    """Seconds since it started, without those in which it was held."""
    if job.started is None:
        return 0.0
    until_ms = now_ms if job.held_at is None else job.held_at
    return max(until_ms - job.started - job.held_ms, 0) / 1000


def meter(job: JobState, started: float) -> Meter:
    """One that goes on from what was told, in the stage that the job is in."""
    plan = [Stage(name=stage.stage, title=stage.title, weight=stage.weight) for stage in job.stages[: job.planned]]
    found = Meter(plan, started=started, usual_s=job.usual_s, percent=job.percent, newest=job.progress)
    for stage in job.stages[job.planned :]:
        found.enter(stage.stage, stage.title)
    if job.stage and any(stage.started is not None for stage in job.stages):
        found.enter(job.stage)
    return found
