"""The register: what is known of outside jobs that are not live, ended ones and those that nobody has heard of yet."""

import collections
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hub.core.errors import ForeignJob, JobEnded
from hub.core.estimates import Past, learned, relevant, usual_s
from hub.core.events import JobBody, Stage, State
from hub.core.job import JobState
from hub.core.ledger import Ledger
from hub.core.ports import Clock, Journal
from hub.core.said import Said, SaidJob
from hub.jobs.intake import PAST_RUNS

REMEMBERED = 1000
"""Ends known without a look into the journal."""
KINDS = 200
"""Of which the earlier runs are kept in memory."""
FRESH_S = 1.0
"""Where many jobs begin, each second's first one reads of the earlier runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """A job that has ended; None: no more than that is known of it."""

    project: str | None = None
    kind: str | None = None
    state: State | None = None
    percent: float = 0.0

    def refuse(self, project: str, said: Said) -> None:
        """Returns for an end that is said again. Raises ForeignJob, JobEnded."""
        if self.project not in {None, project}:
            raise ForeignJob
        if isinstance(said, SaidJob) and (said.state, said.kind) == (self.state, self.kind):
            return
        how = f", as {self.state.value}" if self.state else ""
        raise JobEnded(f"The job has ended already{how}; nothing more can happen to it.")


@dataclass(slots=True)
class Found:
    """Looked up for one request."""

    earlier: dict[str, Sequence[JobState]] = field(default_factory=dict)
    """By job that may begin: those of its kind that succeeded, newest first."""
    gone: dict[str, Gone] = field(default_factory=dict)


class Register:
    def __init__(self, journal: Journal, ledger: Ledger, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._alike: collections.OrderedDict[tuple[str, str], tuple[float, Sequence[JobState]]] = (
            collections.OrderedDict()
        )
        """By project and kind: when they were read, and those that succeeded, newest first."""
        self._ledger = ledger
        self._newest: collections.OrderedDict[str, Gone] = collections.OrderedDict()

    def add(self, job: str, gone: Gone) -> None:
        self._newest[job] = gone
        while len(self._newest) > REMEMBERED:
            self._newest.popitem(last=False)

    def gone(self, job: str, found: Found) -> Gone | None:
        return self._newest.get(job) or found.gone.get(job)

    def forget(self, project: str) -> None:
        """A deleted project takes its jobs along."""
        kept = ((job, gone) for job, gone in self._newest.items() if gone.project != project)
        self._newest = collections.OrderedDict(kept)
        for pair in [pair for pair in self._alike if pair[0] == project]:
            del self._alike[pair]

    async def look_up(self, project: str, jobs: Iterable[Said]) -> Found:
        """`jobs`: something said of each. Nothing else may begin one meanwhile. Raises JournalUnavailable.

        A job that has ended is never begun again, as long as the journal knows it, be it by no more than an event.
        """
        found = Found()
        unknown = {said.job: said for said in jobs if said.job not in self._newest and not self._ledger.job(said.job)}
        ended = {job for job in unknown if self._ledger.has_ended(job)}  # first: the ledger forgets what is committed
        known = await self._journal.known(list(unknown))
        for job, said in unknown.items():
            row = known.get(job)
            if row is not None and row.state.is_end:
                found.gone[job] = Gone(project=row.project, kind=row.kind, state=row.state, percent=row.percent)
            elif job in known or job in ended:
                found.gone[job] = Gone()
            else:
                found.earlier[job] = await self._succeeded(project, said.kind)
        return found

    async def _succeeded(self, project: str, kind: str) -> Sequence[JobState]:
        now = self._clock.monotonic()
        read_at, jobs = self._alike.get((project, kind), (float("-inf"), ()))
        if now - read_at < FRESH_S:
            return jobs
        jobs = await self._journal.succeeded(project, kind, PAST_RUNS)
        self._alike[project, kind] = (now, jobs)
        if len(self._alike) > KINDS:
            self._alike.popitem(last=False)
        return jobs


def beginning(said: Said, earlier: Sequence[JobState], silence_s: float) -> tuple[JobBody, tuple[Past, ...]]:
    """The first event of a job of which `said` is the first that was heard, and the runs that teach about it.

    A job that names no stages gets those of the newest run that had the very same parameters.
    """
    plan: tuple[Stage, ...] = ()
    params: Mapping[str, Any] = {}
    state = State.RUNNING
    if isinstance(said, SaidJob):
        plan, params = said.stages, said.params or {}
        silence_s = said.silence_s or silence_s
        state = State.RUNNING if said.state.is_end else said.state
    past = relevant(earlier, params)
    if not plan:
        plan = next((_stages(job) for job in earlier if dict(job.params) == dict(params)), ())
    body = JobBody(state=state, params=params, plan=learned(plan, past), usual_s=usual_s(past), silence_s=silence_s)
    return body, past


def _stages(job: JobState) -> tuple[Stage, ...]:
    """Those that it has been in."""
    return tuple(
        Stage(name=stage.stage, title=stage.title, weight=stage.weight)
        for stage in job.stages
        if stage.started is not None and stage.weight > 0
    )
