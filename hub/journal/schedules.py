"""Schedules in the journal's file."""

import json

from hub.core.schedules import ScheduleState
from hub.journal.reading import SQL, Reader, dump
from hub.journal.transactions import Transactions


class SqliteSchedules:
    def __init__(self, transactions: Transactions, reader: Reader) -> None:
        self._transactions = transactions
        self._reader = reader

    async def all(self) -> list[ScheduleState]:
        return [ScheduleState.from_wire(json.loads(row)) for (row,) in await self._reader.all("schedules")]

    async def put(self, schedule: ScheduleState) -> None:
        row = (schedule.id, schedule.project, dump(schedule.to_wire()))
        await self._transactions.run(lambda db: db.execute(SQL["put_schedule"], row))

    async def delete(self, schedule: str) -> None:
        await self._transactions.run(lambda db: db.execute(SQL["delete_schedule"], (schedule,)))
