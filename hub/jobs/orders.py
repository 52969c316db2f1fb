"""Orders: jobs that were accepted, and every state in which they are told of."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from hub.core.events import Failure, JobBody, Stage, State
from hub.core.job import JobState
from hub.core.ports import Project
from hub.core.redaction import MASK
from hub.jobs.base import ALL, Kind, Place, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A job that was accepted."""

    id: str
    kind: Kind
    target: Target
    secrets: Mapping[str, str]
    body: JobBody
    """As queued; every later state of the job is a variation of it."""

    def became(self, state: State, **fields: Any) -> JobBody:
        told_once: dict[str, Any] = {"queue": None, "plan": (), "usual_s": None, "starts_at": None}
        return dataclasses.replace(self.body, state=state, **{**told_once, **fields})

    @classmethod
    def recalled(cls, job: JobState, kind: Kind | None, project: Project) -> Self | None:
        """A job of an earlier process; None where its secrets are gone or its kind is."""
        if kind is None or needs_secrets(job):
            return None
        planned = job.stages[: job.planned or None]
        plan = tuple(Stage(name=stage.stage, title=stage.title, weight=stage.weight) for stage in planned)
        body = body_of(job, job.state, plan=plan, usual_s=job.usual_s, queue=job.queue, starts_at=job.starts_at)
        return cls(id=job.id, kind=kind, target=target_of(project), secrets={}, body=body)


def target_of(project: Project) -> Target:
    return Target(id=project.id, name=project.name, url=project.url, path=project.path)


def places(order: Order, projects: Iterable[Project], home: Callable[[str], Path]) -> list[Place]:
    """What the job covers, out of the `projects` that there are now."""
    targets = [order.target]
    if order.kind.spans and order.target.id == ALL:
        targets = [target_of(project) for project in projects if project.id != ALL]
    targets.sort(key=lambda target: target.id)
    return [Place(target=target, home=home(target.id)) for target in targets]


def body_of(job: JobState, state: State, **fields: Any) -> JobBody:
    """What to tell of a job of which there is no order."""
    return JobBody(
        state=state,
        params=job.params,
        attempt=job.attempt,
        retry_of=job.retry_of,
        resumed=job.resumed,
        scheduled_by=job.scheduled_by,
        retry=job.retry,
        **fields,
    )


def needs_secrets(job: JobState) -> bool:
    """It was given secrets, and those are kept nowhere."""
    return MASK in job.params.values()


def has_begun(job: JobState) -> bool:
    """Of a job that has not ended."""
    return job.started is not None or job.state not in {State.QUEUED, State.PAUSED}


def left_behind(job: JobState) -> Failure:
    """Why a job that an earlier process had does not go on in this one."""
    if has_begun(job) or not needs_secrets(job):
        return interrupted(job.stage)
    return Failure(
        code="secrets_forgotten",
        message="The hub was started anew while the job waited, and it keeps secrets in memory alone.",
        hint="Retry the job with its token, password or key.",
        retry=True,
    )


def interrupted(stage: str | None) -> Failure:
    return Failure(
        code="interrupted",
        message="The hub stopped while the job was running.",
        stage=stage,
        hint="Retry starts it again.",
        retry=True,
    )
