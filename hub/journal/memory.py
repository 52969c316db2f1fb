"""The journal's twin in memory: the same contract, for tests and for hubs that may forget."""

import bisect
import json
import string
from collections.abc import AsyncIterator, Mapping, Sequence

from hub.core import ids
from hub.core.cursors import moment, moment_cursor, number
from hub.core.events import ENDS, Event, State
from hub.core.job import JobState
from hub.core.ports import Batch, EventFilter, JobFilter, Key, Lost, Opened, Page, Project, Receipt
from hub.core.statistics import Ran
from hub.journal.memory_tables import MemorySchedules, MemoryTokens, MemoryWebhooks
from hub.journal.reading import dump

SLICE = 200
SMALL = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


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
        self._receipts: dict[tuple[str, str], Receipt] = {}
        self._schedules = MemorySchedules(self._projects)
        self._webhooks = MemoryWebhooks(self._projects)
        self._tokens = MemoryTokens()

    @property
    def schedules(self) -> MemorySchedules:
        return self._schedules

    @property
    def webhooks(self) -> MemoryWebhooks:
        return self._webhooks

    @property
    def tokens(self) -> MemoryTokens:
        return self._tokens

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
        self._schedules.forget(project)

    async def commit(self, batch: Batch) -> None:
        for project, reserved in batch.reserved.items():
            self._reserved[project] = max(self._reserved.get(project, 0), reserved)
        for project, saved in batch.saved().items():
            self._saved[project] = max(self._saved.get(project, 0), saved)
        self._keys |= {key.key: key for key in batch.keys}
        for receipt in batch.receipts:
            if receipt.project in self._projects:
                self._receipts.setdefault((receipt.job, receipt.key), receipt)
        for job in batch.jobs:
            if job.project in self._projects:
                self._jobs[job.id] = JobState.from_row(json.loads(json.dumps(job.to_row())))
        for event in batch.events:
            if event.project in self._projects:
                kept = self._events[event.project]
                if not kept or kept[-1].seq < event.seq:  # the same batch again changes nothing
                    kept.append(Event.from_wire(json.loads(json.dumps(event.to_wire()))))
        self._webhooks.note(job for job in batch.jobs if job.state.is_end)

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
        for job in sorted(self._jobs.values(), key=lambda job: (job.seq, job.id), reverse=True):
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
        at = number(cursor) if cursor is not None else None
        all_ = self._history(wanted)
        rest = [event for event in all_ if at is None or (event.seq > at if wanted.oldest_first else event.seq < at)]
        more = len(rest) > limit
        return Page(items=tuple(rest[:limit]), total=len(all_), next=str(rest[limit - 1].seq) if more else None)

    async def history_slices(self, wanted: EventFilter) -> AsyncIterator[Sequence[str]]:
        there = self._history(wanted)
        for start in range(0, len(there), SLICE):
            floor = self._floors.get(wanted.project, 0)
            yield [dump(event.to_wire()) for event in there[start : start + SLICE] if event.seq > floor]

    async def jobs(self, wanted: JobFilter, limit: int, cursor: str | None) -> Page[JobState]:
        at = moment(cursor) if cursor is not None else None
        all_ = self._wanted_jobs(wanted)
        rest = [job for job in all_ if at is None or (_born(job) > at if wanted.oldest_first else _born(job) < at)]
        more = len(rest) > limit
        items = tuple(rest[:limit])
        return Page(items=items, total=len(all_), next=moment_cursor(*_born(items[-1])) if more else None)

    async def job_slices(self, wanted: JobFilter) -> AsyncIterator[Sequence[JobState]]:
        there = self._wanted_jobs(wanted)
        for start in range(0, len(there), SLICE):
            yield [self._jobs[job.id] for job in there[start : start + SLICE] if job.id in self._jobs]

    async def job_kinds(self, project: str | None, kind: str | None) -> list[tuple[str, str]]:
        found = {(job.project, job.kind) for job in self._jobs.values()}
        return sorted(pair for pair in found if project in {None, pair[0]} and kind in {None, pair[1]})

    async def runs(self, project: str, kind: str, since_ms: int) -> list[Ran]:
        jobs = self._wanted_jobs(JobFilter(project=project, kinds=(kind,), states=tuple(ENDS)))
        ended = [(job.ended, job.id, job) for job in jobs if job.ended is not None and job.ended >= since_ms]
        return [_ran(job) for _, _, job in sorted(ended, key=lambda each: each[:2], reverse=True)]

    async def job(self, job: str) -> JobState | None:
        return self._jobs.get(job)

    async def succeeded(self, project: str, kind: str, limit: int) -> list[JobState]:
        wanted = (project, kind, State.SUCCEEDED)
        found = [job for job in self._jobs.values() if (job.project, job.kind, job.state) == wanted]
        return sorted(found, key=lambda job: job.seq, reverse=True)[:limit]

    async def known(self, jobs: Sequence[str]) -> dict[str, JobState | None]:
        told = {event.job for kept in self._events.values() for event in kept}
        return {job: self._jobs.get(job) for job in jobs if job in self._jobs or job in told}

    async def receipts(self, wanted: Sequence[tuple[str, str]]) -> list[Receipt]:
        found = (self._receipts.get((job, key)) for job, key in wanted)
        return [receipt for receipt in found if receipt is not None and self._has_event(receipt)]

    async def recall(self, key: str) -> Key | None:
        return self._keys.get(key)

    def _has_event(self, receipt: Receipt) -> bool:
        return any(event.seq == receipt.seq for event in self._events.get(receipt.project, ()))

    def _kept_jobs(self, project: str) -> tuple[JobState, ...]:
        jobs = sorted((job for job in self._jobs.values() if job.project == project), key=_born)
        ended = [job.id for job in sorted(jobs, key=lambda job: job.seq) if job.state.is_end]
        dropped = set(ended[: max(len(ended) - self._recent_jobs, 0)])
        return tuple(job for job in jobs if job.id not in dropped)

    def _history(self, wanted: EventFilter) -> list[Event]:
        found = [event for event in self._events.get(wanted.project, []) if _is_wanted(event, wanted)]
        return found if wanted.oldest_first else found[::-1]

    def _wanted_jobs(self, wanted: JobFilter) -> list[JobState]:
        found = [
            job
            for job in self._jobs.values()
            if wanted.project in {None, job.project}
            and (not wanted.kinds or job.kind in wanted.kinds)
            and (not wanted.states or job.state in wanted.states)
            and _is_between(job.created, wanted.since, wanted.until)
        ]
        return sorted(found, key=_born, reverse=not wanted.oldest_first)


def _born(job: JobState) -> tuple[int, str]:
    return job.created, job.id


def _is_wanted(event: Event, wanted: EventFilter) -> bool:
    wire = event.to_wire()
    error = wire.get("error") or {}
    text = wire.get("message", error.get("message", ""))
    return (
        wanted.job in {None, event.job}
        and (not wanted.types or event.body.type in wanted.types)
        and (not wanted.levels or wire.get("level") in wanted.levels)
        and (not wanted.states or wire.get("state") in wanted.states)
        and _is_between(event.at, wanted.since, wanted.until)
        and wanted.text.translate(SMALL) in text.translate(SMALL)
    )


def _is_between(at: int, since: int | None, until: int | None) -> bool:
    return (since is None or since <= at) and (until is None or at <= until)


def _ran(job: JobState) -> Ran:
    stages = dump([stage.to_wire() for stage in job.stages])
    ended = job.ended or 0
    return Ran(job.state.value, job.created, job.started, ended, job.held_ms, job.held_at, int(job.resumed), stages)
