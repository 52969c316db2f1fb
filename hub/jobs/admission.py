"""Admission: whether one more job may be taken."""

import contextlib
from collections.abc import Iterator, Sequence

from hub.core.errors import AlreadyRunning, Conflict, Unavailable
from hub.core.job import JobState
from hub.core.ledger import Ledger
from hub.jobs.turns import Turns


class QueueFull(Unavailable):
    """The hub has as many jobs waiting as it takes; try again when some have ended."""

    code = "queue_full"


class Admission:
    """A project has one job of a kind at a time, and none while it is being deleted. So much may wait, and no more."""

    def __init__(self, ledger: Ledger, turns: Turns, most_queued: int) -> None:
        self._ledger = ledger
        self._turns = turns
        self._most_queued = most_queued
        self._leaving: set[str] = set()
        self._is_over = False

    def end(self) -> None:
        """Take no more."""
        self._is_over = True

    def jobs(self, project: str) -> list[JobState]:
        """The project's jobs that have not ended."""
        return [job for job in self._ledger.live_jobs() if job.project == project]

    def check(self, project: str, kind: str) -> None:
        """Raises AlreadyRunning, Conflict `project_leaving`, QueueFull."""
        self.check_stays(project)
        for job in self.jobs(project):
            if job.kind == kind:
                raise _already(job)
        if len(self._turns) >= self._most_queued or self._is_over:
            raise QueueFull(setting="max_queued_jobs", limit=self._most_queued)

    def check_stays(self, project: str) -> None:
        """Raises Conflict while the project is being deleted."""
        if project in self._leaving:
            raise Conflict("The project is being deleted.", code="project_leaving")

    @contextlib.contextmanager
    def closing(self, project: str) -> Iterator[None]:
        """No job of the project starts within the block, which deletes it. Next tries that wait for their time are gone
        with it, and there as before when it raises. Raises Conflict while any other job has not ended.
        """
        waiting = self._turns.set_aside(project)
        try:
            self._check_idle(project, [order.id for order in waiting])
            self._leaving.add(project)
            yield
        except BaseException:
            for order in waiting:
                self._turns.add_again(order)
            raise
        finally:
            self._leaving.discard(project)

    def _check_idle(self, project: str, but: Sequence[str]) -> None:
        if any(job.id not in but for job in self.jobs(project)):
            raise Conflict("The project has a job that has not ended; cancel it first.", code="project_busy")


def _already(job: JobState) -> AlreadyRunning:
    where = {"job": job.id, "href": f"/api/v1/jobs/{job.id}"}
    if job.starts_at is None:
        return AlreadyRunning(f"A {job.kind} of this project is {job.state.value} already.", **where)
    return AlreadyRunning(
        f"A {job.kind} of this project failed, and waits to be tried again. "
        f"POST /api/v1/jobs/{job.id}/resume starts it now, and cancel ends the wait.",
        **where,
        starts_at=job.starts_at,
    )
