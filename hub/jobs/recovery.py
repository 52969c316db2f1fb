"""What an earlier process of the hub left: jobs that wait again, interrupted ones, and which of these go on."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from hub.core.events import JobBody, State
from hub.core.job import JobState
from hub.core.ledger import Ledger
from hub.core.ports import JobFilter, Journal, Project
from hub.jobs.folders import Folders, Kept
from hub.jobs.intake import Intake
from hub.jobs.orders import Order, body_of, has_begun, left_behind, needs_secrets
from hub.jobs.turns import Turns

MOST_INTERRUPTIONS = 3
"""In a row; then a job is not resumed by itself any more: it may be what brings the hub down."""

LATER = 20
"""Newest jobs of a project and kind that are looked at. A job that is newer than an interrupted one has decided what
becomes of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    waiting: Sequence[Order]
    broken: Sequence[JobState]
    """They ran, or cannot be run any more."""


class Recovery:
    def __init__(self, *, ledger: Ledger, journal: Journal, folders: Folders, intake: Intake, turns: Turns) -> None:
        self._ledger = ledger
        self._journal = journal
        self._folders = folders
        self._intake = intake
        self._turns = turns

    async def settle(self, projects: Mapping[str, Project]) -> list[Order]:
        """Tell how those jobs have ended that can't go on, and put all work in order; the jobs that wait, and the next
        tries of those that have ended and have some.
        """
        left = look_through(self._ledger.live_jobs(), lambda job: self._intake.recalled(job, projects[job.project]))
        kept = await asyncio.to_thread(_put_in_order, self._folders, left, self._intake.keeps_work)
        tries = []
        for job in left.broken:
            end = _end_of(job, kept)
            self._ledger.publish(job.project, job.id, job.kind, end)
            order = self._intake.recalled(job, projects[job.project]) if _is_wanted(job) else None
            if order is not None and (again := self._turns.tell_next(order, end)) is not None:
                tries.append(again)
        return [*left.waiting, *tries]

    async def resumable(self) -> list[JobState]:
        """Of the jobs whose work is kept, those that go on by themselves, oldest first."""
        kept = await asyncio.to_thread(self._folders.kept)
        jobs = [await self._journal.job(one.job) for one in sorted(kept, key=lambda one: one.job)]
        able = [job for job in jobs if job is not None and self._intake.keeps_work(job.kind)]
        return [job for job in able if await _may_resume(job, self._journal)]


def look_through(jobs: Iterable[JobState], recall: Callable[[JobState], Order | None]) -> Left:
    """`recall` gives the order of a job that can still be run."""
    waiting, broken = [], []
    for job in jobs:
        if job.is_outside:  # it has gone on without the hub
            continue
        order = None if has_begun(job) else recall(job)
        if order is not None:
            waiting.append(order)
        else:
            broken.append(job)
    return Left(waiting=waiting, broken=broken)


def _put_in_order(folders: Folders, left: Left, keeps_work: Callable[[str], bool]) -> set[str]:
    """Put the work of all jobs in order; the ids of the broken ones whose work is kept. Blocks.

    The hub may have been killed anywhere: after a job took over the work of another and before that was written down,
    or the other way round.
    """
    for order in left.waiting:
        if order.body.resumed and order.body.retry_of is not None:
            folders.give_back(order.id, Kept(job=order.body.retry_of, project=order.target.id, kind=order.kind.name))
    wanted = [job for job in left.broken if keeps_work(job.kind) and job.state is not State.CANCELLING]
    kept = folders.settle(kept_of(job) for job in wanted)
    for job in wanted:
        if job.id not in kept and job.resumed and job.retry_of and folders.inherit(kept_of(job), job.retry_of):
            kept.add(job.id)
    return kept


def _end_of(job: JobState, kept: set[str]) -> JobBody:
    if job.state is State.CANCELLING:
        return body_of(job, State.CANCELLED)
    return body_of(job, State.INTERRUPTED, error=left_behind(job), resumable=job.id in kept)


def _is_wanted(job: JobState) -> bool:
    """Whether a job that was interrupted may go on by itself. One that was paused then does not: somebody wanted it to
    stand still.
    """
    return job.state is not State.PAUSED and not needs_secrets(job)


def kept_of(job: JobState) -> Kept:
    return Kept(job=job.id, project=job.project, kind=job.kind)


async def _may_resume(job: JobState, journal: Journal) -> bool:
    """Whether an ended job goes on by itself: nobody wanted anything else, and it is not likely to do harm."""
    if job.state is not State.INTERRUPTED or job.held_at is not None or needs_secrets(job):
        return False
    found = (await journal.jobs(JobFilter(project=job.project, kinds=(job.kind,)), LATER, None)).items
    if any(other.id > job.id and not other.is_outside for other in found):  # it was gone on with, or done anew
        return False
    return await _interruptions(job, journal) < MOST_INTERRUPTIONS


async def _interruptions(job: JobState | None, journal: Journal) -> int:
    """How many runs in a row, this one and those that it is a retry of, were interrupted; no more than matter."""
    count = 0
    while job is not None and job.state is State.INTERRUPTED and count < MOST_INTERRUPTIONS:
        count += 1
        job = await journal.job(job.retry_of) if job.retry_of is not None else None
    return count
