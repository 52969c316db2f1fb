"""The journal in one SQLite file: WAL mode, one connection that writes, one that reads beside it."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import aiosqlite

from hub import sql
from hub.core import ids
from hub.core.cursors import number
from hub.core.errors import HubError, JournalUnavailable
from hub.core.events import Event
from hub.core.job import JobState
from hub.core.ports import Batch, EventFilter, JobFilter, Key, Lost, Opened, Page, Project
from hub.journal.transactions import Transactions, translated

HERE = Path(__file__).parent
SQL = sql.statements(HERE / "queries.sql")
KEYS_KEPT_MS = 24 * 3600 * 1000
"""An Idempotency-Key is remembered for a day."""
SLICE_ROWS = 1000
"""Deleted in one transaction: a few milliseconds."""
AFTER_ALL = "~"
"""Sorts after every job id."""


class JournalTooNew(HubError):
    """This data folder was written by a newer Progress Hub; start that one, or use another data folder."""

    code = "journal_too_new"


class SqliteJournal:
    def __init__(self, path: Path, *, durable_power: bool = False, busy_timeout_s: float = 5.0) -> None:
        """`durable_power`: each commit waits for the disk (`synchronous=FULL`), not only for the system's cache."""
        self._path = path
        self._busy_timeout_s = busy_timeout_s
        self._synchronous = "FULL" if durable_power else "NORMAL"
        self._recent_jobs = 10
        self._transactions = Transactions()
        self._reader: aiosqlite.Connection | None = None

    async def open(self, *, recent_jobs: int) -> str:
        self._recent_jobs = recent_jobs
        try:
            return await self._open()
        except BaseException:
            await self.close()  # its threads would keep the process alive
            raise

    async def _open(self) -> str:
        with translated():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.touch(mode=0o600)
            await self._transactions.open(self._path, self._prepare, self._busy_timeout_s)
            self._reader = await aiosqlite.connect(
                f"{self._path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None
            )
        await self._transactions.run(self._note_lost)
        row = await self._one("read_epoch")
        if row is not None:
            return str(row[0])
        epoch = ids.token()
        await self._transactions.run(lambda db: db.execute(SQL["write_epoch"], (epoch,)))
        return epoch

    async def close(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            await reader.close()
        await self._transactions.close()

    async def limit_pages(self, pages: int) -> None:
        """Bound the file's size, in SQLite's pages (4 KiB); never below what it has already."""
        await self._transactions.pragma(f"PRAGMA max_page_count={pages}")

    async def projects(self) -> list[Opened]:
        live: dict[str, list[JobState]] = {}
        for row in await self._all("live_jobs"):
            job = _job(row[0])
            live.setdefault(job.project, []).append(job)
        opened = []
        for id_, name, url, path, created, reserved, floor in await self._all("projects"):
            recent = [_job(row[0]) for row in await self._all("recent_jobs", id_, self._recent_jobs)]
            jobs = _sorted([*live.get(id_, []), *recent])
            project = Project(id=id_, name=name, url=url, path=path, created=created)
            lost = tuple(
                Lost(after=after, upto=upto, jobs=_sorted(map(JobState.from_row, json.loads(rows))))
                for after, upto, rows in await self._all("lost", id_)
            )
            opened.append(Opened(project=project, head=reserved, floor=floor, lost=lost, jobs=jobs))
        return opened

    async def add_project(self, project: Project) -> Opened:
        def add(db: sqlite3.Connection) -> Opened:
            db.execute(SQL["add_numbers"], (project.id,))
            db.execute(SQL["forget_lost"])
            row = (project.id, project.name, project.url, project.path, project.created)
            db.execute(SQL["add_project"], row)
            head, floor = db.execute(SQL["read_numbers"], (project.id,)).fetchone()
            return Opened(project=project, head=head, floor=floor, jobs=())

        return await self._transactions.run(add)

    async def delete_project(self, project: str) -> None:
        await self._transactions.run(lambda db: db.execute(SQL["delete_project"], (project,)))

    async def commit(self, batch: Batch) -> None:
        events = [
            (event.project, event.seq, event.at, event.job, event.body.type, _dump(event.to_wire()))
            for event in batch.events
        ]
        jobs = [(job.id, job.project, job.kind, job.state.value, _dump(job.to_row())) for job in batch.jobs]
        reserved = [(reserved, project) for project, reserved in batch.reserved.items()]
        keys = [(key.key, key.fingerprint, key.job, key.at) for key in batch.keys]

        saved = [(upto, project) for project, upto in batch.saved().items()]

        def put(db: sqlite3.Connection) -> None:
            for name, rows in (("reserve", reserved), ("save", saved), ("put_job", jobs), ("add_event", events)):
                db.executemany(SQL[name], rows)
            if keys:
                db.execute(SQL["forget_keys"], (batch.keys[-1].at - KEYS_KEPT_MS,))
                db.executemany(SQL["remember"], keys)

        await self._transactions.run(put)

    async def give_back(self, heads: Mapping[str, int]) -> None:
        rows = [(head, project) for project, head in heads.items()]
        await self._transactions.run(lambda db: db.executemany(SQL["give_back"], rows))

    async def prunable(self, *, events: int, before_ms: int) -> dict[str, int]:
        return {project: upto for project, upto in await self._all("prunable", events, before_ms) if upto}

    async def prune(self, floors: Mapping[str, int]) -> None:
        def raise_floors(db: sqlite3.Connection) -> None:
            db.executemany(SQL["raise_floor"], [(upto, project) for project, upto in floors.items()])
            db.execute(SQL["forget_lost"])

        await self._transactions.run(raise_floors)
        for project, upto in floors.items():
            await self._drop("prune", project, upto)

    async def forget_jobs(self, *, keep: int, before_ms: int) -> None:
        await self._drop("forget_jobs", max(keep, self._recent_jobs), self._recent_jobs, before_ms)

    async def events(self, project: str, after: int, upto: int, limit: int, job: str | None = None) -> list[Event]:
        return [_event(row[0]) for row in await self._all("events", project, after, upto, job, limit)]

    async def history(self, wanted: EventFilter, limit: int, cursor: str | None) -> Page[Event]:
        before = number(cursor) if cursor is not None else 1 << 62
        rows = await self._all("history", wanted.project, wanted.job, wanted.type, before, limit + 1)
        total = await self._one("count_history", wanted.project, wanted.job, wanted.type)
        more = len(rows) > limit
        items = tuple(_event(row[1]) for row in rows[:limit])
        return Page(items=items, total=total[0] if total else 0, next=str(rows[limit - 1][0]) if more else None)

    async def jobs(self, wanted: JobFilter, limit: int, cursor: str | None) -> Page[JobState]:
        state = wanted.state.value if wanted.state else None
        rows = await self._all(
            "jobs", wanted.project, wanted.kind, state, AFTER_ALL if cursor is None else cursor, limit + 1
        )
        total = await self._one("count_jobs", wanted.project, wanted.kind, state)
        more = len(rows) > limit
        items = tuple(_job(row[1]) for row in rows[:limit])
        return Page(items=items, total=total[0] if total else 0, next=rows[limit - 1][0] if more else None)

    async def job(self, job: str) -> JobState | None:
        row = await self._one("job", job)
        return _job(row[0]) if row else None

    async def recall(self, key: str) -> Key | None:
        row = await self._one("recall", key)
        return Key(key=key, fingerprint=row[0], job=row[1], at=row[2]) if row else None

    def _prepare(self, db: sqlite3.Connection) -> None:
        """Raises JournalTooNew."""
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(f"PRAGMA synchronous={self._synchronous}")
        db.execute("PRAGMA foreign_keys=ON")
        if not sql.migrate(db, HERE / "migrations"):
            raise JournalTooNew

    def _note_lost(self, db: sqlite3.Connection) -> None:
        """Note what the process before took along, and begin with a number that it cannot have told."""
        db.execute(SQL["note_lost"], (self._recent_jobs,))
        db.execute(SQL["burn_number"])

    async def _drop(self, name: str, *values: Any) -> None:
        """Run a deletion in slices, so that a commit never waits long for its turn."""
        dropped = SLICE_ROWS
        while dropped == SLICE_ROWS:
            dropped = await self._transactions.run(lambda db: db.execute(SQL[name], (*values, SLICE_ROWS)).rowcount)

    async def _all(self, name: str, *values: Any) -> list[Any]:
        with translated():
            if self._reader is None:
                raise JournalUnavailable("The journal is closed.")
            return list(await self._reader.execute_fetchall(SQL[name], values))

    async def _one(self, name: str, *values: Any) -> Any:
        rows: Iterable[Any] = await self._all(name, *values)
        return next(iter(rows), None)


def _sorted(jobs: Iterable[JobState]) -> tuple[JobState, ...]:
    return tuple(sorted(jobs, key=lambda job: job.id))


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _event(text: str) -> Event:
    return Event.from_wire(json.loads(text))


def _job(text: str) -> JobState:
    return JobState.from_row(json.loads(text))
