"""A job's state: what a page needs to draw it, folded from the job's events by a pure function."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from hub.core.events import Event, Failure, JobBody, LogBody, ProgressBody, Stage, StageBody, State
from hub.core.retries import Retry


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
    current: float | None = None
    total: float | None = None
    unit: str | None = None
    held_ms: int = 0
    """Of the time since `started`, what the job was held."""

    def to_wire(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in STAGE_FIELDS}

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Self:
        return cls(**{name: wire[name] for name in STAGE_FIELDS if name in wire})


COUNTS = ("current", "total", "unit")
STAGE_FIELDS = ("stage", "title", "weight", "state", "started", "ended", "current", "total", "unit", "held_ms")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """Everything that is known of one job at `seq`.

    A job is held while it is paused, and while it waits for its turn again after that. Time at work is the time between
    `started` and now, or `ended`, less `held_ms`, and less the time since `held_at`. Rate, estimate and `stalled_s`
    stand still as long as it is held.
    """

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
    held_at: int | None = None
    """Since when it has been held; for a job that has ended: it was paused then."""
    held_ms: int = 0
    """How long it was held before that, since it was `started`."""
    usual_s: tuple[float, float] | None = None
    """Seconds at work that jobs like it take, low and high; None: there is nothing to go by."""
    attempt: int = 1
    retry_of: str | None = None
    resumed: bool = False
    """It goes on with the work that `retry_of` left."""
    resumable: bool = False
    """It has ended, and its work was kept: a retry can go on from the stage it ended in."""
    scheduled_by: str | None = None
    """The schedule that started it, or the job that it is a retry of; None: somebody asked for it."""
    retry: Retry | None = None
    """When the hub tries again by itself; None: it does not."""
    starts_at: int | None = None
    """Unix milliseconds until which it waits, as the next try of `retry_of`, and holds no place; None: it does not."""
    silence_s: float | None = None
    """Its publisher is given up after so many seconds of silence; None: the hub runs the job itself."""
    planned: int = 0
    """How many of `stages` were planned; the others came as a surprise. The hub's own note, not on the wire."""

    @property
    def is_outside(self) -> bool:
        """Another program runs it, and the hub only takes reports."""
        return self.silence_s is not None

    def counts(self) -> dict[str, Any] | None:
        """`{stage, current, total, unit}` of the stage that runs; None where none does or nothing was counted."""
        for stage in self.stages:
            if stage.state == "running" and stage.current is not None:
                return {name: getattr(stage, name) for name in ("stage", *COUNTS)}
        return None

    @property
    def percent(self) -> float:
        if self.state is State.SUCCEEDED:
            return 100.0
        return self.progress.percent if self.progress else 0.0

    @property
    def told_at(self) -> int:
        """When it was last heard of, as far as the state shows, in Unix milliseconds."""
        times = [self.created, self.started, self.ended, self.held_at, *(stage.started for stage in self.stages)]
        return max(self.progress_at, *(at for at in times if at is not None))

    @property
    def stage(self) -> str | None:
        """The stage it is in, or ended in: the one not done, else the one entered last."""
        entered = [stage for stage in self.stages if stage.started is not None]
        candidates = [stage for stage in entered if stage.state != "done"] or entered
        if not candidates:
            return self.progress.stage or None if self.progress else None
        return max(reversed(candidates), key=lambda stage: stage.started or 0).stage

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
            "stalled_s": progress.stalled_s if progress and not is_end else None,
            "usual_s": self.usual_s,
            "message": progress.message if progress else "",
            "detail": dict(progress.detail) if progress else {},
            "error": self.error.to_wire() if self.error else None,
            "result": dict(self.result) if self.result is not None else None,
            "queue": self.queue,
            "created": self.created,
            "started": self.started,
            "ended": self.ended,
            "held_at": self.held_at,
            "held_ms": self.held_ms,
            "attempt": self.attempt,
            "retry_of": self.retry_of,
            "resumed": self.resumed,
            "resumable": self.resumable,
            "scheduled_by": self.scheduled_by,
            "retry": self.retry.to_wire() if self.retry else None,
            "starts_at": self.starts_at,
            "silence_s": self.silence_s,
        }

    def to_row(self) -> dict[str, Any]:
        """`to_wire` and the little more that `from_row` needs."""
        progress = self.progress.to_wire() if self.progress else None
        return self.to_wire() | {
            "progress": progress,
            "progress_at": self.progress_at,
            "progress_seq": self.progress_seq,
            "planned": self.planned,
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
        # Hubs before 0.2 did not keep these, and their journals are read, too.
        names = ("held_at", "held_ms", "resumed", "resumable", "scheduled_by", "starts_at", "silence_s", "planned")
        newer = {name: row[name] for name in names if name in row}
        usual = row.get("usual_s")
        return cls(
            **plain,
            **newer,
            usual_s=(usual[0], usual[1]) if usual else None,
            state=State(row["state"]),
            stages=tuple(StageState.from_wire(stage) for stage in row["stages"]),
            progress=ProgressBody.from_wire(row["progress"]) if row["progress"] else None,
            error=Failure.from_wire(row["error"]) if row["error"] else None,
            retry=Retry.from_wire(row["retry"]) if row.get("retry") else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded(Event):
    """An event, and what its job is after it: for encodings that tell states rather than events."""

    state: JobState

    @classmethod
    def of(cls, event: Event, state: JobState) -> Self:
        return cls(
            project=event.project, seq=event.seq, at=event.at, job=event.job, kind=event.kind, body=event.body,
            state=state,
        )  # fmt: skip


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
    state = _held(state, event.at, body.state)
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
        usual_s=state.usual_s or body.usual_s,
        attempt=body.attempt,
        retry_of=body.retry_of,
        resumed=body.resumed,
        resumable=body.resumable,
        scheduled_by=body.scheduled_by,
        retry=body.retry,
        starts_at=body.starts_at,
        silence_s=state.silence_s if body.silence_s is None else body.silence_s,
        planned=state.planned if state.stages else len(body.plan),
    )


def _held(state: JobState, at: int, becomes: State) -> JobState:
    """The state with its clock stopped, or going again, as the job becomes `becomes`."""
    waits_again = becomes is State.QUEUED and state.started is not None
    if becomes is State.PAUSED or waits_again:
        return state if state.held_at is not None else replace(state, held_at=at)
    if state.held_at is None or (becomes.is_end and state.state is State.PAUSED):
        return state
    passed = max(at - state.held_at, 0) if state.started is not None else 0  # clocks may be set back
    stages = tuple(
        replace(stage, held_ms=stage.held_ms + passed) if stage.state == "running" else stage for stage in state.stages
    )
    return replace(state, stages=stages, held_at=None, held_ms=state.held_ms + passed)


def _on_stage(state: JobState, event: Event, body: StageBody) -> JobState:
    stages = state.stages
    if left := body.left:
        counts = {name: left[name] for name in COUNTS}
        stages = tuple(replace(stage, **counts) if stage.stage == left["stage"] else stage for stage in stages)
    stages = tuple(_left(stage, event.at, "done") for stage in stages)
    if body.stage not in {stage.stage for stage in stages}:
        stages = (*stages, StageState(stage=body.stage, title=body.title, weight=1.0))
    stages = tuple(
        replace(stage, state="running", started=event.at, ended=None, held_ms=0) if stage.stage == body.stage else stage
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
