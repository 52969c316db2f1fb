"""One job that a program outside runs: what its publishers say becomes events, few enough to be cheap."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hub.core.errors import Conflict, HubError
from hub.core.estimates import Past, learned
from hub.core.events import Body, JobBody, LogBody, State
from hub.core.job import JobState
from hub.core.ledger import Ledger
from hub.core.ports import Clock, Timer
from hub.core.progress import Meter
from hub.core.publication import MAX_STAGES
from hub.core.said import Said, SaidJob, SaidLog, SaidProgress, SaidStage
from hub.jobs.outside import standing, verdicts
from hub.jobs.outside.allowance import Lines, Second
from hub.jobs.outside.outcome import ACCEPTED, Outcome
from hub.jobs.reporter import LOGS_PER_S, PROGRESS_INTERVAL_S
from hub.jobs.stall import QUIET_S, Movement, Stopwatch

log = logging.getLogger(__name__)

CHANGES_PER_S = 50
"""Changes of state and stage of one job: each is kept and told to everybody."""


class TooFast(Conflict):
    """The job changes its state or stage too often; the stage is for phases, and progress for steps."""

    code = "too_fast"


class Outsider:
    """A live job. `heard` and `tick` are told the time by a clock of the hub's listening (see `Outside`)."""

    def __init__(self, ledger: Ledger, clock: Clock, job: JobState, at: float, past: Sequence[Past] = ()) -> None:
        """`job` as it is now: just begun, or as an earlier hub has left it. `at`: now, as for `heard`; `past`: runs
        that teach about it.
        """
        self.id, self.project, self.kind = job.id, job.project, job.kind
        self.end: State | None = None
        self._ledger = ledger
        self._clock = clock
        self._past = past
        self._stopwatch = Stopwatch(clock.monotonic)
        self._movement = Movement(self._stopwatch)
        self._started = -standing.at_work_s(job, clock.now_ms())
        self._usual_s = job.usual_s
        self._meter = standing.meter(job, self._started)
        self._lines = Lines(LOGS_PER_S, clock)
        self._changes = Second(CHANGES_PER_S, clock)
        self._held: SaidProgress | None = None
        self._timer: Timer | None = None
        self._told_at = float("-inf")
        self._quiet_told_at = float("-inf")
        self._heard_at = at
        self._cancelled_at = at if job.state is State.CANCELLING else None
        self._follow(job.state)

    @property
    def state(self) -> JobState:
        """As published. Raises HubError when the ledger has lost it, with its project."""
        job = self._ledger.job(self.id)
        if job is None:
            raise HubError(f"The job {self.id} is gone.")
        return job

    @property
    def percent(self) -> float:
        return 100.0 if self.end is State.SUCCEEDED else self._meter.percent

    def hear(self, said: Said) -> Outcome:
        """Take what a publisher says of this job. Raises Conflict for what does not fit its state."""
        if isinstance(said, SaidProgress):
            return self._progress(said)
        if isinstance(said, SaidLog):
            return self._log(said)
        if isinstance(said, SaidStage):
            self._go()
            return Outcome(seq=self._enter(said.stage, said.title))
        assert isinstance(said, SaidJob)
        return self._job(said)

    def heard(self, at: float) -> None:
        self._heard_at = at

    def cancel(self, at: float) -> None:
        """Ask the publisher to stop, who learns of it from the answer to what it says next. Twice is fine."""
        if self._cancelled_at is None:
            self._cancelled_at = at
        job = self.state
        if job.state is not State.CANCELLING:
            self._tell(JobBody(state=State.CANCELLING, params=job.params))
            self._follow(State.CANCELLING)

    def tick(self, at: float, cancel_s: float) -> None:
        """Once a second: what is due by the clock alone. `cancel_s`: how long a publisher may take to stop."""
        job = self.state
        self._tell_left_out(self._lines.due())
        if self._cancelled_at is not None and at - self._cancelled_at > cancel_s:
            self._finish(JobBody(state=State.CANCELLED, params=job.params, error=verdicts.unconfirmed(cancel_s)))
        elif job.silence_s is not None and at - self._heard_at > job.silence_s:
            self._finish(JobBody(state=State.FAILED, params=job.params, error=verdicts.silent(job.silence_s)))
        elif job.state not in {State.QUEUED, State.PAUSED}:
            self._tell_quiet()

    def flush(self) -> int | None:
        """Tell the progress that is held back; its number, None when there is none."""
        said, self._held = self._held, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if said is None:
            return None
        self._told_at = self._clock.monotonic()
        counts: Mapping[str, Any] = {"current": said.current, "message": said.message, "detail": said.detail}
        self._movement.hear_progress(counts)
        at = self._stopwatch.seconds()
        body = self._meter.advance(at, said.current, said.total, said.unit, said.message, said.detail)
        quiet_s = self._movement.quiet_s()
        return self._tell(body if quiet_s is None else self._meter.still(quiet_s))

    # -- what is said -------------------------------------------------------------------------------------------------

    def _progress(self, said: SaidProgress) -> Outcome:
        """The first of a stage now, then the newest, at most 20 times a second; nothing of a stage that was left."""
        self._go()
        names = self._meter.names
        stage = said.stage or ("" if self._meter.stage or not names else names[0])
        if stage:
            if self._meter.stage is not None and stage in names[: names.index(self._meter.stage.name)]:
                return ACCEPTED
            self._enter(stage, None)
        self._held = said
        if self._timer is not None:
            return ACCEPTED
        wait_s = self._told_at + PROGRESS_INTERVAL_S - self._clock.monotonic()
        if wait_s <= 0:
            return Outcome(seq=self.flush())
        self._timer = self._clock.later(wait_s, self._open)
        return ACCEPTED

    def _log(self, said: SaidLog) -> Outcome:
        self._tell_left_out(self._lines.due())
        if not self._lines.take():
            return Outcome(left_out=True)
        self._movement.hear_log(said.message)
        return Outcome(seq=self._tell(LogBody(level=said.level, message=said.message, stage=self._stage)))

    def _job(self, said: SaidJob) -> Outcome:
        job = self.state
        params = job.params if said.params is None else said.params
        if said.state.is_end:
            error = said.error and replace(said.error, stage=said.error.stage or self._stage)
            return Outcome(seq=self._finish(JobBody(state=said.state, params=params, result=said.result, error=error)))
        state = job.state if job.state is State.CANCELLING else said.state
        silence_s = said.silence_s or job.silence_s
        plan = learned(said.stages, self._past) if not job.stages else ()
        if (state, params, silence_s) == (job.state, job.params, job.silence_s) and not plan:
            return ACCEPTED
        seq = self._change(JobBody(state=state, params=params, plan=plan, silence_s=silence_s))
        if state is State.CANCELLING and self._cancelled_at is None:  # said by the publisher itself
            self._cancelled_at = self._heard_at
        if plan:
            percent = self._meter.percent
            self._meter = Meter(plan, started=self._started, usual_s=self._usual_s, percent=percent)
        return Outcome(seq=seq)

    def _enter(self, name: str, title: str | None) -> int | None:
        """Go to a stage; None when the job is in it already."""
        if name == self._stage:
            return None
        names = self._meter.names
        if name not in names and len(names) >= MAX_STAGES:
            raise Conflict(f"The job has {MAX_STAGES} stages, and can't have more.", code="too_many_stages")
        self._check_pace()
        self._end_of_stage()
        self._told_at = float("-inf")
        self._movement.hear_stage()
        if (done := self._meter.reach(name)) is not None:
            self._tell(done)
        return self._tell(self._meter.enter(name, title))

    def _go(self) -> None:
        """Whoever moves is running."""
        job = self.state
        if job.state is State.QUEUED:
            self._change(JobBody(state=State.RUNNING, params=job.params))

    def _change(self, body: JobBody) -> int:
        self._check_pace()
        seq = self._tell(body)
        self._follow(body.state)
        return seq

    def _check_pace(self) -> None:
        if not self._changes.take():
            raise TooFast

    def _finish(self, end: JobBody) -> int:
        self._end_of_stage()
        seq = self._tell(end)
        self.end = end.state
        return seq

    # -- inside -------------------------------------------------------------------------------------------------------

    @property
    def _stage(self) -> str | None:
        return self._meter.stage.name if self._meter.stage else None

    def _follow(self, state: State) -> None:
        """Time at work stands still while the job does."""
        if state in {State.QUEUED, State.PAUSED}:
            self._stopwatch.stop()
        else:
            self._stopwatch.go()

    def _end_of_stage(self) -> None:
        self.flush()
        self._tell_left_out(self._lines.left_out())

    def _tell_left_out(self, lines: int) -> None:
        if lines:
            message = f"{lines} {'line' if lines == 1 else 'lines'} left out"
            self._tell(LogBody(level="info", message=message, stage=self._stage))

    def _tell_quiet(self) -> None:
        now, quiet_s = self._clock.monotonic(), self._movement.quiet_s()
        if quiet_s is not None and self._held is None and now - self._quiet_told_at >= QUIET_S:
            self._quiet_told_at = now
            self._tell(self._meter.still(quiet_s))

    def _open(self) -> None:
        """The time of what is held back has come."""
        self._timer = None
        try:
            self.flush()
        except HubError as exc:  # its project was deleted meanwhile
            log.warning("%s", exc, extra={"action": "event_dropped", "job": self.id})

    def _tell(self, body: Body) -> int:
        return self._ledger.publish(self.project, self.id, self.kind, body).seq
