"""A job's state: what a page needs to draw it, folded from the job's events by a pure function."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from hub.core.events import Event, Failure, JobBody, LogBody, ProgressBody, Stage, StageBody, State


@dataclass(frozen=True, slots=True, kw_only=True)
class StageState:
    """One stage of one job. Times are Unix milliseconds; counts are the last reported."""

    stage: str
    title: str
    weight: float
    state: str = "waiting"
    """waiting, running, done, or the job's own end for the stage it ended in."""
    started: int | None = None
    ended: int | None = None
    current: int | None = None
    total: int | None = None
    unit: str | None = None

    def to_wire(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in STAGE_FIELDS}

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Self:
        return cls(**{name: wire[name] for name in STAGE_FIELDS})


STAGE_FIELDS = ("stage", "title", "weight", "state", "started", "ended", "current", "total", "unit")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """Everything that is known of one job at `seq`."""

    id: str
    project: str
    kind: str
    state: State
    seq: int
    """The newest event folded in. For an ended job: its end."""
    created: int
    params: Mapping[str, Any] = field(default_factory=dict)
    stages: tuple[StageState, ...] = ()
    progress: ProgressBody | None = None
    progress_seq: int = 0
    progress_at: int = 0
    error: Failure | None = None
    result: Mapping[str, Any] | None = None
    queue: int | None = None
    started: int | None = None
    ended: int | None = None
    attempt: int = 1
    retry_of: str | None = None

    @property
    def percent(self) -> float:
        if self.state is State.SUCCEEDED:
            return 100.0
        return self.progress.percent if self.progress else 0.0

    @property
    def stage(self) -> str | None:
        """The stage it is in, or ended in: the one not done, else the one entered last."""
        entered = [stage for stage in self.stages if stage.started is not None]
        candidates = [stage for stage in entered if stage.state != "done"] or entered
        return max(reversed(candidates), key=lambda stage: stage.started or 0).stage if candidates else None

    def newest_progress(self) -> Event | None:
        """The job's latest-lane event, as it was told; None when there was none."""
        if self.progress is None:
            return None
        return Event(
            project=self.project, seq=self.progress_seq, at=self.progress_at, job=self.id, kind=self.kind,
            body=self.progress,
        )  # fmt: skip

    def to_wire(self) -> dict[str, Any]:
        """The state object of the API. `watchers` is not the job's own and is added by whoever counts them."""
        progress, is_end = self.progress, self.state.is_end
        step = next((n for n, stage in enumerate(self.stages, 1) if stage.stage == self.stage), 0)
        return {
            "id": self.id,
            "project": self.project,
            "kind": self.kind,
            "state": self.state.value,
            "seq": self.seq,
            "params": dict(self.params),
            "stages": [stage.to_wire() for stage in self.stages],
            "stage": self.stage,
            "step": step,
            "steps": len(self.stages),
            "percent": self.percent,
            "current": progress.current if progress else 0,
            "total": progress.total if progress else None,
            "unit": progress.unit if progress else "",
            "rate": progress.rate if progress and not is_end else None,
            "eta_s": progress.eta_s if progress and not is_end else None,
            "message": progress.message if progress else "",
            "detail": dict(progress.detail) if progress else {},
            "error": self.error.to_wire() if self.error else None,
            "result": dict(self.result) if self.result is not None else None,
            "queue": self.queue,
            "created": self.created,
            "started": self.started,
            "ended": self.ended,
            "attempt": self.attempt,
            "retry_of": self.retry_of,
        }

    def to_row(self) -> dict[str, Any]:
        """`to_wire` and the little more that `from_row` needs."""
        progress = self.progress.to_wire() if self.progress else None
        return self.to_wire() | {
            "progress": progress,
            "progress_at": self.progress_at,
            "progress_seq": self.progress_seq,
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        plain = {
            name: row[name]
            for name in (
                "id", "project", "kind", "seq", "created", "params", "result", "queue", "started", "ended", "attempt",
                "retry_of", "progress_seq", "progress_at",
            )
        }  # fmt: skip
        return cls(
            **plain,
            state=State(row["state"]),
            stages=tuple(StageState.from_wire(stage) for stage in row["stages"]),
            progress=ProgressBody.from_wire(row["progress"]) if row["progress"] else None,
            error=Failure.from_wire(row["error"]) if row["error"] else None,
        )


def reduce(state: JobState | None, event: Event) -> JobState:
    """The job's state after `event`. Pure; `state` is None for a job's first event.

    An event that is not newer than the state, or comes after the job's end, changes nothing.
    """
    if state is None:
        state = JobState(
            id=event.job, project=event.project, kind=event.kind, state=State.QUEUED, seq=0, created=event.at
        )
    if event.seq <= state.seq or state.state.is_end:
        return state
    body = event.body
    if isinstance(body, JobBody):
        return _on_job(state, event, body)
    if isinstance(body, StageBody):
        return _on_stage(state, event, body)
    if isinstance(body, ProgressBody):
        return _on_progress(state, event, body)
    assert isinstance(body, LogBody)
    return replace(state, seq=event.seq)


def _on_job(state: JobState, event: Event, body: JobBody) -> JobState:
    stages = state.stages or tuple(_waiting(stage) for stage in body.plan)
    if body.state.is_end:
        last = "done" if body.state is State.SUCCEEDED else body.state.value
        stages = tuple(_left(stage, event.at, last) for stage in stages)
    started = state.started
    if started is None and body.state is State.RUNNING:
        started = event.at
    return replace(
        state,
        state=body.state,
        seq=event.seq,
        params=body.params,
        stages=stages,
        error=body.error,
        result=body.result,
        queue=body.queue,
        started=started,
        ended=event.at if body.state.is_end else None,
        attempt=body.attempt,
        retry_of=body.retry_of,
    )


def _on_stage(state: JobState, event: Event, body: StageBody) -> JobState:
    stages = tuple(_left(stage, event.at, "done") for stage in state.stages)
    if body.stage not in {stage.stage for stage in stages}:
        stages = (*stages, StageState(stage=body.stage, title=body.title, weight=1.0))
    stages = tuple(
        replace(stage, state="running", started=event.at, ended=None) if stage.stage == body.stage else stage
        for stage in stages
    )
    return replace(state, seq=event.seq, stages=stages)


def _on_progress(state: JobState, event: Event, body: ProgressBody) -> JobState:
    stages = tuple(
        replace(stage, current=body.current, total=body.total, unit=body.unit) if stage.stage == body.stage else stage
        for stage in state.stages
    )
    return replace(state, seq=event.seq, stages=stages, progress=body, progress_seq=event.seq, progress_at=event.at)


def _waiting(stage: Stage) -> StageState:
    return StageState(stage=stage.name, title=stage.title, weight=stage.weight)


def _left(stage: StageState, at: int, how: str) -> StageState:
    return replace(stage, state=how, ended=at) if stage.state == "running" else stage
