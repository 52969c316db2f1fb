"""The journal in one SQLite file: WAL mode, one connection that writes, one that reads beside it."""

import json
import sqlite3
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hub import sql
from hub.core import ids
from hub.core.cursors import moment, moment_cursor, number
from hub.core.errors import HubError
from hub.core.events import Event
from hub.core.job import JobState
from hub.core.ports import Batch, EventFilter, JobFilter, Key, Lost, Opened, Page, Project, Receipt
from hub.core.statistics import Ran
from hub.journal import damage
from hub.journal.reading import SQL, Reader, dump, listed
from hub.journal.schedules import SqliteSchedules
from hub.journal.tokens import SqliteTokens
from hub.journal.transactions import Transactions, translated
from hub.journal.webhooks import SqliteWebhooks

HERE = Path(__file__).parent
KEYS_KEPT_MS = 24 * 3600 * 1000
"""An Idempotency-Key is remembered for a day."""
SLICE_ROWS = 1000
"""Deleted in one transaction: a few milliseconds."""
READ_ROWS, READ_JOBS, FEW_ROWS = 200, 25, 8
"""Read at once, at most, by who reads everything: a millisecond, after which others have their turn."""
AFTER_ALL = 1 << 62
"""Sorts after every number, and every time."""
FIRST, LAST = (-1, ""), (AFTER_ALL, "")
"""Sort before and after every job's time and id."""


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
        self._reader = Reader()
        self._slow = Reader()
        """For who reads much: those who catch up do not wait behind them."""
        self._schedules = SqliteSchedules(self._transactions, self._reader)
        self._webhooks = SqliteWebhooks(self._transactions, self._reader)
        self._tokens = SqliteTokens(self._transactions, self._reader)

    @property
    def schedules(self) -> SqliteSchedules:
        return self._schedules

    @property
    def webhooks(self) -> SqliteWebhooks:
        return self._webhooks

    @property
    def tokens(self) -> SqliteTokens:
        return self._tokens

    async def open(self, *, recent_jobs: int) -> str:
        self._recent_jobs = recent_jobs
        try:
            return await self._open()
        except BaseException:
            await self.close()  # its threads would keep the process alive
            raise

    async def _open(self) -> str:
        with translated():
            await self._transactions.open(self._path, self._prepare, self._busy_timeout_s)
        await self._reader.open(self._path)
        await self._slow.open(self._path)
        await self._transactions.run(self._note_lost)
        row = await self._reader.one("read_epoch")
        if row is not None:
            return str(row[0])
        epoch = ids.token()
        await self._transactions.run(lambda db: db.execute(SQL["write_epoch"], (epoch,)))
        return epoch

    async def close(self) -> None:
        await self._reader.close()
        await self._slow.close()
        await self._transactions.close()

    async def limit_pages(self, pages: int) -> None:
        """Bound the file's size, in SQLite's pages (4 KiB); never below what it has already."""
        await self._transactions.pragma(f"PRAGMA max_page_count={pages}")

    async def projects(self) -> list[Opened]:
        live: dict[str, list[JobState]] = {}
        for row in await self._reader.all("live_jobs"):
            job = _job(row[0])
            live.setdefault(job.project, []).append(job)
        opened = []
        for id_, name, url, path, created, reserved, floor in await self._reader.all("projects"):
            recent = [_job(row[0]) for row in await self._reader.all("recent_jobs", id_, self._recent_jobs)]
            jobs = _sorted([*live.get(id_, []), *recent])
            project = Project(id=id_, name=name, url=url, path=path, created=created)
            lost = tuple(
                Lost(after=after, upto=upto, jobs=_sorted(map(JobState.from_row, json.loads(rows))))
                for after, upto, rows in await self._reader.all("lost", id_)
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
            (event.project, event.seq, event.at, event.job, event.body.type, dump(event.to_wire()))
            for event in batch.events
        ]
        jobs = [
            (job.id, job.project, job.kind, job.state.value, job.created, job.seq, job.ended, dump(job.to_row()))
            for job in batch.jobs
        ]
        reserved = [(reserved, project) for project, reserved in batch.reserved.items()]
        keys = [(key.key, key.fingerprint, key.job, key.at) for key in batch.keys]
        receipts = [(each.job, each.key, each.project, each.seq, each.fingerprint) for each in batch.receipts]

        saved = [(upto, project) for project, upto in batch.saved().items()]
        ends = [job for job in batch.jobs if job.state.is_end]

        def put(db: sqlite3.Connection) -> bool:
            for name, rows in (("reserve", reserved), ("save", saved), ("put_job", jobs), ("add_event", events)):
                db.executemany(SQL[name], rows)
            if keys:
                db.execute(SQL["forget_keys"], (batch.keys[-1].at - KEYS_KEPT_MS,))
                db.executemany(SQL["remember"], keys)
            db.executemany(SQL["add_receipt"], receipts)
            return bool(ends) and self._webhooks.note(db, ends)

        if await self._transactions.run(put):
            self._webhooks.wake()

    async def give_back(self, heads: Mapping[str, int]) -> None:
        rows = [(head, project) for project, head in heads.items()]
        await self._transactions.run(lambda db: db.executemany(SQL["give_back"], rows))

    async def prunable(self, *, events: int, before_ms: int) -> dict[str, int]:
        return {project: upto for project, upto in await self._reader.all("prunable", events, before_ms) if upto}

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
        return [_event(row[0]) for row in await self._reader.all("events", project, after, upto, job, limit)]

    async def history(self, wanted: EventFilter, limit: int, cursor: str | None) -> Page[Event]:
        after, before = 0, AFTER_ALL
        if cursor is not None and wanted.oldest_first:
            after = number(cursor)
        elif cursor is not None:
            before = number(cursor)
        values = _values(wanted)
        name = "oldest_history" if wanted.oldest_first else "history"
        rows = await self._slow.all(name, wanted.project, after, before, *values, limit + 1)
        total = await self._slow.one("count_history", wanted.project, 0, AFTER_ALL, *values, -1)
        more = len(rows) > limit
        items = tuple(_event(row[1]) for row in rows[:limit])
        return Page(items=items, total=total[0], next=str(rows[limit - 1][0]) if more else None)

    async def history_slices(self, wanted: EventFilter) -> AsyncIterator[Sequence[str]]:
        newest = await self._slow.one("newest_event", wanted.project)
        after, before = 0, (newest[0] or 0) + 1
        name = "slice_oldest_history" if wanted.oldest_first else "slice_history"
        limit = FEW_ROWS
        while rows := await self._slow.all(name, wanted.project, after, before, *_values(wanted), limit):
            after, before = (rows[-1][0], before) if wanted.oldest_first else (after, rows[-1][0])
            yield [row[1] for row in rows]
            limit = min(2 * len(rows), READ_ROWS)  # large ones are read in vain when many are asked for

    async def jobs(self, wanted: JobFilter, limit: int, cursor: str | None) -> Page[JobState]:
        after, before = FIRST, LAST
        if cursor is not None:
            after, before = (moment(cursor), LAST) if wanted.oldest_first else (FIRST, moment(cursor))
        values = _job_values(wanted)
        name = "oldest_jobs" if wanted.oldest_first else "jobs"
        rows = await self._reader.all(name, *after, *before, *values, limit + 1)
        total = await self._reader.one("count_jobs", *FIRST, *LAST, *values, -1)
        more = len(rows) > limit
        items = tuple(_job(row[2]) for row in rows[:limit])
        return Page(items=items, total=total[0], next=moment_cursor(*rows[limit - 1][:2]) if more else None)

    async def job_slices(self, wanted: JobFilter) -> AsyncIterator[Sequence[JobState]]:
        created, id_ = await self._slow.one("newest_job") or FIRST
        after, before = FIRST, (created, f"{id_}\0")
        name = "slice_oldest_jobs" if wanted.oldest_first else "slice_jobs"
        limit = FEW_ROWS
        while rows := await self._slow.all(name, *after, *before, *_job_values(wanted), limit):
            after, before = (rows[-1][:2], before) if wanted.oldest_first else (after, rows[-1][:2])
            yield [_job(row[2]) for row in rows]
            limit = min(2 * len(rows), READ_JOBS)

    async def job_kinds(self, project: str | None, kind: str | None) -> list[tuple[str, str]]:
        return [(row[0], row[1]) for row in await self._slow.all("job_kinds", project, kind)]

    async def runs(self, project: str, kind: str, since_ms: int) -> list[Ran]:
        return [Ran(*row) for row in await self._slow.all("runs", project, kind, since_ms)]

    async def job(self, job: str) -> JobState | None:
        row = await self._reader.one("job", job)
        return _job(row[0]) if row else None

    async def succeeded(self, project: str, kind: str, limit: int) -> list[JobState]:
        return [_job(row[0]) for row in await self._reader.all("succeeded", project, kind, limit)]

    async def known(self, jobs: Sequence[str]) -> dict[str, JobState | None]:
        rows = await self._reader.all("known", json.dumps(jobs))
        return {id_: _job(row) if row else None for id_, row in rows}

    async def receipts(self, wanted: Sequence[tuple[str, str]]) -> list[Receipt]:
        rows = await self._reader.all("receipts", json.dumps(wanted))
        return [Receipt(job=row[0], key=row[1], project=row[2], seq=row[3], fingerprint=row[4]) for row in rows]

    async def recall(self, key: str) -> Key | None:
        row = await self._reader.one("recall", key)
        return Key(key=key, fingerprint=row[0], job=row[1], at=row[2]) if row else None

    def _prepare(self, db: sqlite3.Connection) -> None:
        """Raises JournalTooNew, JournalDamaged."""
        damage.check_file(db, self._path)
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


def _sorted(jobs: Iterable[JobState]) -> tuple[JobState, ...]:
    return tuple(sorted(jobs, key=lambda job: (job.created, job.id)))


def _values(wanted: EventFilter) -> tuple[Any, ...]:
    """The filter as the statements of history take it."""
    states = listed(state.value for state in wanted.states)
    text = wanted.text or None
    return (wanted.job, listed(wanted.types), listed(wanted.levels), states, wanted.since, wanted.until, text)


def _job_values(wanted: JobFilter) -> tuple[Any, ...]:
    states = listed(state.value for state in wanted.states)
    return (wanted.project, listed(wanted.kinds), states, wanted.since, wanted.until)


def _event(text: str) -> Event:
    return Event.from_wire(json.loads(text))


def _job(text: str) -> JobState:
    return JobState.from_row(json.loads(text))
