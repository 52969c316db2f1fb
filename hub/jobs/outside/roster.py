"""The roster: outside jobs that are live, as many as the hub takes."""

import collections

from hub.core.errors import Conflict
from hub.jobs.outside.outsider import Outsider


class TooManyJobs(Conflict):
    """There are as many live outside jobs as the hub takes; one that ends makes room."""

    code = "too_many_jobs"


class Roster:
    def __init__(self, most: int, most_of_project: int) -> None:
        self._most = most
        self._most_of_project = most_of_project
        self._jobs: dict[str, Outsider] = {}
        self._of_project: collections.Counter[str] = collections.Counter()

    def __contains__(self, job: str) -> bool:
        return job in self._jobs

    def __getitem__(self, job: str) -> Outsider:
        return self._jobs[job]

    def get(self, job: str) -> Outsider | None:
        return self._jobs.get(job)

    def all(self) -> list[Outsider]:
        return list(self._jobs.values())

    def check_room(self, project: str) -> None:
        """Raises TooManyJobs where no other one of the project may begin."""
        if len(self._jobs) >= self._most:
            most = self._most
            text = f"{most} outside jobs are live, as many as the hub takes; one that ends makes room."
            raise TooManyJobs(text, setting="max_outside_jobs", limit=most)
        if self._of_project[project] >= self._most_of_project:
            most = self._most_of_project
            text = f"{most} outside jobs of the project are live, as many as it may have; end some first."
            raise TooManyJobs(text, setting="max_outside_jobs_project", limit=most)

    def add(self, job: Outsider) -> None:
        """Whether there is room or not."""
        self._jobs[job.id] = job
        self._of_project[job.project] += 1

    def drop(self, job: Outsider) -> None:
        del self._jobs[job.id]
        self._of_project[job.project] -= 1
        if not self._of_project[job.project]:
            del self._of_project[job.project]
