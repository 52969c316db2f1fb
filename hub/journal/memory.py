"""The journal's twin in memory: the same contract, for tests and for hubs that may forget."""

import bisect
import json
from collections.abc import Mapping

from hub.core import ids
from hub.core.cursors import number
from hub.core.events import Event
from hub.core.job import JobState
from hub.core.ports import Batch, EventFilter, JobFilter, Key, Lost, Opened, Page, Project


class MemoryJournal:
    def __init__(self) -> None:
        self._epoch = ids.token()
        self._recent_jobs = 10
        self._projects: dict[str, Project] = {}
        self._reserved: dict[str, int] = {}
        self._floors: dict[str, int] = {}
        self._saved: dict[str, int] = {}
        self._lost: dict[str, list[Lost]] = {}
        self._events: dict[str, list[Event]] = {}
        self._jobs: dict[str, JobState] = {}
        self._keys: dict[str, Key] = {}

    async def open(self, *, recent_jobs: int) -> str:
        self._recent_jobs = recent_jobs
        for project, reserved in self._reserved.items():
            if self._saved[project] < reserved:
                lost = Lost(after=self._saved[project], upto=reserved, jobs=self._kept_jobs(project))
                self._lost.setdefault(project, []).append(lost)
                self._reserved[project] = self._saved[project] = reserved + 1
        return self._epoch

    async def close(self) -> None:
        """Nothing to let go of: opening the same object again finds everything, as a file would."""

    async def projects(self) -> list[Opened]:
        return [
            Opened(
                project=project,
                head=self._reserved[id_],
                floor=self._floors[id_],
                lost=tuple(lost for lost in self._lost.get(id_, ()) if lost.upto > self._floors[id_]),
                jobs=self._kept_jobs(id_),
            )
            for id_, project in self._projects.items()
        ]

    async def add_project(self, project: Project) -> Opened:
        head = self._reserved[project.id] + 1 if project.id in self._reserved else 0
        self._reserved[project.id] = self._floors[project.id] = self._saved[project.id] = head
        self._projects[project.id] = project
        self._events[project.id] = []
        return Opened(project=project, head=head, floor=head, jobs=())

    async def delete_project(self, project: str) -> None:
        self._projects.pop(project, None)
        self._events.pop(project, None)
        self._jobs = {id_: job for id_, job in self._jobs.items() if job.project != project}

    async def commit(self, batch: Batch) -> None:
        for project, reserved in batch.reserved.items():
            self._reserved[project] = max(self._reserved.get(project, 0), reserved)
        for project, saved in batch.saved().items():
            self._saved[project] = max(self._saved.get(project, 0), saved)
        self._keys |= {key.key: key for key in batch.keys}
        for job in batch.jobs:
            if job.project in self._projects:
                self._jobs[job.id] = JobState.from_row(json.loads(json.dumps(job.to_row())))
        for event in batch.events:
            if event.project in self._projects:
                kept = self._events[event.project]
                if not kept or kept[-1].seq < event.seq:  # the same batch again changes nothing
                    kept.append(Event.from_wire(json.loads(json.dumps(event.to_wire()))))

    async def give_back(self, heads: Mapping[str, int]) -> None:
        for project, head in heads.items():
            self._reserved[project] = min(self._reserved[project], head)

    async def prunable(self, *, events: int, before_ms: int) -> dict[str, int]:
        floors: dict[str, int] = {}
        for project, kept in self._events.items():
            old = [event.seq for n, event in enumerate(kept) if n < len(kept) - events or event.at < before_ms]
            if old:
                floors[project] = max(old)
        return floors

    async def prune(self, floors: Mapping[str, int]) -> None:
        for project, floor in floors.items():
            if project not in self._projects:  # deleted since `prunable`
                continue
            self._floors[project] = max(self._floors[project], floor)
            self._events[project] = [event for event in self._events[project] if event.seq > floor]

    async def forget_jobs(self, *, keep: int, before_ms: int) -> None:
        ended: dict[str, list[JobState]] = {}
        for job in sorted(self._jobs.values(), key=lambda job: job.id, reverse=True):
            if job.state.is_end:
                ended.setdefault(job.project, []).append(job)
        for jobs in ended.values():
            for place, job in enumerate(jobs, 1):
                is_old = job.ended is not None and job.ended < before_ms
                if place > max(keep, self._recent_jobs) or (place > self._recent_jobs and is_old):
                    del self._jobs[job.id]

    async def events(self, project: str, after: int, upto: int, limit: int, job: str | None = None) -> list[Event]:
        kept = self._events.get(project, [])
        start = bisect.bisect_right(kept, after, key=lambda event: event.seq)
        wanted = (event for event in kept[start:] if event.seq <= upto and job in {None, event.job})
        return [event for event, _ in zip(wanted, range(limit), strict=False)]

    async def history(self, wanted: EventFilter, limit: int, cursor: str | None) -> Page[Event]:
        before = number(cursor) if cursor is not None else None
        all_ = [
            event
            for event in reversed(self._events.get(wanted.project, []))
            if wanted.job in {None, event.job} and wanted.type in {None, event.body.type}
        ]
        rest = [event for event in all_ if before is None or event.seq < before]
        more = len(rest) > limit
        return Page(items=tuple(rest[:limit]), total=len(all_), next=str(rest[limit - 1].seq) if more else None)

    async def jobs(self, wanted: JobFilter, limit: int, cursor: str | None) -> Page[JobState]:
        all_ = [
            job
            for job in sorted(self._jobs.values(), key=lambda job: job.id, reverse=True)
            if wanted.project in {None, job.project}
            and wanted.kind in {None, job.kind}
            and wanted.state in {None, job.state}
        ]
        rest = [job for job in all_ if cursor is None or job.id < cursor]
        more = len(rest) > limit
        return Page(items=tuple(rest[:limit]), total=len(all_), next=rest[limit - 1].id if more else None)

    async def job(self, job: str) -> JobState | None:
        return self._jobs.get(job)

    async def recall(self, key: str) -> Key | None:
        return self._keys.get(key)

    def _kept_jobs(self, project: str) -> tuple[JobState, ...]:
        jobs = sorted((job for job in self._jobs.values() if job.project == project), key=lambda job: job.id)
        ended = [job.id for job in sorted(jobs, key=lambda job: job.seq) if job.state.is_end]
        dropped = set(ended[: max(len(ended) - self._recent_jobs, 0)])
        return tuple(job for job in jobs if job.id not in dropped)
